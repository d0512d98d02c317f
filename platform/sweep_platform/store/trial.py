"""The folder of one trial: that of a single run, with its place in the sweep in `run.json`.

See `hrm.runs.folder` for its files. The driver writes them all but for the checkpoint.
"""

from dataclasses import dataclass, replace
from typing import Any

from hrm.config import ConfigError, ModelConfig
from hrm.models import MODELS
from hrm.runs.folder import Outcome, RunFiles, RunState
from puzzle_datasets.common.files import write_file
from puzzle_datasets.common.records import MisfitError, record_from
from puzzle_datasets.common.text import shown
from sweep_platform.spec.schema import Scalar
from sweep_platform.store.sections import require_moment

__all__ = ["Outcome", "TrialFolder", "TrialRecord", "TrialState"]

TrialState = RunState
"""A trial stands as its run does."""


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
        dataset: folder, name and fingerprint of the puzzles.
        parameter_count: weights without the puzzle table.
        total_steps: optimizer steps of the whole training.
        training_flops: FLOPs the whole training will spend.
        inference_flops: FLOPs for one puzzle at M_max segments.
    """

    number: int
    study_number: int
    signature: str
    parameters: dict[str, Scalar]
    model: dict[str, Scalar]
    training: dict[str, Any]
    dataset: dict[str, Any]
    parameter_count: int
    total_steps: int
    training_flops: int
    inference_flops: int
    inactive: tuple[str, ...] = ()

    @property
    def knobs(self) -> dict[str, Any]:
        """The searched knobs that this model has a use for, and their values."""
        return {k: value for k, value in self.parameters.items() if k not in self.inactive}

    @property
    def costs(self) -> dict[str, int]:
        """Costs known before the trial starts, by the key of their metric."""
        return {name: getattr(self, name) for name in _COSTS}


_SECTIONS = ("dataset", "model", "training")
_COSTS = ("parameter_count", "total_steps", "training_flops", "inference_flops")
_TRIAL = ("number", "study_number", "signature", "parameters", "inactive")


class TrialFolder(RunFiles):
    """Files of one trial."""

    def create(self, record: TrialRecord) -> None:
        """Write the trial's configuration, before it starts."""
        sections = {name: getattr(record, name) for name in _SECTIONS}
        trial = {name: getattr(record, name) for name in _TRIAL}
        decay = {"ema_decay": record.training.get("ema")}
        self._write({**sections, "costs": record.costs, **decay, "trial": trial})

    def retry(self, study_number: int) -> None:
        """Let a trial that failed run again, as another trial of the study."""
        self.create(replace(self.record(), study_number=study_number))
        self._outcome.unlink(missing_ok=True)
        self.error.unlink(missing_ok=True)

    def record(self) -> TrialRecord:
        """Read the trial's configuration. Raises `ConfigError` where it is damaged or foreign."""
        content = self._read()
        trial = content.get("trial")
        fields = {name: content[name] for name in _SECTIONS}
        fields |= content["costs"] | (trial if isinstance(trial, dict) else {})
        try:
            record = record_from(fields, TrialRecord)
            _require_known(record)
        except MisfitError as error:
            raise ConfigError.of(self._run, error.problem, "restore it") from error
        return record

    def outcome(self) -> Outcome | None:
        """The end of the trial, as of a run. Raises `ConfigError` where it is damaged."""
        outcome = super().outcome()
        try:
            require_moment(None if outcome is None else outcome.ended, "ended")
        except MisfitError as error:
            raise ConfigError.of(self._outcome, error.problem, "restore it") from error
        return outcome

    def write_error(self, traceback: str) -> None:
        """Keep the traceback of an error."""
        write_file(self.error, traceback.encode())


def _require_known(record: TrialRecord) -> None:
    """Raise `MisfitError` where a record's model, or a setting, is none that there is here."""
    model = record.model.get("model", ModelConfig.model)
    if model not in MODELS:
        raise MisfitError(f"has {shown(model)} as model.model, which is unknown here")
    for name, value in record.training.items():
        if isinstance(value, dict) or (isinstance(value, list) and name != "evaluate_at"):
            raise MisfitError(f"has {shown(value)} as training.{name}, which is no plain value")
