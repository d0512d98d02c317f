"""The search of one sweep, opened: what to try next, who goes on, how trials end.

Trials end in the folder first, then in the study. `recover` brings both to the same state after a
driver died at any line.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import optuna

from hrm.progress import Progress
from sweep_platform.common.errors import InputError
from sweep_platform.common.text import redact
from sweep_platform.search.proposer import Proposer, TrialFactory
from sweep_platform.search.rungs import RungLedger, SuccessiveHalving, read_entries
from sweep_platform.search.study import Study, open_study
from sweep_platform.space.knobs import Shape
from sweep_platform.spec.metrics import objective_values
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder
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
    """The last report of a trial that came with an evaluation.

    Raises `InputError` where its file has lost it.
    """
    evaluated = [m.progress for m in trial.measurements() if m.progress.curve]
    if not evaluated:
        problem, remedy = "lacks the evaluation of a complete trial", "restore it"
        raise InputError.of(trial.metrics, problem, remedy)
    return evaluated[-1]


def complete_seconds(trials: list[TrialFolder]) -> list[float]:
    """Device-seconds of every complete trial."""
    outcomes = [(trial, trial.outcome()) for trial in trials]
    return [
        last_evaluation(trial).device_seconds
        for trial, outcome in outcomes
        if outcome is not None and outcome.state is TrialState.COMPLETE
    ]


@dataclass(frozen=True)
class Search:
    """The parts of a search; they share one study, which one process at a time may hold."""

    study: Study
    proposer: Proposer
    rungs: RungLedger
    outcomes: Outcomes


def open_search(
    folder: SweepFolder,
    spec: SweepSpec,
    shape: Shape,
    dataset: Mapping[str, str],
    retry_failed: bool = False,
) -> Search:
    """The search of a sweep, after what a former driver left undone was made up for.

    `shape` has the sizes that the puzzles fix for a model, `dataset` their folder and fingerprint.
    With `retry_failed`, trials that failed are to run again.
    Raises `InputError`: the study cannot be opened, or is not the one of the folder's trials.
    """
    study = open_study(folder, spec)
    factory = TrialFactory(folder, spec, shape, dataset)
    outcomes = Outcomes(study, spec.objectives)
    unfinished = recover(folder, study, factory, outcomes)
    if retry_failed:
        unfinished += _retried(folder, study)
    rule = SuccessiveHalving(spec.rungs)
    storage = spec.search.storage
    place = folder.journal if storage is None else redact(storage)
    entries = read_entries(study, spec.objectives, place)
    return Search(
        study=study,
        proposer=Proposer(study, factory, spec, unfinished),
        rungs=RungLedger(study, rule, spec.objectives, entries),
        outcomes=outcomes,
    )


def recover(
    folder: SweepFolder, study: Study, factory: TrialFactory, outcomes: Outcomes
) -> list[TrialFolder]:
    """Make up for the steps that a former driver did not come to; return trials that go on.

    Raises `InputError`: the folder has a trial that the study lacks.
    """
    folders = {trial.record().study_number: trial for trial in folder.trials()}
    _refuse_unknown(folder, folders, study)
    unfinished = []
    for trial in study.trials():
        if trial.state is not optuna.trial.TrialState.RUNNING:
            continue
        found = folders.get(trial.number) or _recreate(trial, study, factory)
        outcome = None if found is None else found.outcome()
        if found is None:
            study.tell(trial.number, optuna.trial.TrialState.FAIL)
        elif outcome is not None and outcome.state.is_final:
            outcomes.tell(found, outcome)
        else:
            unfinished.append(found)
    return unfinished


def _retried(folder: SweepFolder, study: Study) -> list[TrialFolder]:
    """The trials that failed, each in the study once more, for there it has ended."""
    outcomes = [(trial, trial.outcome()) for trial in folder.trials()]
    failed = [one for one, end in outcomes if end and end.state is TrialState.FAILED]
    for trial in failed:
        record = trial.record()
        trial.retry(study.again(record.parameters, record.signature))
    return failed


def _refuse_unknown(folder: SweepFolder, folders: dict[int, TrialFolder], study: Study) -> None:
    """A study in another storage would begin anew, and count its trials from 0 again."""
    known = {trial.number for trial in study.trials()}
    for number, trial in folders.items():
        if number not in known:
            raise InputError(
                None,
                number,
                "give the storage that the sweep began with by --set search.storage=URL, or put "
                f"{folder.journal.name} back if it was kept there",
                problem=f"the study lacks trial {trial.record().number} of {folder.root}",
            )


def _recreate(
    trial: optuna.trial.FrozenTrial, study: Study, factory: TrialFactory
) -> TrialFolder | None:
    """The folder that a draw was still to get; None if it was half drawn, or a duplicate."""
    if not study.is_drawn(trial):
        return None
    record = factory.record(trial.number, trial.params)
    if record.signature in factory.signatures:
        return None
    return factory.create(study.reopen(trial), record)
