"""Folder and study brought to one state after a driver died at any line, and trials taken up."""

from collections.abc import Mapping

import optuna

from sweep_platform.common.errors import InputError
from sweep_platform.search.outcomes import Outcomes, verdict
from sweep_platform.search.proposer import TrialFactory
from sweep_platform.search.rungs.entries import Entries
from sweep_platform.search.rungs.screening import Screening
from sweep_platform.search.studies.study import Study
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.messages import Decision
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.trial import ReplicateFolder, TrialFolder, TrialState


def recover(
    folder: SweepFolder,
    study: Study,
    factory: TrialFactory,
    outcomes: Outcomes,
    screening: Screening,
    entries: Entries,
    withdrawn: Mapping[int, str] | None = None,
) -> None:
    """Make up for the steps that a former driver did not come to.

    `withdrawn` is why trials were stopped by a person, by their numbers in the sweep.
    Raises `InputError`: the folder has a trial that the study lacks, or lacks one that has ended.
    """
    folders = {trial.record().study_number: trial for trial in folder.trials()}
    _refuse_unknown(folder, folders, study)
    _refuse_lost(folder, folders, study)
    for trial in study.trials():
        if trial.state is not optuna.trial.TrialState.RUNNING:
            continue
        if trial.number not in folders and _breaks_a_rule(trial, study, factory):
            study.reject(study.reopen(trial), factory.violations(trial.params))
            continue
        found = folders.get(trial.number) or _recreate(trial, study, factory)
        outcome = None if found is None else found.outcome()
        if found is None:
            reason = "no trial: a driver ended while it drew it, or had drawn it before"
            study.tell(trial.number, optuna.trial.TrialState.FAIL, reason=reason)
        elif outcome is not None:
            outcomes.tell(found, outcome)
        else:
            why = (withdrawn or {}).get(found.record().number)
            _settle(found, outcomes, screening, entries.get(trial.number, {}), why)


def _settle(
    trial: TrialFolder,
    outcomes: Outcomes,
    screening: Screening,
    rungs: Mapping[str, object],
    withdrawn: str | None = None,
) -> None:
    """End a trial whose replicates have all ended, or that was told to stop at a rung.

    `withdrawn` is why a person stopped it, which does not count where it was done before. One that
    is yet to be screened stays as it is.
    """
    wanted, opened = screening.wanted(trial.record()), screening.is_open(trial.record())
    begun = {one.label: one for one in trial.replicates(Purpose.MEASURE)}
    ends = [begun[one.label].outcome() if one.label in begun else None for one in wanted]
    final = [one for one in ends if one is not None and one.state.is_final]
    if len(final) == len(wanted) and all(o.state is TrialState.COMPLETE for o in final):
        withdrawn = None
    stopped = any(getattr(entry, "decision", None) is Decision.STOP for entry in rungs.values())
    if stopped or withdrawn is not None:
        paused = any(getattr(entry, "paused", False) for entry in rungs.values())
        why = withdrawn or (NEVER if paused else BEATEN)
        reason = next((o.reason for o in final if o.state is TrialState.STOPPED), why)
        for one in trial.replicates(Purpose.TUNE, Purpose.MEASURE):
            end = one.outcome()
            if end is None or not end.state.is_final:
                outcomes.end_replicate(one, TrialState.STOPPED, reason)
        outcomes.end(trial, TrialState.STOPPED, reason)
    elif any(one.state is TrialState.STOPPED for one in final):
        return  # cut by the clock: it goes on
    elif len(final) == len(wanted) and (found := verdict(final)):
        screens = opened and found[0] is TrialState.COMPLETE
        if not screens:
            outcomes.end(trial, *found)


BEATEN, NEVER = "beaten at a rung", "paused at a rung, and never promoted"
"""Why a trial was stopped whose driver died before it wrote that down, or that ended paused."""

WAITS = "it waits to be among the best at a rung"
"""Why a replicate is paused whose driver died, or whose work broke off, before it was."""


def reopen(
    trial: TrialFolder,
    study: Study,
    screening: Screening,
    retry_failed: bool,
    extends: bool = True,
    tunes: bool = True,
) -> None:
    """Let a trial that has ended go on: replicates are lacking now, or failed ones may try again.

    Replicates of a complete trial that were stopped had no time left, and go on if the search
    `extends` what is complete. Those that tune try again only if their point still `tunes`: its
    nuisance values are chosen once a trial of it was measured.
    """
    failed = {TrialState.FAILED} if retry_failed else set()
    for purpose in (Purpose.CONFIRM, Purpose.CONTROL):
        for one in _in_state(trial, purpose, failed):
            one.begin_again()  # a trial's outcome is without it
    outcome = trial.outcome()
    if outcome is None:
        for one in _in_state(trial, Purpose.MEASURE, {TrialState.STOPPED, *failed}):
            one.begin_again()
    if outcome is None or outcome.state is TrialState.STOPPED:
        return
    complete = extends and outcome.state is TrialState.COMPLETE
    goes_on = _in_state(trial, Purpose.TUNE, failed if tunes else set())
    cut = {TrialState.STOPPED} if complete else set()
    goes_on += _in_state(trial, Purpose.MEASURE, failed | cut)
    begun = {one.label for one in trial.replicates(Purpose.MEASURE)}
    wanted = screening.wanted(trial.record())
    lacking = complete and begun and any(one.label not in begun for one in wanted)
    if goes_on or lacking:
        record, without = trial.record(), [one.label for one in goes_on]
        number = study.again(record.parameters, record.signature, record.study_number, without)
        trial.begin_again(number)
        for one in goes_on:
            one.begin_again()


def _in_state(
    trial: TrialFolder, purpose: Purpose, states: set[TrialState]
) -> list[ReplicateFolder]:
    """The replicates of a purpose that have ended in one of these states."""
    ends = [(one, one.outcome()) for one in trial.replicates(purpose)]
    return [one for one, end in ends if end is not None and end.state in states]


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


def _refuse_lost(folder: SweepFolder, folders: dict[int, TrialFolder], study: Study) -> None:
    """A trial that ended, of which the study alone is left, would be missing in every report."""
    kept = {trial.record().signature for trial in folders.values()}
    for trial in study.trials():
        signature = trial.user_attrs.get("signature", "")
        if trial.state.is_finished() and signature and signature not in kept:
            problem = f"lacks a trial that ended, number {trial.number} of its study"
            remedy = f"put its folder back, whose name ends in -{signature[:10]}"
            raise InputError.of(folder.root / "trials", problem, remedy)


def _breaks_a_rule(trial: optuna.trial.FrozenTrial, study: Study, factory: TrialFactory) -> bool:
    """Whether a draw is complete and infeasible."""
    return study.is_drawn(trial) and not factory.allows(trial.params)


def _recreate(
    trial: optuna.trial.FrozenTrial, study: Study, factory: TrialFactory
) -> TrialFolder | None:
    """The folder that a draw was still to get; None if it was half drawn, or a duplicate."""
    if not study.is_drawn(trial):
        return None
    record = factory.record(trial.number, trial.params)
    if record.signature in factory.signatures:
        return None
    return factory.create(study.reopen(trial), factory.heir(record))
