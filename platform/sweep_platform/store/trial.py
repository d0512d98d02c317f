"""The folder of one trial: its configuration, its end, and a folder for each of its replicates.

    trial.json      which configuration, and what it costs; written once, before it starts
    outcome.json    how the trial ended; missing while it may go on
    answers.parquet which puzzle each replicate solved, see `hrm.evaluation.answer_file`
    answers.parts   the same, as it came; merged when nothing of the trial runs any more
    measure-0/      a replicate, in the layout of a single run, see `hrm.runs.folder`

The driver writes them all but for the checkpoints.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from hrm.config import ConfigError
from hrm.runs.folder import Outcome, OutcomeFile, RunFiles, RunState, require_settings
from puzzle_datasets.common.bounded import (
    LARGEST_WHOLE,
    Count,
    Positive,
    SomeFlops,
)
from puzzle_datasets.common.files import write_json, write_whole
from puzzle_datasets.common.options import Bounds
from puzzle_datasets.common.reading import Reader
from puzzle_datasets.common.records import ContradictionError, MisfitError, record_from
from sweep_platform.spec.schema import Scalar
from sweep_platform.store.origins.inherited import Ancestor, Inherited
from sweep_platform.store.origins.reused import Reused
from sweep_platform.store.replicate import Purpose, Replicate
from sweep_platform.store.sections import require_knobs

__all__ = ["Outcome", "ReplicateFolder", "Reused", "TrialFolder", "TrialRecord", "TrialState"]

TrialState = RunState
"""A trial stands as a run does."""

Setting = Annotated[Scalar, Bounds(least=-1e300, most=1e300)]
"""Of a model, or a knob; those of model and training have bounds of their own."""

FORMAT = 1
_RESTORE = "restore it"


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One configuration, and the cost of each of its replicates, known before it starts.

    Attributes:
        number: of the trial in the sweep, from 0.
        study_number: of the trial in the Optuna study, which also counts draws that were
            rejected.
        signature: hash of all that changes the result but the seed (configuration, data,
            ancestor).
        parameters: the searched knobs as they were drawn, such as N, T, hidden_size, M_max.
        inactive: those of them that this model has no use for.
        ancestor: the trial whose weights its replicates begin with; None from scratch.
        model: the resolved `hrm.config.ModelConfig`.
        training: the resolved `hrm.config.TrainingConfig`, without the seed.
        dataset: folder, name and fingerprint of the puzzles.
        parameter_count: weights without the puzzle table.
        total_steps: optimizer steps of the whole training.
        training_flops: FLOPs the whole training of a replicate will spend.
        inference_flops: FLOPs for one puzzle at M_max segments.
    """

    number: Count
    study_number: Count
    signature: str
    parameters: dict[str, Setting]
    model: dict[str, Setting]
    training: dict[str, Any]
    dataset: dict[str, Any]
    parameter_count: Positive
    total_steps: Positive
    training_flops: SomeFlops
    inference_flops: SomeFlops
    inactive: tuple[str, ...] = ()
    ancestor: Ancestor | None = None

    def __post_init__(self) -> None:
        if not self.signature:
            raise ContradictionError("has an empty signature")
        for name, value in self.parameters.items():
            if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
                raise ContradictionError(f"has {value} as parameters.{name}, over {LARGEST_WHOLE}")

    @property
    def knobs(self) -> dict[str, Any]:
        """The searched knobs that this model has a use for, and their values."""
        return {k: value for k, value in self.parameters.items() if k not in self.inactive}

    @property
    def lineage_flops(self) -> int:
        """FLOPs behind the weights of a whole training: its own, and those of its ancestors."""
        return self.training_flops + (self.ancestor.lineage_flops if self.ancestor else 0)

    def inherited(self, replicate: Replicate) -> Inherited | None:
        """What a replicate is to begin with; None where it trains from scratch."""
        return None if self.ancestor is None else self.ancestor.of(replicate)

    @property
    def costs(self) -> dict[str, int]:
        """Costs known before the trial starts, by the key of their metric."""
        return {name: getattr(self, name) for name in _COSTS}


