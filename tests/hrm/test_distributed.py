"""Two processes train as one does: same batches, halting, weights, puzzle table, evaluation.

A process alone that passes its batch in two halves (`micro_batch`) sums the gradients of the same
halves as two processes do, so the weights must agree to the bit. Passing the whole batch at once
sums in another order; all is computed in float64, so that rounding decides nothing.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from hrm.checkpoints import checkpoint
from hrm.config import ModelConfig, TrainingConfig
from hrm.model.flops import step_flops
from hrm.training.trainer import Trainer
from puzzle_datasets.storage.dataset import PuzzleDataset

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SCRIPT = Path(__file__).with_name("train_in_group.py")
MEASURED = (
    "device_seconds",
    "examples_per_second",
    "peak_memory_bytes",
    "device_busy",
    "energy_joules",
)
STEPS = {"exact": 44}  # reports every second step, so that STOP lies between two
STOP = 17
FEW_STEPS = 10
ROWS, HALF = 8, 4
LEARNING_RATE = 1e-3

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "exact": ({"halt_exploration": 0.5, "M_max": 4}, {}),
    "lean": ({"halt_exploration": 0.5, "M_max": 4, "mode": "lean"}, {"ema": 0.9}),
    "looped": ({"model": "looped", "N": 1}, {}),
    "trm": ({"model": "trm", "mixing": "mlp", "T": 1}, {}),
    "transformer": ({"model": "transformer"}, {}),
    # Of one test puzzle, the second process has none.
    "one test puzzle": ({"N": 1, "T": 1}, {"eval_puzzles": 1, "evaluate_at": (0.5, 1.0)}),
    # In views, in whole tasks that are held back, and more of them than processes.
    "views": (
        {"N": 1, "T": 1},
        {"eval_views": 3, "confirm_share": 0.4, "eval_part": "confirm", "evaluate_at": (0.5, 1.0)},
    ),
    "thirds": ({"N": 1, "T": 1}, {"micro_batch": 3}),
}


EARLY = ("exact", "lean")

SHORT = "short of memory"
"""The case exact, in which the second process has room for half of its rows at a time."""


def start(rank: int, size: int, port: int, command: list[str]) -> "subprocess.Popen[str]":
    """One of `size` processes, with the environment that torchrun gives."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
    }
    return subprocess.Popen(
        [sys.executable, *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def start_all(size: int, command: list[str]) -> "list[subprocess.Popen[str]]":
    port = free_port()
    return [start(rank, size, port, command) for rank in range(size)]


def configurations(dataset: PuzzleDataset, name: str) -> tuple[ModelConfig, TrainingConfig]:
    of_model, of_training = CASES[name]
    manifest, tiny = dataset.manifest, {"hidden_size": 32, "num_heads": 2, "M_max": 3}
    model = ModelConfig(
        vocab_size=manifest.vocab_size,
        seq_len=manifest.seq_len,
        num_puzzle_identifiers=manifest.num_puzzle_identifiers,
        H_layers=1,
        L_layers=1,
        **{**tiny, **of_model},
    )
    training = TrainingConfig(
        **{
            "training_flops": 1.0,
            "batch_size": ROWS,
            "learning_rate": LEARNING_RATE,
            "warmup_steps": 2,
            "evaluate_at": (1.0,),
            "eval_puzzles": 5,
            **of_training,
        }
    )
    return model, replace(
        training, training_flops=float(STEPS.get(name, FEW_STEPS) * step_flops(model, training))
    )


def in_halves(training: TrainingConfig) -> TrainingConfig:
    return replace(training, micro_batch=HALF)


def beginning(
    dataset: PuzzleDataset, name: str, model: ModelConfig, training: TrainingConfig
) -> Trainer:
    """A process alone before its first step; in some cases with rows that halt early."""
    trainer = Trainer(model, training, dataset, CPU)
    if name in EARLY:
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            trainer.model.q_head.weight.normal_(0, 0.05, generator=generator)
            assert trainer.model.q_head.bias is not None
            trainer.model.q_head.bias.zero_()
    return trainer


def stopped(dataset: PuzzleDataset, path: Path) -> None:
    """Train alone until STOP and leave a checkpoint."""
    model, training = configurations(dataset, "exact")
    trainer = beginning(dataset, "exact", model, in_halves(training))
    for _ in trainer.run(path, stop=lambda: trainer.step == STOP):
        pass
    assert trainer.step == STOP


def requested(dataset: PuzzleDataset, folder: Path) -> list[dict[str, Any]]:
    """All that the two processes are to do."""
    cases: list[dict[str, Any]] = []
    for name in [*CASES, "continued", "stopped", SHORT]:
        kind = name if name in CASES else "exact"
        model, training = configurations(dataset, kind)
        training = training if name in CASES or name == SHORT else in_halves(training)
        start: Path | None = None
        if name == "continued":
            stopped(dataset, start := folder / "alone.pt")
        elif kind in EARLY:
            start = folder / f"{name}-start.pt"
            beginning(dataset, kind, model, training).save(start)
        cases.append(
            {
                "name": name,
                "model": asdict(model),
                "training": asdict(training),
                "stop_at": STOP if name == "stopped" else None,
                "resume": str(start) if start else None,
                "room": 2 if name == SHORT else None,
            }
        )
    return cases


@pytest.fixture(scope="module", autouse=True)
def _in_float64(float64: Any) -> Iterator[None]:
    with float64.in_float64():
        yield


@pytest.fixture(scope="module")
def in_two(
    _in_float64: None,
    arc_folder: Path,
    arc: PuzzleDataset,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with the results of all cases, trained by two processes."""
    out = tmp_path_factory.mktemp("two")
    request = {"dataset": str(arc_folder), "out": str(out), "cases": requested(arc, out)}
    port = free_port()
    both = [start(rank, 2, port, [str(SCRIPT), json.dumps(request)]) for rank in range(2)]
    for process in both:
        _, said = process.communicate(timeout=200)
        assert process.returncode == 0, said
    return out


def result(folder: Path, name: str, rank: int = 0) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Reports without what was measured, and weights."""
    content = torch.load(folder / f"{name}-{rank}.pt", weights_only=True)
    return [numbers(fields) for fields in content["reports"]], content["weights"]


def numbers(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in MEASURED}


def assert_close(one: Any, other: Any, rel: float, name: str = "") -> None:
    """Equal, numbers within rounding."""
    assert type(one) is type(other), name
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_close(one[key], other[key], rel, f"{name}/{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), name
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_close(a, b, rel, f"{name}/{place}")
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=rel, abs=1e-12), name
    else:
        assert one == other, name


class Alone(NamedTuple):
    """What a process alone comes to."""

    reports: list[dict[str, Any]]
    weights: dict[str, torch.Tensor]
    average: torch.Tensor | None
    answers: list[dict[str, Any]]


@pytest.fixture(scope="module")
def alone(arc: PuzzleDataset) -> Callable[[str, bool], Alone]:
    """Train a case alone, once, with the batch passed whole or in halves."""

    @cache
    def train(name: str, halves: bool) -> Alone:
        model, training = configurations(arc, name)
        trainer = beginning(arc, name, model, in_halves(training) if halves else training)
        reports = [numbers(asdict(progress)) for progress in trainer.run()]
        average = trainer._learner.average
        values = None if average is None else average.values
        answers = [one.to_plain() for one in trainer.answers]
        return Alone(reports, dict(trainer.model.state_dict()), values, answers)

    return train


@pytest.mark.parametrize("name", CASES)
def test_two_equal_one(
    in_two: Path, alone: Callable[[str, bool], Alone], float64: Any, name: str
) -> None:
    reports, weights = result(in_two, name)
    whole = alone(name, False)
    assert [fields["step"] for fields in reports] == [fields["step"] for fields in whole.reports]
    # Halting decides who takes which puzzle: equal counts show that it went alike.
    counts = ("examples", "mean_segments", "train_exact_accuracy", "training_flops")
    for got, wanted in zip(reports, whole.reports, strict=True):
        assert {key: got[key] for key in counts} == {key: wanted[key] for key in counts}
        assert got["loss"] == pytest.approx(wanted["loss"], rel=float64.CLOSE)
        assert (got["curve"] is None) == (wanted["curve"] is None)
    torch.testing.assert_close(weights, whole.weights, rtol=float64.CLOSE, atol=float64.CLOSE)


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"thirds"}))
def test_two_equal_one_that_works_in_halves_to_the_bit(
    in_two: Path, alone: Callable[[str, bool], Alone], name: str
) -> None:
    reports, weights = result(in_two, name)
    halves = alone(name, True)
    # Sums over the rows are in another order.
    assert_close(reports, halves.reports, rel=1e-9)
    for key, value in halves.weights.items():
        assert value.equal(weights[key]), key
    if halves.average is not None:
        learner = checkpoint.load(in_two / f"{name}.pt")["state"]["learner"]
        assert halves.average.equal(learner["average"])


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"thirds"}))
def test_each_puzzle_is_answered_as_by_one(
    in_two: Path, alone: Callable[[str, bool], Alone], name: str
) -> None:
    expected = alone(name, True).answers
    assert len(expected) == len(CASES[name][1].get("evaluate_at", (1.0,)))
    for rank in range(2):
        content = torch.load(in_two / f"{name}-{rank}.pt", weights_only=True)
        assert content["answers"] == expected


