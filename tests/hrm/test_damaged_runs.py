"""However the records of a run are damaged, what reads them says it in one sentence."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from hrm.grid.cells import Cell, Grid
from hrm.grid.cells import _read as read_grid
from hrm.progress import Curve, Halting, Measurement, Progress
from hrm.runs.folder import Outcome, RunFolder, RunState
from hrm.runs.settings import Request, dataset_folder, resolved_settings, saved_run
from puzzle_datasets.common.errors import UserError
from puzzle_datasets.storage.dataset import PuzzleDataset

in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
CURVE = Curve(
    exact_accuracy=(0.0, 0.5), token_accuracy=(0.1, 0.6), inference_flops=(10, 20), puzzles=4
)
HALTING = Halting(exact_accuracy=0.5, segments=(0.5, 0.5), inference_flops=15.0)
VOTES: dict[str, Any] = {
    **dict.fromkeys(("pass_1", "pass_2", "pass_1_tasks", "pass_2_tasks"), 0.5),
    **dict.fromkeys(("inputs", "tasks", "votes"), 3),
}
PROGRESS = Progress(
    step=1,
    total_steps=2,
    training_flops=100,
    loss=1.0,
    lm_loss=1.0,
    train_exact_accuracy=0.0,
    mean_segments=1.0,
    learning_rate=1e-3,
    examples=8,
    device_seconds=0.1,
    examples_per_second=80.0,
    peak_memory_bytes=1000,
    curve=CURVE,
    halting=HALTING,
)
ODD = st.sampled_from(
    [
        *(None, True, -1, 0, 10**30, 10**4000, 0.5, float("nan"), float("inf")),
        *("", "../x", "\0", "é", [], {}, [[]], {"a": 1}),
    ]
)


@pytest.fixture
def run(
    arc: PuzzleDataset,
    model_config: Callable[..., ModelConfig],
    training_config: Callable[..., TrainingConfig],
    tmp_path: Path,
) -> RunFolder:
    folder, model = RunFolder(tmp_path / "run"), model_config()
    record = {
        "dataset": {"folder": "data", "name": "arc", "fingerprint": arc.manifest.fingerprint},
        "model": asdict(model),
        "training": asdict(training_config(model, 3)),
        "costs": {"step": 1},
    }
    folder.create(record)
    folder.append([Measurement(time_ms=5, progress=PROGRESS)])
    folder.end(Outcome(state=RunState.PAUSED, reason="set aside", ended=5.0))
    (folder.root / "grid.json").write_text(
        json.dumps(
            asdict(
                Grid(
                    subject={"segments": 2, "name": "arc"},
                    trained=(2, 2, 3),
                    checkpoint={"path": "x"},
                    cells=(Cell(N=1, T=1, curve=CURVE, halting=HALTING, seconds=1.0),),
                )
            )
        )
    )
    return folder


def read(folder: RunFolder, dataset: PuzzleDataset) -> None:
    """Read all that a resumed run reads of its folder, and a grid."""
    request = Request(
        out=folder.root,
        resume=True,
        dataset=None,
        model={},
        training={},
        head_dim=None,
        steps=None,
    )
    saved = saved_run(request, folder)
    assert dataset_folder(request, saved)
    resolved_settings(request, dataset.manifest, saved)
    list(folder.measurements())
    folder.outcome()
    read_grid(folder.root / "grid.json", {})


FILES = ("run.json", "metrics.jsonl", "outcome.json", "grid.json")


def test_what_was_written_is_read(run: RunFolder, arc: PuzzleDataset) -> None:
    read(run, arc)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("time_ms",), 10**18, "has 1000000000000000000 as time_ms"),
        (("time_ms",), -1, "has -1 as time_ms"),
        (("progress", "curve", "token_accuracy"), [0.1], "not one point for each of its segments"),
        (("progress", "halting", "segments"), [], "has progress.halting that has no segments"),
        (
            ("progress", "curve", "inference_flops"),
            [-5, 20],
            "has -5 as progress.curve.inference_flops[0]",
        ),
        (
            ("progress", "curve", "inference_flops"),
            [10, 10],
            "has inference_flops that do not rise",
        ),
        (("progress", "curve", "puzzles"), -4, "has -4 as progress.curve.puzzles"),
        (("progress", "step"), -1, "has -1 as progress.step"),
        (("progress", "total_steps"), 0, "has 0 as progress.total_steps"),
        (("progress", "step"), 3, "has progress that has step 3 of 2"),
        (("progress", "train_exact_accuracy"), 9, "has 9 as progress.train_exact_accuracy"),
        (("progress", "lm_loss"), -5.0, "has -5.0 as progress.lm_loss"),
        (("progress", "training_flops"), -5, "has -5 as progress.training_flops"),
        (("progress", "device_seconds"), -0.5, "has -0.5 as progress.device_seconds"),
        (("progress", "halting", "segments"), [0.5, 0.2], "that do not add up to 1"),
        (
            ("progress", "halting", "inference_flops"),
            -1.0,
            "has -1.0 as progress.halting.inference_flops",
        ),
        (("progress", "votes"), VOTES | {"votes": -1}, "has -1 as progress.votes.votes"),
        (("progress", "step"), 2**63, "line 1 has 9223372036854775808 as progress.step"),
        (("progress", "loss"), -(2**70), "as progress.loss, which is not a number from"),
        (("progress", "step"), 10**400, "a number of over 30 digits"),
    ],
)
def test_a_report_that_contradicts_itself_is_refused(
    path: tuple[str, ...], value: Any, said: str, run: RunFolder
) -> None:
    place = content = json.loads(run.metrics.read_text())
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    run.metrics.write_text(json.dumps(content) + "\n")
    with pytest.raises(ConfigError) as caught:
        list(run.measurements())
    assert said in str(caught.value)


def test_a_step_that_comes_twice_is_refused(run: RunFolder) -> None:
    with run.metrics.open("a") as file:
        file.write(run.metrics.read_text())
    with pytest.raises(ConfigError, match="line 2 has step 1 after step 1"):
        list(run.measurements())


def test_what_runs_has_no_end(run: RunFolder) -> None:
    file = run.root / "outcome.json"
    file.write_text(file.read_text().replace("paused", "running"))
    with pytest.raises(ConfigError, match="tells of an end, and that it runs"):
        run.outcome()


def test_a_large_learning_rate_is_read(run: RunFolder) -> None:
    content = json.loads(run.metrics.read_text())
    content["progress"] |= {"learning_rate": 1e30, "loss": 1e200}
    run.metrics.write_text(json.dumps(content) + "\n")
    [found] = run.measurements()
    assert found.progress.learning_rate == 1e30


def test_flops_may_be_more_than_tables_count(run: RunFolder) -> None:
    content = json.loads(run.metrics.read_text())
    content["progress"]["training_flops"] = 10**23
    content["progress"]["curve"]["inference_flops"] = [10**20, 10**21]
    run.metrics.write_text(json.dumps(content) + "\n")
    assert [one.progress.training_flops for one in run.measurements()] == [10**23]


@pytest.mark.parametrize(
    ("section", "name", "value", "said"),
    [
        ("model", "M_max", "sixteen", "has 'sixteen' as model.M_max"),
        ("model", "N", None, "lacks the key 'model.N'"),
        ("training", "seed", None, "lacks the key 'training.seed'"),
        ("training", "ema", "x", "has 'x' as training.ema"),
    ],
)
def test_a_record_has_all_settings_of_model_and_training(
    section: str, name: str, value: Any, said: str, run: RunFolder
) -> None:
    file = run.root / "run.json"
    content = json.loads(file.read_text())
    del content[section][name]
    if value is not None:
        content[section][name] = value
    file.write_text(json.dumps(content))
    with pytest.raises(ConfigError) as caught:
        run.record()
    assert f"{file} {said}" in str(caught.value)


@pytest.mark.parametrize("segments", [[], {}, "2", None, 99])
def test_a_grid_of_impossible_segments_is_refused(segments: Any, run: RunFolder) -> None:
    file = run.root / "grid.json"
    content = json.loads(file.read_text())
    content["subject"]["segments"] = segments
    file.write_text(json.dumps(content))
    with pytest.raises(ConfigError) as caught:
        read_grid(file, {})
    assert str(file) in str(caught.value)


@in_one_folder
@given(data=st.data())
def test_any_value_in_place_of_another_is_refused_or_read(
    run: RunFolder, arc: PuzzleDataset, data: st.DataObject
) -> None:
    path = run.root / data.draw(st.sampled_from(FILES))
    before = path.read_text()
    content = place = json.loads(before)
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        if data.draw(st.booleans()):
            del place[key]
        else:
            place[key] = data.draw(ODD)
        break
    try:
        path.write_text(json.dumps(content) + "\n")
        read_or_refuse(run, arc)
    finally:
        path.write_text(before)


@in_one_folder
@given(data=st.data())
def test_any_bytes_are_refused_or_read(
    run: RunFolder, arc: PuzzleDataset, data: st.DataObject
) -> None:
    path = run.root / data.draw(st.sampled_from(FILES))
    before = path.read_bytes()
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(before))] * 2)))
    odd = data.draw(st.sampled_from([b"", b"\0", b"\xff", b"\n\n", b"[" * 5_000, b"9" * 5_000]))
    try:
        path.write_bytes(before[:first] + odd + before[last:])
        read_or_refuse(run, arc)
    finally:
        path.write_bytes(before)


def read_or_refuse(run: RunFolder, dataset: PuzzleDataset) -> None:
    try:
        read(run, dataset)
    except UserError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 1000


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), os.mkdir])
def test_what_is_no_regular_file_is_refused(
    name: str, make: Callable[[Path], Any], run: RunFolder, arc: PuzzleDataset
) -> None:
    (run.root / name).unlink()
    make(run.root / name)
    with pytest.raises(ConfigError, match=rf"{name} is no regular file"):
        read(run, arc)
