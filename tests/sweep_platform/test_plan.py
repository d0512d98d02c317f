"""What a sweep will cost, before it starts."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hrm.model.flops import (
    inference_flops,
    parameter_count,
    step_flops,
    total_steps,
)
from hrm.model.memory import training_memory
from sweep_platform.plan import plan
from sweep_platform.plan.calibration import THREADS, seconds_per_step
from sweep_platform.space import dataset as puzzles
from sweep_platform.space import knobs as space
from sweep_platform.space.rules.counting import Size
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.space.training_budget import flops_at

SHAPE = space.Shape(vocab_size=12, seq_len=9, num_puzzle_identifiers=5)
SHIPPED = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_space_plans_at_each_scale(path: Path) -> None:
    file = SpaceFile.read(path)
    for scale in (None, *file.scales):
        spec = file.resolve(scale)
        shape = puzzles.planned_shape(spec.dataset)
        made = plan.make_plan(spec, shape, slots=2, calibrated=False)
        cheapest, _, dearest = made.trials
        assert cheapest.costs["inference_flops"] < dearest.costs["inference_flops"]
        assert cheapest.costs["training_flops"] <= flops_at(spec, cheapest.parameters)
        assert dearest.label in plan.table(made)
        assert plan.warnings(made) == []
        assert "time not estimated" in plan.summary(made)


def test_costs_are_those_of_the_formulas(make_spec) -> None:
    spec = make_spec()
    for trial in plan.make_plan(spec, SHAPE, slots=1, calibrated=False).trials:
        model = space.model_config(spec, SHAPE, trial.parameters)
        training = space.training_config(spec, trial.parameters)
        assert trial.costs["parameter_count"] == parameter_count(model)
        assert trial.costs["inference_flops"] == inference_flops(model, model.M_max)
        assert trial.costs["total_steps"] == total_steps(model, training)
        assert trial.costs["training_flops"] == trial.costs["total_steps"] * step_flops(
            model, training
        )
        assert trial.memory_bytes == training_memory(model, training)
        assert trial.seconds is None


def test_warns_of_a_warm_up_that_outlasts_training(make_spec) -> None:
    spec = make_spec(training={"batch_size": 1, "warmup_steps": 10**6})
    said = plan.warnings(plan.make_plan(spec, SHAPE, 1, calibrated=False))
    assert len(said) == 3
    assert "never leaves its warm-up of 1,000,000; lower training.warmup_steps" in said[0]


def test_warns_of_a_step_that_costs_more_than_the_budget(make_spec) -> None:
    spec = make_spec(training={"warmup_steps": 0}, budget={"trials": 2, "flops_per_trial": 1000.0})
    said = plan.warnings(plan.make_plan(spec, SHAPE, 1, calibrated=False))
    assert said
    assert all("more than the budget of a trial" in text for text in said)


def test_the_median_of_two_values_is_neither_always_the_cheaper_nor_the_dearer(make_spec) -> None:
    spec = make_spec(space={"N": {"choices": [1, 2]}, "T": {"choices": [1, 2]}})
    _, median, _ = plan.make_plan(spec, SHAPE, 1, calibrated=False).trials
    assert sorted(median.parameters.values()) == [1, 2]


def test_examples_bound_every_configuration(make_spec) -> None:
    spec = make_spec(space={"N": {"choices": [3, 1, 2]}, "M_max": {"low": 1, "high": 9}})
    cheapest, median, dearest = plan.make_plan(spec, SHAPE, 1, calibrated=False).trials
    assert cheapest.parameters == {"N": 1, "M_max": 1}
    assert median.parameters == {"N": 2, "M_max": 5}
    assert dearest.parameters == {"N": 3, "M_max": 9}
    for parameters in space.nearest_first(spec, cheapest.parameters):
        model = space.model_config(spec, SHAPE, parameters)
        cost = inference_flops(model, model.M_max)
        assert cheapest.costs["inference_flops"] <= cost <= dearest.costs["inference_flops"]


def test_names_have_no_order_so_all_are_tried(make_spec) -> None:
    spec = make_spec(
        space={
            "model": {"choices": ["hrm", "transformer", "looped", "trm", "hrm-flat"]},
            "mixing": {"choices": ["mlp", "attention"]},
            "ema": {"choices": [0.9, None]},
            "N": {"low": 1, "high": 2},
            "hidden_size": {"choices": [64, 32]},
        },
        model={"H_layers": 1, "L_layers": 1, "num_heads": 2},
    )
    cheapest, median, dearest = plan.make_plan(spec, SHAPE, 1, calibrated=False).trials
    points = space.nearest_first(spec, cheapest.parameters)
    models = [space.model_config(spec, SHAPE, point).effective for point in points]
    costs = [inference_flops(model, model.M_max) for model in models]
    assert cheapest.costs["inference_flops"] == min(costs)
    assert dearest.costs["inference_flops"] == max(costs)
    assert min(costs) < median.costs["inference_flops"] < max(costs)
    assert cheapest.parameters["model"] == "transformer"
    text = plan.table(plan.make_plan(spec, SHAPE, 1, calibrated=False))
    [line] = [line for line in text.splitlines() if line.startswith("cheapest")]
    assert "hidden_size=32" in line
    assert "N=" not in line, "a transformer has no cycles"


def test_a_plan_counts_configurations_that_differ(make_spec) -> None:
    knobs = {"model": {"choices": ["hrm", "transformer"]}, "N": {"low": 1, "high": 3}}
    made = plan.make_plan(make_spec(space=knobs), SHAPE, slots=1, calibrated=False)
    assert made.jobs.points == 4
    assert "4 trials of 4 configurations" in plan.summary(made)
    many = make_spec(space={"N": {"low": 1, "high": 9_999}})
    assert "of at most 9,999 configurations" in plan.summary(
        plan.make_plan(many, SHAPE, slots=1, calibrated=False)
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"training": {"batch_size": 8, "execution": "compiled"}}, True),
        ({"space": {"execution": {"choices": ["eager", "cuda_graphs"]}}}, True),
        ({}, False),
    ],
    ids=str,
)
def test_times_are_those_of_eager_execution(make_spec, changes: dict, told: bool) -> None:
    made = plan.make_plan(make_spec(**changes), SHAPE, slots=1, calibrated=True)
    assert ("timed in eager execution" in plan.summary(made)) is told


def test_a_huge_space_is_planned_without_listing_it(make_spec) -> None:
    wide = {"low": 1, "high": 90_000}
    spec = make_spec(space={"N": wide, "T": wide, "warmup_steps": wide})
    made = plan.make_plan(spec, SHAPE, slots=1, calibrated=False)
    assert made.size == Size(90_000**3, exact=False)
    assert made.jobs.points == spec.budget.trials


def test_a_calibrated_plan_estimates_the_clock(make_spec) -> None:
    made = plan.make_plan(make_spec(), SHAPE, slots=2, calibrated=True)
    seconds = [trial.seconds for trial in made.trials]
    assert all(seconds)
    assert made.seconds == pytest.approx(3 * sum(seconds) / 3)
    assert "about" in plan.summary(made)
    limited = make_spec(budget={"trials": 6, "flops_per_trial": 1e8, "minutes": 1e-9})
    small = plan.Plan(spec=limited, size=Size(6, exact=True), trials=made.trials, slots=2)
    assert small.seconds == pytest.approx(60e-9)


def test_totals(make_spec) -> None:
    many = make_spec(budget={"trials": 50, "flops_per_trial": 1e8})
    made = plan.make_plan(many, SHAPE, slots=0, calibrated=False)
    assert made.jobs.points == 6, "the space has no more"
    assert made.seconds is None
    text = plan.summary(made)
    assert text.startswith("6 trials of 6 configurations")
    assert "none of which fits this hardware" in text
    endless = make_spec(space={"beta1": {"low": 0.1, "high": 0.9}})
    made = plan.make_plan(endless, SHAPE, slots=1, calibrated=False)
    assert "of endlessly many configurations, 1 at a time" in plan.summary(made)
    assert made.jobs.points == endless.budget.trials


def test_models_too_large_to_time_are_not_timed(make_spec) -> None:
    spec = make_spec(model={"hidden_size": 512, "head_dim": 64})
    large = space.Shape(vocab_size=12, seq_len=900, num_puzzle_identifiers=5)
    model = space.model_config(spec, large, {"N": 2, "T": 3})
    assert plan.flops_per_second(model, space.training_config(spec, {"N": 2, "T": 3})) is None


def test_calibration_leaves_the_threads_as_they_were(make_spec) -> None:
    spec = make_spec()
    model = space.model_config(spec, SHAPE, {"N": 1, "T": 1})
    training = space.training_config(spec, {"N": 1, "T": 1})
    torch.set_num_threads(THREADS + 1)
    try:
        assert seconds_per_step(model, training, rows=2) > 0
        assert torch.get_num_threads() == THREADS + 1
    finally:
        torch.set_num_threads(1)


def test_fixed_settings_without_use_are_warned_of(make_spec) -> None:
    fixed = {"model": "trm", "H_layers": 1, "L_layers": 1, "hidden_size": 32, "num_heads": 2}
    spec = make_spec(model=fixed)
    made = plan.make_plan(spec, SHAPE, slots=1, calibrated=False)
    assert [text for text in plan.warnings(made) if "changes nothing" in text] == [
        "model.H_layers changes nothing: no model of this space has a use for it"
    ]
    both = make_spec(model={k: v for k, v in fixed.items() if k != "model"}, space=BOTH)
    made = plan.make_plan(both, SHAPE, slots=1, calibrated=False)
    assert not [text for text in plan.warnings(made) if "changes nothing" in text]


BOTH = {"model": {"choices": ["trm", "hrm"]}}


def test_limits_of_compute_and_money_bound_the_plan(make_spec) -> None:
    budget = {
        "trials": 6,
        "flops_per_trial": 1e6,
        "flops": 4.5e6,
        "price_per_gpu_hour": 2.0,
        "money": 5.0,
    }
    spec = make_spec(budget=budget, resources={"gpus": 2.0})
    made = plan.make_plan(spec, SHAPE, slots=2, calibrated=False)
    assert made.paid == 4
    timed = [replace(trial, seconds=3600.0) for trial in made.trials]
    made = replace(made, trials=tuple(timed))
    assert made.seconds == 2 * 3600
    said = plan.summary(made)
    assert "budget.flops pays for 4 of" in said
    assert "about 8 device-hours; about 16.00 of money, of 5.00 at most" in said
