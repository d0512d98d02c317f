"""The charts and pictures of what goes on inside a model, and the command that makes them."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hrm.config import ModelConfig, TrainingConfig
from hrm.dynamics.__main__ import main
from hrm.dynamics.charts import halting_chart, participation_chart, residual_chart, setting
from hrm.dynamics.measure import Dynamics, Participation, Residual, Trajectories
from hrm.dynamics.pictures import SegmentTrace, drawn_segments, picture
from hrm.dynamics.report import names
from hrm.evaluation.accuracy import Evaluation
from hrm.progress import Curve, Halting
from hrm.training.trainer import Trainer
from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.kinds.arc.settings import ArcSettings
from puzzle_datasets.kinds.maze.source import MazeSettings
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import IGNORE_LABEL, PAD

MakeModel = Callable[..., ModelConfig]
MakeTraining = Callable[..., TrainingConfig]


def made_up(config: ModelConfig, states: tuple[str, ...], segments: int) -> Dynamics:
    """Two moves of each state a segment, and two points of participation."""
    order = [(m, state) for m in range(1, segments + 1) for state in (*states, *states)]
    residuals = (Residual(t, m, state, 1 / t) for t, (m, state) in enumerate(order, start=1))
    participation = (Participation(n, state, 1 + n) for n in (5, 10) for state in states)
    trajectories = Trajectories(tuple(residuals), tuple(participation))
    curve = Curve(
        exact_accuracy=(0.5,) * segments,
        token_accuracy=(0.75,) * segments,
        inference_flops=tuple(range(1, segments + 1)),
        puzzles=10,
    )
    shares = (1 / segments,) * segments
    halting = Halting(exact_accuracy=0.5, segments=shares, inference_flops=1.0)
    evaluation = Evaluation(curve, halting)
    return Dynamics("a model", config, trajectories, trajectories, evaluation)


@pytest.fixture
def measured(model_config: MakeModel) -> list[Dynamics]:
    return [
        made_up(model_config(), ("z_L", "z_H"), 3),
        made_up(model_config(model="looped"), ("z_H",), 3),
        made_up(model_config(model="transformer"), ("layers",), 1),
    ]


def rows(chart: Any) -> list[dict[str, Any]]:
    """All data of a chart, which Altair gathers in one place."""
    return [row for data in chart.to_dict()["datasets"].values() for row in data]


def test_residuals_have_a_panel_each_on_one_scale(measured: list[Dynamics]) -> None:
    spec = residual_chart(measured).to_dict()
    assert len(spec["hconcat"]) == 3
    scales = [panel["layer"][1]["encoding"]["y"]["scale"] for panel in spec["hconcat"]]
    assert scales == [scales[0]] * 3
    assert spec["hconcat"][2]["layer"][1]["encoding"]["x"]["title"] == "Block"
    drawn = {
        (row["state"], row["number"])
        for row in rows(residual_chart(measured[:1]))
        if "state" in row
    }
    assert len(drawn) == 12


def test_borders_part_the_segments(measured: list[Dynamics]) -> None:
    borders = [row["number"] for row in rows(residual_chart(measured[:1])) if "state" not in row]
    assert borders == [4.5, 8.5]


def test_participation_is_drawn_trained_and_not(measured: list[Dynamics]) -> None:
    found = rows(participation_chart(measured[:1]))
    assert sorted({row["weights"] for row in found}) == ["before training", "trained"]
    assert len(found) == 8


def test_only_models_with_segments_halt(measured: list[Dynamics]) -> None:
    spec = halting_chart(measured).to_dict()
    assert len(spec["hconcat"]) == 2


def test_names_tell_models_of_a_kind_apart(model_config: MakeModel) -> None:
    one, other = model_config(), model_config(model="looped")
    assert names([one, other], ["a", "b"]) == ["HRM", "Recurrent net"]
    assert names([one, one], ["a", "b"]) == ["HRM (a)", "HRM (b)"]
    assert setting(one, 3) == "N=2, T=2: 6 updates in each of 3 segments"
    assert setting(other, 2) == "a loop of 2 blocks: 3 updates in each of 2 segments"
    once = replace(other, N=1, T=1)
    assert setting(once, 1) == "a loop of 2 blocks: 1 update in each of 1 segment"
    assert setting(model_config(model="transformer"), 1) == "2 blocks, one after the other"


@pytest.mark.parametrize(
    ("segments", "shown"),
    [
        (1, [1]),
        (6, [1, 2, 3, 4, 5, 6]),
        (12, [1, 2, 4, 8, 12]),
        (16, [1, 2, 4, 8, 16]),
        (512, [1, 2, 4, 8, 16, 512]),
    ],
)
def test_at_most_six_segments_are_shown(segments: int, shown: list[int]) -> None:
    assert drawn_segments(segments) == shown


SUDOKU = [3, 1, 1, 1, 1, 1, 3, 1, 1, 4, 1, 1, 5, 1, 1, 2]
SOLVED = [3, 2, 5, 4, 4, 5, 3, 2, 2, 4, 5, 3, 5, 3, 4, 2]
"""Tokens of a 4 by 4 grid; that it breaks the rules does not show in a picture."""


def told(inputs: Tensor, labels: Tensor, wrong: int) -> SegmentTrace:
    """A puzzle `[L]` answered with so many wrong cells and then rightly; padding is not scored."""
    labels = torch.where(labels == PAD, IGNORE_LABEL, labels.int())
    scored = (labels != IGNORE_LABEL).nonzero().flatten()
    answers = torch.stack([labels, labels])
    at = scored[:wrong]
    answers[0, at] = torch.where(labels[at] == 2, 3, 2).int()
    answers[:, labels == IGNORE_LABEL] = 5
    flags = torch.tensor([False, True])
    return SegmentTrace(inputs.int(), labels, answers, flags, flags)


@pytest.mark.parametrize("kind", ["sudoku", "maze", "arc"])
def test_wrong_cells_are_counted_and_marked(kind: str, arc: PuzzleDataset, tmp_path: Path) -> None:
    dataset = arc
    if kind == "maze":
        settings = MazeSettings(side=9, train=4, test=4)
        dataset = PuzzleDataset.open(prepare("maze", settings, tmp_path))
    manifest, inputs, labels = dataset.manifest, dataset.test.inputs[0], dataset.test.labels[0]
    if kind == "sudoku":
        manifest = replace(manifest, kind="sudoku", box=(2, 2))
        inputs, labels = torch.tensor(SUDOKU), torch.tensor(SOLVED)
    image = picture([told(inputs, labels, 3)], manifest, "a title", "a note")
    assert image.startswith("<svg")
    assert ">3 wrong<" in image
    assert ">right, would halt<" in image
    # One mark is the legend's.
    marks = re.findall(r'<rect [^>]*stroke="#d92d20"', image)
    crosses = re.findall(r'<path d="([^"]*)"[^>]*stroke="#d92d20"', image)
    count = len(marks) if kind == "sudoku" else "".join(crosses).count("M")
    assert count == 1 + 3
    assert ">a title<" in image
    assert ">a note<" in image


@pytest.fixture(scope="module")
def checkpoint(
    tmp_path_factory: pytest.TempPathFactory,
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
) -> Path:
    model = model_config(mode="lean")
    trainer = Trainer(model, training_config(model, 2), arc, torch.device("cpu"))
    file = tmp_path_factory.mktemp("run") / "checkpoint.pt"
    list(trainer.run(file))
    return file


@pytest.fixture
def trained(checkpoint: Path, tmp_path: Path) -> Path:
    """The folder of a run of two steps."""
    shutil.copy(checkpoint, tmp_path)
    return tmp_path


def test_the_command_writes_numbers_pictures_and_a_page(
    trained: Path, arc_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = trained / "deep" / "out"
    words = [str(trained), "--dataset", str(arc_folder), "--out", str(out), "--limit", "4"]
    assert main([*words, "--puzzles", "1", "--batch-size", "2", "--segments", "2"]) == 0
    numbers = json.loads((out / "dynamics.json").read_text())
    [model] = numbers["models"]
    assert model["curve"]["puzzles"] == 4
    assert len(model["halting"]["segments"]) == 2
    assert len(model["trained"]["residuals"]) == 12
    assert [one["puzzles"] for one in model["trained"]["participation"]] == [2, 2, 4, 4]
    assert model["checkpoint"] == {
        "source": str(trained / "checkpoint.pt"),
        "step": 2,
        "averaged": False,
        "dtype": "float32",
    }
    page = (out / "dynamics.md").read_text()
    assert "| weights of step 2 |" in page
    pictures = {
        "residuals": "Forward residuals",
        "participation": "Participation ratio: directions",
        "halting": "Segments until a puzzle halts",
        "segments-1-hrm": "HRM: the answer after each segment",
    }
    pages = {name: (out / f"{name}.html").read_text() for name in pictures}
    for name, title in pictures.items():
        assert [other for other, text in pages.items() if title in text] == [name]
    for name in pictures:
        assert f"({name}.png)" in page
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert not list(out.glob("*.partial"))
    assert "HRM: " in capsys.readouterr().out


def test_without_altair_there_are_numbers_and_no_pictures(
    trained: Path,
    arc_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    out = trained / "out"
    out.mkdir()
    (out / "dynamics.json").write_text("{}")  # a former report, which is written anew
    words = [str(trained), "--dataset", str(arc_folder), "--out", str(out), "--limit", "2"]
    assert main([*words, "--puzzles", "1", "--segments", "2"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("hrm.dynamics: going without pictures: charts need altair")
    assert said.count("\n") == 1
    assert {path.name for path in out.iterdir()} == {"dynamics.json", "dynamics.md"}
    page = (out / "dynamics.md").read_text()
    assert "| HRM |" in page
    assert "](" not in page


def test_answers_that_were_trained_on_are_refused(
    model_config: MakeModel,
    training_config: MakeTraining,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = ArcSettings(canvas=6, tasks=20, augmentations="fresh", held_out="evaluation")
    folder = prepare("arc-agi-1", settings, tmp_path)
    everything = prepare("arc-agi-1", replace(settings, held_out="all"), tmp_path)
    dataset = PuzzleDataset.open(folder)
    model = model_config(
        vocab_size=dataset.manifest.vocab_size,
        seq_len=dataset.manifest.seq_len,
        num_puzzle_identifiers=dataset.manifest.num_puzzle_identifiers,
    )
    trainer = Trainer(model, training_config(model, 2), dataset, torch.device("cpu"))
    list(trainer.run(tmp_path / "checkpoint.pt"))
    words = [str(tmp_path), "--dataset", str(everything), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "with their test pairs" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--segments", "0"], "--segments is 0"),
        (["--puzzles", "0"], "--puzzles is 0"),
        (["--limit", "-1"], "--limit is -1"),
        (["--batch-size", "0"], "--batch-size is 0"),
        (["--device", "tpu"], "device is 'tpu'"),
        (["--out", "/dev/null"], "--out names /dev/null, no folder; name a folder"),
    ],
)
def test_bad_wishes_are_refused_in_a_sentence(
    trained: Path,
    arc_folder: Path,
    capsys: pytest.CaptureFixture[str],
    option: list[str],
    message: str,
) -> None:
    words = [str(trained), "--dataset", str(arc_folder), "--out", str(trained / "out"), *option]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert not (trained / "out").exists()


def test_a_folder_of_other_files_is_left_alone(
    trained: Path, arc_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(arc_folder.rglob("*"))
    assert main([str(trained), "--dataset", str(arc_folder), "--out", str(arc_folder)]) == 2
    assert "holds other files; name another folder.\n" in capsys.readouterr().err
    assert sorted(arc_folder.rglob("*")) == before


def test_puzzles_of_another_length_are_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = MazeSettings(side=9, train=4, test=4)
    mazes = prepare("maze", settings, tmp_path / "other")
    words = [str(trained), "--dataset", str(mazes), "--out", str(trained / "out")]
    assert main(words) == 2
    assert "vocab_size" in capsys.readouterr().err


def test_a_broken_checkpoint_is_refused(
    trained: Path, arc_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = trained / "checkpoint.pt"
    file.write_bytes(file.read_bytes()[:1000])
    words = [str(trained), "--dataset", str(arc_folder), "--out", str(trained / "out")]
    assert main(words) == 2
    assert "checkpoint.pt is no whole checkpoint" in capsys.readouterr().err
