"""A sweep's folder: the truth about a sweep, from which everything else can be rebuilt.

    runs/<sweep>/
        sweep.json              what was asked, of which data, by which code   (the driver)
        sessions.jsonl          when a driver started and how it ended
        study.journal           the Optuna study
        trials/0003-5f0c…/
            trial.json          the configuration, and what it costs        (written by the driver)
            metrics.jsonl       one line per report                         (written by the trial)
            checkpoint.pt       all a trial needs to go on                  (written by the trial)
            error.txt           the traceback of a trial that broke         (written by the trial)
            outcome.json        how the trial ended; missing while it may go on  (the driver)
        report/                 report.html, report.md and the charts

Each file has one writer. Readers may come at any time, also while the sweep runs.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from hrm.progress import Measurement, Progress, progress_from
from sweep_platform.common.files import append_json_line, read_json, read_json_lines, write_json


class TrialState(StrEnum):
    """How a trial stands. Only the last three are outcomes; they are never taken back."""

    RUNNING = "running"
    COMPLETE = "complete"
    """Spent its whole training budget."""
    STOPPED = "stopped"
    """Ended early on purpose: by a rung, or because the sweep's time was up."""
    FAILED = "failed"
    """Broke: non-finite loss, an error, or lost too often."""


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """What was asked and where it ran; written once, when the sweep is created.

    Attributes:
        id: unique name of this sweep; trackers file under it.
        name: the sweep's name, that of its folder.
        created: Unix time in seconds.
        space_file: the YAML file as it was named on the command line.
        scale: the scale that was chosen.
        spec: the fully resolved specification.
        dataset: folder, name, fingerprint and counts of the puzzles.
        environment: versions, git commit and hardware of the driver.
        tracking_uri: where MLflow is, its secrets hidden; None if that is not known.
    """

    id: str
    name: str
    created: float
    space_file: str
    scale: str
    spec: dict[str, Any]
    dataset: dict[str, Any]
    environment: dict[str, Any]
    tracking_uri: str | None = None


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One configuration with one seed, and its cost, known before it starts.

    Attributes:
        number: of the trial in the sweep, from 0.
        study_number: of the trial in the Optuna study, which also counts draws that were
            rejected.
        signature: hash of all that changes the result (configuration, seed, data).
        parameters: the searched knobs as they were drawn, such as N, T, hidden_size, M_max.
        idle: those of them that this model has no use for.
        model: the resolved `hrm.config.ModelConfig`.
        training: the resolved `hrm.config.TrainingConfig`.
        parameter_count: weights without the puzzle table.
        training_flops: FLOPs the whole training will spend.
        inference_flops: FLOPs for one puzzle at M_max segments.
    """

    number: int
    study_number: int
    signature: str
    parameters: dict[str, Any]
    model: dict[str, Any]
    training: dict[str, Any]
    parameter_count: int
    training_flops: int
    inference_flops: int
    idle: tuple[str, ...] = ()

    @property
    def knobs(self) -> dict[str, Any]:
        """The searched knobs that this model has a use for, and their values."""
        return {name: value for name, value in self.parameters.items() if name not in self.idle}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a trial ended: `state` is an outcome, `reason` a sentence, `ended` Unix seconds."""

    state: TrialState
    reason: str
    ended: float


@dataclass(frozen=True, kw_only=True)
class Session:
    """One driver's work on a sweep; `ended` and `how` stay None if it was killed."""

    started: float
    ended: float | None = None
    how: str | None = None


