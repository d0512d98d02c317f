"""Too little memory on a device halves the puzzles that pass through the model at a time.

A CPU has no such error of its own, so a segment of more rows than fit raises it here.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from hrm.distributed import ProcessGroup
from hrm.evaluation import measuring
from hrm.model.memory import CERTAIN, require_device_memory, training_memory
from hrm.progress import Progress
from hrm.runs.report import line
from hrm.training import learner as module
from hrm.training import trainer as trainer_module
from hrm.training.learner import Learner, TooLittleMemory
from hrm.training.trainer import Trainer
from puzzle_datasets.storage.dataset import PuzzleDataset

CPU = torch.device("cpu")
MakeModel = Callable[..., ModelConfig]
MakeTraining = Callable[..., TrainingConfig]
CLOCK = (
    "device_seconds",
    "examples_per_second",
    "peak_memory_bytes",
    "device_busy",
    "energy_joules",
)

pytestmark = pytest.mark.usefixtures("one_thread")


class Memory:
    """Lets a segment of so many rows through; a larger one fails after it has computed.

    Before the step `full`, there is room for all.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rows: int, full: int = 0) -> None:
        self.rows, self.full, self.failed, self._calls = rows, full, 0, 0
        self._train = module.train_segment
        monkeypatch.setattr(module, "train_segment", self)

    def __call__(self, model: Any, slots: Any, *rest: Any) -> Any:
        segment = self._train(model, slots, *rest)
        self._calls += 1
        if len(slots.halted) > self.rows and self._calls > self.full:
            self.failed += 1
            raise torch.OutOfMemoryError("of the device")
        return segment


def numbers(progress: Progress) -> dict[str, Any]:
    return {k: v for k, v in vars(progress).items() if k not in (*CLOCK, "micro_batch")}


def trained(trainer: Trainer) -> list[dict[str, Any]]:
    return [numbers(progress) for progress in trainer.run()]


@pytest.mark.parametrize("room", [1, 2, 5])
@pytest.mark.parametrize("changes", [{}, {"M_max": 1}, {"halt_exploration": 0.9}])
def test_a_step_that_has_no_room_comes_to_what_it_would_with_fewer_at_a_time(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    monkeypatch: pytest.MonkeyPatch,
    room: int,
    changes: dict[str, Any],
) -> None:
    model = model_config(**changes)
    training = training_config(model, steps=6, ema=0.9)
    rows = next(size for size in (8, 4, 2, 1) if size <= room)
    undisturbed = Trainer(model, replace(training, micro_batch=rows), arc, CPU)
    expected = trained(undisturbed)
    memory, trainer = Memory(monkeypatch, room), Trainer(model, training, arc, CPU)
    reports = list(trainer.run())
    assert [numbers(one) for one in reports] == expected
    assert {one.micro_batch for one in reports} == {rows}
    assert all(f", {rows} at a time for want of memory" in line(one) for one in reports)
    assert memory.failed == {4: 1, 2: 2, 1: 3}[rows], "once it is known, it is not tried again"
    for name, value in undisturbed.model.state_dict().items():
        assert trainer.model.state_dict()[name].equal(value), name


def test_with_room_for_all_nothing_is_said(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining
) -> None:
    model = model_config()
    for micro_batch in (None, 3):
        training = training_config(model, steps=3, micro_batch=micro_batch)
        assert {one.micro_batch for one in Trainer(model, training, arc, CPU).run()} == {None}


