"""Files of one trial.

trials/0003-5f0c…/
    trial.json       the configuration, and what it costs
    metrics.jsonl    one line a report; no step is there twice
    checkpoint.pt    all that a worker needs to go on; the worker's, by the checkpoint store
    error.txt        the traceback of a trial that broke
    outcome.json     how the trial stands; missing while it runs
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from hrm.progress import Measurement, measurement_from
from puzzle_datasets.common.files import (
    append_json_line,
    read_json,
    read_json_lines,
    write_file,
    write_json,
)


class TrialState(StrEnum):
    """How a trial stands; the last three are final and never taken back."""

    RUNNING = "running"
    PAUSED = "paused"
    """Ended early on purpose, and may go on from its checkpoint."""
    COMPLETE = "complete"
    """Spent its whole training budget."""
    STOPPED = "stopped"
    """Ended early on purpose: by a rung, or because the sweep's time was up."""
    FAILED = "failed"
    """Broke: non-finite loss, an error, or lost too often."""

    @property
    def final(self) -> bool:
        """Whether a trial in this state has ended for good."""
        return self in (TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED)


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One configuration, and its cost, known before it starts.

    Attributes:
        number: of the trial in the sweep, from 0.
        study_number: of the trial in the Optuna study, which also counts draws that were
            rejected.
        signature: hash of all that changes the result (configuration, seed, data).
        parameters: the searched knobs as they were drawn, such as N, T, hidden_size, M_max.
        inactive: those of them that this model has no use for.
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
    inactive: tuple[str, ...] = ()

    @property
    def knobs(self) -> dict[str, Any]:
        """The searched knobs that this model has a use for, and their values."""
        return {k: value for k, value in self.parameters.items() if k not in self.inactive}

    @property
    def costs(self) -> dict[str, float]:
        """Costs known before the trial starts, by the key of their metric."""
        return {
            "parameter_count": float(self.parameter_count),
            "inference_flops": float(self.inference_flops),
        }


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a trial ended or paused: `reason` is a sentence, `ended` Unix seconds."""

    state: TrialState
    reason: str
    ended: float


class TrialFolder:
    """Files of one trial."""

    RECORD: ClassVar[str] = "trial.json"

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def checkpoint(self) -> Path:
        """All that a worker needs to go on, where checkpoints are kept in the folder."""
        return self.root / "checkpoint.pt"

    @property
    def error(self) -> Path:
        """The traceback of an error."""
        return self.root / "error.txt"

    def create(self, record: TrialRecord) -> None:
        """Write the trial's configuration, before it starts."""
        self.root.mkdir(parents=True, exist_ok=True)
        write_json(self.root / self.RECORD, asdict(record))

    def record(self) -> TrialRecord:
        """Read the trial's configuration."""
        fields = read_json(self.root / self.RECORD)
        return TrialRecord(**{**fields, "inactive": tuple(fields["inactive"])})

    def append(self, measurements: Iterable[Measurement]) -> list[Measurement]:
        """Add the measurements of steps that are not there yet; return those."""
        last = self.last_step()
        new = [measurement for measurement in measurements if measurement.progress.step > last]
        for measurement in new:
            append_json_line(self.root / "metrics.jsonl", asdict(measurement))
        return new

    def last_step(self) -> int:
        """Step of the last report, 0 where there is none."""
        return max((m.progress.step for m in self.measurements()), default=0)

    def measurements(self) -> Iterator[Measurement]:
        """All reports so far, in the order of their steps."""
        return map(measurement_from, read_json_lines(self.root / "metrics.jsonl"))

    def write_error(self, traceback: str) -> None:
        """Keep the traceback of an error."""
        write_file(self.error, traceback.encode())

    def end(self, outcome: Outcome) -> None:
        """Write how the trial ended or paused. A final outcome stays: a second is our mistake."""
        before = self.outcome()
        assert before is None or not before.state.final, f"{self.root} has ended"
        write_json(self.root / "outcome.json", asdict(outcome))

    def outcome(self) -> Outcome | None:
        """How the trial ended or paused; None while it runs, or after its worker was lost."""
        path = self.root / "outcome.json"
        if not path.exists():
            return None
        fields = read_json(path)
        return Outcome(**{**fields, "state": TrialState(fields["state"])})

    def resume(self) -> None:
        """Let a paused trial run again."""
        outcome = self.outcome()
        if outcome is not None:
            assert not outcome.state.final, f"{self.root} has ended"
            (self.root / "outcome.json").unlink()
