"""What is measured inside a sweep's models: once, when it has ended."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from inside_numbers import inside_numbers
from pyarrow import parquet
from sweep_builders import TINY_RUN, with_checkpoints

from hrm.checkpoints import checkpoint
from hrm.checkpoints.loading import load_model
from hrm.evaluation.accuracy import evaluate
from hrm.train import main as train
from puzzle_datasets import PuzzleDataset, evaluation_batches, prepare, puzzle_set
from sweep_platform.report import write_report
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.inside import drawing, measuring
from sweep_platform.report.inside.cached import inside_of
from sweep_platform.report.inside.record import read_inside, write_inside
from sweep_platform.report.inside.subject import Subject, subject_of
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.summary import summarize
from sweep_platform.store.trial import TrialState


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny run on small mazes."""
    home = tmp_path_factory.mktemp("inside")
    settings = puzzle_set("maze").settings_from({"side": 5, "train": 8, "test": 12})
    folder = prepare("maze", settings, home / "data")
    words = ["--dataset", str(folder), "--out", str(home / "run"), *TINY_RUN.split()]
    assert train([*words, "--threads", "1", "--device", "cpu"]) == 0
    return home / "run"


@pytest.fixture
def swept(run: Path, make_sweep: Callable[..., SweepFolder]) -> SweepFolder:
    """A sweep at work, whose one trial kept the run's checkpoint."""
    return with_checkpoints(make_sweep(TrialState.COMPLETE), run)


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
    for heading in ("Other N, T and M", "Inside trial 0", "solved segment by segment"):
        assert heading in page
    assert "that they were not trained with, on 12 test puzzles. Nothing" in page
    assert "A cell is known to about 25 points" in page, "Wilson's interval of 6 of 12, its half"
    assert "One replicate of trial 0, on 12 test puzzles" in page
    assert "trial 0 solves 0 of the 3 drawn" in page
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

    monkeypatch.setattr(
        measuring, "measure_inside", lambda subject: pytest.fail("it was measured again")
    )
    assert told(swept).partition("Written")[0] == page.partition("Written")[0]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda sweep, kept: kept.unlink(), "no checkpoint of trial 0 is at hand"),
        (lambda sweep, kept: kept.write_bytes(b"no tensor"), "checkpoint.pt"),
        (lambda sweep, kept: (kept.unlink(), os.mkfifo(kept)), "no checkpoint of trial 0"),
        (lambda sweep, kept: reseed(kept), "seed (training setting) is"),
        (lambda sweep, kept: forget_puzzles(sweep), "the puzzles are not at hand"),
    ],
    ids=["missing", "damaged", "pipe", "another", "puzzles"],
)
def test_what_can_not_be_measured_says_why(
    swept: SweepFolder, spoil: Callable[[SweepFolder, Path], object], reason: str
) -> None:
    swept.session_ended(SessionEnd.DONE)
    spoil(swept, swept.trials()[0].replicate("measure-0").checkpoint)
    page = told(swept)
    assert page.count(reason) == 1
    assert "Inside trial" not in page


def reseed(kept: Path) -> None:
    content = checkpoint.load(kept)
    content["settings"]["training setting"]["seed"] += 1
    checkpoint.save(kept, content)


def forget_puzzles(sweep: SweepFolder) -> None:
    record = sweep.record()
    sweep.create(replace(record, dataset={**record.dataset, "folder": "/nowhere"}))


