"""What a person sees in MLflow: charts ready-made, the result in words, the machine's load."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sweep_builders import with_hostile_knobs
from trackers import MlflowServer

from sweep_platform.report.mlflow_pages import mlflow_pages
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.summary import summarize
from sweep_platform.store.trial import TrialState
from sweep_platform.tracking import mlflow_tracker
from sweep_platform.tracking.machine import MachineLoad
from sweep_platform.tracking.mlflow_note import sweep_note
from sweep_platform.tracking.mlflow_tracker import MlflowTracker
from sweep_platform.tracking.mlflow_view import configuration_name, configurations

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")

CHROMIUM = shutil.which("chromium")
COMPLETE, STOPPED = TrialState.COMPLETE, TrialState.STOPPED
MakeSweep = Callable[..., SweepFolder]


def sent(sweep: SweepFolder, uri: str, **more: Any) -> MlflowTracker:
    tracker = MlflowTracker(sweep, uri, **more)
    tracker.check()
    record = replace(sweep.record(), tracking_uri=uri, experiment=tracker.experiment)
    sweep.create(record)
    tracker.sync()
    return tracker


def parent_of(sweep: SweepFolder, uri: str) -> Any:
    experiment = sweep.record().experiment
    [parent] = MlflowClient(uri).search_runs([experiment], "tags.`mlflow.note.content` != ''")
    return parent


@pytest.mark.parametrize(
    ("uri", "command", "base"),
    [
        (
            "sqlite:////a b/mlflow.db",
            "mlflow ui --backend-store-uri 'sqlite:////a b/mlflow.db'",
            "http://127.0.0.1:5000",
        ),
        ("http://me:***@host:5000/", None, "http://host:5000"),
        ("https://host/mlflow", None, "https://host/mlflow"),
    ],
)
def test_where_the_pages_of_a_sweep_are(
    make_sweep: MakeSweep, uri: str, command: str | None, base: str
) -> None:
    record = replace(make_sweep(None).record(), tracking_uri=uri, experiment="7")
    pages = mlflow_pages(record)
    assert pages
    assert pages.command == command
    assert pages.front.startswith(f"{base}/#/experiments/7/runs?")
    assert pages.front.endswith(f"viewStateShareKey={record.id}-front")
    assert mlflow_pages(replace(record, experiment=None)) is None
    assert mlflow_pages(replace(record, tracking_uri=None)) is None


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (MlflowException("too long"), "(too long)"),
        (None, "in the form of MLflow 0.1"),
    ],
)
def test_views_that_can_not_be_stored_or_trusted_are_told_and_stop_nothing(
    make_sweep: MakeSweep,
    mlflow_uri: str,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception | None,
    said: str,
) -> None:
    def refuse(*_: object) -> None:
        if fault:
            raise fault

    monkeypatch.setattr(MlflowClient, "set_experiment_tag", refuse)
    if fault is None:
        monkeypatch.setattr(mlflow_tracker, "TRIED", (0, 1))
    tracker = sent(make_sweep(COMPLETE), mlflow_uri)
    assert said in tracker.trouble
    assert tracker.unsent() == 0


def test_the_sweep_s_run_tells_its_result(make_sweep: MakeSweep, mlflow_uri: str) -> None:
    sweep = make_sweep(COMPLETE, COMPLETE, STOPPED)
    sweep.session_ended(SessionEnd.DONE)
    sent(sweep, mlflow_uri)
    note = parent_of(sweep, mlflow_uri).data.tags["mlflow.note.content"]
    assert note == sweep_note(summarize(sweep))
    pages = mlflow_pages(sweep.record())
    assert pages
    assert f"]({pages.front})" in note
    assert note.startswith("**30.0 %**")
    assert "| Inference | Solved | Segments | Trial | Configuration |" in note


def test_a_note_has_no_more_than_mlflow_shows(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(*[COMPLETE] * 3)
    note = sweep_note(with_hostile_knobs(summarize(sweep), **{"x|`<b>" * 2_000: "*"}))
    assert len(note) <= 8_000
    assert re.search(r"[^\\]<b>", note) is None


def test_all_settings_of_a_configuration_lie_with_the_sweep(
    make_sweep: MakeSweep, mlflow_uri: str, tmp_path: Path
) -> None:
    sweep = make_sweep(COMPLETE, STOPPED)
    sweep.session_ended(SessionEnd.DONE)
    tracker = sent(sweep, mlflow_uri)
    tracker.send_files()
    run = parent_of(sweep, mlflow_uri).info.run_id
    file = MlflowClient(mlflow_uri).download_artifacts(run, "configurations.yaml", str(tmp_path))
    records = [trial.record() for trial in sweep.trials()]
    assert Path(file).read_text() == configurations(records)
    assert yaml.safe_load(Path(file).read_text()) == {
        configuration_name(one): {"model": one.model, "training": one.training} for one in records
    }


def test_the_load_of_the_machine_is_sent_while_a_sweep_runs(
    make_sweep: MakeSweep, mlflow_uri: str
) -> None:
    sweep = make_sweep(None)
    load = MachineLoad()
    tracker = sent(sweep, mlflow_uri, load=load)
    assert load.metrics() == [], "ten seconds have to pass"
    sweep.session_ended(SessionEnd.INTERRUPTED)
    tracker.sync()
    keys = set(parent_of(sweep, mlflow_uri).data.metrics)
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= keys


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[str]:
    server = MlflowServer(tmp_path_factory.mktemp("served"), mlflow_database)
    server.start()
    yield server.uri
    server.kill()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")
@pytest.mark.parametrize("width", [1400, 390])
def test_a_browser_finds_the_charts_drawn(
    make_sweep: MakeSweep, served: str, tmp_path: Path, width: int
) -> None:
    sweep = make_sweep(COMPLETE, COMPLETE, COMPLETE, replicates=2)
    sweep.create(replace(sweep.record(), id=f"{width:032x}"))
    sweep.session_ended(SessionEnd.DONE)
    sent(sweep, served)
    pages = mlflow_pages(sweep.record())
    assert pages
    front = opened(pages.front, tmp_path, width)
    assert front.count('class="point"') >= 3, "a point a configuration"
    assert front.count('class="js-line"') >= 3, "and a line"
    for trial in sweep.trials():
        assert configuration_name(trial.record()) in front
    knobs = opened(pages.knobs, tmp_path, width)
    assert "parcoords" in knobs
    for name in sweep.record().spec["space"]:
        assert f">{name}<" in knobs


def opened(url: str, profile: Path, width: int) -> str:
    """MLflow's page after its scripts ran."""
    assert CHROMIUM
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--no-first-run"]
    options = [*quiet, f"--window-size={width},3000", f"--user-data-dir={profile}"]
    command = [CHROMIUM, *options, "--virtual-time-budget=60000", "--dump-dom", url]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