_SECTIONS = ("dataset", "model", "training")
_COSTS = ("parameter_count", "total_steps", "training_flops", "inference_flops")
_TRIAL = ("number", "study_number", "signature", "parameters", "inactive")


def training_of(record: TrialRecord, replicate: Replicate) -> dict[str, Any]:
    """The training of one replicate: confirmation is measured on the puzzles kept back for it."""
    training = {**record.training, "seed": replicate.seed}
    if replicate.purpose is Purpose.CONFIRM and training.get("confirm_share"):
        training["eval_part"] = "confirm"
    return training


class ReplicateFolder(RunFiles):
    """Files of one replicate: those of a single run, with its place in the sweep in `run.json`."""

    @property
    def label(self) -> str:
        """The replicate's label, such as "measure-0"."""
        return self.root.name

    @property
    def purpose(self) -> Purpose:
        """What it is trained for, by its label."""
        return Purpose(self.label.partition("-")[0])

    @property
    def key(self) -> str:
        """Names the replicate within its sweep: "0003-5f0c…/measure-0"."""
        return f"{self.root.parent.name}/{self.root.name}"

    def is_begun(self) -> bool:
        """Whether it tells what is trained there; a driver may die before it does.

        Raises `ConfigError`: it is no folder, or its record is gone.
        """
        if not self.root.is_dir():
            raise ConfigError.of(self.root, "is no folder, in the place of a replicate", _RESTORE)
        if not self.exists() and self.metrics.exists():
            raise ConfigError.of(self._run, "does not exist", _RESTORE)
        return self.exists()

    def create(
        self, record: TrialRecord, replicate: Replicate, reused: Reused | None = None
    ) -> None:
        """Write what is trained, before it starts; where it was `reused`, what it stands for."""
        place = {"number": record.number, "signature": record.signature}
        origin = {} if reused is None else {"reused": asdict(reused)}
        if (inherited := record.inherited(replicate)) is not None:
            origin["inherited"] = asdict(inherited)
        self._write(
            {
                "dataset": record.dataset,
                "model": record.model,
                "training": training_of(record, replicate),
                "costs": record.costs,
                "ema_decay": record.training.get("ema"),
                "trial": {**place, "purpose": replicate.purpose, "replicate": replicate.number},
                **origin,
            }
        )

    def reused(self) -> Reused | None:
        """The training elsewhere that it goes on from; None where it began here."""
        found = self._read().get("reused")
        try:
            return None if found is None else record_from(found, Reused)
        except MisfitError as error:
            raise ConfigError.of(self._run, error.problem, _RESTORE) from error

    def inherited(self) -> Inherited | None:
        """The training whose weights it was to begin with; None where it was from scratch."""
        found = self._read().get("inherited")
        try:
            return None if found is None else record_from(found, Inherited)
        except MisfitError as error:
            raise ConfigError.of(self._run, error.problem, _RESTORE) from error

    def equals(self, record: TrialRecord, replicate: Replicate) -> bool:
        """Whether it is the same training, by settings, seed, puzzles, and whether it inherits.

        Raises `ConfigError`.
        """
        content = self._read()
        wanted = {"model": record.model, "training": training_of(record, replicate)}
        same = content["dataset"].get("fingerprint") == record.dataset.get("fingerprint")
        own = {name: content[name] for name in wanted}
        same = same and ("inherited" in content) == (record.inherited(replicate) is not None)
        return bool(same and own == json.loads(json.dumps(wanted)))

    def replicate(self) -> Replicate:
        """Which replicate it is. Raises `ConfigError` where its record is damaged."""
        return self.place()[0]

    def place(self, trial: TrialRecord | None = None) -> tuple[Replicate, dict[str, Any]]:
        """Which replicate it is, and the number and signature of its trial. See `replicate`.

        What it has in common with its `trial` was checked there.
        """
        content = self._read((trial.model, trial.training) if trial else None)
        found = content.get("trial")
        place: dict[str, Any] = found if isinstance(found, dict) else {}
        fields = {"seed": content["training"].get("seed")}
        if place:
            fields |= {"purpose": place.get("purpose"), "number": place.get("replicate")}
        try:
            return record_from(fields, Replicate), place
        except MisfitError as error:
            raise ConfigError.of(self._run, error.problem, _RESTORE) from error

    def write_error(self, traceback: str) -> None:
        """Keep the traceback of an error."""
        write_whole(self.error, lambda stream: stream.write(traceback.encode()))