def test_without_room_for_one_it_ends_in_words_and_nothing_has_changed(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = model_config()
    trainer = Trainer(model, training_config(model, steps=3), arc, CPU)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    Memory(monkeypatch, 0)
    with pytest.raises(TooLittleMemory, match="for one puzzle at a time; lower hidden_size"):
        list(trainer.run())
    assert trainer.step == 0
    for name, value in trainer.model.state_dict().items():
        assert value.equal(before[name]), name


def test_it_goes_on_as_it_ended_and_begins_as_it_is_told(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    model = model_config()
    training = training_config(model, steps=6)
    memory, trainer = Memory(monkeypatch, 4), Trainer(model, training, arc, CPU)
    for _ in trainer.run(tmp_path / "one.pt", stop=lambda: trainer.step == 3):
        pass
    memory.rows = 8
    resumed = Trainer(model, training, arc, CPU)
    resumed.restore(tmp_path / "one.pt")
    assert [one.micro_batch for one in resumed.run()] == [4] * 3
    told = Trainer(model, training, arc, CPU, micro_batch=2)
    assert [one.micro_batch for one in told.run()] == [2] * 6
    assert memory.failed == 1
    more = Trainer(model, replace(training, micro_batch=3), arc, CPU, micro_batch=5)
    assert next(more.run()).micro_batch is None, "as was asked for, fewer pass anyway"


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_gradients_are_those_of_the_whole_batch(
    data: st.DataObject,
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    float64: Any,
) -> None:
    """However many rows pass at a time, also with carried states and rows that halt."""
    model = model_config(
        M_max=data.draw(st.integers(1, 4)), halt_exploration=data.draw(st.sampled_from([0.1, 0.9]))
    )
    steps, rows = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 7))
    training = training_config(model, steps=steps, seed=data.draw(st.integers(0, 99)))
    close = {"rtol": float64.CLOSE, "atol": float64.CLOSE}
    with float64.in_float64():
        whole, split = (
            Trainer(model, training, arc, CPU, micro_batch=size) for size in (None, rows)
        )
        for trainer in (whole, split):
            list(trainer.run())
        one, other = (trainer._learner for trainer in (whole, split))
    torch.testing.assert_close(
        one._optimizer.flat.gradients, other._optimizer.flat.gradients, **close
    )
    assert one._slots.halted.equal(other._slots.halted)


class TwoProcesses(ProcessGroup):
    """A process beside another one, which passes two rows at a time."""

    def gather(self, tensor: torch.Tensor) -> torch.Tensor:
        return torch.cat((tensor, torch.tensor([2])))


def test_processes_agree_on_the_least(
    model_config: MakeModel, training_config: MakeTraining
) -> None:
    model = model_config()
    training, draws = training_config(model, steps=2), torch.Generator()
    learner = Learner(
        model, training, 2, CPU, initialisation=draws, exploration=draws, group=TwoProcesses()
    )
    assert learner.agreed_micro_batch() == learner.micro_batch == 2


def test_an_evaluation_that_has_no_room_takes_fewer_at_a_time(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = model_config()
    training = training_config(model, steps=2)
    expected = Trainer(model, replace(training, eval_batch_size=2), arc, CPU).evaluate()
    asked = []

    def measure(model: Any, puzzles: Any, rows: int, *rest: Any) -> Any:
        asked.append(rows)
        if rows > 2:
            raise torch.OutOfMemoryError("of the device")
        return measuring.measure(model, puzzles, rows, *rest)

    monkeypatch.setattr(trainer_module, "measure", measure)
    trainer = Trainer(model, training, arc, CPU)
    assert trainer.evaluate() == expected
    trainer.evaluate()
    assert asked == [8, 4, 2, 2]
    trainer.group = ProcessGroup(0, 2)
    trainer._evaluated_at_once = 8
    with pytest.raises(torch.OutOfMemoryError):
        trainer.evaluate()


def test_what_does_not_fit_a_part_of_a_gpu_is_refused(
    model_config: MakeModel, training_config: MakeTraining
) -> None:
    model = model_config()
    training = training_config(model, steps=2, batch_size=64)
    single = training_memory(model, replace(training, micro_batch=1))
    require_device_memory(model, training, CERTAIN * single)
    assert training_memory(model, training) > single, "more at a time need more"
    with pytest.raises(ConfigError, match=r"batch_size is 64, .* give fewer, or a larger share"):
        require_device_memory(model, training, CERTAIN * single - 1)
    with pytest.raises(ConfigError, match=r"hidden_size is 32, .* give a smaller model"):
        require_device_memory(model, training, 1000)
