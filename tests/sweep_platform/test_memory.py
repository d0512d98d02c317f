"""Sweeps and trials that need more memory than the machine has are refused, or warned of."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from sweep_builders import SHAPE

from hrm.model import memory as of_training
from sweep_platform.common.errors import InputError
from sweep_platform.plan import memory as module
from sweep_platform.plan.memory import crowding, require_room
from sweep_platform.plan.plan import fewer_puzzles, make_plan
from sweep_platform.space.configuration import configured


def test_a_space_that_has_nothing_small_enough_is_refused(make_spec: Any) -> None:
    huge = {"batch_size": 10**9, "warmup_steps": 2}
    with pytest.raises(InputError, match="even in the smallest configuration") as refused:
        require_room(make_spec(training=huge), SHAPE)
    assert (refused.value.field, refused.value.value) == ("batch_size", 10**9)
    require_room(make_spec(training=huge, resources={"gpus": 1}), SHAPE)


def test_a_space_that_has_nothing_small_enough_for_a_part_of_a_gpu_is_refused(
    make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep_platform.space.rules.constraints._gpu_memory", lambda: 10**6)
    with pytest.raises(InputError, match="even in the smallest configuration") as refused:
        require_room(make_spec(resources={"gpus": 0.1}), SHAPE)
    assert "its part of the GPU has 100" in str(refused.value)
    monkeypatch.setattr("sweep_platform.space.rules.constraints._gpu_memory", lambda: 10**12)
    require_room(make_spec(resources={"gpus": 0.1}), SHAPE)


def test_on_a_gpu_the_smallest_is_that_of_one_puzzle_at_a_time(
    make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As configured the wide model needs less: its puzzles pass one by one, all of the other's."""
    model = {"H_layers": 1, "L_layers": 1, "head_dim": 16}
    narrow = {"hidden_size": 16, "micro_batch": None, "batch_size": 512}
    wide = {"hidden_size": 256, "micro_batch": 1, "batch_size": 512}
    spec = make_spec(
        space={"hidden_size": {"choices": [16, 256]}, "micro_batch": {"choices": [1, 512]}},
        model=model,
        training={"batch_size": 512, "warmup_steps": 2},
        resources={"gpus": 1},
    )
    monkeypatch.setattr(module, "examples", lambda spec, shape, share: [wide, narrow])
    least = [
        of_training.training_memory(one.model, replace(one.training, micro_batch=1))
        for point in (wide, narrow)
        for one in [configured(spec, replace(SHAPE, num_puzzle_identifiers=1), point)]
    ]
    assert least[1] < least[0]
    granted = int(0.8 * (least[0] + least[1]) / 2)
    monkeypatch.setattr(module, "device_memory", lambda resources: granted)
    require_room(spec, SHAPE)


def test_a_space_that_has_something_small_enough_is_not(make_spec: Any) -> None:
    knobs = {"batch_size": {"choices": [10**9, 8]}, "N": {"choices": [1, 2]}}
    require_room(make_spec(space=knobs, training={"warmup_steps": 2}), SHAPE)
    puzzles = replace(SHAPE, num_puzzle_identifiers=10**12)  # at most; how many is not known yet
    require_room(make_spec(), puzzles)


def test_trials_that_fit_one_by_one_but_not_together(
    make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(make_spec(), SHAPE, 4, calibrated=False)
    dearest = max(trial.memory_bytes for trial in plan.trials)
    assert crowding(plan) == []
    monkeypatch.setattr(module, "memory", lambda: 2 * dearest)
    [said] = crowding(plan)
    assert "4 trials at a time may need" in said
    assert "raise resources.cpus" in said
    assert crowding(make_plan(make_spec(), SHAPE, 2, calibrated=False)) == []


def test_fewer_puzzles_than_asked_for_are_told_of(make_spec: Any) -> None:
    built: Any = SimpleNamespace(counts={"test_pairs": 4})
    asked = make_spec(evaluation={"puzzles": 500})
    [said] = fewer_puzzles(asked, built)
    assert (
        said == "evaluation.puzzles is 500, but the set has 4 test puzzles: all of them are used"
    )
    assert fewer_puzzles(make_spec(evaluation={"puzzles": 4}), built) == []
    assert fewer_puzzles(make_spec(), built) == []


def test_the_smallest_configuration_is_refused_by_what_the_machine_has(
    make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_training, "memory", lambda: 1000)
    with pytest.raises(InputError, match="hidden_size is 32"):
        require_room(make_spec(), SHAPE)
