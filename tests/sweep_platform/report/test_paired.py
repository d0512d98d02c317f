"""Intervals over seeds and tasks: what they say of known cases, of nothing, and of a real gain."""

from collections.abc import Callable
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nct as noncentral
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from sweep_platform.report.analysis.difference import Difference
from sweep_platform.report.analysis.paired import corrected, interval

Table = npt.NDArray[np.float64]
RUNS = 400


def of(solved: Table, weights: Any = None) -> Difference:
    """The interval of a table [seeds, tasks]."""
    return interval(solved, np.ones(solved.shape[1]) if weights is None else weights)


@pytest.mark.parametrize("shape", [(1, 40), (2, 40), (5, 2), (1, 1)])
def test_few_seeds_or_tasks_have_no_interval(shape: tuple[int, int]) -> None:
    found = of(np.random.default_rng(0).random(shape))
    assert (found.low, found.high, found.p) == (None, None, None)
    assert (found.seeds, found.tasks) == shape


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_where_all_are_alike_nothing_is_said_of_chance(value: float) -> None:
    found = of(np.full((5, 40), value))
    assert (found.mean, found.low, found.p) == (value, None, None)


def test_the_mean_is_over_puzzles_and_tasks_have_as_many_as_they_have() -> None:
    solved = np.array([[1.0, 0.0, 0.0], [1.0, 0.5, 0.0], [1.0, 1.0, 0.0]])
    assert of(solved).mean == pytest.approx(0.5)
    assert of(solved, np.array([2.0, 1.0, 1.0])).mean == pytest.approx(0.625)


def test_the_other_way_round_it_is_the_same_difference() -> None:
    solved = np.random.default_rng(1).normal(0.1, 1.0, (4, 30))
    one, other = of(solved), of(-solved)
    assert (other.mean, other.p) == pytest.approx((-one.mean, one.p))
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))


def test_seeds_that_disagree_widen_it_as_student_would() -> None:
    """Each task tells the same, so that only seeds are a sample: t over three of them."""
    solved = np.repeat([[0.0], [0.1], [0.2]], 50, axis=1)
    found = of(solved)
    margin = 4.302653 * 0.1 / np.sqrt(3)  # t of 2 degrees of freedom, at 97.5 %
    assert (found.low, found.high) == pytest.approx((0.1 - margin, 0.1 + margin), rel=1e-5)
    assert found.p == pytest.approx(0.225403, rel=1e-4)


def test_tasks_that_disagree_alone_widen_it_as_student_would() -> None:
    """All seeds tell the same, so that only tasks are a sample."""
    of_tasks = np.random.default_rng(4).normal(0.1, 1.0, 30)
    found = of(np.tile(of_tasks, (4, 1)))
    alone = ttest_1samp(of_tasks, 0.0)
    assert found.p == pytest.approx(alone.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(alone.confidence_interval(0.95)))


def test_weights_count_like_the_puzzles_that_a_task_has() -> None:
    solved = np.random.default_rng(5).normal(0.1, 1.0, (4, 30))
    weights = np.ones(30)
    weights[7:] = 2.0
    found, tenfold = of(solved, weights), of(solved, weights * 10)
    assert (tenfold.low, tenfold.p) == pytest.approx((found.low, found.p))
    assert found.p != pytest.approx(of(solved).p)
    of_seeds = np.average(solved, axis=1, weights=weights)
    assert found.mean == pytest.approx(of_seeds.mean())


def test_a_certain_difference_is_told_as_such() -> None:
    found = of(np.random.default_rng(2).normal(1.0, 0.1, (5, 40)))
    assert found.p < 1e-3
    assert 0.9 < found.low < found.mean < found.high < 1.1


def test_seeds_that_agree_by_chance_feign_no_certainty() -> None:
    """Each seed solves as many, each task is solved as often: only the rest tells of chance."""
    solved = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found = of(solved)
    assert found.high - found.low > 0.5


def planted(
    generator: np.random.Generator, seeds: int, tasks: int, gain: float, of_seeds: float
) -> Table:
    """Differences of two configurations that solve puzzles by chance `[seeds, tasks]`.

    Tasks differ in difficulty, suit one configuration or the other, and seeds come out otherwise;
    all in log odds.
    """
    hard = generator.normal(-0.5, 1.5, tasks)
    each = []
    for shift in (0.0, gain):
        odds = shift + hard + generator.normal(0, 0.7, tasks)
        odds = odds + generator.normal(0, of_seeds, (seeds, 1))
        each.append(generator.random((seeds, tasks)) < 1 / (1 + np.exp(-odds)))
    return each[1].astype(float) - each[0]


