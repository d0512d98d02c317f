"""Intervals over seeds and tasks: what they say of known cases, of nothing, and of a real gain."""

from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep_platform.report.analysis import paired
from sweep_platform.report.analysis.difference import Difference
from sweep_platform.report.analysis.paired import corrected, interval

Table = npt.NDArray[np.float64]
RUNS = 300


def of(solved: Table, weights: Any = None, seed: int = 0) -> Difference:
    """The interval of a table [seeds, tasks]."""
    even = np.ones(solved.shape[1])
    return interval(solved, even if weights is None else weights, np.random.default_rng(seed))


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


def test_a_certain_difference_is_as_certain_as_resamples_tell() -> None:
    found = of(np.random.default_rng(2).normal(1.0, 0.1, (5, 40)))
    assert found.p < 1e-3
    assert 0.9 < found.low < found.mean < found.high < 1.1


def significant(gain: float, seeds: float, tasks: float, noise: float) -> float:
    """How often a difference is told from chance at 5 %, of so many simulated ones."""
    generator = np.random.default_rng(0)
    found = []
    for _ in range(RUNS):
        of_seeds, of_tasks = generator.normal(size=(5, 1)), generator.normal(size=40)
        rest = generator.normal(size=(5, 40))
        table = gain + seeds * of_seeds + tasks * of_tasks + noise * rest
        found.append(of(table, seed=int(generator.integers(2**31))).p)
    return fmean(p < 0.05 for p in found)


@pytest.fixture
def _fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 2_000)


@pytest.mark.usefixtures("_fewer")
def test_where_nothing_differs_one_in_twenty_is_told_from_chance() -> None:
    assert significant(0.0, seeds=1.0, tasks=1.0, noise=1.0) == pytest.approx(0.05, abs=0.02)


@pytest.mark.usefixtures("_fewer")
def test_where_seeds_and_tasks_tell_nothing_it_is_fewer() -> None:
    """Resampling both ways counts what is noise alone more than once: on the safe side."""
    assert significant(0.0, seeds=0.0, tasks=0.0, noise=1.0) <= 0.05


@pytest.mark.usefixtures("_fewer")
def test_a_real_gain_is_found() -> None:
    assert significant(1.0, seeds=0.25, tasks=1.0, noise=1.0) > 0.9


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
