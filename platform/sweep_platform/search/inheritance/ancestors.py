"""Whose weights a new trial begins with: those of the nearest complete one that fits.

N, T and M_max change no weight's shape; what else does not, the model itself tells. A trial's
ancestor is chosen once, when the trial is made, and is kept in its record.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean

from hrm.config import ConfigError, ModelConfig
from puzzle_datasets.common.options import make
from sweep_platform.space.knobs import distance
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.checkpoints import CheckpointStore
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.origins.inherited import Ancestor, Inherited
from sweep_platform.store.replicate import Purpose, replicates
from sweep_platform.store.trained import is_earlier
from sweep_platform.store.trial import ReplicateFolder, TrialFolder, TrialRecord, TrialState


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A complete trial, and the mean accuracy of its replicates."""

    record: TrialRecord
    accuracy: float


class Ancestors:
    """Chooses ancestors in one sweep whose checkpoints lie in a store, opened when it is asked."""

    def __init__(
        self, folder: SweepFolder, spec: SweepSpec, checkpoints: Callable[[], CheckpointStore]
    ) -> None:
        self._folder, self._spec, self._checkpoints = folder, spec, checkpoints
        self._wanted = replicates(spec.seed, Purpose.MEASURE, spec.replicates)
        self._complete: dict[int, Candidate] = {}
        self._digests: dict[str, tuple[tuple[int, ...], str | None]] = {}

    def choose(self, heir: TrialRecord, known: Iterable[TrialRecord]) -> Ancestor | None:
        """The ancestor of a trial that is about to be made, among `known` ones; None from scratch.

        The nearest comes first, of equals the more accurate, then the earlier one; one that has
        lost a checkpoint is passed over. Raises `OSError` where the store can't be read.
        """
        if self._spec.inherit is None:
            return None
        complete = filter(None, map(self._candidate, known))
        ordered = nearest(self._spec, heir, complete)
        return next(filter(None, (self._ancestor(one.record) for one in ordered)), None)

    def _candidate(self, record: TrialRecord) -> Candidate | None:
        """A trial as one that may be an ancestor, if it was trained to its end."""
        if record.number not in self._complete:
            trial = self._place(record)
            end = trial.outcome()
            if end is None or end.state is not TrialState.COMPLETE:
                return None
            if (accuracy := _accuracy(trial.replicates(Purpose.MEASURE))) is None:
                return None  # it only tuned
            self._complete[record.number] = Candidate(record=record, accuracy=accuracy)
        return self._complete[record.number]

    def _place(self, record: TrialRecord) -> TrialFolder:
        return self._folder.trial(record.number, record.signature)

    def _ancestor(self, record: TrialRecord) -> Ancestor | None:
        """A trial with the checkpoints of all its replicates; None where one is not there."""
        trial, store, found = self._place(record), self._checkpoints(), list[Inherited]()
        for one in self._wanted:
            folder = trial.replicate(one.label)
            last = folder.last_measurement() if folder.exists() else None
            if last is None or not last.progress.spent:
                return None
            if (sha256 := self._digest(folder, record, store)) is None:
                return None
            found.append(
                Inherited(
                    sweep=self._spec.name,
                    trial=record.number,
                    replicate=one.label,
                    key=folder.key,
                    sha256=sha256,
                    lineage_flops=last.progress.lineage_flops,
                )
            )
        return Ancestor(signature=record.signature, replicates=tuple(found))

    def _digest(
        self, folder: ReplicateFolder, record: TrialRecord, store: CheckpointStore
    ) -> str | None:
        """That of a replicate's last checkpoint; None where an earlier one, or none, is kept.

        One in the folder is read once for all heirs, as long as the file stays the same.
        """
        try:
            found = folder.checkpoint.stat()
        except FileNotFoundError:
            return store.digest(folder.key)  # a storage keeps it in the name
        sign = found.st_mtime_ns, found.st_size, found.st_ino
        if self._digests.get(folder.key, ((),))[0] != sign:
            early = is_earlier(folder.checkpoint, record.total_steps)
            self._digests[folder.key] = sign, None if early else store.digest(folder.key)
        return self._digests[folder.key][1]


def nearest(
    spec: SweepSpec, heir: TrialRecord, candidates: Iterable[Candidate]
) -> list[Candidate]:
    """The candidates whose weights fit an heir: the nearest first, then the more accurate one."""
    fit = [one for one in candidates if _fits(one.record, heir)]
    apart = {one.record.number: distance(spec, one.record.knobs, heir.knobs) for one in fit}
    fit.sort(key=lambda one: (apart[one.record.number], -one.accuracy, one.record.number))
    return fit


def _fits(one: TrialRecord, heir: TrialRecord) -> bool:
    """Whether a model may begin with the weights of another: equal shapes, equal puzzles."""
    from hrm.model.reasoning_model import weight_shapes  # torch takes seconds to import

    shapes = [weight_shapes(make(ModelConfig, of.model, ConfigError)) for of in (one, heir)]
    same = one.dataset["fingerprint"] == heir.dataset["fingerprint"]
    return same and one.number != heir.number and shapes[0] == shapes[1]


def _accuracy(folders: Iterable[ReplicateFolder]) -> float | None:
    """The mean accuracy at the end of trainings, as far as these came to it; None of none."""
    ends = [one.last_measurement() for one in folders]
    found = [end.progress.curve.exact_accuracy[-1] for end in ends if end and end.progress.curve]
    return fmean(found) if found else None