def normal(generator: np.random.Generator, gain: float) -> Table:
    """Differences to which seeds, tasks and the rest contribute alike `[5, 40]`."""
    of_seeds, of_tasks = generator.normal(size=(5, 1)), generator.normal(size=40)
    table: Table = gain + of_seeds + of_tasks + generator.normal(size=(5, 40))
    return table


def significant(draw: Callable[[np.random.Generator], Table]) -> float:
    """How often a difference is told from chance at 5 %, of 400 simulated ones."""
    generator = np.random.default_rng(0)
    return fmean((of(draw(generator)).p or 1.0) < 0.05 for _ in range(RUNS))


def test_where_nothing_differs_one_in_twenty_is_told_from_chance() -> None:
    assert significant(lambda g: normal(g, 0.0)) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(("seeds", "tasks"), [(3, 31), (3, 200), (5, 31), (5, 200)])
def test_where_two_configurations_solve_alike_it_is_no_more(seeds: int, tasks: int) -> None:
    assert significant(lambda g: planted(g, seeds, tasks, 0.0, of_seeds=0.3)) <= 0.07


@pytest.mark.parametrize(("seeds", "tasks"), [(5, 40), (5, 100), (5, 200), (10, 100)])
def test_where_seeds_and_tasks_tell_nothing_it_is_one_in_twenty_too(
    seeds: int, tasks: int
) -> None:
    """Of noise alone the mean square of few seeds is often too small: what then counts decides."""
    assert significant(lambda g: g.normal(size=(seeds, tasks))) == pytest.approx(0.05, abs=0.02)


def test_of_three_seeds_and_noise_alone_it_is_less() -> None:
    assert significant(lambda g: g.normal(size=(3, 100))) <= 0.05


def test_an_interaction_of_nothing_is_told_from_chance_once_in_twenty() -> None:
    """A contrast of four configurations that solve tasks alike, by chance alone."""

    def contrast(generator: np.random.Generator) -> Table:
        rates = 0.4 + generator.normal(0, 0.1, 100)
        a, b, c, d = ((generator.random((5, 100)) < rates).astype(float) for _ in range(4))
        return (a - b) - (c - d)

    assert significant(contrast) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.5, 2.0])
def test_a_planted_gain_is_found_at_the_rate_that_theory_promises(gain: float) -> None:
    """Of Student's t with the mean squares' expectations: 41, 6 and 1."""
    freedom = 46**2 / (41**2 / 4 + 6**2 / 39 + 1 / 156)
    beyond = student.ppf(0.975, freedom)
    promised = noncentral.sf(beyond, freedom, gain / np.sqrt(46 / 200))
    assert significant(lambda g: normal(g, gain)) == pytest.approx(promised, abs=0.06)


def test_nineteen_of_twenty_intervals_hold_what_was_planted() -> None:
    generator = np.random.default_rng(1)
    found = [of(normal(generator, 0.7)) for _ in range(RUNS)]
    assert fmean(one.low < 0.7 < one.high for one in found) == pytest.approx(0.95, abs=0.02)


def test_the_effect_size_is_the_mean_in_standard_deviations_of_the_seeds() -> None:
    solved = np.repeat([[0.0], [0.1], [0.2]], 50, axis=1)
    assert of(solved).effect_size == pytest.approx(1.0)
    assert of(solved[1:]).effect_size == pytest.approx(0.15 / np.std([0.1, 0.2], ddof=1))
    assert of(solved[:1]).effect_size is None
    assert of(np.repeat(solved[1:2], 3, axis=0)).effect_size is None


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.5], [1.0, 1.0]),
    ],
)
def test_holms_correction(given_: list[float], told: list[float]) -> None:
    assert corrected(given_) == pytest.approx(told)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_corrected_values_keep_their_order_and_never_shrink(p_values: list[float]) -> None:
    found = corrected(p_values)
    assert all(p <= one <= 1 for p, one in zip(p_values, found, strict=True))
    pairs = sorted(zip(p_values, found, strict=True))
    assert [one for _, one in pairs] == sorted(found)
    assert found == pytest.approx([min(1.0, holm(p_values, p)) for p in p_values])


def holm(p_values: list[float], p: float) -> float:
    """By its definition: the largest of the corrected values up to this one."""
    ranked = sorted(p_values)
    terms = [(len(ranked) - rank) * one for rank, one in enumerate(ranked) if one <= p]
    return max(terms)
