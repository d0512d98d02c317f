"""Sweeps from Python: tables of what a folder holds."""

import json
import re
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import csv, parquet
from sweep_builders import answers, tell_answers
from trackers import replicates_of

from puzzle_datasets.common.errors import UserError
from sweep_platform import Sweep, cli, run_sweep
from sweep_platform.api import Space, _request
from sweep_platform.common.errors import InputError
from sweep_platform.report import data
from sweep_platform.space.space_file import Setting
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.summary import summarize
from sweep_platform.store.trial import TrialState

STATES = (TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED, None)


@pytest.fixture
def answered_sweep(make_sweep) -> Path:
    """The folder of a sweep of two trials with two replicates each, with answers."""
    folder = make_sweep(TrialState.COMPLETE, TrialState.COMPLETE, replicates=2)
    for trial in folder.trials():
        one = answers(100, [False, True, True, False, True])
        both = replace(one, solved=np.stack([~one.solved[:, 0], one.solved[:, 0]], axis=1))
        for number in range(2):
            tell_answers(trial, f"measure-{number}", both)
    return folder.root


def test_tables_of_a_sweep(make_sweep) -> None:
    folder = make_sweep(*STATES)
    sweep = Sweep.open(folder.root)
    assert sweep.folder == folder.root
    trials = sweep.trials().to_pylist()
    assert [row["trial"] for row in trials] == [0, 1, 2, 3]
    assert [row["state"] for row in trials] == ["complete", "stopped", "failed", "running"]
    assert trials[0]["N"] == 1
    measurements = sweep.measurements()
    reports = [len(list(one.measurements())) for one in replicates_of(folder).values()]
    assert measurements.num_rows == sum(reports)
    assert {"trial", "purpose", "replicate", "step", "time_ms", "loss", "exact_accuracy"} <= set(
        measurements.column_names
    )
    curves = sweep.curves().to_pylist()
    final = [row for row in curves if row["trial"] == 0][-1]
    assert final["M"] == trials[0]["M_max"]
    assert final["exact_accuracy"] == trials[0]["exact_accuracy"]


def test_the_front_holds_complete_trials_alone(make_sweep) -> None:
    front = Sweep.open(make_sweep(*STATES).root).front()
    assert front
    assert {point.trial for point in front} == {0}


def test_knobs_without_use_are_null_and_mixed_ones_are_text(make_comparison) -> None:
    rows = Sweep.open(make_comparison("hrm", "transformer").root).trials().to_pylist()
    assert [row["model"] for row in rows] == ["hrm", "transformer"]
    assert rows[0]["N"] is not None
    assert rows[1]["N"] is None


