"""The training loop: a trainer that yields progress and can stop and resume at any step."""

import math
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hrm import checkpoint
from hrm.act import draw_least_segments, empty_slots, join, refill, train_segment
from hrm.config import ConfigError, ModelConfig, TrainingConfig
from hrm.evaluate import evaluate
from hrm.flops import step_flops, total_steps
from hrm.losses import TOKEN_LOSSES
from hrm.model import HierarchicalReasoningModel
from hrm.optim import AdamAtan2, SignSGD, schedule
from hrm.progress import Curve, Progress
from hrm.tally import Tally
from puzzle_datasets.dataset import PuzzleDataset
from puzzle_datasets.loader import TrainLoader, evaluation_batches

REPORTS = 20
"""About how many reports a run yields, besides those with an evaluation."""

CHECKPOINT_SECONDS = 10.0
"""A run that dies loses about this much work, or more where a checkpoint takes long to write."""

CHECKPOINT_SHARE = 0.05
"""Writing checkpoints takes at most about this share of a run's time."""

EVALUATION_SEED = 0
"""Draws the puzzles to evaluate; the same for every run, so that runs of all seeds compare."""


class NonFiniteLoss(RuntimeError):
    """The loss became infinite or not a number; the message names the step and the loss."""


class Trainer:
    """Trains one model on one dataset under one budget, on `device`.

    All randomness comes from the configuration's seed, through generators and a loader whose state
    is saved. Raises `ConfigError` where the dataset does not fit the model.
    """

    def __init__(
        self,
        model_config: ModelConfig,
        training_config: TrainingConfig,
        dataset: PuzzleDataset,
        device: torch.device,
    ) -> None:
        _require_fit(model_config, dataset)
        self.model_config, self.config = model_config, training_config
        self.dataset, self.device = dataset, device
        self.total_steps = total_steps(model_config, training_config)
        initialisation, self._exploration = _generators(training_config.seed, 2)
        dtype = getattr(torch, training_config.precision)
        self.model = HierarchicalReasoningModel(model_config, dtype)
        self.model.initialise(initialisation)
        self.model.to(device)
        self._optimizer = AdamAtan2(
            self.model.parameters(),
            training_config.beta1,
            training_config.beta2,
            training_config.weight_decay,
        )
        self._puzzle_optimizer = SignSGD(
            self.model.puzzle_emb.weights, training_config.puzzle_weight_decay
        )
        rows = training_config.batch_size
        self._loader = TrainLoader(
            dataset, batch_size=rows, seed=training_config.seed, device=device
        )
        self._slots = empty_slots(self.model, rows)
        self._tally = Tally(rows, device)
        self._step = 0
        self._seconds = 0.0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        return self._step

    @property
    def done(self) -> bool:
        """Whether the budget is spent."""
        return self._step >= self.total_steps

    def run(
        self, checkpoint: Path | None = None, seconds: float = CHECKPOINT_SECONDS
    ) -> Iterator[Progress]:
        """Train until the budget is spent; yield progress at about 20 steps and each evaluation.

        The steps that report follow from the configuration alone. With `checkpoint`, the state
        is saved there every so many `seconds` (less often where writing takes long; at every
        step for 0) and at the end, but never before the caller has dealt with the report of that
        step: a run that dies has no gap in its reports. Raises `NonFiniteLoss`.
        """
        evaluations = {max(1, round(f * self.total_steps)) for f in self.config.evaluate_at}
        interval = max(1, self.total_steps // REPORTS)
        due = time.monotonic() + seconds
        while not self.done:
            if checkpoint is not None and time.monotonic() > due:
                began = time.monotonic()
                self.save(checkpoint)
                took = time.monotonic() - began
                due = began + (max(seconds, took / CHECKPOINT_SHARE) if seconds else 0)
            started = time.perf_counter()
            self._take_step()
            self._spend(time.perf_counter() - started)
            if self._step in evaluations:
                yield self._report(self.evaluate())
            elif self._step % interval == 0 or self.done:
                yield self._report(None)
        if checkpoint is not None:
            self.save(checkpoint)

    def evaluate(self) -> Curve:
        """Evaluate the configured subset of the test puzzles for M_max segments."""
        started = time.perf_counter()
        batches = evaluation_batches(
            self.dataset,
            batch_size=self.config.eval_batch_size or self.config.batch_size,
            limit=self.config.eval_puzzles,
            seed=EVALUATION_SEED,
        )
        curve = evaluate(self.model, batches, self.model_config.M_max)
        self._seconds += time.perf_counter() - started
        return curve

    def save(self, path: Path) -> None:
        """Write everything that resuming needs to `path`, atomically."""
        checkpoint.save(path, {"settings": self._settings(), "state": self._state()})

    def restore(self, path: Path) -> None:
        """Continue from what `save` wrote; raises `CheckpointError` if it is not of this run."""
        content = checkpoint.load(path)
        for what, settings in self._settings().items():
            checkpoint.require_same(path, what, content["settings"][what], settings)
        self._load_state(content["state"])

    def _take_step(self) -> None:
        """One optimizer step: one segment of every slot."""
        config, step = self.config, self._step + 1
        self._slots = refill(self.model, self._slots, self._loader.next_batch())
        identifiers = self._slots.puzzle_identifiers
        puzzle_rows = self.model.puzzle_emb(identifiers).requires_grad_()
        self._optimizer.zero_grad()
        loss = self._accumulate_gradients(puzzle_rows)
        if not math.isfinite(loss):
            raise NonFiniteLoss(f"The loss is {loss} at step {step} of {self.total_steps}.")
        ratio = self._learning_rate_ratio(step)
        self._optimizer.step(config.learning_rate * ratio)
        assert puzzle_rows.grad is not None
        self._puzzle_optimizer.step(
            config.puzzle_learning_rate * ratio, identifiers, puzzle_rows.grad
        )
        self._step = step

    def _accumulate_gradients(self, puzzle_rows: Tensor) -> float:
        """Pass the slots through the model, `micro_batch` at a time; the mean loss of a row."""
        rows, token_loss = self.config.batch_size, TOKEN_LOSSES[self.config.loss]
        least = self._draw_least_segments()
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        parts = []
        for start in range(0, rows, self.config.micro_batch or rows):
            part = slice(start, start + (self.config.micro_batch or rows))
            slots, bound = self._slots.rows(part), None if least is None else least[part]
            segment = train_segment(self.model, slots, puzzle_rows[part], bound, token_loss)
            loss = segment.loss.total / rows
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            self._tally.add(segment)
            parts.append(segment.slots)
        self._slots = parts[0] if len(parts) == 1 else join(parts)
        return float(total)

    def _draw_least_segments(self) -> Tensor | None:
        config = self.model_config
        if config.M_max == 1:
            return None
        return draw_least_segments(
            self.config.batch_size, config.M_max, config.halt_exploration, self._exploration
        ).to(self.device)

    def _learning_rate_ratio(self, step: int) -> float:
        config = self.config
        return schedule(step, config.warmup_steps, self.total_steps, config.lr_min_ratio)

    def _spend(self, seconds: float) -> None:
        self._seconds += seconds
        self._tally.steps += 1
        self._tally.seconds += seconds

    def _report(self, curve: Curve | None) -> Progress:
        row_segments = self.config.batch_size * self._tally.steps
        examples_per_second = row_segments / self._tally.seconds
        means = self._tally.read()
        return Progress(
            step=self._step,
            total_steps=self.total_steps,
            training_flops=self._step * step_flops(self.model_config, self.config),
            loss=means.loss,
            lm_loss=means.lm_loss,
            train_exact_accuracy=means.exact_accuracy,
            mean_segments=means.segments,
            learning_rate=self.config.learning_rate * self._learning_rate_ratio(self._step),
            examples=self._tally.examples,
            device_seconds=self._seconds,
            examples_per_second=examples_per_second,
            peak_memory_bytes=_peak_memory(self.device),
            curve=curve,
        )

    def _settings(self) -> dict[str, dict[str, Any]]:
        """What must be equal for a checkpoint to be this run's."""
        return {
            "model setting": asdict(self.model_config),
            "training setting": asdict(self.config),
            "dataset": {"fingerprint": self.dataset.manifest.fingerprint},
        }

    def _state(self) -> dict[str, Any]:
        return {
            "step": self._step,
            "seconds": self._seconds,
            "model": dict(self.model.state_dict()),
            "optimizer": self._optimizer.state_dict(),
            "slots": self._slots._asdict(),
            "tally": self._tally.state_dict(),
            "loader": self._loader.state_dict(),
            "exploration": self._exploration.get_state(),
        }

    def _load_state(self, state: dict[str, Any]) -> None:
        self._step, self._seconds = state["step"], state["seconds"]
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        slots = {name: tensor.to(self.device) for name, tensor in state["slots"].items()}
        self._slots = self._slots._replace(**slots)
        self._tally.load_state_dict(state["tally"])
        self._loader.load_state_dict(state["loader"])
        self._exploration.set_state(state["exploration"])


def _generators(seed: int, count: int) -> list[torch.Generator]:
    """Independent CPU generators, so that one's draws do not shift another's."""
    seeds = np.random.SeedSequence(seed).generate_state(count, np.uint32).tolist()
    return [torch.Generator().manual_seed(part) for part in seeds]


def _require_fit(config: ModelConfig, dataset: PuzzleDataset) -> None:
    for field in ("vocab_size", "seq_len", "num_puzzle_identifiers"):
        given, needed = getattr(config, field), getattr(dataset.manifest, field)
        if given != needed:
            raise ConfigError(
                f"ModelConfig.{field} is {given}, but the dataset "
                f"{dataset.manifest.name!r} has {needed}; give {needed}."
            )


def _peak_memory(device: torch.device) -> int:
    """Most bytes held: by this run's allocator on CUDA, by the process since its start on CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
