"""The memory of training is near what torch allocates; more than the machine has is refused."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._C._profiler import _EventType
from torch.profiler import ProfilerActivity, profile

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from hrm.model import memory
from hrm.model.flops import parameter_count
from hrm.model.memory import CERTAIN, require_memory, training_memory
from hrm.training.trainer import Trainer
from puzzle_datasets.storage.dataset import PuzzleDataset

MakeModel = Callable[..., ModelConfig]
MakeTraining = Callable[..., TrainingConfig]
CPU = torch.device("cpu")


def memory_events(profiler: profile) -> list[Any]:
    """Every allocation and release that the profiler saw, in the order of time."""
    assert profiler.profiler is not None
    found = []
    waiting = list(profiler.profiler.kineto_results.experimental_event_tree())
    while waiting:
        event = waiting.pop()
        waiting += event.children
        if event.tag == _EventType.Allocation:
            found.append(event)
    return sorted(found, key=lambda event: event.start_time_ns)


def peak_of(work: Callable[[], object]) -> int:
    """Most bytes that `work` has in use beyond what was in use before it.

    A block that was there before is not its own: the profiler tells of its release where an
    earlier profile saw it allocated, and that would hide as many bytes of the peak.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    own: dict[int, int] = {}
    peak = 0
    for event in memory_events(profiler):
        block = event.extra_fields
        if block.alloc_size > 0:
            own[block.ptr] = block.alloc_size
            peak = max(peak, sum(own.values()))
        else:
            own.pop(block.ptr, None)
    return peak


def peak_of_a_step(trainer: Trainer) -> int:
    """Most bytes a step has in use beyond the weights, the puzzle table and the moments."""
    reports = trainer.run()
    next(reports)
    return peak_of(lambda: next(reports))


def test_what_was_there_before_does_not_lower_a_peak() -> None:
    held = []
    peak_of(lambda: held.append(torch.zeros(1_000_000)))

    def work() -> None:
        held.clear()
        torch.zeros(500_000)

    assert peak_of(work) == 4 * 500_000


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"hidden_size": 64}, "training": {"batch_size": 64}},
        {"model": {"L_layers": 3}, "training": {"batch_size": 64, "micro_batch": 32}},
        {"model": {"hidden_size": 64}, "training": {"precision": "bfloat16", "batch_size": 32}},
    ],
)
@pytest.mark.usefixtures("emulated_bfloat16")
def test_memory_is_near_what_torch_allocates(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    changes: dict[str, dict[str, Any]],
) -> None:
    config = model_config(**changes["model"])
    training = training_config(config, 30, **changes["training"])
    trainer = Trainer(config, training, arc, CPU)
    held = sum(tensor.nbytes for tensor in trainer.model.state_dict().values())
    gradients_and_moments = 3 * 4 * parameter_count(config)
    measured = held + gradients_and_moments + peak_of_a_step(trainer)
    # A CPU without bfloat16 of its own computes in it by float32 copies of what it multiplies.
    near = 0.1 if training.precision == "float32" else 0.15
    assert training_memory(config, training) == pytest.approx(measured, rel=near)


@pytest.mark.parametrize("mode", ["exact", "lean"])
def test_memory_does_not_grow_with_recurrence(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining, mode: str
) -> None:
    def peak(**changes: Any) -> int:
        config = model_config(mode=mode, **changes)
        training = training_config(config, steps=30, batch_size=64)
        return peak_of_a_step(Trainer(config, training, arc, CPU))

    least = peak(N=1, T=1)
    for changes in ({"N": 4, "T": 8}, {"N": 8, "T": 1}, {"N": 1, "T": 32}, {"M_max": 16}):
        assert peak(**changes) == pytest.approx(least, rel=0.02), changes


@pytest.mark.parametrize("gradient", ["bptt", "last_k", "cycle"])
def test_memory_grows_with_the_gradient(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining, gradient: str
) -> None:
    def peak(gradient: str) -> int:
        config = model_config(N=2, T=3, gradient=gradient, gradient_steps=6)
        training = training_config(config, steps=30, batch_size=64)
        measured = peak_of_a_step(Trainer(config, training, arc, CPU))
        estimate = training_memory(config, training)
        held = 4 * (4 * parameter_count(config) + config.num_puzzle_identifiers * 32)
        assert estimate - held == pytest.approx(measured, rel=0.15)
        return measured

    assert peak(gradient) > 1.4 * peak("one_step")


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "trm", "mixing": "mlp"},
        {"model": "transformer", "H_layers": 3},
        {"model": "looped", "T": 2},
        {"mode": "lean", "hidden_size": 64},
        {"gradient": "bptt", "positions": "learned"},
        {"puzzle_emb_ndim": 0},
    ],
)
def test_what_training_needs_for_certain_is_no_more_than_it_takes(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    changes: dict[str, Any],
) -> None:
    config = model_config(**changes)
    training = training_config(config, steps=30, batch_size=64)
    trainer = Trainer(config, training, arc, CPU)
    held = sum(tensor.nbytes for tensor in trainer.model.state_dict().values())
    taken = held + 3 * 4 * parameter_count(config) + peak_of_a_step(trainer)
    assert 0.6 * taken < CERTAIN * training_memory(config, training) <= taken


@pytest.mark.parametrize(
    ("model", "training", "field", "remedy"),
    [
        ({}, {"batch_size": 10**9}, "batch_size", "give fewer, or a smaller micro_batch"),
        ({"hidden_size": 10**6}, {}, "hidden_size", "give a smaller model"),
        ({"L_layers": 10**4, "expansion": 1e3}, {}, "hidden_size", "give a smaller model"),
    ],
)
def test_training_larger_than_the_machine_is_refused(
    model: dict[str, Any], training: dict[str, Any], field: str, remedy: str
) -> None:
    sizes = {"vocab_size": 12, "seq_len": 900, "num_puzzle_identifiers": 3}
    config = ModelConfig(**{**sizes, **model})
    asked = TrainingConfig(**{"training_flops": 1.0, **training})
    with pytest.raises(ConfigError, match="of memory, and this machine grants") as refused:
        require_memory(config, asked)
    assert (refused.value.field, refused.value.remedy) == (field, remedy)
    assert refused.value.value in (config.hidden_size, asked.batch_size)


def test_processes_share_the_batch(
    model_config: MakeModel, training_config: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = model_config()
    training = training_config(config, steps=1, batch_size=64)
    whole, half = training_memory(config, training), training_memory(config, training, 2)
    assert half < 0.7 * whole
    monkeypatch.setattr(memory, "memory", lambda: int(CERTAIN * half) + 1)
    require_memory(config, training, 2)
    with pytest.raises(ConfigError, match="batch_size is 64"):
        require_memory(config, training)


def test_a_limit_of_the_process_counts(
    model_config: MakeModel, training_config: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = model_config()
    training = training_config(config, steps=1)
    require_memory(config, training)
    monkeypatch.setattr(memory, "reservable", lambda count: False)
    with pytest.raises(ConfigError, match="hidden_size is 32"):
        require_memory(config, training)
