"""The training loop: a trainer that yields progress and can stop and resume at any step."""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hrm.checkpoints import checkpoint
from hrm.checkpoints.ancestor import INHERITED, inherited_flops, load_ancestor
from hrm.checkpoints.tensor_file import require_like
from hrm.config import ConfigError, ModelConfig, TrainingConfig, require_sizes
from hrm.distributed import SINGLE, ProcessGroup
from hrm.evaluation.accuracy import Evaluation
from hrm.evaluation.measuring import Measured, measure
from hrm.evaluation.per_puzzle import PuzzleAnswers
from hrm.evaluation.selection import EvaluatedPuzzles
from hrm.model.devices import release, require_precision
from hrm.model.flops import step_flops, total_steps
from hrm.model.reasoning_model import ReasoningModel
from hrm.progress import Measurement, Progress, measurement_from
from hrm.training.busy import Busy
from hrm.training.energy import ENERGY, Energy, counter_of, energy_of, share_of_cores, total
from hrm.training.learner import Learner
from hrm.training.saved_answers import from_tensors, to_tensors
from hrm.training.watch import Watch
from puzzle_datasets.common.arguments import checked
from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.options import Bounds
from puzzle_datasets.common.records import MisfitError
from puzzle_datasets.loader import TrainLoader
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.dataset import PuzzleDataset

REPORTS = 20
"""About how many reports a run yields, besides those with an evaluation."""

CHECKPOINT_SECONDS = 10.0
"""A run that dies loses about this much work, or more where a checkpoint takes long to write."""


