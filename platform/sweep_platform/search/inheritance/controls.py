"""Heirs that are trained once more from scratch, to tell what inheriting changes.

Each control has its heir's configuration and seeds. Which heirs have one follows from the order in
which they were made, never from what they solve: picking the best would flatter inheriting.
"""

import math
from collections.abc import Iterable

from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.replicate import Purpose, Replicate, replicates
from sweep_platform.store.trial import TrialFolder, TrialRecord, TrialState


def controlled(records: Iterable[TrialRecord], share: float) -> list[TrialRecord]:
    """The heirs that have controls: a share of them, evenly in the order of their numbers.

    Heirs that are made later change nothing for those before.

    >>> controlled([], 0.25)
    []
    """
    heirs = sorted((one for one in records if one.ancestor), key=lambda one: one.number)
    return [
        one
        for place, one in enumerate(heirs)
        if math.ceil(share * (place + 1)) > math.ceil(share * place)
    ]


def controls(
    folder: SweepFolder, spec: SweepSpec
) -> list[tuple[TrialFolder, tuple[Replicate, ...]]]:
    """What is left to train of controls after a search: complete heirs, and their replicates."""
    if spec.inherit is None:
        return []
    wanted = replicates(spec.seed, Purpose.CONTROL, spec.replicates)
    measured = [one for one in folder.trials() if one.replicates(Purpose.MEASURE)]
    places = {one.record().number: one for one in measured}
    found = []
    for record in controlled((one.record() for one in measured), spec.inherit.control):
        trial = places[record.number]
        end = trial.outcome()
        whole = _complete(trial)  # one that was screened has but the first
        lacking = tuple(one for one in wanted if one.number in whole and not has_ended(trial, one))
        if end is not None and end.state is TrialState.COMPLETE and lacking:
            found.append((trial, lacking))
    return found


def _complete(trial: TrialFolder) -> set[int]:
    """The numbers of the replicates that measure a trial and came to their ends."""
    return {
        one.replicate().number
        for one in trial.replicates(Purpose.MEASURE)
        if (end := one.outcome()) is not None and end.state is TrialState.COMPLETE
    }


def has_ended(trial: TrialFolder, replicate: Replicate) -> bool:
    """Whether a replicate of a trial has come to its end, whatever that was."""
    outcome = trial.replicate(replicate.label).outcome()
    return outcome is not None and outcome.state.is_final
