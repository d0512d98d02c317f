"""Confirmation: the best configurations trained once more, with seeds that no search has seen."""

import math
from collections.abc import Iterable
from statistics import fmean

from sweep_platform.report.analysis.compute.training_front import training_front
from sweep_platform.report.analysis.points import final_points, front, points
from sweep_platform.search.inheritance.controls import controls, has_ended
from sweep_platform.space.design import planned_points
from sweep_platform.spec.curves import AREA, AT, curve_values
from sweep_platform.spec.metrics import OF_VOTES, QUALITY
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.spec.settings import BUDGET_KNOB
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.replicate import Purpose, Replicate, replicates
from sweep_platform.store.summary import TrialSummary, summarize
from sweep_platform.store.trial import TrialFolder


def after_the_search(
    folder: SweepFolder, spec: SweepSpec
) -> list[tuple[TrialFolder, tuple[Replicate, ...]]]:
    """What is left to train once nothing is searched any more: confirmation, then controls."""
    return [*confirmations(folder, spec), *controls(folder, spec)]


def confirmations(
    folder: SweepFolder, spec: SweepSpec
) -> list[tuple[TrialFolder, tuple[Replicate, ...]]]:
    """What is left to confirm after a search, by its records: trials and their replicates."""
    if spec.confirm is None:
        return []
    wanted = replicates(spec.seed, Purpose.CONFIRM, spec.confirm.replicates)
    found = []
    for trial in chosen(summarize(folder).complete, spec):
        place = folder.trial(trial.number, trial.record.signature)
        lacking = tuple(one for one in wanted if not has_ended(place, one))
        if lacking:
            found.append((place, lacking))
    return found


def chosen(complete: Iterable[TrialSummary], spec: SweepSpec) -> list[TrialSummary]:
    """The trials to confirm, the most accurate first, and the base behind them if there is one.

    Those of the front come before others, which fill up the number that `confirm.top` asks for.
    """
    assert spec.confirm is not None
    finals = final_points(complete)
    on_front = _on_front([trial for trial, _ in finals], spec)
    finals.sort(
        key=lambda found: (
            found[0].number not in on_front,
            -_quality(found[0], spec),
            found[0].record.lineage_flops if BUDGET_KNOB in spec.space else 0,
            found[1].inference_flops,
        )
    )
    best = [trial for trial, _ in finals[: spec.confirm.top]]
    bases = [trial for trial, _ in finals if is_base(trial, spec) and trial not in best]
    return best + bases


def _on_front(trials: list[TrialSummary], spec: SweepSpec) -> set[int]:
    """The numbers of the trials that no other beats at some cost.

    That is inference FLOPs, up to those that count for objectives of curves; where training FLOPs
    are a knob, these.
    """
    if BUDGET_KNOB in spec.space:
        return {buy.point.trial for buy in training_front(trials)}
    most = math.inf
    if {AT, AREA} & {*spec.objectives} and spec.evaluation.at_flops is not None:
        most = spec.evaluation.at_flops
    every = (point for trial in trials for point in points(trial))
    return {point.trial for point in front(one for one in every if one.inference_flops <= most)}


def _quality(trial: TrialSummary, spec: SweepSpec) -> float:
    """How good a trial is by the first of the sweep's objectives that tells of quality."""
    name = next((one for one in spec.objectives if one in QUALITY), "exact_accuracy")
    if name in OF_VOTES and trial.votes is not None:
        return float(getattr(trial.votes, name))
    if name in (AT, AREA):
        curves = [one.final for one in trial.measured]
        values = [curve_values(curve, spec.evaluation.at_flops) for curve in curves if curve]
        return fmean(one[name] for one in values) if values else 0.0
    return trial.final.exact_accuracy[-1] if trial.final else 0.0


def is_base(trial: TrialSummary, spec: SweepSpec) -> bool:
    """Whether a trial is the base of its sweep, at whichever nuisance values."""
    base = spec.base
    if spec.ablation is not None:
        base = next(planned_points(spec) or iter(()))
    wanted = {name: value for name, value in base.items() if name not in spec.nuisance}
    return bool(wanted) and all(
        trial.record.parameters.get(name) == value for name, value in wanted.items()
    )
