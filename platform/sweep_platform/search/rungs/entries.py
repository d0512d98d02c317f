"""What the study keeps of trials at rungs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from hrm.progress import Progress
from puzzle_datasets.common.bounded import Count, Figure
from puzzle_datasets.common.records import MisfitError, record_from
from sweep_platform.common.errors import InputError
from sweep_platform.search.rungs.fronts import Values
from sweep_platform.search.studies.study import Study
from sweep_platform.spec.metrics import measured
from sweep_platform.store.messages import Decision
from sweep_platform.store.trial import TrialRecord

EARLY = ("exact_accuracy", "token_accuracy", "loss", "inference_flops", "total_steps")
"""What of a replicate at a rung may foretell its end, its costs among it."""

OBJECTIVES = "objectives"
"""By which trials are compared where nothing foretells their ends."""


def early(progress: Progress, record: TrialRecord) -> Values:
    """What of a report, one with an evaluation, may foretell the end; see `EARLY`."""
    known = {**measured(progress), **record.costs}
    return tuple(float(known[name]) for name in EARLY)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A trial at a rung: the objectives of each replicate that is there, and what was decided.

    `early` has of each what may foretell its end, in the order of `EARLY`; older entries lack it.
    The decision was taken `by` one of these, or by the objectives; one that is `audited` was to
    stop or to pause, and goes on so that it can be told what that costs. One that `paused` here is
    paused as long as the decision is to PAUSE; it was promoted where that is to CONTINUE by now,
    and never was where it is to STOP. `trial` is its number in the sweep, which stays where it
    goes on as another trial of the study; older entries lack it.
    """

    replicates: dict[str, tuple[Figure, ...]]
    decision: Decision
    early: dict[str, tuple[Figure, ...]] = field(default_factory=dict)
    by: str = OBJECTIVES
    audited: bool = False
    paused: bool = False
    trial: Count | None = None

    @property
    def values(self) -> Values:
        """The trial's objectives: their means over the replicates that are there."""
        return mean_values(self.replicates.values())

    @property
    def features(self) -> Values | None:
        """What may foretell the trial's end, on average; None in older entries."""
        return mean_values(self.early.values()) if self.early else None


Entries = dict[int, dict[str, Entry]]
"""By study number and rung."""


def read_entries(study: Study, objectives: tuple[str, ...], place: object) -> Entries:
    """What the study keeps of rungs, of a trial that was tried again its last attempt alone.

    Raises `InputError` of its `place` where that is damaged.
    """
    trials = study.trials()
    last = {str(trial.user_attrs.get("signature")): trial.number for trial in trials}
    return {
        trial.number: _read(trial.user_attrs["rungs"], len(objectives), trial.number, place)
        for trial in trials
        if "rungs" in trial.user_attrs
        and last[str(trial.user_attrs.get("signature"))] == trial.number
    }


def _read(kept: object, width: int, number: int, place: object) -> dict[str, Entry]:
    try:
        if not isinstance(kept, dict):
            raise MisfitError("has rungs that are no mapping of keys")
        entries = {
            rung: record_from(entry, Entry, f"rungs.{rung}") for rung, entry in kept.items()
        }
        of_each = [list(entry.replicates.values()) for entry in entries.values()]
        if any(not each or any(len(one) != width for one in each) for each in of_each):
            raise MisfitError(f"has a rung with other than {width} objectives")
    except MisfitError as error:
        problem = f"is damaged: its trial {number} {error.problem}"
        remedy = "restore it, or start another sweep by --out"
        raise InputError.of(place, problem, remedy) from None
    return entries


def paused_at(entries: Mapping[str, Entry]) -> str | None:
    """The rung at which a trial is paused, the highest of several; None where it is not."""
    rungs = (rung for rung, entry in entries.items() if entry.decision is Decision.PAUSE)
    return max(rungs, key=float, default=None)


def mean_values(each: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    """The mean of each objective over replicates, at least one.

    >>> mean_values([(0.5, 10.0), (1.0, 20.0)])
    (0.75, 15.0)
    """
    return tuple(fmean(column) for column in zip(*each, strict=True))
