"""The Optuna study of a sweep: trials are asked of it, and told to it.

Optuna proposes and remembers; the folder is the truth. A trial is created in the study first and
in the folder second; it ends in the folder first and in the study second. So whatever line the
driver dies at, `sweep_platform.search.search` can tell which step is missing and make it up.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial

from sweep_platform.search.samplers import distribution, fixing
from sweep_platform.search.sampling.common_space import CommonSpace
from sweep_platform.search.studies import dashboard
from sweep_platform.search.studies.latest import Latest
from sweep_platform.search.studies.patience import PatientStorage
from sweep_platform.space.rules.conditions import in_order, lacking
from sweep_platform.spec.schema import Scalar, SweepSpec
from sweep_platform.store.messages import Decision

SCREENED = "screened"
"""Attribute of a trial: what its first replicates came to, and whether it gets the others."""

ADDED, PROMOTED, TAKEN_UP = "added", "promoted", "taken_up"
"""Attributes of trials: the numbers of the messages that added and promoted them, and of the one
by which their folder was taken up again."""


class Study:
    """An Optuna study with the knobs of a space. One process at a time may hold it.

    `draws` is the number of trials whose every knob was drawn; the `paused` ones, by number, read
    as stopped to samplers, so that these learn from what they reported.
    """

    def __init__(
        self, study: optuna.Study, spec: SweepSpec, storage: PatientStorage | None = None
    ) -> None:
        self._study, self._storage = study, storage
        self._seen, self._common = Latest(study), CommonSpace()
        self.paused = self._seen.paused
        self._spec = spec
        self._distributions: Mapping[str, BaseDistribution] = {
            name: distribution(spec.space[name]) for name in in_order(spec)
        }
        trials = self.trials()
        self._count = len(trials)
        self.draws = sum(map(self.is_drawn, trials))

    def hurry(self) -> None:
        """Wait for a database that is away no longer. Safe in a signal handler."""
        if self._storage is not None:
            self._storage.hurried = True

    def trials(self) -> list[FrozenTrial]:
        """Every trial of the study, by number."""
        return self._study.get_trials(deepcopy=False)

    def drawn(self, after: int) -> list[FrozenTrial]:
        """Trials after this number whose every knob was drawn; a driver may die in between."""
        new = map(self._stored, range(after + 1, self._count))
        return [one for one in new if self.is_drawn(one)]

    def is_drawn(self, trial: FrozenTrial) -> bool:
        """Whether every knob of a trial was drawn here."""
        return "learned" not in trial.user_attrs and not lacking(self._spec, trial.params)

    def ask(
        self,
        sampler: BaseSampler,
        hidden: Collection[int] = (),
        marks: Mapping[str, Any] | None = None,
    ) -> optuna.Trial:
        """A new trial with every knob drawn whose condition is met.

        What came of the `hidden` ones does not count. The trial has its `marks`, attributes,
        before any knob: a driver that dies leaves none that is drawn without them.
        """
        self._seen.sampler, self._seen.hidden = self._common.lend(sampler), hidden
        with self._seen.drawing():
            trial = self._seen.ask()
            for name, value in (marks or {}).items():
                trial.set_user_attr(name, value)
            for name, one in self._distributions.items():
                if name in lacking(self._spec, trial.params):
                    trial._suggest(name, one)
        self._count, self.draws = trial.number + 1, self.draws + 1
        return trial

    def lag(self, wanted: int) -> int:
        """The number of trials that proposals do without; the first one `wanted` stays."""
        kept: int = self._study.user_attrs.get("lag", wanted)
        if "lag" not in self._study.user_attrs:
            self._study.set_user_attr("lag", wanted)
        return kept

    def marked(self, name: str) -> bool:
        """Whether the study was marked."""
        return bool(self._study.user_attrs.get(name))

    def mark(self, name: str, value: Any = True) -> None:
        """Mark the study, for good, or with another value in place of the last."""
        self._study.set_user_attr(name, value)

    def mark_of(self, name: str) -> Any:
        """What the study was marked with; None where it was not."""
        return self._study.user_attrs.get(name)

    def again(
        self,
        parameters: Mapping[str, Scalar],
        signature: str,
        before: int,
        without: Collection[str] = (),
        promoted: int = 0,
    ) -> int:
        """The number of a new trial with these knobs, which an earlier one had.

        What the replicates of `before`, the earlier one, have at rungs is the new one's as well,
        but for those `without` which it begins, and so is what came of its screening. It is
        promoted by a message of that number, or as the earlier one was; then no rung has stopped
        it.
        """
        trial = self.ask(fixing(parameters, RandomSampler(seed=0)))
        rungs = _without(without, self.attribute(before, "rungs", {}))
        if promoted := promoted or self.attribute(before, PROMOTED, 0):
            trial.set_user_attr(PROMOTED, promoted)
            trial.set_user_attr(TAKEN_UP, self.attribute(before, TAKEN_UP, 0))
            goes_on = {"decision": Decision.CONTINUE.value}
            rungs = {rung: {**entry, **goes_on} for rung, entry in rungs.items()}
        if rungs:
            trial.set_user_attr("rungs", rungs)
        if screened := self.attribute(before, SCREENED, None):
            trial.set_user_attr(SCREENED, screened)
        weigh(trial, self._stored(before).constraints)
        trial.set_user_attr("signature", signature)
        self._seen.superseded.add(before)
        return trial.number

    def add(
        self,
        point: Mapping[str, Scalar],
        values: Sequence[float],
        violations: Mapping[str, float],
        learned: str,
    ) -> None:
        """Add a result of another sweep, by the label of its trial there."""
        trial = optuna.trial.create_trial(
            values=list(values),
            params=dict(point),
            distributions={name: self._distributions[name] for name in point},
            user_attrs={"learned": learned},
            constraints=dict(violations),
        )
        self._study.add_trial(trial)
        self._count += 1

    def reject(self, trial: optuna.Trial, violations: Mapping[str, float]) -> None:
        """End a draw that breaks a constraint, before it costs anything."""
        weigh(trial, violations)
        broken = [constraint for constraint, value in violations.items() if value > 0]
        reason = f"no trial: it breaks {broken[0]}" if broken else "no trial: it can't be built"
        self.tell(trial.number, optuna.trial.TrialState.PRUNED, reason=reason)

    def reopen(self, stored: FrozenTrial) -> optuna.Trial:
        """A running trial to write to."""
        return optuna.Trial(self._study, stored._trial_id)

    def tell(
        self,
        number: int,
        state: optuna.trial.TrialState,
        values: Sequence[float] | None = None,
        *,
        reason: str | None = None,
    ) -> None:
        """Write how a trial ended; Optuna's dashboard shows the `reason`."""
        if reason is not None:
            dashboard.note(self._study, self._stored(number)._trial_id, reason)
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
        storage, study = self._study._storage, self._study._study_id
        return storage.get_trial(storage.get_trial_id_from_study_id_trial_number(study, number))


def weigh(trial: optuna.Trial, violations: Mapping[str, float]) -> None:
    """Tell how far a trial is from each constraint, which samplers learn from; once."""
    for constraint, value in violations.items():
        if constraint not in trial.constraints:
            trial.set_constraint(constraint, value)


def _without(labels: Collection[str], rungs: Mapping[str, Any]) -> dict[str, Any]:
    """What was kept at rungs, but for the replicates of these labels; older ones lack `early`."""
    left = {rung: {**entry, **_others(labels, entry)} for rung, entry in rungs.items()}
    return {rung: entry for rung, entry in left.items() if entry["replicates"]}


def _others(labels: Collection[str], entry: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry has of each replicate, but for those of these labels."""
    by_replicate = {name: entry[name] for name in ("replicates", "early") if name in entry}
    return {
        name: {label: value for label, value in each.items() if label not in labels}
        for name, each in by_replicate.items()
    }
