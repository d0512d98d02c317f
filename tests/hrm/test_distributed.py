"""Two processes train as one does: same batches, halting, weights, puzzle table, evaluation.

A process alone that passes its batch in two halves (`micro_batch`) sums the gradients of the same
halves as two processes do, so the weights must agree to the bit. Passing the whole batch at once
sums in another order; float32 rounding (6e-8 of a value) then grows through Adam-atan2, whose
updates do not shrink with the gradient. TOLERANCE is a tenth of one update of the largest rate.
"""

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hrm.checkpoints import checkpoint
from hrm.config import ModelConfig, TrainingConfig
from hrm.model.flops import step_flops
from hrm.training.trainer import Trainer
from puzzle_datasets.storage.dataset import PuzzleDataset

CPU = torch.device("cpu")
SCRIPT = Path(__file__).with_name("train_in_group.py")
MEASURED = ("device_seconds", "examples_per_second", "peak_memory_bytes")
STEPS = {"exact": 44}  # reports every second step, so that STOP lies between two
STOP = 17
FEW_STEPS = 10
ROWS, HALF = 8, 4
LEARNING_RATE = 1e-3
TOLERANCE = 1e-4

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "exact": ({"halt_exploration": 0.5, "M_max": 4}, {}),
    "lean": ({"halt_exploration": 0.5, "M_max": 4, "mode": "lean"}, {"ema": 0.9}),
    "looped": ({"model": "looped", "N": 1}, {}),
    "trm": ({"model": "trm", "mixing": "mlp", "T": 1}, {}),
    "transformer": ({"model": "transformer"}, {}),
    # Of one test puzzle, the second process has none.
    "one test puzzle": ({"N": 1, "T": 1}, {"eval_puzzles": 1, "evaluate_at": (0.5, 1.0)}),
    "thirds": ({"N": 1, "T": 1}, {"micro_batch": 3}),
}


EARLY = ("exact", "lean")


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
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            trainer.model.q_head.weight.normal_(0, 0.2, generator=generator)
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


def asked(dataset: PuzzleDataset, folder: Path) -> list[dict[str, Any]]:
    """All that the two processes are to do."""
    cases: list[dict[str, Any]] = []
    for name in [*CASES, "continued", "stopped"]:
        kind = name if name in CASES else "exact"
        model, training = configurations(dataset, kind)
        training = training if name in CASES else in_halves(training)
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
            }
        )
    return cases


@pytest.fixture(scope="module")
def in_two(arc_folder: Path, arc: PuzzleDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of all cases, trained by two processes."""
    out = tmp_path_factory.mktemp("two")
    request = {"dataset": str(arc_folder), "out": str(out), "cases": asked(arc, out)}
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


def trained_alone(
    dataset: PuzzleDataset, name: str, model: ModelConfig, training: TrainingConfig
) -> tuple[Trainer, list[dict[str, Any]]]:
    trainer = beginning(dataset, name, model, training)
    return trainer, [numbers(asdict(progress)) for progress in trainer.run()]


@pytest.mark.parametrize("name", CASES)
def test_two_equal_one(in_two: Path, arc: PuzzleDataset, name: str) -> None:
    model, training = configurations(arc, name)
    reports, weights = result(in_two, name)
    whole, expected = trained_alone(arc, name, model, training)
    assert [fields["step"] for fields in reports] == [fields["step"] for fields in expected]
    # Halting decides who takes which puzzle: equal counts show that it went alike.
    counts = ("examples", "mean_segments", "train_exact_accuracy", "training_flops")
    for got, wanted in zip(reports, expected, strict=True):
        assert {key: got[key] for key in counts} == {key: wanted[key] for key in counts}
        assert_close(got["loss"], wanted["loss"], rel=1e-4)
        assert (got["curve"] is None) == (wanted["curve"] is None)
    for key, value in whole.model.state_dict().items():
        assert value.allclose(weights[key], rtol=0, atol=TOLERANCE), key


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"thirds"}))
def test_two_equal_one_that_works_in_halves_to_the_bit(
    in_two: Path, arc: PuzzleDataset, tmp_path: Path, name: str
) -> None:
    model, training = configurations(arc, name)
    reports, weights = result(in_two, name)
    halves, expected = trained_alone(arc, name, model, in_halves(training))
    # Sums of float64 over the rows are in another order.
    assert_close(reports, expected, rel=1e-9)
    for key, value in halves.model.state_dict().items():
        assert value.equal(weights[key]), key
    if training.ema:
        halves.save(tmp_path / "halves.pt")
        one, two = (
            checkpoint.load(path)["state"]["learner"]["average"]
            for path in (tmp_path / "halves.pt", in_two / f"{name}.pt")
        )
        assert one.equal(two)


@pytest.mark.parametrize("name", CASES)
def test_both_processes_have_the_same(in_two: Path, name: str) -> None:
    first, second = (result(in_two, name, rank) for rank in range(2))
    assert first[0] == second[0]
    for key, value in first[1].items():
        assert value.equal(second[1][key]), key


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


def test_one_goes_on_where_two_stopped(in_two: Path, arc: PuzzleDataset) -> None:
    model, training = configurations(arc, "exact")
    whole, expected = trained_alone(arc, "exact", model, in_halves(training))
    resumed = Trainer(model, in_halves(training), arc, CPU)
    resumed.restore(in_two / "stopped.pt")
    assert resumed.step == STOP
    rest = [numbers(asdict(progress)) for progress in resumed.run()]
    assert_close(rest, [fields for fields in expected if fields["step"] > STOP], rel=1e-9)
    for key, value in whole.model.state_dict().items():
        assert value.equal(resumed.model.state_dict()[key]), key


def test_two_go_on_where_one_stopped(in_two: Path, arc: PuzzleDataset) -> None:
    model, training = configurations(arc, "exact")
    whole, expected = trained_alone(arc, "exact", model, in_halves(training))
    rest, weights = result(in_two, "continued")
    assert_close(rest, [fields for fields in expected if fields["step"] > STOP], rel=1e-9)
    for key, value in whole.model.state_dict().items():
        assert value.equal(weights[key]), key
