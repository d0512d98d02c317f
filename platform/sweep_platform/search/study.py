"""The Optuna study of a sweep: a journal in its folder, or a database for clusters.

Optuna proposes and remembers; the folder is the truth. A trial is created in the study first and
in the folder second; it ends in the folder first and in the study second. So whatever line the
driver dies at, `sweep_platform.search.search` can tell which step is missing and make it up.
"""

import math
from collections.abc import Collection, Container, Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.trial import FrozenTrial

from puzzle_datasets.common.files import drop_torn_line
from puzzle_datasets.common.reading import Reader
from sweep_platform.common.databases import driver_missing
from sweep_platform.common.errors import InputError
from sweep_platform.common.text import redact, root_cause
from sweep_platform.search.patience import PatientStorage
from sweep_platform.search.samplers import distribution, fixing
from sweep_platform.spec.metrics import direction
from sweep_platform.spec.schema import Scalar, SweepSpec
from sweep_platform.store.folder import SweepFolder

_LONGEST_LINE = 4_000_000
"""Bytes of a line of the journal."""


class Study:
    """An Optuna study with the knobs of a space. One process at a time may hold it."""

    def __init__(
        self, study: optuna.Study, spec: SweepSpec, storage: PatientStorage | None = None
    ) -> None:
        self._study, self._storage = study, storage
        self._seen = Latest(study)
        self._draws = self._counted = 0
        self._distributions: Mapping[str, BaseDistribution] = {
            name: distribution(knob) for name, knob in spec.space.items()
        }

    def hurry(self) -> None:
        """Wait for a database that is away no longer. Safe in a signal handler."""
        if self._storage is not None:
            self._storage.hurried = True

    def trials(self) -> list[FrozenTrial]:
        """Every trial of the study, by number."""
        return self._study.get_trials(deepcopy=False)

    def drawn(self, after: int = -1) -> list[FrozenTrial]:
        """Trials after this number whose every knob was drawn; a driver may die in between."""
        return [one for one in self.trials()[after + 1 :] if self.is_drawn(one)]

    def draws(self) -> int:
        """The number of trials whose every knob was drawn. None may be half drawn meanwhile."""
        trials = self.trials()
        self._draws += sum(map(self.is_drawn, trials[self._counted :]))
        self._counted = len(trials)
        return self._draws

    def is_drawn(self, trial: FrozenTrial) -> bool:
        """Whether every knob of a trial was drawn."""
        return trial.params.keys() == self._distributions.keys()

    def ask(self, sampler: BaseSampler, hidden: Collection[int] = ()) -> optuna.Trial:
        """A new trial with every knob drawn; what came of the `hidden` ones does not count."""
        self._seen.sampler, self._seen.hidden = sampler, hidden
        return self._seen.ask(dict(self._distributions))

    def lag(self, wanted: int) -> int:
        """The number of trials that proposals do without; the first one `wanted` stays."""
        kept: int = self._study.user_attrs.get("lag", wanted)
        if "lag" not in self._study.user_attrs:
            self._study.set_user_attr("lag", wanted)
        return kept

    def again(
        self,
        parameters: Mapping[str, Scalar],
        signature: str,
        before: int,
        without: Collection[str] = (),
    ) -> int:
        """The number of a new trial with these knobs, which an earlier one had.

        What the replicates of `before`, the earlier one, have at rungs is the new one's as well,
        but for those `without` which it begins.
        """
        trial = self.ask(fixing(parameters, RandomSampler(seed=0)))
        if rungs := _without(without, self.attribute(before, "rungs", {})):
            trial.set_user_attr("rungs", rungs)
        trial.set_user_attr("signature", signature)
        self._seen.superseded.add(before)
        return trial.number

    def reopen(self, stored: FrozenTrial) -> optuna.Trial:
        """A running trial to write to."""
        return optuna.Trial(self._study, stored._trial_id)

    def tell(
        self, number: int, state: optuna.trial.TrialState, values: Sequence[float] | None = None
    ) -> None:
        """Write how a trial ended."""
        self._study.tell(number, values, state=state)

    def attribute(self, number: int, name: str, default: Any) -> Any:
        """An attribute that was kept with a trial."""
        return self._stored(number).user_attrs.get(name, default)

    def note(self, number: int, name: str, value: Any) -> None:
        """Keep an attribute with a running trial."""
        self.reopened(number).set_user_attr(name, value)

    def reopened(self, number: int) -> optuna.Trial:
        """The running trial of a number, to write to."""
        return self.reopen(self._stored(number))

    def _stored(self, number: int) -> FrozenTrial:
        return self.trials()[number]  # Optuna numbers them by their place


