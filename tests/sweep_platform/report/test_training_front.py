"""The front of training compute, of sweeps in which it was planted."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from planted import planted

from sweep_platform.report import blocks
from sweep_platform.report.analysis.compute.training_front import tendencies, training_front
from sweep_platform.report.sections.compute.training_front import training_front_section
from sweep_platform.store.summary import SweepSummary

SPACE = {"training_flops": {}, "N": {}, "mixing": {}}


def bought(points: Mapping[tuple[float, int], float]) -> SweepSummary:
    """A sweep of trials of these budgets and N, which solve so much at their ends."""
    knobs: list[dict[str, Any]] = [
        {"training_flops": flops, "N": n, "mixing": "mlp"} for flops, n in points
    ]
    sweep = planted(
        knobs,
        lambda knobs, _: points[knobs["training_flops"], knobs["N"]],
        evaluations=1,
        space=SPACE,
    )
    trials = (
        replace(one, record=replace(one.record, training_flops=int(one.knobs["training_flops"])))
        for one in sweep.trials
    )
    return replace(sweep, trials=tuple(trials))


GROWING = {
    (1e8, 1): 0.1,
    (1e8, 8): 0.0,
    (1e9, 2): 0.4,
    (1e9, 1): 0.2,
    (2e9, 1): 0.25,
    (1e10, 4): 0.7,
    (1e11, 8): 1.0,
}


def test_the_front_holds_the_best_of_each_budget() -> None:
    front = training_front(bought(GROWING).complete)
    assert [(one.training_flops, one.trial.knobs["N"]) for one in front] == [
        (1e8, 1),
        (1e9, 2),
        (1e10, 4),
        (1e11, 8),
    ]


def test_a_knob_that_doubles_with_each_tenfold_budget_is_told_so() -> None:
    [found] = tendencies(training_front(bought(GROWING).complete))
    assert (found.knob, found.factor) == ("N", pytest.approx(2.0))
    assert tendencies(training_front(bought(GROWING).complete)[:3]) == []


def test_the_section_has_a_row_for_each_trial_of_the_front() -> None:
    told = list(training_front_section(bought(GROWING)))
    [table] = [one for one in told if isinstance(one, blocks.Table)]
    assert len(table.rows) == 4
    [figure] = [one for one in told if isinstance(one, blocks.Figure)]
    assert figure.name == "training-front"
    [bullets] = [one for one in told if isinstance(one, blocks.Bullets)]
    assert len(bullets.sentences) == 1


def test_without_the_knob_or_a_solved_puzzle_it_says_nothing_or_why() -> None:
    sweep = planted([{"N": 1}, {"N": 2}], lambda *_: 0.5, space={"N": {}})
    assert list(training_front_section(sweep)) == []
    [missing] = training_front_section(bought({(1e8, 1): 0.0, (1e9, 1): 0.0}))
    assert isinstance(missing, blocks.Missing)