_MOST_KNOWN = 20_000
"""Records that are kept of those that were read: some kB each."""

_known: dict[Path, tuple[tuple[int, ...], TrialRecord]] = {}
"""What was read of files, with their stamps, so that one that is changed is read again."""


def _stamp(path: Path) -> tuple[int, ...]:
    """What is another where a file was replaced or changed. Raises `OSError`."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


class TrialFolder:
    """Files of one trial. Raises `ConfigError` where one is damaged, or of another version."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._trial, self._outcome = root / "trial.json", OutcomeFile(root / "outcome.json")
        self.answers = root / "answers.parquet"

    @property
    def created(self) -> float:
        """Unix seconds when the trial was created."""
        return self._trial.stat().st_mtime

    def create(self, record: TrialRecord) -> None:
        """Write the trial's configuration, before it starts."""
        for folder in (self.root.parent, self.root):  # not the sweep's, which may have been moved
            folder.mkdir(exist_ok=True)
        sections = {name: getattr(record, name) for name in _SECTIONS}
        place = {name: getattr(record, name) for name in _TRIAL}
        if record.ancestor is not None:
            place["ancestor"] = record.ancestor.plain()
        write_json(self._trial, {"format": FORMAT, **sections, "costs": record.costs, **place})
        _known.pop(self._trial, None)

    def record(self) -> TrialRecord:
        """Read the trial's configuration, or return what was read of the same file before.

        It is asked for again and again, and checking all its settings takes most of the time.
        """
        try:
            stamp = _stamp(self._trial)
        except OSError:
            return self._read()
        known = _known.get(self._trial)
        if known is None or known[0] != stamp:
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            known = _known[self._trial] = stamp, self._read()
        return known[1]

    def _read(self) -> TrialRecord:
        content = Reader(self._trial, ConfigError, _RESTORE).object(FORMAT)
        costs = content.pop("costs", None)
        content.pop("format", None)
        fields = {**content, **(costs if isinstance(costs, dict) else {})}
        try:
            record = record_from(fields, TrialRecord)
            require_settings(record.model, record.training, without="seed")
            require_knobs(record.parameters, record.model, record.training)
        except MisfitError as error:
            raise ConfigError.of(self._trial, error.problem, _RESTORE) from error
        return record

    def outcome(self) -> Outcome | None:
        """The end of the trial; None while it may go on."""
        return self._outcome.read()

    def end(self, outcome: Outcome) -> None:
        """Write how the trial ended."""
        self._outcome.write(outcome)

    def begin_again(self, study_number: int) -> None:
        """Let a trial that has ended go on, as another trial of the study."""
        self.create(replace(self.record(), study_number=study_number))
        self._outcome.begin_again()

    def replicate(self, label: str) -> ReplicateFolder:
        """The folder of a replicate, made or not."""
        return ReplicateFolder(self.root / label)

    def replicates(self, *purposes: Purpose) -> list[ReplicateFolder]:
        """Replicates that were begun, of these purposes or of any, by purpose and number.

        Raises `ConfigError` where what has a replicate's name is none.
        """
        wanted = purposes or tuple(Purpose)
        found = [
            (wanted.index(purpose), int(number), path.name)
            for path in self.root.iterdir()
            for purpose, number in [_parts(path.name)]
            if purpose in wanted
        ]
        folders = (self.replicate(name) for *_, name in sorted(found))
        return [folder for folder in folders if folder.is_begun()]


def _parts(name: str) -> tuple[Purpose | None, str]:
    """The purpose and number in a folder's name; None where it is not a replicate's."""
    purpose, _, number = name.partition("-")
    known = purpose in set(Purpose) and number.isdecimal()
    return (Purpose(purpose) if known else None), number
