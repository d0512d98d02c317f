"""What knobs do, of sweeps in which it was planted: importance, means, interactions, paths."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from planted import TASKS, planted
from scipy.stats import binom

from sweep_platform.report.analysis.difference import Difference, Unknown
from sweep_platform.report.analysis.effects import effects
from sweep_platform.report.analysis.knobs import importance
from sweep_platform.report.analysis.knobs.importance import Importance, importances
from sweep_platform.report.analysis.knobs.interactions import interactions
from sweep_platform.report.analysis.knobs.marginals import Marginals, marginals
from sweep_platform.report.analysis.knobs.path import Path, path
from sweep_platform.report.blocks import Missing, Table
from sweep_platform.report.sections.knobs.values import means_section
from sweep_platform.report.sections.trials import by_state
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import SweepSummary

GRID = [{"N": n, "T": t} for n in (1, 2, 4) for t in (1, 2, 4)]
RUNS = 400


def of_n(knobs: Mapping[str, Any], share: float) -> float:
    """N buys accuracy, nothing else does."""
    return share * 0.2 * knobs["N"]


def both(knobs: Mapping[str, Any], share: float) -> float:
    """N buys more the greater T is."""
    return share * (0.1 + 0.05 * knobs["N"] * knobs["T"])


def told(sweep: SweepSummary, seed: int = 0) -> dict[str, Importance]:
    found = importances(sweep, np.random.default_rng(seed))
    assert not isinstance(found, Unknown)
    return {one.knob: one for one in found}


def test_importance_finds_the_knob_that_matters() -> None:
    found = told(planted(GRID * 3, of_n))
    assert next(iter(found)) == "N"
    for share in (found["N"].ped_anova, found["N"].fanova):
        assert share is not None
        assert share.share > 0.8
        assert 0.5 < share.low <= share.share <= share.high <= 1
    assert found["T"].ped_anova.share < 0.2


@pytest.mark.parametrize("by", ["ped_anova", "fanova"])
def test_the_planted_knob_comes_first_whatever_the_noise(by: str, monkeypatch) -> None:
    """T gains 15 points a doubling, N 3; of 27 trials with three seeds each."""
    monkeypatch.setattr(importance, "RESAMPLES", 1)
    rule = lambda knobs, _: 0.2 + 0.15 * np.log2(knobs["T"]) + 0.03 * np.log2(knobs["N"])  # noqa: E731
    found = [told(planted(GRID * 3, rule, seed=seed)) for seed in range(20)]
    tops = [max(one.values(), key=lambda knob: getattr(knob, by).share).knob for one in found]
    assert tops.count("T") >= 19


def test_importance_is_the_same_by_the_same_generator(monkeypatch) -> None:
    monkeypatch.setattr(importance, "RESAMPLES", 4)
    sweep = planted(GRID * 2, of_n)
    assert told(sweep, 3) == told(sweep, 3)


def test_a_knob_that_some_have_no_use_for_has_importance_by_one_measure() -> None:
    knobs = [{**one, "model": model} for one in GRID for model in ("hrm", "transformer")]
    unused = [("T",) if one["model"] == "transformer" else () for one in knobs]
    found = told(planted(knobs, of_n, inactive=unused))
    assert (found["T"].fanova, found["T"].trials) == (None, 9)
    assert found["N"].fanova is not None


def test_a_knob_of_few_trials_has_importance_without_a_warning() -> None:
    """Draws of the trials may hold one of them, or none."""
    knobs = [{"N": 1 + number % 4, "T": 1 + number // 4} for number in range(12)]
    unused = [() if number < 2 else ("N",) for number in range(12)]
    found = told(planted(knobs, lambda values, _: 0.2 * values["T"], inactive=unused))
    assert set(found) == {"N", "T"}


@pytest.mark.parametrize(
    ("knobs", "rate", "reason"),
    [
        (GRID[:4], 0.5, "from 4 complete trials: it takes 10"),
        (GRID * 2, 0.0, "all complete trials are equally accurate"),
        ([{"N": 1}] * 12, 0.5, "no knob varies"),
    ],
)
def test_importance_is_not_told_from_little(knobs: Any, rate: float, reason: str) -> None:
    found = importances(planted(knobs, lambda *_: rate), np.random.default_rng(0))
    assert isinstance(found, Unknown)
    assert reason in found.reason


def test_importance_is_not_told_where_nearly_all_are_level() -> None:
    sweep = planted(GRID * 2, lambda knobs, _: 0.9 * (knobs["N"] * knobs["T"] == 16))
    found = importances(sweep, np.random.default_rng(0))
    assert isinstance(found, Unknown)
    assert "above the least accurate" in found.reason


def test_means_by_value_are_of_the_same_settings_where_these_were_tried() -> None:
    found = marginals(planted(GRID, of_n, nuisance=()))
    assert isinstance(found, Marginals)
    means = {(one.knob, one.value): one for one in found.values}
    assert [means["N", n].accuracy.mean for n in (1, 2, 4)] == pytest.approx(
        [0.2, 0.4, 0.8], abs=0.06
    )
    assert all(one.balanced and one.points == 3 for one in found.values)
    gain = means["N", 4].accuracy.mean - means["N", 1].accuracy.mean
    [effect] = [one for one in effects(planted(GRID, of_n)) if (one.knob, one.one) == ("N", 4)]
    assert gain == pytest.approx(effect.difference.mean)


def test_means_by_value_stand_in_the_report() -> None:
    *_, table, _ = means_section(planted(GRID, of_n, nuisance=()))
    assert isinstance(table, Table)
    assert [(row["knob"], row["value"]) for row in table.data] == [*product("NT", (1, 2, 4))]
    assert table.data[2]["mean_solved"] == pytest.approx(0.8, abs=0.06)
    assert table.data[2]["mean_solved_low"] < table.data[2]["mean_solved"]
    [missing] = means_section(planted(GRID[:1], of_n))
    assert isinstance(missing, Missing)


def test_trials_that_only_tuned_are_not_counted_as_complete() -> None:
    sweep = planted(GRID[:3], of_n)
    loser = sweep.trials[1]
    tuned = tuple(
        replace(one, replicate=replace(one.replicate, purpose=Purpose.TUNE))
        for one in loser.replicates
    )
    found = replace(sweep, trials=(*sweep.trials[::2], replace(loser, replicates=tuned)))
    assert by_state(found) == "3 trials: 2 complete, 1 tuned only"


def test_means_by_value_say_where_settings_differ() -> None:
    found = marginals(planted([{"N": 1, "T": 1}, {"N": 2, "T": 2}], of_n))
    assert isinstance(found, Marginals)
    assert not any(one.balanced for one in found.values)


def test_nuisance_knobs_have_no_mean_and_part_no_setting() -> None:
    knobs = [{"N": 1, "learning_rate": 0.1}, {"N": 2, "learning_rate": 0.01}]
    found = marginals(planted(knobs, of_n, nuisance=["learning_rate"]))
    assert isinstance(found, Marginals)
    assert found.tuned == ("learning_rate",)
    assert [(one.knob, one.value, one.balanced) for one in found.values] == [
        ("N", 1, True),
        ("N", 2, True),
    ]


@pytest.mark.parametrize("knobs", [[], [{"N": 1}]])
def test_nothing_is_averaged_of_one_trial(knobs: Any) -> None:
    for analysis in (marginals, interactions):
        found = analysis(planted(knobs, of_n))
        assert isinstance(found, Unknown)
        assert "no two complete ones" in found.reason


def test_an_interaction_that_was_planted_is_found() -> None:
    [found] = interactions(planted(GRID, both))
    assert (found.across, found.up, len(found.cells), found.settings) == ("N", "T", 9, 1)
    assert found.cells[1].accuracy == pytest.approx(0.2, abs=0.1)
    assert isinstance(found.contrast, Difference)
    assert found.contrast.mean == pytest.approx(0.05 * 9, abs=0.15)
    assert found.contrast.low > 0


def test_width_stands_against_low_level_steps() -> None:
    knobs = [{**one, "hidden_size": width} for one in GRID for width in (32, 64)]
    found = interactions(planted(knobs, of_n))
    assert [(one.across, one.up) for one in found] == [("N", "T"), ("hidden_size", "N·T")]
    assert {cell.up for cell in found[1].cells} == {1, 2, 4, 8, 16}


def test_a_corner_that_was_not_trained_leaves_no_contrast() -> None:
    [found] = interactions(planted(GRID[:-1], both))
    assert isinstance(found.contrast, Unknown)
    assert "all four corners" in found.contrast.reason


def test_an_interaction_that_is_none_is_told_from_chance_once_in_twenty() -> None:
    """Four configurations; the base rate is where tasks are solved by chance alone."""
    corners = [{"N": n, "T": t} for n in (1, 2) for t in (1, 2)]
    found = [
        interactions(planted(corners, lambda *_: 0.5, seed=seed, seeds=5, evaluations=1))
        for seed in range(RUNS // 4)
    ]
    assert fmean((one.contrast.p or 1.0) < 0.05 for [one] in found) <= 0.07


def test_the_path_changes_one_knob_at_a_time() -> None:
    found = path(planted(GRID, both, base={"N": 1, "T": 1}))
    assert isinstance(found, Path)
    assert (found.base, found.best) == (0, 8)
    assert sorted((one.knob, one.other, one.one) for one in found.steps) == [
        ("N", 1, 4),
        ("T", 1, 4),
    ]
    assert all(one.pairs == 1 and one.inference_flops > 0 for one in found.steps)


def test_the_path_has_the_planted_order_as_often_as_chance_lets_it() -> None:
    """T gains 20 points, N 10: T alone must have solved more of 120 tasks than N alone."""
    rule = lambda knobs, _: 0.2 + 0.2 * (knobs["T"] == 2) + 0.1 * (knobs["N"] == 2)  # noqa: E731
    corners = [{"N": n, "T": t} for n in (1, 2) for t in (1, 2)]
    base = {"N": 1, "T": 1}
    found = [
        path(planted(corners, rule, seed=seed, evaluations=1, base=base)) for seed in range(RUNS)
    ]
    tries = 3 * TASKS
    solved = np.arange(tries + 1)
    # N comes first of equals, and both together must have solved more than either.
    fewer = binom.cdf(solved - 1, tries, 0.3)
    promised = (binom.pmf(solved, tries, 0.4) * fewer * binom.sf(solved, tries, 0.5)).sum()
    order = [
        [one.knob for one in each.steps] == ["T", "N"] for each in found if isinstance(each, Path)
    ]
    assert sum(order) / RUNS == pytest.approx(promised, abs=0.06)


def test_the_path_goes_around_what_was_not_trained() -> None:
    knobs = [one for one in GRID if one != {"N": 4, "T": 1}]
    found = path(planted(knobs, both, base={"N": 1, "T": 1}))
    assert isinstance(found, Path)
    assert [one.knob for one in found.steps] == ["T", "N"]


@pytest.mark.parametrize(
    ("knobs", "base", "reason"),
    [
        (GRID, {}, "names no base"),
        (GRID[:1], {"N": 1, "T": 1}, "no two complete trials whose answers share"),
        (GRID, {"N": 9}, "the base has no answers"),
        (GRID, {"N": 4, "T": 4}, "the base is the most accurate"),
        ([GRID[0], GRID[-1]], {"N": 1, "T": 1}, "differ in N, T, and no chain"),
    ],
)
def test_a_path_is_not_invented(knobs: Any, base: Any, reason: str) -> None:
    found = path(planted(knobs, both, base=base))
    assert isinstance(found, Unknown)
    assert reason in found.reason


def test_trials_of_other_budgets_are_not_averaged() -> None:
    sweep = planted(GRID[:2], of_n)
    other = planted(GRID[:3], of_n, evaluations=2)
    mixed = replace(sweep, trials=(*sweep.trials, other.trials[2]))
    assert isinstance(marginals(mixed), Unknown)


def test_a_stated_base_has_every_other_value_compared_with_it() -> None:
    found = effects(planted(GRID, of_n, base={"N": 2, "T": 4}))
    assert {(one.knob, one.other, one.one) for one in found} == {
        *product(["N"], [2], [1, 4]),
        *product(["T"], [4], [1, 2]),
    }


def test_importance_of_very_many_trials_is_told_by_some_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importance, "MOST", 20)
    found = told(planted(GRID * 3, of_n))
    assert {one.trials for one in found.values()} == {20}
    assert next(iter(found)) == "N"
    assert found == told(planted(GRID * 3, of_n)), "the draw follows from the sweep"
