"""A sweep remembers how many puzzles at a time a width has room for, also after a resume."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from sweep_builders import TOTAL, measurement, trial_record
from sweep_driver import Driver

from hrm.progress import Measurement
from hrm.training.learner import TooLittleMemory
from sweep_platform.execution.faults import failure_of
from sweep_platform.search.micro_batches import MicroBatches
from sweep_platform.store.messages import Fault

SPACE = {"N": {"choices": [1, 2, 3]}, "hidden_size": {"choices": [16, 32]}}


def at_a_time(rows: int | None, step: int = TOTAL) -> Measurement:
    made = measurement(step)
    return replace(made, progress=replace(made.progress, micro_batch=rows))


def notes(driver: Driver) -> list[str]:
    return [event[1] for event in driver.display.events if event[0] == "note"]


def test_the_next_trial_of_a_width_begins_with_as_many(drive: Callable[..., Driver]) -> None:
    driver = drive(capacity=6, space=SPACE)
    jobs = {key: driver.start(key) for key in "abcdef"}
    records = [job.record for job in jobs.values() if job]
    assert len(records) == 6
    driver.report("a", at_a_time(None, 10))
    assert driver.search.micro_batches.of(records[0]) is None
    driver.report("a", at_a_time(4, 20))
    driver.report("a", at_a_time(4, 30))
    [said] = notes(driver)
    assert said.startswith("trial 0: the memory of its device did not suffice; 4 puzzles at a")
    driver.report("a", at_a_time(2, 40))
    assert "2 puzzles at a time" in notes(driver)[1]
    width = records[0].model["hidden_size"]
    for record in records:
        known = 2 if record.model["hidden_size"] == width else None
        assert driver.search.micro_batches.of(record) == known
    resumed = drive(capacity=6, space=SPACE)
    assert resumed.search.micro_batches.of(records[0]) == 2


@pytest.mark.parametrize(
    ("model", "training", "same"),
    [
        ({"N": 3, "T": 4, "M_max": 2}, {}, True),
        ({}, {"learning_rate": 1e-3}, True),
        ({"hidden_size": 1024}, {}, False),
        ({"L_layers": 2}, {}, False),
        ({}, {"batch_size": 32}, False),
        ({}, {"precision": "bfloat16"}, False),
    ],
)
def test_it_is_by_shapes_batch_and_precision(
    model: dict[str, Any], training: dict[str, Any], same: bool
) -> None:
    known, one = MicroBatches(), trial_record()
    assert known.measured(one, at_a_time(8).progress)
    assert not known.measured(one, at_a_time(16).progress), "that is no news"
    changed = replace(one, model={**one.model, **model}, training={**one.training, **training})
    assert known.of(changed) == (8 if same else None)


def test_a_trial_without_room_for_one_puzzle_has_failed_with_a_remedy() -> None:
    try:
        try:
            raise torch.OutOfMemoryError("of the device")
        except torch.OutOfMemoryError as error:
            raise TooLittleMemory("not even one; lower hidden_size") from error
    except TooLittleMemory as error:
        failure = failure_of(error)
    assert (failure.reason, failure.fault) == ("not even one; lower hidden_size", Fault.TRIAL)
