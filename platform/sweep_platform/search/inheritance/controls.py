"""Heirs that are trained once more from scratch, to tell what inheriting changes.

Each control has its heir's configuration and seeds.
"""

import math
from collections.abc import Collection, Iterable

from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.origins.controlled import controlled
from sweep_platform.store.replicate import Purpose, Replicate, replicates
from sweep_platform.store.trial import TrialFolder, TrialRecord, TrialState


def controls(
    folder: SweepFolder, spec: SweepSpec
) -> list[tuple[TrialFolder, tuple[Replicate, ...]]]:
    """What is left to train of controls after a search: complete heirs, and their replicates."""
    if spec.inherit is None:
        return []
    measured = [one for one in folder.trials() if one.replicates(Purpose.MEASURE)]
    places = {one.record().number: one for one in measured}
    found = []
    for record in controlled((one.record() for one in measured), spec.inherit.control):
        trial = places[record.number]
        end = trial.outcome()
        if end is not None and end.state is TrialState.COMPLETE:
            found.append((trial, _lacking(trial, spec)))
    return [(trial, lacking) for trial, lacking in found if lacking]


class ControlsToCome:
    """Tells how many controls may yet be trained, by the heirs that there are so far.

    Which trials are heirs is known when they are made, and one that has ended otherwise than
    complete has no control. Of trials that tune nuisance values only one a point may be measured.
    """

    def __init__(self, folder: SweepFolder, spec: SweepSpec) -> None:
        self._folder, self._spec = folder, spec
        self._lacking: dict[int, int] = {}

    def forget(self) -> None:
        """Look anew at trials that had ended: controls were trained, or trials go on."""
        self._lacking.clear()

    def most(self, points: Iterable[Collection[TrialRecord]], more: int) -> int:
        """The replicates at most, by the trials of all points so far and so many more points."""
        if self._spec.inherit is None:
            return 0
        share = self._spec.inherit.control
        heirs = [one for found in points if (one := _heir(found)) is not None]
        begun = controlled(heirs, share)
        new = math.ceil(share * (len(heirs) + more)) - math.ceil(share * len(heirs))
        return sum(map(self._of, begun)) + new * self._spec.replicates

    def _of(self, heir: TrialRecord) -> int:
        """Those that an heir lacks, or may come to lack."""
        if heir.number in self._lacking:
            return self._lacking[heir.number]
        trial = self._folder.trial(heir.number, heir.signature)
        if self._spec.nuisance or (end := trial.outcome()) is None:
            return self._spec.replicates
        whole = end.state is TrialState.COMPLETE
        self._lacking[heir.number] = len(_lacking(trial, self._spec)) if whole else 0
        return self._lacking[heir.number]


def _heir(point: Collection[TrialRecord]) -> TrialRecord | None:
    """The first trial of a point that began with the weights of another; None where none did."""
    return next((one for one in point if one.ancestor), None)


def _lacking(trial: TrialFolder, spec: SweepSpec) -> tuple[Replicate, ...]:
    """The replicates of a complete heir's control that are yet to be trained."""
    whole = _complete(trial)  # one that was screened has but the first
    wanted = replicates(spec.seed, Purpose.CONTROL, spec.replicates)
    return tuple(one for one in wanted if one.number in whole and not has_ended(trial, one))


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
