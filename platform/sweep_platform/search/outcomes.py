"""How replicates and trials end: in the folder first, then in the study."""

import time
from collections.abc import Sequence

import optuna

from hrm.progress import Progress
from puzzle_datasets.common.text import counted
from sweep_platform.common.errors import InputError
from sweep_platform.search.rungs.entries import mean_values
from sweep_platform.search.studies.study import Study
from sweep_platform.spec.curves import curve_values
from sweep_platform.spec.metrics import objective_values, target_cost
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.trial import (
    Outcome,
    ReplicateFolder,
    TrialFolder,
    TrialRecord,
    TrialState,
)

_OPTUNA_STATES = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.STOPPED: optuna.trial.TrialState.PRUNED,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}


class Outcomes:
    """Writes how replicates and trials of one sweep end."""

    def __init__(
        self,
        study: Study,
        objectives: tuple[str, ...],
        targets: tuple[float, ...] = (),
        at_flops: float | None = None,
    ) -> None:
        self._study, self._objectives, self._targets = study, objectives, targets
        self._at_flops = at_flops

    def end_replicate(self, folder: ReplicateFolder, state: TrialState, reason: str) -> Outcome:
        """Write how a replicate ended or paused."""
        outcome = Outcome(state=state, reason=reason, ended=time.time())
        folder.end(outcome)
        return outcome

    def end(self, trial: TrialFolder, state: TrialState, reason: str) -> Outcome:
        """Write how a trial ended, in the folder and then in the study."""
        outcome = Outcome(state=state, reason=reason, ended=time.time())
        trial.end(outcome)
        self.tell(trial, outcome)
        return outcome

    def tell(self, trial: TrialFolder, outcome: Outcome) -> None:
        """Let the study know of an outcome: the means over its complete replicates."""
        record, values = trial.record(), None
        if outcome.state is TrialState.COMPLETE:
            values = self.values(trial)
        reason = outcome.reason if values is None else None
        state = _OPTUNA_STATES[outcome.state]
        self._study.tell(record.study_number, state, values, reason=reason)

    def values(self, trial: TrialFolder, first: int | None = None) -> tuple[float, ...]:
        """The objectives of a complete trial: means over its complete replicates.

        Those of so many `first` replicates alone, where any of them is complete. Raises
        `KeyError`, with its name, where one was not measured.
        """
        record = trial.record()
        measured = complete_replicates(trial) or complete_replicates(trial, Purpose.TUNE)
        if first is not None:
            measured = [one for one in measured if one.replicate().number < first] or measured
        return mean_values(self._values(one, record) for one in measured)

    def _values(self, folder: ReplicateFolder, record: TrialRecord) -> tuple[float, ...]:
        evaluated = evaluations(folder)
        points = [
            (one.lineage_flops, one.curve.exact_accuracy[-1]) for one in evaluated if one.curve
        ]
        known = {
            **record.costs,
            **target_cost(self._targets, points, record.lineage_flops),
            **curve_values(evaluated[-1].curve, self._at_flops),
        }
        return objective_values(self._objectives, evaluated[-1], known)


def verdict(
    ends: Sequence[Outcome | None], pruned: str | None = None
) -> tuple[TrialState, str] | None:
    """How a trial ends whose replicates ended so, None being one that never began.

    `pruned` is why the trial was told to stop, if it was. None where nothing can be said: no
    replicate has ended.
    """
    known = [one for one in ends if one is not None]
    if pruned is not None:
        return TrialState.STOPPED, pruned
    if not known:
        return None
    complete = [one for one in known if one.state is TrialState.COMPLETE]
    failed = [one for one in known if one.state is TrialState.FAILED]
    if 2 * len(failed) >= len(ends):
        return TrialState.FAILED, _of_all(failed, ends, "failed")
    if 2 * len(complete) <= len(ends):
        cut = next((one for one in known if one not in complete), known[-1])
        return TrialState.STOPPED, cut.reason
    if len(complete) == len(ends):
        return TrialState.COMPLETE, complete[-1].reason
    broken = failed[-1] if failed else next((o for o in known if o not in complete), None)
    why = "the others did not begin" if broken is None else broken.reason
    return TrialState.COMPLETE, f"{len(complete)} of {len(ends)} replicates complete: {why}"


def _of_all(some: Sequence[Outcome], ends: Sequence[Outcome | None], what: str) -> str:
    if len(ends) == 1:
        return some[-1].reason
    return f"{len(some)} of {counted(len(ends), 'replicate')} {what}: {some[-1].reason}"


def complete_replicates(trial: TrialFolder, *purposes: Purpose) -> list[ReplicateFolder]:
    """Replicates that spent their whole budget: those that measure, or of the given purposes."""
    begun = trial.replicates(*(purposes or (Purpose.MEASURE,)))
    found = [(one, one.outcome()) for one in begun]
    return [one for one, end in found if end and end.state is TrialState.COMPLETE]


def last_evaluation(folder: ReplicateFolder) -> Progress:
    """The last report of a replicate that came with an evaluation. Raises as `evaluations`."""
    return evaluations(folder)[-1]


def evaluations(folder: ReplicateFolder) -> list[Progress]:
    """The reports of a complete replicate that came with an evaluation, at least one.

    Raises `InputError` where its file has lost them.
    """
    evaluated = [m.progress for m in folder.measurements() if m.progress.curve]
    if not evaluated:
        problem, remedy = "lacks the evaluation of a complete trial", "restore it"
        raise InputError.of(folder.metrics, problem, remedy)
    return evaluated
