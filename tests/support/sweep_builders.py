"""Builders that tests of several rooms share: reports, records, and a search with its budget."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrm.progress import Curve, Measurement, Progress
from sweep_platform.plan.budget import Budget
from sweep_platform.search.search import Search, open_search
from sweep_platform.space.knobs import Shape
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder, SweepRecord
from sweep_platform.store.messages import Decision
from sweep_platform.store.trial import TrialFolder, TrialState

SHAPE = Shape(vocab_size=12, seq_len=9, num_puzzle_identifiers=5)
TOTAL = 100
"""Steps of a trial whose reports are made here."""


def progress(step: int, accuracy: float | None = 0.5, seconds: float | None = None) -> Progress:
    """A report, with an evaluation unless `accuracy` is None."""
    curve = None
    if accuracy is not None:
        curve = Curve(
            exact_accuracy=(accuracy,), token_accuracy=(0.5,), inference_flops=(9,), puzzles=4
        )
    return Progress(
        step=step,
        total_steps=TOTAL,
        training_flops=step,
        loss=1.0,
        lm_loss=1.0,
        train_exact_accuracy=0.0,
        mean_segments=1.0,
        learning_rate=1e-3,
        examples=step,
        device_seconds=step / 10 if seconds is None else seconds,
        examples_per_second=1.0,
        peak_memory_bytes=1,
        curve=curve,
    )


def measurement(step: int, accuracy: float | None = 0.5, **changes: Any) -> Measurement:
    """A report with a time."""
    return Measurement(time_ms=1_000 * step, progress=progress(step, accuracy, **changes))


def sweep_record(**changes: Any) -> SweepRecord:
    """The record of a sweep of which nothing is known."""
    fields: dict[str, Any] = {
        "id": "a1",
        "name": "toy",
        "created": 0.0,
        "space_file": "toy.yaml",
        "scale": "none",
        "spec": {
            "name": "toy",
            "dataset": {"name": "arc-agi-1"},
            "space": {"N": {"choices": [1]}},
            "budget": {"trials": 1, "flops_per_trial": 1e8},
        },
        "dataset": {"name": "arc-agi-1", "fingerprint": "5f0c"},
        "environment": {},
    }
    return SweepRecord(**{**fields, **changes})


def sweep_folder(root: Path) -> SweepFolder:
    """The folder of a sweep, created if it is not there yet."""
    folder = SweepFolder(root)
    if not folder.exists():
        folder.create(sweep_record())
    return folder


@dataclass
class OpenedSearch:
    """A search that a driver opened, with the budget that decides whether another may start."""

    folder: SweepFolder
    search: Search
    budget: Budget

    @property
    def study(self) -> Any:
        """The Optuna study itself."""
        return self.search.proposer._study._study

    @property
    def unfinished(self) -> tuple[TrialFolder, ...]:
        return self.search.proposer.unfinished

    def propose(self) -> TrialFolder | None:
        """The next trial: one that goes on, else a new one, None when all are out."""
        if self.unfinished:
            return self.search.proposer.resume()
        if self.budget.forbids(new=True):
            return None
        trial = self.search.proposer.propose()
        if trial is not None:
            self.budget.begin_trial()
        return trial

    def decide(self, trial: TrialFolder, progress: Progress) -> Decision:
        return self.search.rungs.decide(trial, progress)

    def end(self, trial: TrialFolder, state: TrialState, reason: str = "it ended") -> None:
        self.search.outcomes.end(trial, state, reason)


def opened(root: Path, spec: SweepSpec, data: str = "data") -> OpenedSearch:
    """The search of a folder, as a driver opens it that knows nothing of the last one."""
    folder = sweep_folder(root)
    search = open_search(folder, spec, SHAPE, {"fingerprint": data})
    return OpenedSearch(folder, search, Budget(spec.budget, trials=len(folder.trials())))