class TrialFolder:
    """Files of one trial."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def checkpoint(self) -> Path:
        """Where the trial keeps all that it needs to go on."""
        return self.root / "checkpoint.pt"

    @property
    def error(self) -> Path:
        """Where the trial leaves the traceback of an error."""
        return self.root / "error.txt"

    @property
    def lock(self) -> Path:
        """Held by the one process that runs the trial."""
        return self.root / "lock"

    def create(self, record: TrialRecord) -> None:
        """Write the trial's configuration, before it starts."""
        self.root.mkdir(parents=True, exist_ok=True)
        write_json(self.root / "trial.json", asdict(record))

    def record(self) -> TrialRecord:
        """The trial's configuration."""
        fields = read_json(self.root / "trial.json")
        return TrialRecord(**{**fields, "idle": tuple(fields.get("idle", ()))})

    def append(self, progress: Progress) -> None:
        """Add one report, unless a trial that was resumed has told of this step before."""
        if progress.step > self.last_step():
            line = {"time_ms": time.time_ns() // 1_000_000, "progress": asdict(progress)}
            append_json_line(self.root / "metrics.jsonl", line)

    def last_step(self) -> int:
        """Step of the last report, 0 where there is none."""
        return max((m.progress.step for m in self.measurements()), default=0)

    def measurements(self) -> Iterator[Measurement]:
        """All reports so far, in the order of their steps."""
        for line in read_json_lines(self.root / "metrics.jsonl"):
            yield Measurement(time_ms=line["time_ms"], progress=progress_from(line["progress"]))

    def end(self, outcome: Outcome) -> None:
        """Write how the trial ended. An outcome is final: a second one is our mistake."""
        path = self.root / "outcome.json"
        assert not path.exists(), f"{path} exists"
        write_json(path, asdict(outcome))

    def outcome(self) -> Outcome | None:
        """How the trial ended, None if it has not."""
        path = self.root / "outcome.json"
        if not path.exists():
            return None
        fields = read_json(path)
        return Outcome(**{**fields, "state": TrialState(fields["state"])})


class SweepFolder:
    """Files of one sweep."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def journal(self) -> Path:
        """The Optuna study's journal."""
        return self.root / "study.journal"

    @property
    def report(self) -> Path:
        """Where the report is written."""
        return self.root / "report"

    @property
    def lock(self) -> Path:
        """Held by the one driver that conducts the sweep."""
        return self.root / "lock"

    def exists(self) -> bool:
        """Whether a sweep was created here."""
        return (self.root / "sweep.json").exists()

    def create(self, record: SweepRecord) -> None:
        """Write what was asked. The folder counts as a sweep from here on."""
        self.root.mkdir(parents=True, exist_ok=True)
        write_json(self.root / "sweep.json", asdict(record))

    def discard(self) -> None:
        """Remove what there is before the first session."""
        for path in (self.root / "sweep.json", self.journal, self.lock):
            path.unlink(missing_ok=True)

    def record(self) -> SweepRecord:
        """What was asked."""
        return SweepRecord(**read_json(self.root / "sweep.json"))

    def trial(self, number: int, signature: str) -> TrialFolder:
        """The folder of a trial, made or not."""
        return TrialFolder(self.root / "trials" / f"{number:04d}-{signature[:10]}")

    def trials(self) -> list[TrialFolder]:
        """Every trial that was created, by number."""
        written = (self.root / "trials").glob("*/trial.json")
        folders = sorted((path.parent for path in written), key=_number)
        return [TrialFolder(folder) for folder in folders]

    def session_started(self) -> None:
        """Note that a driver took up the sweep."""
        append_json_line(self.root / "sessions.jsonl", {"started": time.time()})

    def session_ended(self, how: str) -> None:
        """Note how the driver ended: done, interrupted or failed."""
        append_json_line(self.root / "sessions.jsonl", {"ended": time.time(), "how": how})

    def sessions(self) -> list[Session]:
        """Every driver's work, oldest first."""
        sessions: list[Session] = []
        for line in read_json_lines(self.root / "sessions.jsonl"):
            if "started" in line:
                sessions.append(Session(started=line["started"]))
            else:
                sessions[-1] = Session(started=sessions[-1].started, **line)
        return sessions


def _number(folder: Path) -> int:
    return int(folder.name.partition("-")[0])
