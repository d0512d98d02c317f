"""A trained model answers a puzzle as a person writes it, from the shell and from Python."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sweep_builders import confirmed

from hrm.checkpoints.loading import load_model
from hrm.checkpoints.published import export_published
from hrm.evaluation.accuracy import evaluate
from puzzle_datasets import PuzzleDataset, evaluation_batches, kind_named
from puzzle_datasets.common.errors import UserError
from puzzle_datasets.kinds.arc.served import scored_tasks
from sweep_platform import cli, solve
from sweep_platform.store.folder import SweepFolder

MAZE = "S    \n# # #\n     \n# # #\n    G"


def dataset_of(run: Path) -> PuzzleDataset:
    return PuzzleDataset.open(json.loads((run / "run.json").read_text())["dataset"]["folder"])


@pytest.mark.parametrize("kind", ["sudoku", "maze"])
def test_the_answer_is_what_the_evaluation_of_the_model_says(
    runs: dict[str, Path], kind: str
) -> None:
    dataset = dataset_of(runs[kind])
    grid, seen = dataset.manifest.grid, []
    batches = evaluation_batches(dataset, batch_size=4, limit=None, seed=0)
    evaluate(load_model(runs[kind]).model, batches, 2, observe=seen.append)
    for one, predicted in zip(seen[0].inputs, seen[0].predictions, strict=True):
        text = kind_named(kind).to_text(one.numpy()[None].astype(np.uint8), grid)
        answered = solve(runs[kind], text, device="cpu")
        assert answered.text == kind_named(kind).to_text(predicted.numpy()[None], grid)
        [answer] = answered.solved.answers
        assert (answer.segments, answer.views, answer.votes) == (2, 1, 1)
        assert 0 < answer.confidence < 1


def test_a_task_of_the_set_is_answered_by_vote_under_its_identities(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    dataset = dataset_of(runs["arc"])
    name, task = next(iter(scored_tasks(dataset).items()))
    for pair in task["test"]:
        del pair["output"]  # as in a competition
    file = tmp_path / "any name.json"
    file.write_text(json.dumps(task))
    answered = solve(runs["arc"], file, voting=5, device="cpu")
    assert answered.solved.task == name
    assert answered.solved.note == ""
    assert len(json.loads(answered.text)) == len(task["test"])
    for answer in answered.solved.answers:
        assert answer.views == 5
        assert 1 <= answer.votes <= 5
        assert (answer.runner_up is None) == (answer.votes == 5)
    assert f"task {name}" in answered.words


def test_views_are_undone_before_they_vote(
    runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that copies what it sees gives the input itself, by all votes."""
    from hrm.evaluation import answers

    def copy(rows: Any, output: Any, chosen: Any) -> answers.Answers:
        indices, inputs, labels, segments = (field[chosen] for field in rows[3:])
        return answers.Answers(indices, inputs, labels, inputs, output.q_halt[chosen], segments)

    monkeypatch.setattr(answers._Rows, "answers", copy)
    inputs = [[[1, 2, 3], [4, 5, 6]], [[7], [0], [9]]]
    for halting in ("fixed", "act"):
        answered = solve(runs["arc"], json.dumps(inputs), voting=70, halting=halting, device="cpu")
        assert json.loads(answered.text) == inputs
        assert [one.votes for one in answered.solved.answers] == [70, 70]
    assert "blank identifier" in answered.words


def test_the_command_prints_the_answer_and_draws_it(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    picture = tmp_path / "new" / "answer.png"
    assert cli.main(["solve", str(runs["maze"]), MAZE, "--out", str(picture)]) == 0
    said = capsys.readouterr()
    assert [len(line) for line in said.out.splitlines()] == [5] * 5
    assert "2 segments, confidence" in said.err
    assert picture.read_bytes().startswith(b"\x89PNG")
    (tmp_path / "maze.txt").write_text(MAZE + "\n")
    checkpoint = str(runs["maze"] / "checkpoint.pt")
    assert cli.main(["solve", checkpoint, str(tmp_path / "maze.txt"), "--segments", "2"]) == 0
    assert capsys.readouterr().out == said.out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(MAZE.encode())))
    assert cli.main(["solve", str(runs["maze"]), "-"]) == 0
    assert capsys.readouterr().out == said.out


