"""Brings study and folder to the same state after a driver died at any line."""

import optuna

from sweep_platform.common.errors import InputError
from sweep_platform.search.outcomes import Outcomes
from sweep_platform.search.study import Study
from sweep_platform.search.trial_factory import TrialFactory
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import TrialFolder


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
