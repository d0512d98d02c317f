"""One step of training, and all that a step changes: weights, moments, slots, sums."""

import math
from typing import Any

import torch
from torch import Tensor

from hrm.config import ModelConfig, TrainingConfig, ema_decay
from hrm.distributed import SINGLE, ProcessGroup
from hrm.model.act import draw_least_segments, empty_slots, join, refill, train_segment
from hrm.model.flat import MovingAverage
from hrm.model.losses import TOKEN_LOSSES
from hrm.model.reasoning_model import ReasoningModel
from hrm.training.optim import AdamAtan2, SignSGD, schedule
from hrm.training.tally import Tally
from puzzle_datasets.common.errors import RunError
from puzzle_datasets.loading.batch import Batch


class NonFiniteLoss(RunError):
    """The loss became infinite or not a number; the message names the step and the loss."""


class Learner:
    """A model in training: `step` takes a batch and changes everything that training changes.

    Each process of a `group` holds its share of the batch's slots; gradients are summed, so that
    all processes keep equal weights and the result is that of one process with the whole batch.
    Initial weights come from the generator `initialisation`, the least numbers of segments from
    `exploration`, both on the CPU.
    """

    def __init__(
        self,
        model_config: ModelConfig,
        training_config: TrainingConfig,
        total_steps: int,
        device: torch.device,
        *,
        initialisation: torch.Generator,
        exploration: torch.Generator,
        group: ProcessGroup = SINGLE,
    ) -> None:
        self.config, self.group, self.device = training_config, group, device
        self.total_steps = total_steps
        self.steps = 0
        self.model = ReasoningModel(model_config, getattr(torch, training_config.precision))
        self.model.initialise(initialisation)
        self.model.to(device)
        self._exploration = exploration
        config = training_config
        self._optimizer = AdamAtan2(
            self.model.parameters(), config.beta1, config.beta2, config.weight_decay
        )
        self._puzzle_optimizer = SignSGD(self.model.puzzle_emb.weights, config.puzzle_weight_decay)
        decay = ema_decay(model_config, config)
        self.average = MovingAverage(self._optimizer.flat, decay) if decay else None
        self._slots = empty_slots(self.model, config.batch_size // group.size)
        self.tally = Tally(config.batch_size, device)
        self._unsound = torch.zeros(2, dtype=torch.float64, device=device)

    @property
    def learning_rate_ratio(self) -> float:
        """Share of the learning rates at the latest step."""
        config = self.config
        return schedule(self.steps, config.warmup_steps, self.total_steps, config.lr_min_ratio)

    def step(self, batch: Batch) -> None:
        """One optimizer step: one segment of every slot, `batch` being this process's rows.

        Raises `NonFiniteLoss` before anything is updated on a CPU; elsewhere the next
        `require_finite` does, since looking at the loss would make every step wait for the device.
        """
        self._slots = refill(self.model, self._slots, batch)
        identifiers = self._slots.puzzle_identifiers
        puzzle_rows = self.model.puzzle_emb(identifiers).requires_grad_()
        self._optimizer.zero_grad()
        self._note(self._accumulate_gradients(puzzle_rows))
        assert puzzle_rows.grad is not None
        self.steps += 1
        self._update(identifiers, puzzle_rows.grad)

    def _accumulate_gradients(self, puzzle_rows: Tensor) -> Tensor:
        """Pass the slots through the model, `micro_batch` at a time; their part of the loss."""
        token_loss = TOKEN_LOSSES[self.config.loss]
        least = self._draw_least_segments()
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        parts = []
        for part in self._micro_batches():
            slots, bound = self._slots.rows(part), None if least is None else least[part]
            segment = train_segment(self.model, slots, puzzle_rows[part], bound, token_loss)
            loss = segment.loss.total / self.config.batch_size
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            self.tally.add(segment)
            parts.append(segment.slots)
        self._slots = parts[0] if len(parts) == 1 else join(parts)
        return total

    def _micro_batches(self) -> list[slice]:
        rows = self.config.batch_size // self.group.size
        size = min(rows, self.config.micro_batch or rows)
        return [slice(start, start + size) for start in range(0, rows, size)]

    def _draw_least_segments(self) -> Tensor | None:
        """This process's part of what is drawn for the whole batch."""
        config = self.model.config
        if config.M_max == 1:
            return None
        least = draw_least_segments(
            self.config.batch_size, config.M_max, config.halt_exploration, self._exploration
        )
        return self.group.of(least).to(self.device, non_blocking=True)

    def _update(self, identifiers: Tensor, row_gradients: Tensor) -> None:
        ratio, group = self.learning_rate_ratio, self.group
        group.sum_(self._optimizer.flat.gradients)
        self._optimizer.step(self.config.learning_rate * ratio)
        if self.model.config.puzzle_width:
            self._puzzle_optimizer.step(
                self.config.puzzle_learning_rate * ratio,
                group.gather(identifiers),
                group.gather(row_gradients),
            )
        if self.average is not None:
            self.average.update(self.steps)

    def _note(self, loss: Tensor) -> None:
        """Keep the first step whose loss is not finite, without waiting for the device."""
        loss = self.group.sum_(loss)
        now = torch.stack((torch.full_like(loss, self.steps + 1), loss))
        first = ~loss.isfinite() & (self._unsound[0] == 0)
        self._unsound = torch.where(first, now, self._unsound)
        if self.device.type == "cpu":
            self.require_finite()

    def require_finite(self) -> None:
        """Raise `NonFiniteLoss` if any step's loss was not finite; waits for the device."""
        step, loss = self._unsound.tolist()
        if step:
            assert not math.isfinite(loss)
            raise NonFiniteLoss(f"The loss is {loss} at step {step:.0f} of {self.total_steps}.")

    def state_dict(self) -> dict[str, Any]:
        """Everything a later step depends on, of all processes; each of them must call it."""
        slots = {name: self.group.gather(t) for name, t in self._slots._asdict().items()}
        return {
            "steps": self.steps,
            "model": dict(self.model.state_dict()),
            "average": None if self.average is None else self.average.values,
            "optimizer": self._optimizer.state_dict(),
            "slots": slots,
            "tally": self.tally.state_dict(self.group),
            "exploration": self._exploration.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned, in a group of any size."""
        self.steps = state["steps"]
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.values.copy_(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        slots = {name: self.group.of(t).to(self.device) for name, t in state["slots"].items()}
        self._slots = self._slots._replace(**slots)
        self.tally.load_state_dict(state["tally"], self.group)
        self._exploration.set_state(state["exploration"])