def test_a_published_checkpoint_answers_about_puzzles_that_are_named(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export_published(load_model(runs["maze"]), tmp_path / "published")
    words = ["solve", str(tmp_path / "published"), MAZE]
    assert cli.main(words) == 2
    assert "--dataset" in capsys.readouterr().err
    folder = json.loads((runs["maze"] / "run.json").read_text())["dataset"]["folder"]
    assert cli.main([*words, "--dataset", folder]) == 0
    assert capsys.readouterr().out.strip() == solve(runs["maze"], MAZE, device="cpu").text


def test_of_a_sweep_the_best_confirmed_trial_answers_else_the_best(swept: SweepFolder) -> None:
    assert solve(swept.root, MAZE, device="cpu").model.startswith("trial 2, replicate 0, of")
    confirmed(swept, 1)
    assert solve(swept.root, MAZE, device="cpu").model.startswith("trial 1, confirmation 0, of")
    asked = solve(swept.root, MAZE, trial=2, device="cpu")
    assert asked.model.startswith("trial 2, replicate 0, of")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--trial", "0"], "keeps no checkpoint of a replicate that was trained to the end"),
        (["--trial", "3"], "keeps no checkpoint"),
        (["--trial", "9"], "--trial is 9; give the number of a trial"),
        (["--out", "answer.jpg"], "--out is 'answer.jpg'; name a file that ends with .png"),
        (["--segments", "0"], "--segments is 0"),
        (["--voting", "0"], "--voting is 0"),
        (["--device", "moon"], "--device is 'moon'"),
        (["--dataset", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(
    swept: SweepFolder, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["solve", str(swept.root), MAZE, *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("kind", ["arc", "maze", "sudoku"])
@pytest.mark.parametrize(
    "puzzle", ["", "1234", "S" * 25, "missing.json", "[[[11]]]", "\0", "x/" * 9000]
)
def test_what_is_no_puzzle_is_refused_in_a_sentence(
    runs: dict[str, Path], kind: str, puzzle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["solve", str(runs[kind]), puzzle]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert len(error) < 400


def test_files_that_hold_no_puzzle_are_refused(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "huge").write_bytes(b"1" * 5_000_000)
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "foreign.json").write_text('{"name": "foreign", "test": 3}')
    for name in ("huge", "binary", "foreign.json", "."):
        assert cli.main(["solve", str(runs["arc"]), str(tmp_path / name)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_standard_input_that_is_closed_is_named(
    runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert cli.main(["solve", str(runs["maze"]), "-"]) == 2
    assert "a standard input that is closed" in capsys.readouterr().err


def test_models_that_are_none_are_refused(
    runs: dict[str, Path], make_sweep: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = make_sweep(None, name="empty")
    for model, said in (
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path, "does not tell which puzzles"),
        (empty.root, "has no complete trial yet"),
    ):
        assert cli.main(["solve", str(model), MAZE]) == 2
        assert said in capsys.readouterr().err
    with pytest.raises(UserError):
        solve(runs["maze"], MAZE, votes=3)
    with pytest.raises(UserError):
        solve(runs["maze"], torch.zeros(25))  # type: ignore[arg-type]
    other = dataset_of(runs["sudoku"])
    assert other.manifest.name == "sudoku"
    folder = json.loads((runs["sudoku"] / "run.json").read_text())["dataset"]["folder"]
    assert cli.main(["solve", str(runs["maze"]), MAZE, "--dataset", folder]) == 2


def test_a_submission_has_two_attempts_at_each_input(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks, out = tmp_path / "tasks", tmp_path / "new" / "submission.json"
    tasks.mkdir()
    written = scored_tasks(dataset_of(runs["arc"]))
    for name, task in written.items():
        for pair in task["test"]:
            del pair["output"]
        (tasks / f"{name}.json").write_text(json.dumps(task))
    together = tmp_path / "arc-agi_test_challenges.json"
    together.write_text(json.dumps(written))
    words = ["submission", str(runs["arc"]), "--voting", "4", "--out", str(out), "--tasks"]
    for place in (tasks, together):
        out.unlink(missing_ok=True)
        assert cli.main([*words, str(place)]) == 0
        assert f"{len(written)} of which" in capsys.readouterr().out
        attempts = json.loads(out.read_text())
        assert attempts.keys() == written.keys()
        for name, task in written.items():
            answered = solve(runs["arc"], json.dumps(task), voting=4, device="cpu")
            assert len(attempts[name]) == len(task["test"])
            for one, grid in zip(attempts[name], json.loads(answered.text), strict=True):
                assert one["attempt_1"] == (grid or [[0]])
                assert all(len(row) == len(one["attempt_2"][0]) > 0 for row in one["attempt_2"])
    before = out.read_bytes()
    assert cli.main([*words, str(together)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert out.read_bytes() == before
    out.unlink()
    (tasks / "foreign.json").write_text('{"train": [], "test": 3}')
    assert cli.main([*words, str(tasks)]) == 2
    assert "task 'foreign' holds no ARC task" in capsys.readouterr().err
    (tasks / "again").mkdir()
    shutil.copy(tasks / "foreign.json", tasks / "again")
    assert cli.main([*words, str(tasks)]) == 2
    assert "has two tasks named 'foreign'" in capsys.readouterr().err
    for place in (tmp_path / "nowhere", tmp_path / "new" / "none"):
        assert cli.main([*words, str(place)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    maze = ["submission", str(runs["maze"]), "--out", str(out), "--tasks", str(together)]
    assert cli.main(maze) == 2
    assert "was trained on no ARC tasks" in capsys.readouterr().err
    assert not out.exists()
