"""Whether records that are each whole belong together: a trial to its sweep and its folder.

A folder that was copied in from another sweep, or renamed, would else be counted as a result.
"""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from hrm.config import ConfigError
from puzzle_datasets.common.text import counted
from sweep_platform.common.errors import InputError
from sweep_platform.store.folder import PUT_BACK, Session, SweepFolder, SweepRecord, trial_name
from sweep_platform.store.replicate import Replicate, nth_replicate
from sweep_platform.store.trial import (
    Outcome,
    ReplicateFolder,
    TrialFolder,
    TrialRecord,
    TrialState,
)
from sweep_platform.store.trial_summary import ReplicateSummary

_REMEDY = "restore it, or put the folder back where it was"


def own_record(sweep: SweepRecord, trial: TrialFolder) -> TrialRecord:
    """The record of a trial. Raises `ConfigError`: it is damaged, or not of this sweep."""
    record = trial.record()
    name = trial_name(record.number, record.signature)
    if trial.root.name != name:
        raise ConfigError.of(trial.root, f"holds the trial of the folder {name}", _REMEDY)
    _require_same(trial.root / "trial.json", sweep.dataset, record.dataset, "fingerprint")
    return record


def own_replicate(sweep: SweepRecord, trial: TrialRecord, folder: ReplicateFolder) -> Replicate:
    """Which replicate of its trial a folder holds.

    Raises `ConfigError`: its record is damaged, or that of another trial, purpose or seed.
    """
    found, place = folder.place(trial)
    file = folder.root / "run.json"
    for name in ("number", "signature"):
        _require_same(file, {name: getattr(trial, name)}, place, name)
    if found.label != folder.label:
        raise ConfigError.of(folder.root, f"holds the replicate {found.label}", _REMEDY)
    own = nth_replicate(sweep.spec.get("seed", 0), found.purpose, found.number)
    _require_same(file, {"seed": own.seed}, {"seed": found.seed}, "seed")
    return found


def own_trials(sweep: SweepFolder, sessions: Sequence[Session]) -> list[TrialFolder]:
    """The trials of a sweep.

    Raises `InputError`: there were more, or more replicates of one, when a session ended.
    """
    trials = sweep.trials()
    if len(trials) < (before := max((one.trials or 0 for one in sessions), default=0)):
        problem = f"holds {len(trials)} of the {counted(before, 'trial')} that there were"
        raise InputError.of(sweep.root / "trials", problem, PUT_BACK)
    counts = zip_longest(*(one.replicates for one in sessions), fillvalue=0)
    for trial, each in zip(trials, counts, strict=False):
        if len(trial.replicates()) < (before := max(each)):
            problem = f"lacks some of the {counted(before, 'replicate')} that it had"
            raise InputError.of(trial.root, problem, _REMEDY)
    return trials


def require_replicates(
    trial: TrialFolder, end: Outcome | None, found: Sequence[ReplicateFolder]
) -> None:
    """Raise `ConfigError` where a trial has ended and a replicate of it is not there."""
    if end is None or not end.state.is_final:
        return
    labels = {one.label for one in found}
    for one in found:
        purpose, _, number = one.label.partition("-")
        if number != "0" and f"{purpose}-{int(number) - 1}" not in labels:
            problem = f"has {one.label} and no {purpose}-{int(number) - 1}"
            raise ConfigError.of(trial.root, problem, _REMEDY)
    if end.state is TrialState.COMPLETE and not found:
        raise ConfigError.of(trial.root, "is complete and has no replicate", _REMEDY)


def require_reports(folder: ReplicateFolder, replicate: ReplicateSummary) -> None:
    """Raise `ConfigError` where a replicate is complete and its reports are not."""
    last = replicate.last
    if not replicate.complete or (last and last.step >= last.total_steps and last.curve):
        return
    problem = "lacks the evaluation at the end of a complete training"
    raise ConfigError.of(folder.metrics, problem, _REMEDY)


def _require_same(
    file: object, own: Mapping[str, Any], found: Mapping[str, Any], name: str
) -> None:
    if found.get(name) != own[name]:
        problem = f"has {found.get(name)!r:.80} as {name}, where its folder has {own[name]!r:.80}"
        raise ConfigError.of(file, problem, _REMEDY)
