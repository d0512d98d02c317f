"""A grid holds what evaluating each (N, T) alone gives, and outlives whoever fills it."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from hrm.charts import altair, save_chart
from hrm.config import ConfigError, ModelConfig, TrainingConfig
from hrm.evaluation.accuracy import evaluate
from hrm.grid import cells as grid_cells
from hrm.grid.__main__ import main
from hrm.grid.cells import Cell, GridOptions, whole_numbers
from hrm.model.flops import inference_flops
from hrm.model.reasoning_model import ReasoningModel
from hrm.training.trainer import Trainer
from puzzle_datasets.loader import evaluation_batches
from puzzle_datasets.storage.dataset import PuzzleDataset

MakeModel = Callable[..., ModelConfig]
MakeTraining = Callable[..., TrainingConfig]
Run = Callable[..., int]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained_once(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., tuple[ReasoningModel, Path]]:
    @cache
    def train(**changes: Any) -> tuple[ReasoningModel, Path]:
        config = model_config(N=1, **changes)
        trainer = Trainer(config, training_config(config, 3), arc, torch.device("cpu"))
        file = tmp_path_factory.mktemp("run") / "checkpoint.pt"
        list(trainer.run(file))
        return trainer.model, file

    return train


@pytest.fixture
def trained(
    trained_once: Callable[..., tuple[ReasoningModel, Path]], tmp_path: Path
) -> Callable[..., ReasoningModel]:
    """Put the checkpoint of a run of three steps into `tmp_path`."""

    def put(**changes: Any) -> ReasoningModel:
        model, file = trained_once(**changes)
        shutil.copy(file, tmp_path)
        return model

    return put


@pytest.fixture
def run(arc_folder: Path, tmp_path: Path) -> Run:
    def call(words: str) -> int:
        model = [str(tmp_path), "--dataset", str(arc_folder), "--out", str(tmp_path / "out")]
        return main([*model, "--device", "cpu", *words.split()])

    return call


def cells(folder: Path) -> dict[tuple[int, int], dict[str, Any]]:
    content = json.loads((folder / "grid.json").read_text())
    return {(cell["N"], cell["T"]): cell for cell in content["cells"]}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("curve", "exact_accuracy"), []),
        (("curve", "token_accuracy"), [0.5]),
        (("curve", "inference_flops"), [10**30] * 2),
        (("curve", "puzzles"), -1),
        (("halting", "segments"), []),
        (("halting", "inference_flops"), 1e308),
        (("seconds",), -1e300),
        (("N",), 10**30),
    ],
)
def test_a_damaged_grid_is_refused_or_shown(
    place: tuple[str, ...],
    value: Any,
    trained: Callable[..., ReasoningModel],
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("hrm.grid.__main__.lacking", lambda: "nobody draws here")
    trained()
    words = "--N 1 --T 1 --M 1 2 --limit 2"
    assert run(words) == 0
    file = tmp_path / "out" / "grid.json"
    content = json.loads(file.read_text())
    inner = content["cells"][0]
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    file.write_text(json.dumps(content))
    capsys.readouterr()
    status = run(words)
    assert status in (0, 2)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_cells_are_what_a_model_of_those_steps_gives(
    arc: PuzzleDataset,
    trained: Callable[..., ReasoningModel],
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = trained()
    assert run("--N 1 2 --T 1..2 --M 1 3 4") == 0
    found = cells(tmp_path / "out")
    assert list(found) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    for (N, T), cell in found.items():
        other = ReasoningModel(replace(model.config, N=N, T=T))
        other.load_state_dict(model.state_dict())
        batches = evaluation_batches(arc, batch_size=128, limit=None, seed=0)
        curve, halting = evaluate(other, batches, 4)
        assert tuple(cell["curve"]["exact_accuracy"]) == curve.exact_accuracy
        assert cell["curve"]["token_accuracy"] == pytest.approx(list(curve.token_accuracy))
        assert cell["curve"]["inference_flops"][3] == inference_flops(other.config, 4)
        assert cell["halting"]["segments"] == list(halting.segments)
    tokens = {tuple(cell["curve"]["token_accuracy"]) for cell in found.values()}
    assert len(tokens) > 1, "N and T make no difference"
    out = capsys.readouterr().out
    assert [out.count(f"N {N}, T {T}: ") for N, T in found] == [1] * 4


def test_page_marks_the_trained_point_and_chart_shows_every_one(
    trained: Callable[..., ReasoningModel], run: Run, tmp_path: Path
) -> None:
    trained()
    assert run("--N 1 2 --T 2 --M 1 3 4") == 0
    out = tmp_path / "out"
    text = (out / "grid.md").read_text()
    page = text.splitlines()
    assert "weights of step 3" in text
    assert "Best of 8 points, chosen on these puzzles" in text
    assert "when each halts (at most 4)" in text
    checkpoint = json.loads((out / "grid.json").read_text())["checkpoint"]
    assert checkpoint == {
        "source": str(tmp_path / "checkpoint.pt"),
        "step": 3,
        "averaged": False,
        "dtype": "float32",
    }
    first, second = (line for line in page if line.startswith(("| 1 |", "| 2 |")))
    assert [first.count("**"), second.count("**")] == [2, 0]
    assert "**" in first.split("|")[5], "trained for 3 segments, the second of three columns"
    assert (out / "grid.png").read_bytes().startswith(b"\x89PNG")
    page_of_chart = (out / "grid.html").read_text()
    assert page_of_chart.count('"accuracy":') >= 2 * 3 + 1
    assert "<script src=" not in page_of_chart, "it needs no network"


def test_a_killed_grid_goes_on(
    trained: Callable[..., ReasoningModel],
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained()
    made: list[tuple[int, int]] = []
    cell = grid_cells._cell

    def dies_at_the_third(model: ReasoningModel, *rest: Any) -> Cell:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append((model.config.N, model.config.T))
        return cell(model, *rest)

    monkeypatch.setattr(grid_cells, "_cell", dies_at_the_third)
    assert run("--N 1..2 --T 1..2 --M 1..2 --limit 3") == 130
    assert list(cells(tmp_path / "out")) == made
    assert "| 1 | 2 |" in (tmp_path / "out" / "grid.md").read_text()
    made.clear()
    assert run("--N 1..2 --T 1..2 --M 1..2 --limit 3") == 0
    assert made == [(2, 1), (2, 2)]
    assert len(cells(tmp_path / "out")) == 4


def test_without_altair_there_are_numbers_and_no_chart(
    trained: Callable[..., ReasoningModel],
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained()
    monkeypatch.setitem(sys.modules, "altair", None)
    assert run("--N 1 --T 1 --M 1..2 --limit 3") == 0
    said = capsys.readouterr()
    assert said.err.startswith("hrm.grid: going without pictures: charts need altair")
    assert said.err.count("\n") == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"grid.md", "grid.json"}
    assert said.out.splitlines()[-1].endswith("out: grid.md, grid.json")


def test_another_grid_is_not_gone_on_with(
    trained: Callable[..., ReasoningModel],
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained()
    assert run("--N 1 --T 1 --M 1..2 --limit 3") == 0
    before = (tmp_path / "out" / "grid.json").read_bytes()
    capsys.readouterr()
    for words, name in (("--M 1..3 --limit 3", "segments 2, not 3"), ("--M 1..2", "limit 3")):
        assert run(f"--N 1 --T 1 {words}") == 2
        assert f"is a grid of {name}" in capsys.readouterr().err
    trained(hidden_size=64)
    assert run("--N 1 --T 1 --M 1..2 --limit 3") == 2
    assert "is a grid of weights" in capsys.readouterr().err
    assert (tmp_path / "out" / "grid.json").read_bytes() == before
    (tmp_path / "out" / "grid.json").write_text('{"cells": [{"N": 1')
    assert run("--N 1 --T 1 --M 1..2 --limit 3") == 2
    assert "is no JSON; remove it or name another folder" in capsys.readouterr().err


def test_a_folder_of_other_things_gets_no_grid(
    trained: Callable[..., ReasoningModel],
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("{}")
    assert run("--N 1 --T 1 --M 1..2 --limit 3") == 2
    assert "out holds other files; name another folder" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run.json"]


def test_transformer_has_no_grid(
    trained: Callable[..., ReasoningModel], run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(model="transformer")
    assert run("--N 1 2 --T 1 --M 1") == 2
    assert "--N is 2, but a transformer has no cycles; give 1" in capsys.readouterr().err
    assert run("--N 1 --T 1") == 2
    assert "--M is 16, but every segment of a transformer" in capsys.readouterr().err
    assert run("--N 1 --T 1 --M 1") == 0


def test_numbers() -> None:
    assert whole_numbers("M", ["6", "1..3", "2"]) == (1, 2, 3, 6)
    for word in ("0", "0..2", "x", "3..1", "1..", "1..x", "..2", "-1", "1.5"):
        with pytest.raises(ConfigError, match=f"M is {re.escape(word)}; give whole numbers"):
            whole_numbers("M", [word])
    assert whole_numbers("M", ["1..1000"])[-1] == 1000
    for word in ("4097", "1..99999999999999999999", f"1..{'9' * 5000}"):
        with pytest.raises(ConfigError, match="give numbers of at most 4096"):
            whole_numbers("M", [word])
    with pytest.raises(ConfigError, match="M has 1001 numbers; give at most 1000"):
        whole_numbers("M", ["1..500", "1000..1500"])
    with pytest.raises(ConfigError, match="N makes 1,000,000 pairs with T; give at most 10,000"):
        GridOptions(N=tuple(range(1, 1001)), T=tuple(range(1, 1001)), segments=1)
    with pytest.raises(ConfigError, match="limit is 0"):
        GridOptions(N=(1,), T=(1,), segments=1, limit=0)


def test_charts_are_saved_whole_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alt = altair()
    values = [{"x": 1, "y": 2}]
    chart = alt.Chart(alt.InlineData(values=values)).mark_point().encode(x="x:Q", y="y:Q")
    save_chart(chart, tmp_path / "deep" / "chart.svg")
    assert (tmp_path / "deep" / "chart.svg").read_text().startswith("<svg")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["chart.svg"]
    hostile = chart.properties(title="</script><script>alert(1)")
    save_chart(hostile, tmp_path / "hostile.html")
    assert "</script><script>alert" not in (tmp_path / "hostile.html").read_text()
    with pytest.raises(ConfigError, match=r"end it in \.png, \.svg, \.html"):
        save_chart(chart, tmp_path / "chart.pdf")
    with pytest.raises(OSError, match="File exists"):
        save_chart(chart, tmp_path / "deep" / "chart.svg" / "inner.svg")
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ConfigError, match="charts need vl_convert, which is not installed"):
        save_chart(chart, tmp_path / "chart.svg")
