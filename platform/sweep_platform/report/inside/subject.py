"""What is looked at inside a sweep: models with checkpoints, and puzzles, both at hand."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.reading import ANY_SIZE, Reader
from puzzle_datasets.storage.schema import Manifest
from puzzle_datasets.storage.shards import read_manifest
from sweep_platform.common.errors import InputError
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.points import recommended, trials_front
from sweep_platform.store.folder import SessionEnd
from sweep_platform.store.summary import SweepSummary, TrialSummary, last_end
from sweep_platform.store.trained import Trained, trained

MOST_MODELS = 3
"""Of the front, the most accurate ones, whose test-time compute is varied."""

PICTURED = 3
"""Sample puzzles."""

VERSION = 2
"""Of what is measured; raise it to have everything measured again."""

NOT_TOLD = "Test-time compute, dynamics and sample puzzles are not told"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The models by their trials, the best one first, and the puzzles' folder and manifest."""

    models: tuple[tuple[TrialSummary, Trained], ...]
    folder: Path
    manifest: Manifest

    @cached_property
    def key(self) -> str:
        """Equal for equal checkpoints and puzzles only."""
        found = hashlib.sha256(f"{VERSION} {self.manifest.fingerprint}".encode())
        for trial, kept in self.models:
            found.update(f" {trial.number} {_digest(kept.checkpoint)}".encode())
        return found.hexdigest()


def _digest(checkpoint: Path) -> str:
    """Names a file's content; one that can't be read has none."""
    try:
        with Reader(checkpoint, InputError, "", most=ANY_SIZE).opened() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (UserError, OSError):
        return "unread"


def subject_of(sweep: SweepSummary) -> Subject | Unknown:
    """The models and puzzles of a sweep that has ended, or why nothing can be measured.

    Raises `DatasetError` where the puzzles' manifest can't be used.
    """
    if last_end(sweep.sessions) not in (SessionEnd.DONE, SessionEnd.INCOMPLETE):
        return Unknown(f"{NOT_TOLD}: they are measured when the sweep has ended.")
    best = recommended(sweep)
    if best is None:
        return Unknown(f"{NOT_TOLD}: no complete trial was evaluated.")
    front = {point.trial: point.exact_accuracy for point in trials_front(sweep.complete)}
    ranked = sorted(front, key=lambda number: -front[number])
    numbers = list(dict.fromkeys([best.number, *ranked]))[:MOST_MODELS]
    trials = {trial.number: trial for trial in sweep.complete}
    kept = [(trials[number], trained(sweep, trials[number])) for number in numbers]
    if kept[0][1] is None:
        return Unknown(f"{NOT_TOLD}: no checkpoint of trial {best.number} is at hand.")
    place = sweep.record.dataset.get("folder")
    if not place or not Path(place).is_dir():
        return Unknown(f"{NOT_TOLD}: the puzzles are not at hand.")
    manifest = read_manifest(place)
    if manifest.fingerprint != sweep.record.dataset["fingerprint"]:
        return Unknown(f"{NOT_TOLD}: the puzzles in their folder are others by now.")
    return Subject(
        models=tuple((trial, one) for trial, one in kept if one is not None),
        folder=Path(place),
        manifest=manifest,
    )
