"""What is measured inside a sweep's models: once, when it has ended."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from pyarrow import parquet

from hrm.checkpoints.loading import load_model
from hrm.evaluation.accuracy import evaluate
from hrm.train import main as train
from puzzle_datasets import PuzzleDataset, evaluation_batches, prepare, puzzle_set
from sweep_platform.report import write_report
from sweep_platform.report.inside import look
from sweep_platform.report.inside.record import Drawn, Inside, State, read_inside, write_inside
from sweep_platform.report.inside.subject import Subject, subject_of
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.summary import summarize
from sweep_platform.store.trial import TrialState

TINY = "--hidden-size 16 --num-heads 1 --M-max 2 --batch-size 4 --warmup-steps 0 --steps 2"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny run on small mazes."""
    home = tmp_path_factory.mktemp("inside")
    settings = puzzle_set("maze").settings_from({"side": 5, "train": 8, "test": 12})
    folder = prepare("maze", settings, home / "data")
    words = ["--dataset", str(folder), "--out", str(home / "run"), *TINY.split()]
    assert train([*words, "--threads", "1", "--device", "cpu"]) == 0
    return home / "run"


@pytest.fixture
def swept(run: Path, make_sweep: Callable[..., SweepFolder]) -> SweepFolder:
    """A sweep at work, whose one trial kept the run's checkpoint."""
    sweep = make_sweep(TrialState.COMPLETE)
    record, kept = sweep.record(), json.loads((run / "run.json").read_text())["dataset"]
    sweep.create(replace(record, dataset={**record.dataset, **kept}))
    [trial] = sweep.trials()
    trial.create(replace(trial.record(), dataset=kept))
    shutil.copy(run / "checkpoint.pt", sweep.trials()[0].replicate("measure-0").root)
    return sweep


def told(sweep: SweepFolder) -> str:
    """The report as Markdown, on one line."""
    return " ".join(write_report(sweep).with_suffix(".md").read_text().split())


def test_the_models_are_measured_once_when_the_sweep_has_ended(
    swept: SweepFolder, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "measured when the sweep has ended" in told(swept)
    assert not (swept.report / "inside.json").exists()
    swept.session_ended(SessionEnd.DONE)
    page = told(swept)
    for heading in ("Other N, T and M", "Inside the best model", "solved segment by segment"):
        assert heading in page
    assert "on 12 test puzzles" in page
    for name in ("test-time-0", "residuals", "participation", "segments"):
        assert f"({name}.png)" in page
        assert (swept.report / f"{name}.pdf").exists()
    assert "<details><summary>All cells" in (swept.report / "report.html").read_text()
    cells = parquet.read_table(swept.report / "tables" / "test-time.parquet").to_pylist()
    config = load_model(run).config
    assert (config.N, config.T) == (2, 2)
    assert {(one["n"], one["t"]) for one in cells} == set(product((1, 2, 4), (1, 2, 4)))
    loaded = load_model(run)
    dataset = PuzzleDataset.open(Path(swept.record().dataset["folder"]))
    batches = evaluation_batches(dataset, batch_size=12, limit=None, seed=0)
    expected = evaluate(loaded.model, batches, 4).curve
    trained = [one for one in cells if (one["n"], one["t"]) == (config.N, config.T)]
    assert [one["exact_accuracy"] for one in trained] == list(expected.exact_accuracy)
    assert [one["inference_flops"] for one in trained] == list(expected.inference_flops)

    monkeypatch.setattr(look, "look", lambda subject: pytest.fail("it was measured again"))
    assert told(swept).partition("Written")[0] == page.partition("Written")[0]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda sweep, kept: kept.unlink(), "no checkpoint of trial 0 is at hand"),
        (lambda sweep, kept: kept.write_bytes(b"no tensor"), "checkpoint.pt"),
        (lambda sweep, kept: forget_puzzles(sweep), "the puzzles are not at hand"),
    ],
    ids=["missing", "damaged", "puzzles"],
)
def test_what_can_not_be_measured_says_why(
    swept: SweepFolder, spoil: Callable[[SweepFolder, Path], object], reason: str
) -> None:
    swept.session_ended(SessionEnd.DONE)
    spoil(swept, swept.trials()[0].replicate("measure-0").checkpoint)
    page = told(swept)
    assert page.count(reason) == 1
    assert "Inside the best model" not in page


def forget_puzzles(sweep: SweepFolder) -> None:
    record = sweep.record()
    sweep.create(replace(record, dataset={**record.dataset, "folder": "/nowhere"}))


def test_models_that_cost_too_much_here_are_left_to_other_commands(
    swept: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept.session_ended(SessionEnd.DONE)
    monkeypatch.setattr(look, "SECONDS", 1e-6)
    assert "python -m hrm.dynamics" in told(swept)


def test_what_was_measured_of_another_checkpoint_is_not_told(swept: SweepFolder) -> None:
    swept.session_ended(SessionEnd.DONE)
    before = subject_of(summarize(swept))
    assert isinstance(before, Subject)
    found = Inside(
        key=before.key,
        grid_puzzles=1,
        puzzles=1,
        cells=(),
        charts=(Drawn(name="a", description="b", spec={"mark": "bar"}),),
        trial=0,
        states=(State(name="z_H", directions=1.0, untrained=2.0),),
        picture="",
    )
    write_inside(swept.report, found)
    assert read_inside(swept.report, before.key) == found
    with swept.trials()[0].replicate("measure-0").checkpoint.open("ab") as stream:
        stream.write(b" ")
    after = subject_of(summarize(swept))
    assert isinstance(after, Subject)
    assert read_inside(swept.report, after.key) is None
    (swept.report / "inside.json").write_text("{}")
    assert read_inside(swept.report, before.key) is None
