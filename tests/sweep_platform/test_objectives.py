"""What a sweep may optimise: what its trials will report, and curves as one number."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_builders import begun, measurement, opened

from hrm.progress import Curve
from sweep_platform.common.errors import InputError
from sweep_platform.report.analysis.compute.hypervolume import Steps
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.spec.curves import accuracy_at, area, curve_values
from sweep_platform.spec.metrics import QUALITY
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.trial import TrialState

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def curve(shares: list[float], segment: int = 100) -> Curve:
    return Curve(
        exact_accuracy=tuple(shares),
        token_accuracy=tuple(shares),
        inference_flops=tuple(segment * (m + 1) for m in range(len(shares))),
        puzzles=10,
    )


@given(SHARES, st.floats(10, 2000))
def test_the_area_of_a_curve_is_the_hypervolume_of_its_points(
    shares: list[float], reference: float
) -> None:
    one = curve(shares)
    below = Steps(float(np.log10(reference)))
    for spent, share in zip(one.inference_flops, shares, strict=True):
        if spent < reference:
            below.add(float(np.log10(spent)), share)
    assert area(one, reference) == pytest.approx(below.area, abs=1e-9)


@given(SHARES, st.integers(0, 7), st.floats(0, 1), st.floats(10, 2000))
def test_to_solve_more_or_sooner_is_never_worth_less(
    shares: list[float], place: int, gain: float, reference: float
) -> None:
    more = list(shares)
    more[place % len(more)] = min(1.0, more[place % len(more)] + gain)
    before, after = (curve_values(curve(one), reference) for one in (shares, more))
    assert all(after[name] >= before[name] for name in before)
    assert area(curve(shares, segment=50), reference) >= area(curve(shares), reference) - 1e-9


def test_accuracy_counts_the_segments_that_are_paid_for() -> None:
    one = curve([0.2, 0.6, 0.5])
    assert [accuracy_at(one, flops) for flops in (99, 100, 250, 300)] == [0.0, 0.2, 0.6, 0.5]
    assert curve_values(None, 100) == curve_values(one, None) == {}


SPACE: dict[str, Any] = {
    "name": "toy",
    "dataset": {"name": "sudoku", "side": 4, "train": 10, "test": 10},
    "space": {"N": {"choices": [1, 2]}},
    "budget": {"trials": 2, "flops_per_trial": 1e9},
}


@pytest.mark.parametrize(
    ("objectives", "field"),
    [
        (["energie"], "objectives.0"),
        (["exact_accuracy", "exact_accuracy_at"], "objectives.1"),
        (["curve_hypervolume"], "objectives.0"),
        (["exact_accuracy", "training_flops"], "objectives.1"),
        (["exact_accuracy", "inference_flops", "parameter_count", "device_seconds"], "objectives"),
        (["token_accuracy"], "objectives.0"),
    ],
)
def test_an_objective_that_no_trial_would_report_is_refused(
    objectives: list[str], field: str
) -> None:
    with pytest.raises(InputError) as caught:
        SpaceFile.of({**SPACE, "objectives": objectives}).resolve(None)
    assert caught.value.field == field
    assert caught.value.remedy


def test_energy_is_an_objective_in_joules() -> None:
    spec = SpaceFile.of({**SPACE, "objectives": ["exact_accuracy", "energy"]}).resolve(None)
    assert spec.objectives == ("exact_accuracy", "energy_joules")
    assert spec.needs_energy


def test_a_study_is_told_the_values_of_the_curve(
    tmp_path: Path, make_spec: Callable[..., SweepSpec]
) -> None:
    names = ["curve_hypervolume", "exact_accuracy_at", "peak_memory_bytes"]
    spec = make_spec(objectives=names, evaluation={"at_flops": 1e12})
    search = opened(tmp_path / "toy", spec)
    trial = search.propose()
    assert trial is not None
    one = measurement(100, 0.4)
    begun(trial).append([one])
    search.end(trial, TrialState.COMPLETE)
    [told] = search.study.trials
    assert one.progress.curve is not None
    values = curve_values(one.progress.curve, 1e12)
    assert told.values == pytest.approx(
        [*(values[name] for name in names[:2]), one.progress.peak_memory_bytes]
    )
    assert set(values) <= QUALITY
