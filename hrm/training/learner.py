"""One step of training, and all that a step changes: weights, moments, slots, sums."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hrm.config import ModelConfig, TrainingConfig, ema_decay
from hrm.distributed import SINGLE, ProcessGroup
from hrm.model.act import Slots, draw_least_segments, empty_slots, join, refill, train_segment
from hrm.model.devices import release
from hrm.model.flat import MovingAverage
from hrm.model.losses import TOKEN_LOSSES
from hrm.model.reasoning_model import ReasoningModel
from hrm.training.optim import AdamAtan2, SignSGD, schedule
from hrm.training.tally import Tally, sums_of
from puzzle_datasets.common.errors import RunError
from puzzle_datasets.common.text import exact
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.schema import IGNORE_LABEL


class NonFiniteLoss(RunError):
    """The loss became infinite or not a number; the message names step, loss and a remedy."""


class TooLittleMemory(RunError):
    """Not even one puzzle at a time has room on the device; the message names a remedy."""


class _Passed(NamedTuple):
    """The batch after its segment: the loss, the gradient of its rows of the puzzle table, its
    slots, and what the tally adds up of each part."""

    loss: Tensor
    puzzle_gradients: Tensor
    slots: Slots
    sums: list[Tensor]


class Learner:
    """A model in training: `step` takes a batch and changes everything that training changes.

    Each process of a `group` holds its share of the batch's slots; gradients are summed, so that
    all processes keep equal weights and the result is that of one process with the whole batch.
    Initial weights come from the generator `initialisation`, the least numbers of segments from
    `exploration`, both on the CPU.

    `micro_batch` is how many of this process's rows pass through the model at a time: as
    configured, or fewer where that was said or the memory of the device did not suffice.
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
        micro_batch: int | None = None,
    ) -> None:
        self.config = config = training_config
        self.group, self.device, self.total_steps, self.steps = group, device, total_steps, 0
        self.model = ReasoningModel(model_config, getattr(torch, config.precision))
        self.model.initialise(initialisation)
        self.model.to(device)
        self._exploration = exploration
        parameters = self.model.parameters()
        self._optimizer = AdamAtan2(parameters, config.beta1, config.beta2, config.weight_decay)
        self._puzzle_optimizer = SignSGD(self.model.puzzle_emb.weights, config.puzzle_weight_decay)
        decay = ema_decay(model_config, config)
        self.average = MovingAverage(self._optimizer.flat, decay) if decay else None
        rows = config.batch_size // group.size
        self._configured = min(rows, config.micro_batch or rows)
        self.micro_batch = min(self._configured, micro_batch or rows)
        self._slots = empty_slots(self.model, rows)
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
        passed = self._passed(self._draw_least_segments())
        self._slots = passed.slots
        for sums in passed.sums:
            self.tally.add(sums)
        self._note(passed.loss)
        self.steps += 1
        ratio, group = self.learning_rate_ratio, self.group
        group.sum_(self._optimizer.flat.gradients)
        self._optimizer.step(self.config.learning_rate * ratio)
        if self.model.config.puzzle_width:
            rate = self.config.puzzle_learning_rate * ratio
            rows = group.gather(self._slots.puzzle_identifiers)
            self._puzzle_optimizer.step(rate, rows, group.gather(passed.puzzle_gradients))
        if self.average is not None:
            self.average.update(self.steps)

    def _passed(self, least: Tensor | None) -> _Passed:
        """Pass the slots through the model, fewer at a time where memory does not suffice.

        No weight, slot or sum has changed by then, and nothing is drawn in a pass: the step comes
        to what it would have with so few at a time from the first. Raises `TooLittleMemory`.
        """
        while True:
            try:
                return self._accumulate_gradients(least)
            except torch.OutOfMemoryError as error:
                if self.micro_batch == 1:
                    raise TooLittleMemory(
                        "the memory of the device does not suffice for one puzzle at a time; "
                        "lower hidden_size or the number of layers, or take a larger device"
                    ) from error
            # Out here, where the error no longer holds what it was raised amid.
            self.micro_batch //= 2
            release(self.device)

    def _accumulate_gradients(self, least: Tensor | None) -> _Passed:
        """Pass the slots through the model, `micro_batch` at a time."""
        self._optimizer.zero_grad()
        puzzle_rows = self.model.puzzle_emb(self._slots.puzzle_identifiers).requires_grad_()
        token_loss = TOKEN_LOSSES[self.config.loss]
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        parts, sums = [], []
        rows, size = len(puzzle_rows), self.micro_batch
        for part in (slice(start, start + size) for start in range(0, rows, size)):
            slots, bound = self._slots.rows(part), None if least is None else least[part]
            segment = train_segment(self.model, slots, puzzle_rows[part], bound, token_loss)
            loss = segment.loss.total / self.config.batch_size
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            sums.append(sums_of(segment))
            parts.append(segment.slots)
        assert puzzle_rows.grad is not None
        return _Passed(total, puzzle_rows.grad, parts[0] if len(parts) == 1 else join(parts), sums)

    def lower_micro_batch(self, rows: int | None) -> None:
        """Let at most so many rows pass through the model at a time; None for no such bound."""
        self.micro_batch = min(self.micro_batch, rows or self.micro_batch)

    def agreed_micro_batch(self) -> int | None:
        """The least of all processes, kept by each from now on; None where it is as configured.

        Until then each passes its own share of the batch as it can: gradients are sums, so that
        the result is the same but for rounding.
        """
        own = torch.tensor([self.micro_batch], device=self.device)
        self.micro_batch = int(self.group.gather(own).min())
        return None if self.micro_batch == self._configured else self.micro_batch

    def _draw_least_segments(self) -> Tensor | None:
        """This process's part of what is drawn for the whole batch."""
        config = self.model.config
        if config.M_max == 1:
            return None
        least = draw_least_segments(
            self.config.batch_size, config.M_max, config.halt_exploration, self._exploration
        )
        return self.group.of(least).to(self.device, non_blocking=True)

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
            raise NonFiniteLoss(
                f"The loss is {loss} at step {step:.0f} of {self.total_steps}; {self._steadier}."
            )

    @property
    def _steadier(self) -> str:
        """What to change of settings under which a loss grew beyond all numbers."""
        inactive, config = self.model.config.inactive, self.config
        names = ("learning_rate", "puzzle_learning_rate")
        rates = [f"{n} {exact(getattr(config, n))}" for n in names if n not in inactive]
        return f"lower {' or '.join(rates)}, or raise warmup_steps {config.warmup_steps}"

    def take_over(self, weights: Mapping[str, Tensor], average: Tensor | None) -> None:
        """Begin with these weights, and with their moving average where one is kept.

        Where they come without one, it begins with the weights themselves.
        """
        self.model.load_state_dict(dict(weights))
        if self.average is not None:
            self.average.values.copy_(self._optimizer.flat.values if average is None else average)

    def state_dict(self) -> dict[str, Any]:
        """Everything a later step depends on, of all processes; each of them must call it."""
        gathered = {name: self.group.gather(t) for name, t in self._slots._asdict().items()}
        # Before the first step, all rows of the model's state are one.
        slots = {name: t.contiguous() for name, t in gathered.items()}
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
        """Continue from what `state_dict` returned, in a group of any size.

        The state has the types and shapes of one's own. Raises `ValueError` or `RuntimeError`
        where its values are impossible.
        """
        _require_possible(state, self.model.config, self.total_steps)
        self.steps = state["steps"]
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.values.copy_(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        slots = {name: self.group.of(t).to(self.device) for name, t in state["slots"].items()}
        self._slots = self._slots._replace(**slots)
        self.tally.load_state_dict(state["tally"], self.group)
        self._exploration.set_state(state["exploration"])


def _require_possible(state: dict[str, Any], config: ModelConfig, total_steps: int) -> None:
    """Raise `ValueError` of steps beyond the budget, of a token or identifier that none has."""
    if state["steps"] > total_steps:
        raise ValueError(f"{state['steps']} steps of {total_steps}")
    identifiers = config.num_puzzle_identifiers if config.puzzle_width else None
    bounds = {
        "inputs": (0, config.vocab_size),
        "labels": (IGNORE_LABEL, config.vocab_size),
        "puzzle_identifiers": (0, identifiers),
    }
    for name, (least, above) in bounds.items():
        found = state["slots"][name]
        if int(found.min()) < least or (above is not None and int(found.max()) >= above):
            raise ValueError(f"{name} out of bounds")
