"""A single run leaves its answers per puzzle, and makes up for those that a dead one did not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hrm.evaluation.answer_file import AnswerFile
from hrm.runs.folder import RunFolder
from hrm.train import main
from puzzle_datasets.storage.dataset import PuzzleDataset

TINY = [
    *("--hidden-size", "32", "--num-heads", "2", "--H-layers", "1", "--L-layers", "1", "--N", "1"),
    *("--M-max", "3", "--batch-size", "8", "--warmup-steps", "2", "--threads", "1"),
    *("--device", "cpu", "--steps", "20", "--evaluate-at", "0.5", "1", "--eval-views", "2"),
]


@pytest.fixture
def train(arc_folder: Path, tmp_path: Path) -> Callable[..., int]:
    place = ["--dataset", str(arc_folder), "--out", str(tmp_path / "run")]
    return lambda *words: main([*place, *TINY, *words])


def test_a_run_leaves_its_answers(
    train: Callable[..., int],
    tmp_path: Path,
    arc: PuzzleDataset,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train() == 0
    folder = RunFolder(tmp_path / "run")
    table = AnswerFile(folder.answers).read()
    votes = [one.progress.votes for one in folder.measurements() if one.progress.votes]
    assert sum(one.votes for one in votes) == len(table) > 0
    assert set(table["step"].to_pylist()) == {10, 20}
    assert set(table["purpose"].to_pylist()) == {"measure"}
    assert set(table["replicate"].to_pylist()) == {0}
    assert set(table["view"].to_pylist()) == {0, 1}
    assert {len(solved) for solved in table["solved"].to_pylist()} == {3}
    for task, name in zip(table["task"].to_pylist(), table["task_name"].to_pylist(), strict=True):
        assert arc.group_names[task] == name
    assert "votes, pass@1 is " in capsys.readouterr().out


def test_what_a_died_process_did_not_write_is_made_up_for(
    train: Callable[..., int], tmp_path: Path
) -> None:
    assert train() == 0
    file = RunFolder(tmp_path / "run").answers
    whole = AnswerFile(file).read()
    file.unlink()
    assert train("--resume") == 0
    assert AnswerFile(file).read().equals(whole)
    assert train("--resume") == 0
    assert AnswerFile(file).read().equals(whole)


def test_a_damaged_file_is_one_sentence(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train() == 0
    RunFolder(tmp_path / "run").answers.write_bytes(b"PAR1")
    assert train("--resume") == 2
    said = capsys.readouterr().err
    assert "answers.parquet can't be read" in said
    assert said.endswith("restore it, or remove it.\n")
    assert said.count("\n") == 1


def test_a_part_without_puzzles_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arc_folder: Path
) -> None:
    place = ["--dataset", str(arc_folder), "--out", str(tmp_path / "run"), *TINY]
    assert main([*place, "--confirm-share", "0.001"]) == 2
    said = capsys.readouterr().err
    assert "--confirm-share is 0.001, which leaves one part of 8 tasks without a puzzle" in said
    assert not (tmp_path / "run").exists()
