"""The knob `training_flops`: each trial's own training budget, planned, priced and compared."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrm.progress import Progress
from sweep_platform.common.errors import InputError
from sweep_platform.plan.plan import make_plan, summary
from sweep_platform.space.configuration import ANY_SHAPE, configured
from sweep_platform.space.knobs import Shape, share_of
from sweep_platform.space.space_file import SpaceFile, overridden
from sweep_platform.space.training_budget import expected_flops, flops_at, least_flops, most_flops
from sweep_platform.spec.metrics import objective_values
from sweep_platform.spec.schema import Range, SweepSpec

SHAPE = Shape(vocab_size=6, seq_len=16, num_puzzle_identifiers=1)
KNOB = {"low": 1e8, "high": 1e10, "log": True}


def resolved(knob: Mapping[str, Any] = KNOB, **changed: Any) -> SweepSpec:
    content = {
        "name": "toy",
        "dataset": {"name": "sudoku", "side": 4, "train": 10, "test": 10},
        "space": {"N": {"choices": [1, 2]}, "training_flops": dict(knob)},
        "model": {"hidden_size": 32, "num_heads": 1, "M_max": 2},
        "budget": {"trials": 4},
        **changed,
    }
    return SpaceFile.of(content).resolve(None)


def test_each_trial_trains_for_its_own_budget_and_is_another_configuration() -> None:
    spec = resolved()
    few, many = (configured(spec, SHAPE, {"N": 1, "training_flops": f}) for f in (1e8, 2e8))
    assert (few.training.training_flops, many.training.training_flops) == (1e8, 2e8)
    assert few.canonical != many.canonical
    assert flops_at(spec, {"N": 1, "training_flops": 3e8}) == 3e8


def test_training_flops_are_an_objective_unless_others_are_named() -> None:
    assert resolved().objectives == ("exact_accuracy", "training_flops")
    named = resolved(objectives=["exact_accuracy", "inference_flops"])
    assert named.objectives == ("exact_accuracy", "inference_flops")


def test_a_resolved_spec_is_read_again_as_it_was() -> None:
    spec = resolved()
    assert overridden(spec.model_dump(mode="json"), "the folder", ()) == spec


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"budget": {"trials": 4, "flops_per_trial": 1e9}}, "budget.flops_per_trial"),
        ({"nuisance": ["training_flops"]}, "nuisance"),
        ({"knob": {**KNOB, "when": {"N": 1}}}, "space.training_flops"),
        ({"knob": {"low": -1e8, "high": 1e9}}, "space.training_flops"),
        ({"knob": {"choices": ["much", 1e9]}}, "space.training_flops.choices.0"),
        (
            {"rungs": {"at": [0.5]}, "objectives": ["exact_accuracy", "inference_flops"]},
            "rungs.at",
        ),
        ({"space": {"N": {"choices": [1, 2]}}}, "budget.flops_per_trial"),
    ],
)
def test_a_budget_that_is_no_one_budget_is_refused(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        resolved(**changed)
    assert caught.value.field == field
    assert caught.value.remedy


@given(low=st.floats(1e6, 1e15), factor=st.floats(1.01, 1e6), log=st.booleans())
def test_the_expected_budget_is_the_mean_of_what_is_drawn(
    low: float, factor: float, log: bool
) -> None:
    knob = Range(low=low, high=low * factor, log=log)
    drawn = [share_of(knob, share) for share in (np.arange(4000) + 0.5) / 4000]
    spec = SweepSpec.model_construct(space={"training_flops": knob})
    assert math.isclose(expected_flops(spec), float(np.mean(drawn)), rel_tol=1e-3)
    assert (least_flops(spec), most_flops(spec)) == (knob.low, knob.high)


def test_a_plan_prices_the_mean_and_names_the_most() -> None:
    plan = make_plan(resolved(), ANY_SHAPE, slots=2, calibrated=False)
    cheapest, dearest = plan.trials[0].parameters, plan.trials[-1].parameters
    assert (cheapest["training_flops"], dearest["training_flops"]) == (1e8, 1e10)
    said = summary(plan)
    assert "8.6 GFLOP" in said  # four times the mean of a log range
    assert "40 GFLOP at most" in said


def test_a_total_budget_pays_for_trials_of_the_mean() -> None:
    spec = resolved(budget={"trials": 100, "flops": 10 * expected_flops(resolved())})
    assert make_plan(spec, ANY_SHAPE, slots=2, calibrated=False).paid == 10


def test_at_a_rung_training_flops_count_as_far_as_they_are_spent() -> None:
    report = Progress(
        step=1,
        total_steps=10,
        training_flops=7,
        loss=1.0,
        lm_loss=1.0,
        train_exact_accuracy=0.0,
        mean_segments=1.0,
        learning_rate=1e-3,
        examples=1,
        device_seconds=1.0,
        examples_per_second=1.0,
        peak_memory_bytes=1,
    )
    known = {"training_flops": 70, "inference_flops": 5}
    found = objective_values(("training_flops", "inference_flops"), report, known)
    assert found == (7, 5)
