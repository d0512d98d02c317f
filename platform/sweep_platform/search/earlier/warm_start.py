"""Results of earlier sweeps, told to a new study as trials that no budget counts."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hrm.config import ConfigError
from puzzle_datasets.common.text import counted
from sweep_platform.search.outcomes import Outcomes
from sweep_platform.search.proposer import TrialFactory
from sweep_platform.search.studies.study import Study
from sweep_platform.space.configuration import configured
from sweep_platform.space.knobs import Shape, holds
from sweep_platform.space.rules.conditions import active, lacking
from sweep_platform.space.training_budget import flops_at
from sweep_platform.spec.schema import Scalar, SweepSpec
from sweep_platform.spec.settings import BUDGET_KNOB
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import TrialFolder, TrialRecord, TrialState


@dataclass
class Learned:
    """What was taken over from one sweep: how many trials, and of others why not.

    `differing` are the settings in which trials that were taken differ from this sweep's.
    """

    source: str
    used: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    differing: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        said = f"Learned from {counted(self.used, 'trial')} of {self.source}"
        if self.differing:
            said += f", which differ in {', '.join(sorted(self.differing))}"
        why = [
            f"{counted(count, 'trial')} left out: {reason}" for reason, count in self._reasons()
        ]
        return "; ".join([said, *why]) + "."

    def _reasons(self) -> list[tuple[str, int]]:
        return sorted(self.left_out.items(), key=lambda item: -item[1])


@dataclass(frozen=True)
class WarmStart:
    """Tells a study of results of earlier sweeps, as far as they fit a spec and its puzzles."""

    study: Study
    spec: SweepSpec
    shape: Shape
    fingerprint: str
    factory: TrialFactory
    outcomes: Outcomes

    def learn(self, own: Path) -> list[Learned]:
        """Tell the study, unless it has trials of its own by now; `own` is this sweep's folder.

        A driver may die in between: what was told is not told again.
        """
        trials = self.study.trials()
        told = {one.user_attrs.get("learned") for one in trials}
        if None in told:
            return []
        sources = [one for one in self.spec.learn_from if Path(one) != own.absolute()]
        return [self._learn_from(one, told) for one in sources]

    def _learn_from(self, source: str, told: set[str | None]) -> Learned:
        found = Learned(source)
        for trial in SweepFolder(Path(source)).trials():
            outcome = trial.outcome()
            if outcome is None or outcome.state is not TrialState.COMPLETE:
                found.left_out["not complete"] += 1
            elif (reason := self._take(trial, f"{source}#{trial.record().number}", told)) is None:
                found.used += 1
                found.differing |= self._differing(trial.record())
            else:
                found.left_out[reason] += 1
        return found

    def _take(self, trial: TrialFolder, label: str, told: set[str | None]) -> str | None:
        """Tell the study of a trial, and return None, or why it does not fit."""
        record = trial.record()
        point = active(self.spec, self._point(record))
        if reason := self._misfit(record, point):
            return reason
        try:
            values = self.outcomes.values(trial)
        except KeyError as error:
            return f"{error.args[0]} was not measured"
        if label not in told:
            self.study.add(point, values, self.factory.violations(point), label)
        return None

    def _point(self, record: TrialRecord) -> dict[str, Scalar]:
        """The knobs of this sweep as another's trial had them, where they hold its value."""
        had = {**record.model, **record.training, **record.parameters}
        return {
            name: had[name]
            for name, knob in self.spec.space.items()
            if name in had and holds(knob, had[name])
        }

    def _misfit(self, record: TrialRecord, point: dict[str, Scalar]) -> str | None:
        if record.dataset.get("fingerprint") != self.fingerprint:
            return "of other puzzles"
        if record.ancestor is not None and self.spec.inherit is None:
            return "with weights of another trial"
        budget = None if BUDGET_KNOB in self.spec.space else flops_at(self.spec, {})
        if budget is not None and record.training.get(BUDGET_KNOB) != budget:
            return "of another budget.flops_per_trial"
        if outside := lacking(self.spec, point):
            return f"outside space.{outside[0]}"
        return None if self.factory.allows(point) else "against the constraints"

    def _differing(self, record: TrialRecord) -> set[str]:
        """Settings of model and training that are not what this sweep would train there."""
        try:
            own = configured(self.spec, self.shape, self._point(record))
        except ConfigError:
            return set()
        pairs = ((record.model, asdict(own.model)), (record.training, asdict(own.training)))
        return {
            name
            for theirs, ours in pairs
            for name, value in theirs.items()
            if name in ours and name != "evaluate_at" and ours[name] != value
        }
