"""Ends trials: in the folder first, then in the study."""

import time

import optuna

from hrm.progress import Progress
from sweep_platform.search.study import Study
from sweep_platform.spec.metrics import objective_values
from sweep_platform.store.trial import Outcome, TrialFolder, TrialState

_OPTUNA_STATES = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.STOPPED: optuna.trial.TrialState.PRUNED,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}


class Outcomes:
    """Writes how trials of one sweep end; a paused trial goes on running in the study."""

    def __init__(self, study: Study, objectives: tuple[str, ...]) -> None:
        self._study, self._objectives = study, objectives

    def end(self, trial: TrialFolder, state: TrialState, reason: str) -> Outcome:
        """Write how a trial ended or paused, in the folder and then in the study."""
        outcome = Outcome(state=state, reason=reason, ended=time.time())
        trial.end(outcome)
        self.tell(trial, outcome)
        return outcome

    def tell(self, trial: TrialFolder, outcome: Outcome) -> None:
        """Let the study know of an outcome."""
        if not outcome.state.is_final:
            return
        record, values = trial.record(), None
        if outcome.state is TrialState.COMPLETE:
            values = objective_values(self._objectives, last_evaluation(trial), record.costs)
        self._study.tell(record.study_number, _OPTUNA_STATES[outcome.state], values)


def last_evaluation(trial: TrialFolder) -> Progress:
    """The last report of a trial that came with an evaluation."""
    return [m.progress for m in trial.measurements() if m.progress.curve][-1]


def complete_seconds(trials: list[TrialFolder]) -> list[float]:
    """Device-seconds of every complete trial."""
    outcomes = [(trial, trial.outcome()) for trial in trials]
    return [
        last_evaluation(trial).device_seconds
        for trial, outcome in outcomes
        if outcome is not None and outcome.state is TrialState.COMPLETE
    ]
