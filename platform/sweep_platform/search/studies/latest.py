"""A study as its sampler sees it: superseded trials have failed, hidden ones still run."""

import math
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import MappingProxyType

import optuna
from optuna.trial import FrozenTrial


class Latest(optuna.Study):
    """A study as its sampler sees it: of a configuration that was taken up again, the last trial.

    Each earlier one reads as failed where it stands, with the worst of values: a sampler may hold
    it as a parent, by its id, since before. `superseded` are their numbers. The `hidden` ones read
    as if they still ran, and the `paused` ones, which wait at a rung, as if they had been stopped.
    """

    def __init__(self, study: optuna.Study) -> None:
        super().__init__(study.study_name, study._storage)
        self.hidden: Collection[int] = ()
        self.paused: set[int] = set()
        self._drawing, self._once = False, list[FrozenTrial]()
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
        """What every sampler of Optuna, and `get_trials`, ask for.

        Trials come in the order of their numbers, which have no gaps.
        """
        if self._once and not deepcopy:
            seen = [*self._once[:-1], self._storage.get_trial(self._once[-1]._trial_id)]
        else:
            seen = list(super()._get_trials(deepcopy, None, use_cache))
            for number in {*self.hidden, *self.paused, *self.superseded}:
                if number < len(seen):  # a list of before may have fewer
                    seen[number] = self._read(seen[number])
            self._once = seen if self._drawing and not deepcopy else []
        return seen if states is None else [one for one in seen if one.state in states]

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """While a trial is drawn, read all others once: a sampler asks for them several times.

        Nobody else writes to the study meanwhile, and the newest trial is the one that is drawn.
        """
        self._drawing, self._once = True, []
        try:
            yield
        finally:
            self._drawing, self._once = False, []

    def _read(self, trial: FrozenTrial) -> FrozenTrial:
        if trial.number in self.hidden:
            return _ended_as(trial, optuna.trial.TrialState.RUNNING)
        if trial.number in self.paused and trial.state is optuna.trial.TrialState.RUNNING:
            return _ended_as(
                trial,
                optuna.trial.TrialState.PRUNED,
                complete=trial.datetime_start,
                reported=trial.intermediate_values,
            )
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
    reported: Mapping[int, float] = MappingProxyType({}),
) -> FrozenTrial:
    """The same trial in another state, with some of what it reported."""
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
        intermediate_values=dict(reported),
        trial_id=trial._trial_id,
    )
