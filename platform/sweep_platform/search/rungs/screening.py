"""Screening: a trial's first replicates tell whether it gets the others, too.

Each trial is compared, at the end of its first replicates, with those that came there before, by
the rule of rungs. So those of the front always get all.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from puzzle_datasets.common.bounded import Figure
from puzzle_datasets.common.records import MisfitError, record_from
from sweep_platform.common.errors import InputError
from sweep_platform.search.rungs.fronts import Fronts, FrontsOfSome, Values
from sweep_platform.search.rungs.rule import SuccessiveHalving
from sweep_platform.search.studies.study import SCREENED, Study
from sweep_platform.spec.schema import RungSpec, SweepSpec
from sweep_platform.store.messages import Decision
from sweep_platform.store.replicate import Replicate
from sweep_platform.store.trial import TrialRecord


@dataclass(frozen=True, kw_only=True)
class Screened:
    """The objectives of a trial by its first replicates, and whether it gets the others."""

    values: tuple[Figure, ...]
    goes_on: bool


def read_screened(study: Study, width: int, place: object) -> dict[int, Screened]:
    """What the study keeps of trials that were screened, by number; of each its last attempt.

    Raises `InputError` of its `place` where that is damaged.
    """
    found: dict[str, tuple[int, Screened]] = {}
    for trial in study.trials():
        signature = str(trial.user_attrs.get("signature"))
        found.pop(signature, None)
        if SCREENED in trial.user_attrs:
            try:
                one = record_from(trial.user_attrs[SCREENED], Screened, SCREENED)
                if len(one.values) != width:
                    raise MisfitError(f"has a {SCREENED} with other than {width} objectives")
            except MisfitError as error:
                problem = f"is damaged: its trial {trial.number} {error.problem}"
                remedy = "restore it, or start another sweep by --out"
                raise InputError.of(place, problem, remedy) from None
            found[signature] = trial.number, one
    return dict(found.values())


class Screening:
    """Says which replicates each trial gets: of all `replicates` the first, or all of them.

    `screened` are the trials that the study has. What is decided is kept there, once for each.
    `peers` gives the numbers of the trials that one is compared with, where those are fixed.
    """

    def __init__(
        self,
        study: Study,
        spec: SweepSpec,
        replicates: Sequence[Replicate],
        screened: dict[int, Screened],
        peers: Callable[[TrialRecord], set[int] | None] = lambda record: None,
    ) -> None:
        self._study, self._replicates, self._screened = study, replicates, screened
        self._peers = peers
        self._first = replicates[: spec.first_replicates]
        if spec.screening is not None:
            limits = RungSpec(keep=spec.screening.keep, minimum=spec.screening.minimum)
            self._rule = SuccessiveHalving(limits)
        every = (one.values for one in screened.values())
        self._fronts = Fronts(spec.objectives, every)
        self._of_peers = FrontsOfSome(spec.objectives)

    def is_open(self, record: TrialRecord) -> bool:
        """Whether it is yet to be decided which replicates a trial gets."""
        screens = len(self._first) < len(self._replicates)
        return screens and record.study_number not in self._screened

    def wanted(self, record: TrialRecord) -> Sequence[Replicate]:
        """The replicates that a trial gets, as far as that is decided."""
        one = self._screened.get(record.study_number)
        return self._replicates if one is not None and one.goes_on else self._first

    def leaves(self, record: TrialRecord) -> bool:
        """Whether a trial was left with its first replicates, for others were better."""
        one = self._screened.get(record.study_number)
        return one is not None and not one.goes_on

    def may_come(self, records: Iterable[TrialRecord]) -> int:
        """How many replicates those of these trials may get of which that is yet to be decided."""
        more = len(self._replicates) - len(self._first)
        return more * sum(map(self.is_open, records)) if more else 0

    def decide(self, record: TrialRecord, values: Values) -> bool:
        """Whether a trial gets all replicates, by its objectives at the end of the first."""
        peers = self._peers(record)
        if peers is None:
            earlier = self._fronts
        else:
            known = {number: one.values for number, one in self._screened.items()}
            earlier = self._of_peers.of(peers, known)
        goes_on = self._rule.decide(values, earlier) is Decision.CONTINUE
        one = Screened(values=values, goes_on=goes_on)
        self._study.note(record.study_number, SCREENED, asdict(one))
        self._screened[record.study_number] = one
        self._fronts.add(values)
        return goes_on
