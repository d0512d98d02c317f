"""This project's search: a real folder, study and scheduler, asked by a simulated cluster."""

from pathlib import Path
from typing import Any

from driver import NoDisplay, record_of

from hrm.progress import Curve, Measurement, Progress
from quality.record import FLOPS, KNOBS, MODEL, PUZZLES, RUNGS, TRAINING
from quality.simulation import WORKERS, Work
from quality.table import NAMES, Rung, Table
from sweep_platform.plan.budget import Budget
from sweep_platform.search.scheduler import TrialScheduler
from sweep_platform.search.search import open_search
from sweep_platform.search.stages.live import Job
from sweep_platform.space.knobs import Shape
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.messages import Decision, TrialReport

SHAPE = Shape(vocab_size=8, seq_len=36, num_puzzle_identifiers=1)
"""Of 6x6 Sudoku."""

STOPPING = {"at": list(RUNGS[:-1]), "keep": 0.5, "compare": "auto"}
PROMOTION = STOPPING | {"rule": "promotion"}


class Silent(NoDisplay):
    """Shows nothing, whatever is to be said."""

    def note(self, text: str) -> None:
        """Say nothing."""


class Ours:
    """A sweep in a folder, with a sampler by name, and rungs if there are any."""

    def __init__(
        self, table: Table, seed: int, folder: Path, sampler: str, rungs: dict[str, Any]
    ) -> None:
        spec = SpaceFile.of(space(table, seed, sampler, rungs)).resolve(None)
        sweep = SweepFolder(folder)
        sweep.create(record_of(spec))
        search = open_search(sweep, spec, SHAPE, {"fingerprint": "5f0c"}, concurrency=WORKERS)
        self._table, self._count = table, 0
        self._decisions: dict[str, Decision] = {}
        self._jobs: dict[str, Job] = {}
        self._next: dict[str, int] = {}
        self._scheduler = TrialScheduler(
            search, Budget(spec.budget), Silent(), lambda: WORKERS, self._decisions.__setitem__
        )

    def start(self) -> Work | None:
        """The next job; one that was paused goes on at the rung after its last."""
        self._count += 1
        key = str(self._count)
        job = self._scheduler.start(key)
        if job is None:
            return None
        self._jobs[key] = job
        cell = tuple(job.record.model[name] for name in NAMES)
        seed = self._table.seeds[job.replicate.seed % len(self._table.seeds)]
        return Work(key, cell, seed, self._next.get(job.key, 0))

    def report(self, work: Work, rung: int, found: Rung) -> bool:
        """Report, and hear what the driver decided."""
        job = self._jobs[work.key]
        self._next[job.key] = rung + 1
        self._scheduler.report(work.key, told(job, rung, found))
        return self._decisions.get(job.key, Decision.CONTINUE) is Decision.CONTINUE

    def ended(self, work: Work, last: Rung) -> None:
        """Let the driver settle the job."""
        self._scheduler.ended(work.key)
        del self._jobs[work.key]


def space(table: Table, seed: int, sampler: str, rungs: dict[str, Any]) -> dict[str, Any]:
    """The space that was recorded; a budget for all of it would be spent on a grid."""
    training = {k: v for k, v in TRAINING.items() if k not in ("training_flops", "evaluate_at")}
    return {
        "name": "quality",
        "dataset": {
            "name": "sudoku",
            "side": PUZZLES.side,
            "clues": PUZZLES.clues,
            "train": PUZZLES.train,
            "test": PUZZLES.test,
        },
        "space": {name: {"choices": list(values)} for name, values in KNOBS.items()},
        "model": {**MODEL, "head_dim": 32},
        "training": {**training, "micro_batch": training["batch_size"]},
        "evaluation": {"at": list(RUNGS)},
        "budget": {"trials": len(table.cells) - 1, "flops_per_trial": FLOPS},
        "search": {"sampler": sampler},
        "rungs": rungs,
        "seed": seed,
    }


def told(job: Job, rung: int, found: Rung) -> TrialReport:
    """What a worker would report of a recorded training at a rung."""
    row, steps = found.row, job.record.total_steps
    curve = Curve(
        exact_accuracy=tuple(row["exact_accuracy"]),
        token_accuracy=tuple(row["token_accuracy"]),
        inference_flops=tuple(row["inference_flops"]),
        puzzles=PUZZLES.test,
    )
    progress = Progress(
        step=max(1, round(RUNGS[rung] * steps)),
        total_steps=steps,
        training_flops=round(RUNGS[rung] * job.record.training_flops),
        loss=row["loss"],
        lm_loss=row["loss"],
        train_exact_accuracy=0.0,
        mean_segments=1.0,
        learning_rate=1e-3,
        examples=row["step"],
        device_seconds=float(rung + 1),
        examples_per_second=1.0,
        peak_memory_bytes=1,
        curve=curve,
    )
    replicate = job.replicate.label
    measurement = Measurement(time_ms=rung + 1, progress=progress)
    return TrialReport(trial=job.record.number, replicate=replicate, measurements=(measurement,))
