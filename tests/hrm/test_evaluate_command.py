"""`python -m hrm.evaluate` says what is so, or in one sentence what is wrong."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from hrm.checkpoints.published import export_published
from hrm.config import ModelConfig, TrainingConfig
from hrm.evaluate import main
from hrm.evaluation.voting import vote
from hrm.training.trainer import Trainer
from puzzle_datasets.commands.floors import kept_floors
from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.kinds.arc.settings import ArcSettings
from puzzle_datasets.kinds.maze.source import MazeSettings
from puzzle_datasets.kinds.sudoku.source import SudokuSettings
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import Manifest

MakeModel = Callable[..., ModelConfig]
MakeTraining = Callable[..., TrainingConfig]
Run = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def sudoku(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = SudokuSettings(side=4, train=8, test=12)
    return prepare("sudoku", settings, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained_once(
    model_config: MakeModel,
    training_config: MakeTraining,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., tuple[Trainer, Path]]:
    @cache
    def run(folder: Path, **changes: Any) -> tuple[Trainer, Path]:
        dataset = PuzzleDataset.open(folder)
        config = model_config(**sizes(dataset.manifest), **changes)
        training = training_config(config, 3, eval_puzzles=None)
        trainer = Trainer(config, training, dataset, torch.device("cpu"))
        file = tmp_path_factory.mktemp("run") / "checkpoint.pt"
        list(trainer.run(file))
        return trainer, file

    return run


@pytest.fixture
def train(
    trained_once: Callable[..., tuple[Trainer, Path]], tmp_path: Path
) -> Callable[..., Trainer]:
    """Put the checkpoint of a run of three steps into `tmp_path`."""

    def put(folder: Path, **changes: Any) -> Trainer:
        trainer, file = trained_once(folder, **changes)
        shutil.copy(file, tmp_path)
        return trainer

    return put


def sizes(manifest: Manifest) -> dict[str, int]:
    names = ("vocab_size", "seq_len", "num_puzzle_identifiers")
    return {name: getattr(manifest, name) for name in names}


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(dataset: Path, *words: object, at: Path = tmp_path) -> tuple[int, str, str]:
        status = main([str(at), "--dataset", str(dataset), "--device", "cpu", *map(str, words)])
        return status, *capsys.readouterr()

    return call


def found(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text())["result"]
    return content


def test_numbers_are_those_of_the_run_itself(
    sudoku: Path, train: Callable[..., Trainer], run: Run, tmp_path: Path
) -> None:
    trainer = train(sudoku)
    status, out, err = run(sudoku, "--json", tmp_path / "o.json")
    assert (status, err) == (0, "")
    curve, halting = trainer.evaluate()
    written = found(tmp_path / "o.json")
    assert tuple(written["curve"]["exact_accuracy"]) == curve.exact_accuracy
    assert tuple(written["curve"]["token_accuracy"]) == pytest.approx(curve.token_accuracy)
    assert tuple(written["halting"]["segments"]) == halting.segments
    assert {"missing_digits", "changed_clues"} == set(written["rules"])
    lines = out.splitlines()
    assert "weights of step 3" in lines[0]
    heading = next(at for at, line in enumerate(lines) if "segments  per puzzle" in line)
    assert [line.split()[0] for line in lines[heading + 1 : heading + 4]] == ["1", "2", "3"]
    assert f"{100 * curve.token_accuracy[-1]:.1f} %" in lines[heading + 3]
    floors = json.loads((tmp_path / "o.json").read_text())["floors"]
    assert floors == [asdict(one) for one in kept_floors(sudoku)]
    assert lines[-1].startswith("Floor of the set, random legal fill (")


def test_no_name_of_a_set_steers_a_terminal(
    sudoku: Path, train: Callable[..., Trainer], run: Run, tmp_path: Path
) -> None:
    train(sudoku)
    folder = Path(shutil.copytree(sudoku, tmp_path / "renamed"))
    content = json.loads((folder / "manifest.json").read_text())
    content["name"] = "x\x1b]0;owned\x07"
    (folder / "manifest.json").write_text(json.dumps(content))
    status, out, err = run(folder, "--trained-on", sudoku)
    assert status == 0
    assert "owned" in out
    assert not {"\x1b", "\x07"} & set(out + err)


def test_options_do_what_they_say(
    sudoku: Path, train: Callable[..., Trainer], run: Run, tmp_path: Path
) -> None:
    train(sudoku)
    file = tmp_path / "o.json"
    run(sudoku, "--segments", 5, "--limit", 7, "--N", 3, "--T", 1, "--json", file)
    whole = json.loads(file.read_text())
    assert whole["evaluated"] == {"N": 3, "T": 1, "M": 5}
    assert len(whole["result"]["curve"]["exact_accuracy"]) == 5
    assert whole["result"]["puzzles"] == whole["result"]["curve"]["puzzles"] == 7
    run(sudoku, "--halting", "act", "--batch-size", 5, "--json", file)
    assert found(file)["curve"] is None
    assert found(file)["halting"]["segments"] == [0, 0, 1], "it has not learnt to halt"


def test_arc_is_voted_on(
    arc: PuzzleDataset,
    arc_folder: Path,
    train: Callable[..., Trainer],
    run: Run,
    tmp_path: Path,
) -> None:
    trainer = train(arc_folder)
    file = tmp_path / "o.json"
    status, out, _ = run(arc_folder, "--voting", 4, "--json", file)
    assert status == 0
    expected = vote(trainer.model, arc, segments=3, batch_size=128, views=4)
    assert found(file)["votes"]["votes"] == expected.votes
    rates = found(file)["votes"]["pass_at"]["2"]
    assert rates == vars(expected.pass_at[2])
    assert "pass@2" in out
    limited = run(arc_folder, "--voting", 4, "--limit", 1)[1]
    assert f"By {expected.votes:,} votes on all {expected.inputs} test inputs" in limited
    assert "pass@" not in run(arc_folder, "--limit", 3)[1]
    assert "pass@1" in run(arc_folder)[1]


def test_published_checkpoint(
    sudoku: Path, train: Callable[..., Trainer], run: Run, tmp_path: Path
) -> None:
    trainer = train(sudoku)
    export_published(trainer.model, tmp_path / "published", 3)
    run(sudoku, "--json", tmp_path / "ours.json")
    status, out, _ = run(sudoku, "--json", tmp_path / "theirs.json", at=tmp_path / "published")
    assert status == 0, out
    ours, theirs = found(tmp_path / "ours.json"), found(tmp_path / "theirs.json")
    assert ours["curve"]["token_accuracy"] == theirs["curve"]["token_accuracy"][:3]


def test_what_it_was_trained_with_is_told_beside_what_it_is_evaluated_with(
    sudoku: Path, train: Callable[..., Trainer], run: Run, tmp_path: Path
) -> None:
    train(sudoku)
    file = tmp_path / "o.json"
    _, out, _ = run(sudoku, "--N", 3, "--T", 1, "--segments", 5, "--json", file)
    assert "trained with N 2, T 2, M_max 3" in out
    assert "Evaluated with N 3, T 1, M 5." in out
    content = json.loads(file.read_text())
    assert [content["model"][name] for name in ("N", "T", "M_max")] == [2, 2, 3]
    assert content["evaluated"] == {"N": 3, "T": 1, "M": 5}


def test_the_set_trained_on_is_looked_at_whenever_it_is_named(
    sudoku: Path, train: Callable[..., Trainer], run: Run, tmp_path: Path
) -> None:
    train(sudoku)
    assert run(sudoku, "--trained-on", sudoku, "--limit", 1)[0] == 0
    status, _, err = run(sudoku, "--trained-on", tmp_path / "absent")
    assert (status, "absent" in err, err.count("\n")) == (2, True, 1)
    other = prepare("sudoku", SudokuSettings(side=4, train=9, test=4), tmp_path / "data")
    assert "is not what" in run(sudoku, "--trained-on", other)[2]


def test_a_checkpoint_that_does_not_name_its_set_may_mean_other_tasks(
    arc_folder: Path, train: Callable[..., Trainer], run: Run, tmp_path: Path
) -> None:
    trainer = train(arc_folder)
    folder = tmp_path / "published"
    export_published(trainer.model, folder, 3)
    status, _, err = run(arc_folder, "--limit", 1, at=folder)
    assert status == 0
    assert "was not checked" in err
    assert "here they may mean others" in err
    assert "others" not in run(arc_folder, "--limit", 1)[2]


def test_too_little_memory_names_an_option_that_there_is(
    sudoku: Path, train: Callable[..., Trainer], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    train(sudoku)
    monkeypatch.setattr("hrm.evaluate.run_evaluation", greedy)
    status, _, err = run(sudoku)
    assert (status, err) == (
        2,
        "hrm.evaluate: the GPU has too little memory for these settings; "
        "give a smaller --batch-size.\n",
    )


MISTAKES: dict[str, tuple[tuple[object, ...], str]] = {
    "no segments": (("--segments", 0), "--segments is 0; give a whole number of at least 1"),
    "no puzzles": (("--limit", 0), "--limit is 0; give a whole number of at least 1"),
    "no rows": (("--batch-size", 0), "--batch-size is 0; give a whole number of at least 1"),
    "no cycles": (("--N", 0), "--N is 0; give a whole number from 1"),
    "no word": (("--segments", "all"), "invalid int value: 'all'"),
    "no such option": (("--frobnicate",), "unrecognized arguments: --frobnicate"),
    "no such device": (("--device", "cuda:99"), "--device is 'cuda:99'"),
    "no threads": (("--threads", 0), "--threads is 0"),
    "no ARC": (("--voting", 3), "--voting is 3, but sudoku is not scored by votes; give 0"),
    "a folder": (("--json", "/dev"), "--json names the folder /dev; name a file"),
    "no place": (("--json", "/dev/null/x.json"), "/dev/null: File exists; mend that or"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_in_a_sentence(
    sudoku: Path, train: Callable[..., Trainer], run: Run, mistake: str
) -> None:
    train(sudoku)
    words, message = MISTAKES[mistake]
    status, _, err = run(sudoku, *words)
    assert status == 2
    assert message in err
    assert err.count("\n") == 1


def test_numbers_replace_nothing_but_former_numbers(
    sudoku: Path, train: Callable[..., Trainer], run: Run, tmp_path: Path
) -> None:
    train(sudoku)
    foreign = {
        "checkpoint.pt": "is no text in UTF-8; name another file.",
        "other.yaml": "is no JSON; name another file.",
        "manifest.json": "exists and was not written by this command; name another file.",
    }
    (tmp_path / "other.yaml").write_text("N: [1, 2]\n")
    shutil.copy(sudoku / "manifest.json", tmp_path)
    for name, message in foreign.items():
        before = (tmp_path / name).read_bytes()
        status, out, err = run(sudoku, "--json", tmp_path / name)
        assert (status, out) == (2, "")
        assert err.endswith(f"{name} {message}\n")
        assert (tmp_path / name).read_bytes() == before
    for _ in range(2):
        assert run(sudoku, "--json", tmp_path / "o.json")[0] == 0


def test_what_does_not_fit_is_refused_before_work(
    sudoku: Path, train: Callable[..., Trainer], run: Run, tmp_path: Path
) -> None:
    train(sudoku, model="transformer")
    mazes = prepare("maze", MazeSettings(side=5, train=4, test=4), tmp_path / "data")
    larger = prepare("sudoku", SudokuSettings(side=6, train=4, test=4), tmp_path / "data")
    missing = tmp_path / "none"
    refusals = [
        run(mazes),
        run(larger),
        run(missing),
        run(sudoku, at=missing),
        run(sudoku, "--segments", 2),
        run(sudoku, "--T", 2),
    ]
    messages = [
        "is 16, but the dataset 'maze' has 25",
        "is 6, but the dataset 'sudoku' has 8",
        "is no puzzle set",
        "does not exist; name a checkpoint",
        "--segments is 2, but every segment of a transformer is the same; give 1",
        "--T is 2, but a transformer has no cycles; give 1",
    ]
    for (status, out, err), message in zip(refusals, messages, strict=True):
        assert (status, out) == (2, "")
        assert message in err
        assert err.count("\n") == 1


def test_answers_that_were_trained_on_are_refused(
    train: Callable[..., Trainer], run: Run, tmp_path: Path
) -> None:
    """Most tasks that one set scores are trained on whole in the other."""

    def built(place: str, held_out: str) -> Path:
        settings = ArcSettings(
            canvas=6,
            tasks=20,
            augmentations="fresh",
            held_out=held_out,  # type: ignore[arg-type]
        )
        return prepare("arc-agi-1", settings, tmp_path / place)

    everything, evaluation = built("a", "all"), built("a", "evaluation")
    train(evaluation)
    status, _, err = run(everything)
    assert status == 2
    assert "with their test pairs" in err
    elsewhere = built("b", "all")
    status, _, err = run(elsewhere, "--limit", 2)
    assert status == 0
    assert "was not checked; name it with --trained-on" in err
    status, _, err = run(elsewhere, "--trained-on", evaluation)
    assert status == 2
    assert "with their test pairs" in err
    status, _, err = run(elsewhere, "--trained-on", everything)
    assert status == 2
    assert "is not what" in err