@pytest.mark.parametrize("name", CASES)
def test_both_processes_have_the_same(in_two: Path, name: str) -> None:
    first, second = (result(in_two, name, rank) for rank in range(2))
    assert first[0] == second[0]
    for key, value in first[1].items():
        assert value.equal(second[1][key]), key


def test_one_that_is_short_of_memory_changes_rounding_alone(
    in_two: Path, alone: Callable[[str, bool], Alone], float64: Any
) -> None:
    """Both then pass as few rows at a time, as their reports say."""
    whole, told = alone("exact", False), []
    for rank in range(2):
        reports, weights = result(in_two, SHORT, rank)
        told.append(reports)
        assert {fields["micro_batch"] for fields in reports} == {2}
        for got, wanted in zip(reports, whole.reports, strict=True):
            assert (got["examples"], got["step"]) == (wanted["examples"], wanted["step"])
            assert got["loss"] == pytest.approx(wanted["loss"], rel=float64.CLOSE)
        torch.testing.assert_close(weights, whole.weights, rtol=float64.CLOSE, atol=float64.CLOSE)
    assert told[0] == told[1]


def test_cases_halt_early_and_learn_the_table(in_two: Path, arc: PuzzleDataset) -> None:
    """Else the tests above would say little."""
    for name in EARLY:
        reports, weights = result(in_two, name)
        M_max = CASES[name][0]["M_max"]
        assert sum(1 < fields["mean_segments"] < M_max for fields in reports) >= 5
        model, training = configurations(arc, name)
        start = Trainer(model, training, arc, CPU).model.state_dict()
        changed = weights["puzzle_emb.weights"] != start["puzzle_emb.weights"]
        assert changed.any(1).sum() > ROWS


def test_one_goes_on_where_two_stopped(
    in_two: Path, arc: PuzzleDataset, alone: Callable[[str, bool], Alone]
) -> None:
    model, training = configurations(arc, "exact")
    resumed = Trainer(model, in_halves(training), arc, CPU)
    resumed.restore(in_two / "stopped.pt")
    assert resumed.step == STOP
    rest = [numbers(asdict(progress)) for progress in resumed.run()]
    assert_goes_on(rest, dict(resumed.model.state_dict()), alone("exact", True))


def test_two_go_on_where_one_stopped(in_two: Path, alone: Callable[[str, bool], Alone]) -> None:
    assert_goes_on(*result(in_two, "continued"), alone("exact", True))


def assert_goes_on(
    rest: list[dict[str, Any]], weights: dict[str, torch.Tensor], whole: Alone
) -> None:
    assert_close(rest, [fields for fields in whole.reports if fields["step"] > STOP], rel=1e-9)
    for key, value in whole.weights.items():
        assert value.equal(weights[key]), key
