"""The benchmark for GPUs runs whole on a CPU, from a bare checkout, and can fail."""

import ast
import importlib
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
ON_CPU = ["--device", "cpu", "--tiny", "--precision", "float32", "--executions", "eager"]
LIGHT = {"torch", "numpy", "pyarrow", "hrm", "puzzle_datasets", "gpu_pieces", "measuring"}


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a module as the script finds it."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def rows(printed: str) -> list[list[str]]:
    lines = [line for line in printed.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_a_bare_checkout_learns(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "learning", *ON_CPU]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [row[1] for row in rows(done.stdout)] == [str(step) for step in range(1, 11)]


def test_only_light_packages_are_imported() -> None:
    sources = [BENCHMARKS / "gpu.py", *(BENCHMARKS / "gpu_pieces").glob("*.py")]
    assert len(sources) > 5
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            heads = {name.split(".")[0] for name in names}
            assert heads <= LIGHT | set(sys.stdlib_module_names), source


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_said_in_a_sentence(
    module: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    assert module("gpu").main(["memory"]) == 2
    assert "finds no GPU; give cpu" in capsys.readouterr().err


def test_correctness_and_a_row_that_fails(
    module: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    correctness = module("gpu_pieces.correctness")
    wanted = ("hrm, lean", "trm, mlp", "hrm, average of weights")
    cases = {name: correctness.CASES[name] for name in wanted}
    monkeypatch.setattr(correctness, "CASES", cases)
    assert module("gpu").main(["correctness", *ON_CPU]) == 0
    found = rows(capsys.readouterr().out)
    assert len(found) == len(cases) + 2 * 2 + 3
    assert not any("failed" in cell for row in found for cell in row)
    unseen = [row[0] for row in found if row[1].startswith("not looked at: ")]
    assert len(unseen) == 3
    assert all(name.startswith("a step without wait, ") for name in unseen)

    learner = correctness.learner

    def spoilt(model: object, training: object, *more: object) -> object:
        made = learner(model, training, *more)
        if made.model.config.model == "trm" and next(broken):
            made.model.lm_head.weight.data.mul_(1.5)
        return made

    broken = iter([False, True])
    monkeypatch.setattr(correctness, "PUBLISHED", "nowhere")
    monkeypatch.setattr(correctness, "step_of_trainer", lambda setting: lambda: None)
    monkeypatch.setattr(correctness, "learner", spoilt)
    assert module("gpu").main(["correctness", *ON_CPU]) == 1
    failed = [row for row in rows(capsys.readouterr().out) if row[1].startswith("failed")]
    assert [row[0] for row in failed] == ["trm, mlp, float32, eager"]


def test_published_cases_need_no_yaml(
    module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    cases = module("gpu_pieces.published_cases")
    for folder in sorted((ROOT / cases.CASES).iterdir()):
        case = cases.PublishedCase(folder)
        assert max(case.evaluation_differences(torch.device("cpu"))) < cases.LATER_SEGMENTS


def test_differences_are_found(module: Callable[[str], ModuleType]) -> None:
    traces = module("gpu_pieces.traces")
    right = traces.Trace([2.0, 1.0], torch.ones(4))
    assert len(traces.compare(right, right, traces.FLOAT32)) == 3
    wrong = [
        traces.Trace([2.001, 1.0], torch.ones(4)),
        traces.Trace([2.0, 1.01], torch.ones(4)),
        traces.Trace([2.0, math.nan], torch.ones(4)),
        traces.Trace([2.0, 1.0], torch.tensor([1.0, 1.0, 1.0, 1.1])),
        traces.Trace([2.0, 1.0], torch.ones(4), 0.1),
        traces.Trace([2.0, 1.0], torch.ones(4), math.nan),
    ]
    for other in wrong:
        with pytest.raises(AssertionError, match="first, later, gradient"):
            traces.compare(other, right, traces.FLOAT32)


def test_an_average_that_stays_behind_is_found(
    module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    setting, traces = module("gpu_pieces.setting"), module("gpu_pieces.traces")
    cpu = torch.device("cpu")

    def traced() -> Any:
        made = setting.learner(setting.TINY.model(), setting.TINY.training(ema=0.9), cpu)
        return traces.trace(made, setting.TINY.batches(3, cpu))

    right = traced()
    assert len(traces.compare(right, right, traces.FLOAT32)) == 4
    monkeypatch.setattr("hrm.model.flat.MovingAverage.update", lambda average, step: None)
    with pytest.raises(AssertionError, match="average"):
        traces.compare(traced(), right, traces.FLOAT32)


def test_throughput_times_every_mode(
    module: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    throughput = module("gpu_pieces.throughput")
    # What is timed stands in for the compiled code, whose compilation takes a minute.
    monkeypatch.setattr(throughput, "BASELINE", "reference, eager")
    assert module("gpu").main(["throughput-arc", *ON_CPU, "--rounds", "2"]) == 0
    found = rows(capsys.readouterr().out)
    names = [row[0].partition(": ")[2] for row in found]
    assert names == ["reference, eager", "exact, eager", "lean, eager"]
    assert [row[4] for row in found] == ["2 x 1"] * 3
    assert all(float(row[1].split()[0]) > 0 for row in found)
    assert found[0][2] == "1.00 (1.00 to 1.00)"


def test_published_style_trains_as_the_learner_does(module: Callable[[str], ModuleType]) -> None:
    setting, style = module("gpu_pieces.setting"), module("gpu_pieces.published_style")
    cpu = torch.device("cpu")
    model, training = setting.TINY.model(M_max=2), setting.TINY.training()
    ours = setting.learner(model, training, cpu)
    theirs = style.PublishedStyle(model, training, cpu, compiled=False)
    start = [parameter.detach().clone() for parameter in ours.model.parameters()]
    for batch in setting.TINY.batches(3, cpu):
        ours.step(batch)
        theirs.step(batch)
        ours.tally.steps += 1
        rows = training.batch_size
        assert ours.tally.read().lm_loss == pytest.approx(theirs.metrics[0] / rows, rel=1e-4)
    for before, a, b in zip(
        start, ours.model.parameters(), theirs._model.parameters(), strict=True
    ):
        # Adam-atan2 steps as far for rounding's sake as for any other gradient.
        far = ((a - b).abs() > 1e-5).float().mean()
        assert far < 0.01
        assert not torch.equal(before, a)


def test_memory_shows_growth_and_refuses_it(
    module: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    memory = module("gpu_pieces.memory")
    flat, growing = memory.ONE_STEP[0], memory.ONE_STEP[2]
    monkeypatch.setattr(memory, "ONE_STEP", (flat, growing))
    assert module("gpu").main(["memory", *ON_CPU]) == 0
    found = rows(capsys.readouterr().out)
    assert len(found) == 4 + len(memory.GROWING)
    assert all(0.7 < float(row[4]) < 1.4 for row in found)
    monkeypatch.setattr(memory, "ONE_STEP", (flat, {**growing, "gradient": "bptt"}))
    monkeypatch.setattr(memory, "GROWING", ())
    assert module("gpu").main(["memory", *ON_CPU]) == 1
    assert sum(row[1].startswith("failed") for row in rows(capsys.readouterr().out)) == 2


def test_what_comes_too_late_fails(
    module: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    setting = module("gpu_pieces.setting")
    made = setting.Setting(root=ROOT, device=torch.device("cpu"), tiny=True, precision="float32")
    late = replace(made, minutes=0.0, executions=("eager",))
    assert not module("gpu_pieces.learning").run(late)
    assert "stopped after step 1 of 10; give more --minutes" in capsys.readouterr().out
    assert not module("gpu_pieces.memory").run(late)
    assert all("no time was left" in row[1] for row in rows(capsys.readouterr().out))