def test_tables_join_by_trial_and_replicate(answered_sweep: Path) -> None:
    sweep = Sweep.open(answered_sweep)
    keys = ["trial", "purpose", "replicate"]
    owners = {tuple(row.values()) for row in sweep.replicates().select(keys).to_pylist()}
    assert len(owners) == sweep.replicates().num_rows == 4
    for table in (sweep.curves(), sweep.measurements(), sweep.answers()):
        of_rows = table.select(keys).group_by(keys).aggregate([]).to_pylist()
        assert {tuple(row[key] for key in keys) for row in of_rows} == owners
    joined = sweep.answers().join(sweep.trials().select(["trial", "N"]), "trial")
    assert joined.num_rows == sweep.answers().num_rows == 4 * 5
    assert joined["N"].null_count == 0
    assert sweep.answers()["solved_by_segment"].to_pylist()[:2] == ["10", "01"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_export_holds_the_same_tables(answered_sweep: Path, tmp_path: Path, form: str) -> None:
    sweep = Sweep.open(answered_sweep)
    assert cli.main(["export", str(answered_sweep), f"--{form}", str(tmp_path / "out")]) == 0
    read = {"csv": csv.read_csv, "parquet": parquet.read_table}[form]
    names = {"trials", "replicates", "curves", "measurements", "answers"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{n}.{form}" for n in names}
    for name in names:
        found, expected = read(tmp_path / "out" / f"{name}.{form}"), getattr(sweep, name)()
        assert found.column_names == expected.column_names
        assert found["trial"].to_pylist() == expected["trial"].to_pylist()
    solved = read(tmp_path / "out" / f"answers.{form}")["solved"].to_pylist()
    assert solved[:5] == [False, True, True, False, True]


def test_tables_of_reports_come_trial_by_trial(answered_sweep: Path) -> None:
    sweep = SweepFolder(answered_sweep)
    for pieces in (data.TABLES[name] for name in ("measurements", "curves", "answers")):
        empty, *each = pieces(sweep, summarize(sweep))
        assert empty.num_rows == 0
        assert [set(piece["trial"].to_pylist()) for piece in each] == [{0}, {1}]
        assert {piece.schema for piece in each} == {empty.schema}


def test_an_export_replaces_its_own_files_alone(answered_sweep: Path, tmp_path: Path) -> None:
    sweep = Sweep.open(answered_sweep)
    sweep.export(csv=tmp_path / "out")
    (tmp_path / "out" / ".answers.csv.partial").write_bytes(b"")  # its writer died
    assert len(sweep.export(csv=tmp_path / "out", parquet=str(tmp_path / "out"))) == 10
    (tmp_path / "out" / "notes.txt").write_text("mine")
    for wrong in ({"csv": tmp_path / "out"}, {"csv": tmp_path / "out" / "notes.txt"}, {}):
        with pytest.raises(InputError):
            sweep.export(**wrong)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_an_export_that_fails_leaves_the_former_one_whole(
    answered_sweep: Path, tmp_path: Path
) -> None:
    sweep = Sweep.open(answered_sweep)
    sweep.export(csv=tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    *_, damaged = sorted(answered_sweep.glob("trials/*/answers.parquet"))
    damaged.write_bytes(b"damaged")
    with pytest.raises(UserError, match=damaged.name):
        sweep.export(csv=tmp_path / "out", parquet=tmp_path / "new")
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert not list((tmp_path / "new").glob("*"))
    (tmp_path / "out" / ".csv.partial").mkdir()  # as a process leaves it that was killed
    (tmp_path / "out" / ".csv.partial" / "trials.csv").write_text("half")
    damaged.unlink()
    (tmp_path / "out" / "trials.csv").unlink()
    assert len(sweep.export(csv=tmp_path / "out")) == 5
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in before}


def test_the_figure_of_the_readme_is_drawn(
    answered_sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    [code] = [
        block for block in re.findall(r"(?:^    .*\n|^\n)+", text, re.M) if "altair" in block
    ]
    lines = [line for line in textwrap.dedent(code).splitlines() if line]
    assert len(lines) <= 10
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    Path("runs/arc").symlink_to(answered_sweep)
    exec("\n".join(lines), {})
    assert Path("figure.pdf").read_bytes().startswith(b"%PDF-")


def test_an_empty_sweep_has_empty_tables(make_sweep) -> None:
    sweep = Sweep.open(make_sweep().root)
    assert sweep.trials().num_rows == sweep.curves().num_rows == sweep.measurements().num_rows == 0
    assert sweep.answers().num_rows == sweep.replicates().num_rows == 0
    assert sweep.front() == []


def test_a_report_is_written(make_sweep) -> None:
    assert Sweep.open(make_sweep(TrialState.COMPLETE).root).report().name == "report.html"


def test_a_folder_without_a_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no sweep"):
        Sweep.open(tmp_path)


@pytest.mark.parametrize("given", [3, None, b"runs"])
def test_what_is_no_path_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match="give a path"):
        Sweep.open(given)
    with pytest.raises(InputError, match="give a path"):
        run_sweep(given)
    if given is not None:
        with pytest.raises(InputError, match="give a path"):
            run_sweep(SPACE, out=given)


SPACE = {
    "name": "toy",
    "dataset": {"name": "arc-agi-1", "canvas": 3, "tasks": 4, "held_out": "all"},
    "space": {"N": {"choices": [1, 2]}},
    "model": {"hidden_size": 32, "num_heads": 1},
    "budget": {"trials": 2, "flops_per_trial": 1e8},
}


def resolved(space: Space, **overrides: Any) -> SweepSpec:
    request = _request(space, overrides)
    return request.space.resolve(None, request.settings)


def test_options_are_those_of_the_command_line() -> None:
    request = _request(SPACE, {"out": "runs/x", "resume": True, "settings": ("a=1",), "seed": 2})
    assert (request.out, request.resume) == (Path("runs/x"), True)
    assert request.settings == ("a=1", Setting("seed=2", "seed=2"))
    with pytest.raises(InputError, match="did you mean trials"):
        resolved(SPACE, trails=3)
    with pytest.raises(InputError, match=r"^trials=0: `budget\.trials` is 0"):
        resolved(SPACE, trials=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("address", 5), ("settings", 5), ("settings", [5]), ("tracking_uri", 5), ("out", 5)],
)
def test_arguments_of_another_type_are_refused(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"^{name} "):
        _request(SPACE, {name: value})


def test_the_exit_status_is_that_of_the_last_session(make_sweep) -> None:
    folder = make_sweep()
    assert Sweep.open(folder.root).exit_status == 1, "it was killed"
    for end, status in ((SessionEnd.DONE, 0), (SessionEnd.INTERRUPTED, 130)):
        folder.session_started()
        folder.session_ended(end)
        assert Sweep.open(folder.root).exit_status == status


def test_a_space_may_be_a_mapping_a_spec_or_a_file(tmp_path: Path) -> None:
    import yaml

    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(SPACE))
    spec = resolved(SPACE)
    assert resolved(spec) == spec
    assert resolved(tmp_path / "toy.yaml") == spec
    assert resolved(str(tmp_path / "toy.yaml")) == spec


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("trials", 9, ("budget", "trials")),
        ("seed", 3, ("seed",)),
        ("training.learning_rate", 3e-5, ("training", "learning_rate")),
        ("space.N", {"choices": [1, 3]}, ("space", "N")),
        ("model.mode", "lean", ("model", "mode")),
    ],
)
def test_overrides_are_settings(name: str, value: object, path: tuple[str, ...]) -> None:
    spec = resolved(SPACE, **{name: value})
    found = spec.model_dump(mode="json")
    for part in path:
        found = found[part]
    assert found == value or found.items() >= value.items()


