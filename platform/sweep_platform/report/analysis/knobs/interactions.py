"""Whether what a knob buys depends on another: N×T, and width against low-level steps N·T."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from sweep_platform.report.analysis.answers import Answered
from sweep_platform.report.analysis.difference import Difference, Unknown
from sweep_platform.report.analysis.effects import nuisance_of
from sweep_platform.report.analysis.knobs.marginals import equal_stage, mean_solved
from sweep_platform.report.analysis.paired import interval
from sweep_platform.report.analysis.points import ordered
from sweep_platform.store.summary import SweepSummary, TrialSummary

Axis = tuple[str, ...]
"""Names of the knobs whose product is laid on an axis: one, or several."""

Table = dict[tuple[Any, Any], list[TrialSummary]]

SHOWN: tuple[tuple[Axis, Axis], ...] = ((("N",), ("T",)), (("hidden_size",), ("N", "T")))


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The complete trials at one value of each of two axes, and their mean accuracy."""

    across: Any
    up: Any
    accuracy: float
    trials: int


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """Two axes' cells, and how far the one's gain depends on the other.

    Attributes:
        contrast: what `across` gains from its least value to its greatest, at the greatest value
            of `up`, less what it gains at the least. Over settings of the other knobs that were
            trained in all four corners; a reason where there are none.
        settings: how many such settings.
    """

    across: str
    up: str
    cells: tuple[Cell, ...]
    contrast: Difference | Unknown
    settings: int


def interactions(sweep: SweepSummary) -> tuple[Interaction, ...] | Unknown:
    """Those of `SHOWN` of which both axes vary among the complete trials."""
    stage = equal_stage(sweep)
    if isinstance(stage, Unknown):
        return stage
    trials = [trial for trial in sweep.complete if trial.number in stage.answers]
    found = [_of(axes, trials, stage.answers, nuisance_of(sweep)) for axes in SHOWN]
    known = tuple(one for one in found if one is not None)
    return known or Unknown(
        "No interaction is given: of N and T, or of hidden_size and N·T, no two vary."
    )


def _of(
    axes: tuple[Axis, Axis],
    trials: list[TrialSummary],
    answers: Mapping[int, Answered],
    nuisance: set[str],
) -> Interaction | None:
    own = {*axes[0], *axes[1]}
    settings: dict[frozenset[Any], Table] = {}
    for trial in trials:
        # A knob that does not vary is no knob, and has its one value in the model.
        known = {**trial.record.model, **trial.knobs}
        if own <= known.keys() and not own & set(trial.record.inactive):
            drawn = trial.record.parameters.items()
            rest = frozenset((k, v) for k, v in drawn if k not in own | nuisance)
            at = prod(known[name] for name in axes[0]), prod(known[name] for name in axes[1])
            settings.setdefault(rest, {}).setdefault(at, []).append(trial)
    places = {at for table in settings.values() for at in table}
    across, up = (ordered({at[axis] for at in places}) for axis in (0, 1))
    if len(across) < 2 or len(up) < 2:
        return None
    corners = list(product((across[0], across[-1]), (up[0], up[-1])))
    whole = [table for table in settings.values() if all(at in table for at in corners)]
    return Interaction(
        across="·".join(axes[0]),
        up="·".join(axes[1]),
        cells=tuple(
            _cell(at, settings.values(), answers)
            for at in sorted(places, key=lambda at: (at[1], at[0]))
        ),
        contrast=_contrast(whole, corners, answers),
        settings=len(whole),
    )


def _cell(at: tuple[Any, Any], tables: Any, answers: Mapping[int, Answered]) -> Cell:
    there = [trial for table in tables for trial in table.get(at, ())]
    means = [float(answers[trial.number].of_replicates.mean()) for trial in there]
    return Cell(across=at[0], up=at[1], accuracy=float(np.mean(means)), trials=len(there))


def _contrast(
    whole: list[Table], corners: list[tuple[Any, Any]], answers: Mapping[int, Answered]
) -> Difference | Unknown:
    if not whole:
        return Unknown(
            "No contrast is given: no setting of the other knobs was trained in all four corners."
        )
    each = []
    for table in whole:
        low_low, low_high, high_low, high_high = (
            mean_solved(table[at], answers) for at in corners
        )
        each.append((high_high - low_high) - (high_low - low_low))
    weights = answers[whole[0][corners[0]][0].number].weights
    return interval(np.mean(each, axis=0), weights)