class Trainer:
    """Trains one model on one dataset under one budget, alone or in a group of processes.

    All randomness comes from the configuration's seed, through generators and a loader whose state
    is saved. In a group of several processes each calls the same methods at the same time; reports
    and checkpoints are those of one process, and a checkpoint resumes in a group of any size.

    Attributes:
        measurements: every report of the run so far, those before a `restore` included.
        answers: which puzzles each evaluation solved, in the order of `measurements` with one.
        puzzles: those that evaluations look at.
        execution: how blocks really run, which may be less than was asked for.
        energy: what this process took of its device, as far as that can be measured.
        alive: called after each step and before each batch of an evaluation; does nothing unless
            it is replaced.

    With `micro_batch`, at most so many puzzles pass through the model at a time, in each process.
    Where the memory of the device does not suffice, half as many do from then on, at the same
    batch: the result is the same but for rounding, and reports say so. Of the energy of a GPU
    it is charged its `device_share`.

    Raises `ConfigError` where the dataset does not fit the model or the evaluations, or the device
    the precision.
    """

    @checked(ConfigError)
    def __init__(
        self,
        model_config: ModelConfig,
        training_config: TrainingConfig,
        dataset: PuzzleDataset,
        device: torch.device,
        group: ProcessGroup = SINGLE,
        micro_batch: int | None = None,
        device_share: float = 1.0,
    ) -> None:
        require_sizes(model_config, dataset.manifest)
        require_precision(training_config.precision, device)
        self.model_config, self.config = model_config, training_config
        self.dataset, self.device, self.group = dataset, device, group
        self.puzzles = EvaluatedPuzzles.of(dataset, training_config)
        self.total_steps = total_steps(model_config, training_config)
        self._loader = TrainLoader(
            dataset,
            batch_size=training_config.batch_size,
            seed=training_config.seed,
            device=device,
            share=group.share,
        )
        # Independent generators, so that one's draws do not shift another's.
        seeds = np.random.SeedSequence(training_config.seed).generate_state(2, np.uint32).tolist()
        initialisation, exploration = (torch.Generator().manual_seed(part) for part in seeds)
        self._learner = Learner(
            model_config,
            training_config,
            self.total_steps,
            device,
            initialisation=initialisation,
            exploration=exploration,
            group=group,
            micro_batch=micro_batch,
        )
        self.model = self._learner.model
        self._evaluated_at_once = training_config.eval_batch_size or training_config.batch_size
        self.execution = _compile(self.model, training_config.execution)
        self.measurements: list[Measurement] = []
        self.answers: list[PuzzleAnswers] = []
        self.alive: Callable[[], object] = lambda: None
        self._busy = Busy(device)
        on_cpu = device.type == "cpu"
        share = (
            (lambda: share_of_cores(torch.get_num_threads())) if on_cpu else lambda: device_share
        )
        self.energy = Energy(counter_of(device), share)
        self._energy_before: float | None = 0.0
        self._seconds, self._inherited_flops = 0.0, 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        return self._learner.steps

    @property
    def done(self) -> bool:
        """Return True if the budget is spent."""
        return self.step >= self.total_steps

    @checked(ConfigError, seconds=Bounds(least=0))
    def run(
        self,
        checkpoint: Path | None = None,
        seconds: float = CHECKPOINT_SECONDS,
        stop: Callable[[], bool] = lambda: False,
        saved: Callable[[], object] = lambda: None,
    ) -> Iterator[Progress]:
        """Train until the budget is spent; yield progress at about 20 steps and each evaluation.

        The steps that report follow from the configuration alone. Each report is kept with its
        time in `measurements`, which a checkpoint holds too: whoever keeps records can append
        what they lack after a `restore`.

        Args:
            checkpoint: where the state is saved, between two steps and at the end; never before
                the caller has dealt with the report of that step.
            seconds: between two checkpoints; more where writing takes long, 0 for one a step.
            stop: as soon as it is true between two steps, the state is saved and the run ends.
            saved: called after each checkpoint.

        Raises `NonFiniteLoss` where the loss is no longer a finite number, `TooLittleMemory` where
        the device has no room for one puzzle at a time.
        """
        evaluations = {max(1, round(f * self.total_steps)) for f in self.config.evaluate_at}
        interval = max(1, self.total_steps // REPORTS)
        watch = Watch(self.group, self.device, seconds, stop)
        self.energy.begin()
        while not self.done:
            with self._charged():  # several processes wait for their devices here
                due, ends = watch.poll()
            if ends:
                break
            if checkpoint is not None and due:
                self._save_between(checkpoint, saved, watch)
            self._take_step()
            evaluates = self.step in evaluations
            if evaluates or self.step % interval == 0 or self.done:
                self._synchronize()
                yield self._reported(self._measured() if evaluates else None)
        if checkpoint is not None:
            self.save(checkpoint)
            saved()

    def evaluate(self) -> Evaluation:
        """Evaluate the configured subset of the test puzzles for M_max segments.

        Where there is a moving average of the weights, that is what is evaluated.
        """
        return self._measured().evaluation

    def evaluation_batches(self) -> Iterator[Batch]:
        """This process's part of the test puzzles that evaluations look at."""
        return self.puzzles.batches(self._evaluated_at_once, self.group.share)

    @checked(ConfigError)
    def save(self, path: Path) -> None:
        """Write everything that resuming needs to `path`, atomically.

        Raises `NonFiniteLoss` in place of saving weights that are spoilt.
        """
        self._learner.require_finite()
        self.energy.add()
        content = {"settings": self._settings(), "state": self._state()}
        if self.group.rank == 0:
            checkpoint.save(path, content)

    @checked(ConfigError)
    def restore(self, path: Path) -> None:
        """Continue from what `save` wrote; raises `CheckpointError` if it is not of this run."""
        content = checkpoint.load(path)
        kept = checkpoint.section(path, content, "settings")
        for what, settings in self._settings().items():
            saved = checkpoint.section(path, kept, what)
            checkpoint.require_same(path, what, saved, settings)
        state = checkpoint.section(path, content, "state")
        self._inherited_flops = inherited_flops(path, state)
        own = {name: one for name, one in self._state().items() if name != ENERGY}
        measurements = _measurements(path, state.get("measurements"))
        evaluated = [one.progress for one in measurements if one.progress.curve is not None]
        answers = from_tensors(
            path,
            state.get("answers"),
            self.puzzles,
            self.model_config.M_max,
            [(progress.step, progress.training_flops) for progress in evaluated],
        )
        checked: dict[str, Any] = {"measurements": [], "answers": []}
        checked |= {name: 0 for name in (INHERITED, ENERGY) if name in state}
        require_like(path, {**state, **checked}, {**own, **checked}, "state")
        try:
            self._learner.load_state_dict(state["learner"])
            self._loader.load_state_dict(state["loader"])
        except (RuntimeError, ValueError) as error:
            reason = error.problem if isinstance(error, UserError) else error
            problem = f"holds another state than its settings say ({reason})"
            raise checkpoint.CheckpointError.of(path, problem, "restore another one") from error
        self._seconds, self.measurements = state["seconds"], measurements
        self.answers = answers
        self._energy_before = energy_of(path, state)
        if measurements:
            self._learner.lower_micro_batch(measurements[-1].progress.micro_batch)

    @checked(ConfigError)
    def inherit(self, path: Path) -> None:
        """Begin with the weights that another training left at `path`, in place of drawn ones.

        They, and their moving average, are all that is taken over: optimizers, steps, puzzles and
        exploration begin as they would have. Reports tell what the ancestor had spent. Raises
        `CheckpointError` where it is damaged, of other puzzles, or its weights do not fit.
        """
        assert self.step == 0, "training has begun"
        found = load_ancestor(path, self.model_config, self.dataset.manifest.fingerprint)
        self._learner.take_over(found.weights, found.average)
        self._inherited_flops = found.lineage_flops

    def _state(self) -> dict[str, Any]:
        """Everything that later steps and reports depend on; each process must call it."""
        joules = self._energy_of_all()
        return {
            "seconds": self._seconds,
            "measurements": [one.plain() for one in self.measurements],
            "answers": to_tensors(self.answers),
            "learner": self._learner.state_dict(),
            "loader": self._loader.state_dict(),
            **({INHERITED: self._inherited_flops} if self._inherited_flops else {}),
            **({} if joules is None else {ENERGY: joules}),
        }

    @contextmanager
    def _charged(self) -> Iterator[None]:
        """What is done inside counts as time of training."""
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        self._seconds += seconds
        self._learner.tally.seconds += seconds

    def _measured(self) -> Measured:
        """An evaluation with all that it finds; of fewer puzzles at a time if memory is short.

        Several processes would wait for the one that begins anew: there it is an error.
        """
        started, average = time.perf_counter(), self._learner.average
        with nullcontext() if average is None else average.in_place():
            while (measured := self._measured_if_it_fits()) is None:
                self._evaluated_at_once //= 2
                release(self.device)
        self._seconds += time.perf_counter() - started
        return measured

    def _measured_if_it_fits(self) -> Measured | None:
        rows, group = self._evaluated_at_once, self.group
        try:
            return measure(self.model, self.puzzles, rows, group, self._looks)
        except torch.OutOfMemoryError:
            if group.size > 1 or rows == 1:
                raise
            return None

    def _looks(self) -> None:
        """What comes before each batch of an evaluation."""
        self.energy.look()
        self.alive()

    def _take_step(self) -> None:
        with self._charged():
            self._learner.step(self._loader.next_batch())
            self._learner.tally.steps += 1
        self.energy.look()
        self.alive()

    def _synchronize(self) -> None:
        """Wait for the device, which may be many steps behind."""
        with self._charged():
            self._learner.require_finite()

    def _save_between(self, checkpoint: Path, saved: Callable[[], object], watch: Watch) -> None:
        """Save between two steps, and have the watch know how long that took."""
        self._synchronize()
        began = time.monotonic()
        self.save(checkpoint)
        saved()
        watch.saved(began)

    def _reported(self, measured: Measured | None) -> Progress:
        """A report, kept with its time, and with the answers of its evaluation."""
        progress = self._report(measured)
        if measured is not None:
            flops = progress.training_flops
            self.answers.append(self.puzzles.answers(self.step, flops, measured.found))
        self.measurements.append(
            Measurement(time_ms=time.time_ns() // 1_000_000, progress=progress)
        )
        return progress

    def _report(self, measured: Measured | None) -> Progress:
        tally = self._learner.tally
        examples_per_second = self.config.batch_size * tally.steps / tally.seconds
        means = tally.read(self.group)
        self.energy.add()
        found: dict[str, Any] = {}
        if measured is not None:
            found = {**measured.evaluation._asdict(), "votes": measured.votes}
        return Progress(
            step=self.step,
            total_steps=self.total_steps,
            training_flops=self.step * step_flops(self.model_config, self.config),
            inherited_flops=self._inherited_flops,
            **means._asdict(),
            learning_rate=self.config.learning_rate * self._learner.learning_rate_ratio,
            examples=tally.examples,
            device_seconds=self._seconds,
            examples_per_second=examples_per_second,
            peak_memory_bytes=_peak_memory(self.device),
            energy_joules=self._energy_of_all(),
            device_busy=self._busy.share(),
            micro_batch=self._learner.agreed_micro_batch(),
            **found,
        )

    def _energy_of_all(self) -> float | None:
        """Joules of all processes, over all restores."""
        return total([self._energy_before, *self.group.gather_objects(self.energy.joules)])

    def _settings(self) -> dict[str, dict[str, Any]]:
        """All that must be equal for a checkpoint to be this run's."""
        return {
            "model setting": asdict(self.model.config),
            "training setting": asdict(self.config),
            "dataset": {"fingerprint": self.dataset.manifest.fingerprint},
        }


def _measurements(path: Path, saved: Any) -> list[Measurement]:
    try:
        return [measurement_from(one) for one in saved]
    except (MisfitError, TypeError) as error:
        problem = f"holds damaged reports: one {getattr(error, 'problem', 'is none')}"
        raise checkpoint.CheckpointError.of(path, problem, "restore another one") from error


def _compile(model: ReasoningModel, wanted: str) -> str:
    """Let the model run as wanted, as far as this machine can; return how it will run."""
    if wanted == "eager":
        return "eager"
    # Loading the compiler takes a second, which most runs need not spend.
    from hrm.model.compiled import compile_blocks

    graphs = wanted == "cuda_graphs" and model.device.type == "cuda"
    if not compile_blocks(model, "reduce-overhead" if graphs else "default"):
        return "eager"
    return "cuda_graphs" if graphs else "compiled"


def _peak_memory(device: torch.device) -> int:
    """Most bytes held: by this run's allocator on CUDA, by the process since its start on CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