def test_a_folder_of_old_code_is_refused_everywhere(make_sweep, capsys) -> None:
    folder = make_sweep(TrialState.COMPLETE)
    record = json.loads((folder.root / "sweep.json").read_text())
    del record["format"]
    (folder.root / "sweep.json").write_text(json.dumps(record))
    (folder.root / "sessions.jsonl").write_text(
        '{"started": 1.0}\n{"ended": 2.0, "how": "done"}\n'
    )
    with pytest.raises(InputError, match="is of format 1"):
        Sweep.open(folder.root)
    assert cli.report([str(folder.root)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_costs_beyond_64_bits_are_numbers(make_sweep) -> None:
    folder = make_sweep(TrialState.COMPLETE)
    [trial] = folder.trials()
    trial.create(replace(trial.record(), inference_flops=10**20))
    assert Sweep.open(folder.root).trials().to_pylist()[0]["inference_flops"] == 1e20


def test_an_override_that_is_no_value_is_refused() -> None:
    with pytest.raises(InputError, match="trials is <object"):
        _request(SPACE, {"trials": object()})


LOOP: list[Any] = []
LOOP.append(LOOP)
DEEP: list[Any] = []
for _ in range(10_000):
    DEEP = [DEEP]


@pytest.mark.parametrize("value", [10**5000, LOOP, DEEP, object(), {(1, 2): 3}], ids="abcde")
def test_what_no_file_can_hold_is_refused_in_a_sentence(value: Any) -> None:
    with pytest.raises(InputError, match=r"seed is .*; give numbers, texts"):
        _request(SPACE, {"seed": value})
    with pytest.raises(InputError, match=r"the space is .*; give numbers, texts"):
        _request({**SPACE, "seed": value}, {}).space.resolve(None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scales": {1: {}}}, "the space has no scale `laptop`; choose from 1"),
        ({"seed": 10**20}, "`seed` is 1000"),
        ({"dataset": {"name": "arc", "tasks": "a\0b"}}, "`dataset.tasks` holds a NUL"),
        ({"dataset": {"name": "arc", "tasks": "~no-such-user"}}, "name a user that there is"),
        ({"search": {"storage": "sqlite:///~no-such-user/x.db"}}, "name a user that there is"),
        ({"search": {"storage": "sqlite:///"}}, "is a database in memory"),
        ({"name": "a\nb: c"}, "`name` is 'a"),
    ],
)
def test_a_mapping_has_the_bounds_of_a_file(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        space = _request({**SPACE, **change}, {}).space
        space.resolve("laptop" if "scales" in change else None)


@pytest.mark.parametrize("name", ["resume", "retry_failed"])
def test_a_switch_is_true_or_false(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} is 'yes'; give True or False"):
        _request(SPACE, {name: "yes"})