class Latest(optuna.Study):
    """A study as its sampler sees it: of a configuration that was taken up again, the last trial.

    Each earlier one reads as failed where it stands, with the worst of values: a sampler may hold
    it as a parent, by its id, since before. `superseded` are their numbers. The `hidden` ones read
    as if they still ran.
    """

    def __init__(self, study: optuna.Study) -> None:
        super().__init__(study.study_name, study._storage)
        self.hidden: Collection[int] = ()
        last: dict[str, int] = {}
        self.superseded: set[int] = set()
        for trial in super().get_trials(deepcopy=False):
            if signature := trial.user_attrs.get("signature"):
                if signature in last:
                    self.superseded.add(last[signature])
                last[signature] = trial.number

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[optuna.trial.TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        """What every sampler of Optuna, and `get_trials`, ask for."""
        trials = super()._get_trials(deepcopy, None, use_cache)
        seen = map(self._read, trials)
        return [one for one in seen if states is None or one.state in states]

    def _read(self, trial: FrozenTrial) -> FrozenTrial:
        if trial.number in self.hidden:
            return _ended_as(trial, optuna.trial.TrialState.RUNNING)
        return self._failed(trial) if trial.number in self.superseded else trial

    def _failed(self, trial: FrozenTrial) -> FrozenTrial:
        maximized = (one is optuna.study.StudyDirection.MAXIMIZE for one in self.directions)
        worst = [-math.inf if one else math.inf for one in maximized]
        return _ended_as(trial, optuna.trial.TrialState.FAIL, worst, trial.datetime_complete)


def _ended_as(
    trial: FrozenTrial,
    state: optuna.trial.TrialState,
    values: Sequence[float] | None = None,
    complete: datetime | None = None,
) -> FrozenTrial:
    """The same trial in another state, without what it reported."""
    return FrozenTrial(
        number=trial.number,
        state=state,
        value=None,
        values=values,
        datetime_start=trial.datetime_start,
        datetime_complete=complete,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs,
        system_attrs=trial.system_attrs,
        intermediate_values={},
        trial_id=trial._trial_id,
    )


def _without(labels: Collection[str], rungs: Mapping[str, Any]) -> dict[str, Any]:
    """What was kept at rungs, but for the replicates of these labels."""
    left = {
        rung: {**entry, "replicates": {k: v for k, v in each.items() if k not in labels}}
        for rung, entry in rungs.items()
        for each in [entry["replicates"]]
    }
    return {rung: entry for rung, entry in left.items() if entry["replicates"]}


def open_study(folder: SweepFolder, spec: SweepSpec) -> Study:
    """A sweep's study, old or new. Raises `InputError`: no database to open, or to write."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if spec.search.storage is None:
        return Study(_kept_beside(folder, spec), spec)
    try:
        storage = PatientStorage(spec.search.storage)
        study = Study(_created(storage, folder, spec), spec, storage)
        storage.patient = True
        return study
    except Exception as error:
        raise InputError(
            "`search.storage`",
            redact(spec.search.storage),
            driver_missing(spec.search.storage, error)
            or "start that database and let this sweep write to it, correct the URL, or leave the "
            "key out to keep a journal file",
            problem=f"cannot be opened ({root_cause(error)})",
        ) from None


def _created(storage: BaseStorage, folder: SweepFolder, spec: SweepSpec) -> optuna.Study:
    return optuna.create_study(
        study_name=folder.record().id,
        storage=storage,
        directions=[direction(name) for name in spec.objectives],
        load_if_exists=True,
    )


def _kept_beside(folder: SweepFolder, spec: SweepSpec) -> optuna.Study:
    """The study in its journal; Optuna trusts that as it is."""
    path, remedy = folder.journal, "restore it, or start another sweep by --out"
    reader = Reader(path, InputError, remedy, most=_LONGEST_LINE)
    if path.exists():
        for number, line in enumerate(reader.lines(), start=1):
            if not isinstance(line, dict):
                raise InputError.of(path, f"is damaged: line {number} is no record", remedy)
        drop_torn_line(path)
    try:
        return _created(JournalStorage(JournalFileBackend(str(path), HeldLock())), folder, spec)
    except OSError:
        raise
    except Exception as error:  # of any kind, by what is wrong with it
        problem = f"is damaged, or of another version of Optuna ({type(error).__name__})"
        raise InputError.of(path, problem, remedy) from error


class HeldLock(BaseJournalFileLock):
    """A lock that is always held: the driver owns the whole sweep folder while it runs.

    Optuna's own lock files outlive a killed process and then block the next one for 30 s.
    """

    def acquire(self) -> bool:
        """Say that the lock is held."""
        return True

    def release(self) -> None:
        """Keep it."""