def test_models_that_cost_too_much_here_are_left_to_other_commands(
    swept: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept.session_ended(SessionEnd.DONE)
    monkeypatch.setattr(measuring, "SECONDS", 1e-6)
    assert "python -m hrm.dynamics" in told(swept)


@pytest.fixture
def subject(swept: SweepFolder) -> Subject:
    """What is looked at inside that sweep, which has ended."""
    swept.session_ended(SessionEnd.DONE)
    found = subject_of(summarize(swept))
    assert isinstance(found, Subject)
    return found


def test_what_was_measured_of_another_checkpoint_is_not_told(
    swept: SweepFolder, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "measure_inside", lambda subject: Unknown("Measured again."))
    found = inside_numbers(subject)
    write_inside(swept.report, found)
    assert read_inside(swept.report) == found
    told = inside_of(summarize(swept))
    assert isinstance(told, drawing.InsideCharts)
    assert told.numbers == found
    assert told.solved == 1
    with swept.trials()[0].replicate("measure-0").checkpoint.open("ab") as stream:
        stream.write(b" ")
    assert inside_of(summarize(swept)) == Unknown("Measured again.")


def changed(numbers: Any, *way: Any, to: Any) -> Any:
    """Numbers as JSON has them, with what lies at the end of a way changed."""
    content = json.loads(json.dumps(asdict(numbers)))
    *path, last = way
    place = content
    for step in path:
        place = place[step]
    place[last] = to
    return content


@pytest.mark.parametrize(
    ("way", "to"),
    [
        (("charts",), [{"name": "../../evil", "description": "", "spec": {}}]),
        (("picture",), "<svg xmlns='http://www.w3.org/2000/svg' width='99999' height='99999'/>"),
        (("trained", "residuals", 0, "state"), "</script>"),
        (("trained", "residuals"), []),
        (("trained", "participation", 0, "state"), "z_L"),
        (("untrained", "residuals", 0, "residual"), -1.0),
        (("untrained", "residuals", 1, "number"), 10**15),
        (("cells", 0, "trial"), 7),
        (("cells", 0, "inference_flops"), 10**31),
        (("grid_tasks"), 13),
        (("trial"), 7),
        (("left_out"), [7]),
        (("traces"), []),
        (("traces", 0, "inputs", 0), 200),
        (("traces", 0, "labels", 0), 200),
        (("traces", 0, "labels"), [-100] * 25),
        (("traces", 0, "inputs"), [1]),
        (("traces", 0, "predictions", 0), [1]),
        (("traces", 0, "exact"), [True]),
    ],
    ids=str,
)
def test_numbers_that_can_not_be_the_sweeps_own_are_measured_again(
    swept: SweepFolder,
    subject: Subject,
    monkeypatch: pytest.MonkeyPatch,
    way: Any,
    to: Any,
) -> None:
    monkeypatch.setattr(measuring, "measure_inside", lambda subject: Unknown("Measured again."))
    way = (way,) if isinstance(way, str) else way
    swept.report.mkdir()
    content = changed(inside_numbers(subject), *way, to=to)
    (swept.report / "inside.json").write_text(json.dumps(content))
    assert inside_of(summarize(swept)) == Unknown("Measured again.")


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff", b"[" * 10**5, b" " * 5 * 10**6])
def test_a_file_that_holds_no_numbers_is_measured_again(
    swept: SweepFolder, subject: Subject, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.setattr(measuring, "measure_inside", lambda subject: Unknown("Measured again."))
    swept.report.mkdir()
    path = swept.report / "inside.json"
    path.mkdir() if content is None else path.write_bytes(content)
    assert inside_of(summarize(swept)) == Unknown("Measured again.")


def test_numbers_at_their_bounds_are_drawn(swept: SweepFolder, subject: Subject) -> None:
    one = inside_numbers(subject)
    [*low, high] = one.trained.residuals
    far = replace(high, segment=2**63 - 1, residual=1e300)
    many = [replace(one.cells[0], N=n, T=n, inference_flops=n) for n in range(1, 2000)]
    extreme = replace(
        one,
        cells=(*many, replace(one.cells[0], N=2**63 - 1, inference_flops=10**30)),
        trained=replace(one.trained, residuals=(*low, far)),
    )
    write_inside(swept.report, extreme)
    before = {path.name for path in swept.root.iterdir()}
    assert "Inside trial 0" in told(swept)
    assert read_inside(swept.report) == extreme, "it was not measured again"
    assert {path.name for path in swept.root.iterdir()} == before


def test_a_model_that_can_not_be_used_hides_no_other(
    run: Path, make_sweep: Callable[..., SweepFolder]
) -> None:
    sweep = with_checkpoints(make_sweep(TrialState.COMPLETE, TrialState.COMPLETE), run)
    sweep.session_ended(SessionEnd.DONE)
    sweep.trials()[1].replicate("measure-0").checkpoint.write_bytes(b"spoilt")
    page = told(sweep)
    assert "Inside trial 0" in page
    assert page.count("inside trial 1 is not all told") == 1


@pytest.mark.parametrize("fault", [RuntimeError("CUDA out of memory"), OSError(5, "I/O error")])
def test_a_fault_while_measuring_leaves_the_rest_of_the_report(
    swept: SweepFolder, subject: Subject, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(*of: Any) -> None:
        raise fault

    monkeypatch.setattr(measuring, "measure", fail)
    told = inside_of(summarize(swept))
    assert isinstance(told, Unknown)
    assert str(fault) in told.reason


def test_what_is_drawn_says_how_many_puzzles_are_solved(
    swept: SweepFolder, subject: Subject
) -> None:
    found = inside_numbers(subject)
    [trace] = found.traces
    never = replace(trace, exact=(False, False))
    write_inside(swept.report, replace(found, traces=(trace, never)))
    assert "trial 0 solves 1 of the 2 drawn" in told(swept)


def test_a_grid_of_puzzles_that_share_tasks_is_as_precise_as_the_tasks(
    swept: SweepFolder, subject: Subject
) -> None:
    write_inside(swept.report, inside_numbers(subject, grid_puzzles=38, grid_tasks=31))
    page = told(swept)
    assert "on 38 test puzzles of 31 tasks" in page
    assert "known to about 17 points" in page
