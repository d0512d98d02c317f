"""Models of a sweep's front are registered once, and answer where they are loaded or served."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sweep_builders import confirmed

from sweep_platform import solve
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.summary import summarize
from sweep_platform.tracking.hrm_served_model import SolvingModel
from sweep_platform.tracking.mlflow_model_folder import write_model
from sweep_platform.tracking.mlflow_models import front_models
from sweep_platform.tracking.mlflow_tracker import MlflowTracker

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")

MAZE = "S    \n# # #\n     \n# # #\n    G"
NAME = "toy"


def sent(sweep: SweepFolder, uri: str) -> MlflowClient:
    tracker = MlflowTracker(sweep, uri)
    tracker.check()
    tracker.sync()
    tracker.send_files()
    return MlflowClient(uri)


def versions(client: MlflowClient) -> dict[str, str]:
    """The descriptions of the versions, by their numbers."""
    found = client.search_model_versions(f"name = '{NAME}'")
    return {str(one.version): one.description for one in found}


def test_the_front_is_registered_once_and_aliases_follow(
    swept: SweepFolder, mlflow_uri: str
) -> None:
    client = sent(swept, mlflow_uri)
    numbers = [one.trial.number for one in front_models(summarize(swept))]
    first = versions(client)
    assert len(first) == len(numbers) == 1
    assert first["1"].startswith("Trial 2 (N=")
    assert "replicates solve on average" in first["1"]
    sent(swept, mlflow_uri)
    assert versions(client) == first
    confirmed(swept, 1)
    sent(swept, mlflow_uri)
    model = client.get_registered_model(NAME)
    best = client.get_model_version_by_alias(NAME, "best")
    assert best.description.startswith("Trial 1 ("), "the best confirmed one is recommended"
    assert set(model.aliases) == {"best", "cheapest"}
    assert len(versions(client)) == 2
    assert client.get_run(best.run_id).data.tags["sweep.replicate"] == "confirm-0"


def test_a_session_that_died_in_between_leaves_nothing_to_do_twice(
    swept: SweepFolder, mlflow_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for step in ("finalize_logged_model", "create_model_version"):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(MlflowClient, step, die)
            sent(swept, mlflow_uri)
    client = sent(swept, mlflow_uri)
    experiment = client.get_experiment_by_name(NAME)
    assert experiment
    [logged] = client.search_logged_models([experiment.experiment_id])
    [version] = client.search_model_versions(f"name = '{NAME}'")
    assert version.source == logged.artifact_location


def test_an_alias_goes_where_its_weights_are_gone_and_the_note_follows(
    swept: SweepFolder, mlflow_uri: str
) -> None:
    client = sent(swept, mlflow_uri)
    assert told(client) == ["best", "cheapest"]
    confirmed(swept, 1)
    (swept.trials()[1].root / "confirm-0" / "checkpoint.pt").unlink()
    (swept.trials()[1].root / "measure-0" / "checkpoint.pt").unlink()
    sent(swept, mlflow_uri)
    assert client.get_registered_model(NAME).aliases == {}
    assert told(client) == []


def told(client: MlflowClient) -> list[str]:
    """The aliases that the sweep's run tells of."""
    experiment = client.get_experiment_by_name(NAME)
    assert experiment
    [run] = client.search_runs([experiment.experiment_id], "tags.`mlflow.note.content` != ''")
    return re.findall(r"models:/toy@(\w+)", run.data.tags["mlflow.note.content"])


def test_the_cheapest_spends_the_segments_that_it_was_measured_with(
    swept: SweepFolder, mlflow_uri: str
) -> None:
    for trial in swept.trials()[1:3]:
        folder = trial.replicate("measure-0")
        lines = folder.metrics.read_text().splitlines()
        found = json.loads(lines[-1])
        accuracy = found["progress"]["curve"]["exact_accuracy"]
        accuracy[0] = accuracy[-1] - 0.01
        folder.metrics.write_text("\n".join([*lines[:-1], json.dumps(found)]) + "\n")
    client = sent(swept, mlflow_uri)
    version = client.get_model_version_by_alias(NAME, "cheapest")
    assert "It spends 1 segment." in version.description
    [row] = mlflow.pyfunc.load_model(version.source).predict(MAZE).to_dict("records")
    assert row["segments"] == 1
    best = client.get_model_version_by_alias(NAME, "best")
    assert best.version != version.version


def test_a_registered_model_answers_as_solve_does(
    swept: SweepFolder, mlflow_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(swept, mlflow_uri)
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: mlflow_uri)
    version = MlflowClient(mlflow_uri).get_model_version_by_alias(NAME, "best")
    model = mlflow.pyfunc.load_model(version.source)
    answered = solve(swept.root, MAZE, device="cpu")
    [answer] = answered.solved.answers
    for asked in (MAZE, [MAZE]):
        [row] = model.predict(asked).to_dict("records")
        assert row["answer"] == answered.text
        assert row["segments"] == answer.segments == 2
        assert row["confidence"] == pytest.approx(answer.confidence)
    [row] = model.predict([MAZE], params={"segments": 1}).to_dict("records")
    assert row["segments"] == 1
    assert [*model.metadata.signature.outputs.input_names()] == list(row)
    assert len(model.predict(model.input_example)) == 1
    wrong = [{"halting": "x"}, {"voting": 0}, {"segments": -1}, {"segments": 1_000_000}]
    for params in wrong:
        with pytest.raises(MlflowException) as refused:
            model.predict([MAZE], params=params)
        assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    served = SolvingModel(Path(version.source.removeprefix("file://"), "data", "data"))
    table = pd.DataFrame({"a": [MAZE], "b": [MAZE]})
    for asked, params in (
        (MAZE, {"foo": 1}),
        (MAZE, {"segments": "2"}),
        ([MAZE] * 1_001, {}),
        (table, {}),
    ):
        with pytest.raises(MlflowException) as refused:
            served.predict(asked, params)
        assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    for puzzle in ("", "S" * 24, "{"):
        with pytest.raises(MlflowException) as refused:
            model.predict([MAZE, puzzle])
        assert refused.value.error_code == "INVALID_PARAMETER_VALUE"


def test_of_arc_a_task_votes_over_views_under_its_identities(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    from puzzle_datasets import PuzzleDataset
    from puzzle_datasets.kinds.arc.served import scored_tasks

    folder = Path(json.loads((runs["arc"] / "run.json").read_text())["dataset"]["folder"])
    written = write_model(tmp_path, runs["arc"] / "checkpoint.pt", folder)
    model = mlflow.pyfunc.load_model(str(written))
    task = json.dumps(next(iter(scored_tasks(PuzzleDataset.open(folder)).values())))
    rows = model.predict([task], params={"voting": 5}).to_dict("records")
    answered = solve(runs["arc"], task, voting=5, device="cpu")
    assert [json.loads(one["answer"])[0] for one in rows] == json.loads(answered.text)
    assert {one["views"] for one in rows} == {5}
    assert [one["votes"] for one in rows] == [one.votes for one in answered.solved.answers]
    assert {one["note"] for one in rows} == {""}


@pytest.mark.slow
def test_a_model_loads_where_this_project_is_not(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(json.loads((runs["sudoku"] / "run.json").read_text())["dataset"]["folder"])
    written = write_model(tmp_path, runs["sudoku"] / "checkpoint.pt", folder)
    puzzle = "1" + "0" * 15
    code = f"import mlflow; print(mlflow.pyfunc.load_model({str(written)!r}).predict({puzzle!r}))"
    packages = Path(mlflow.__file__).parents[1]
    alone = {**os.environ, "PYTHONPATH": str(packages)}
    command = [sys.executable, "-S", "-c", code]  # without the paths of this project
    done = subprocess.run(command, env=alone, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "confidence" in done.stdout
    weights = written / "data" / "data" / "checkpoint.pt"
    assert weights.stat().st_size < 0.6 * (runs["sudoku"] / "checkpoint.pt").stat().st_size


@pytest.fixture
def served(runs: dict[str, Path], tmp_path: Path) -> Iterator[str]:
    """`mlflow models serve` on loopback, of a model of Sudoku; where it answers."""
    folder = Path(json.loads((runs["sudoku"] / "run.json").read_text())["dataset"]["folder"])
    model = write_model(tmp_path, runs["sudoku"] / "checkpoint.pt", folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--model-uri", str(model), "--env-manager", "local", "--port", str(port)]
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "models", "serve", *options],
        env={**os.environ, "PATH": programs},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    while True:
        assert process.poll() is None, "the server ended before it answered"
        with suppress(OSError), urllib.request.urlopen(f"{address}/ping", timeout=10):
            break
        time.sleep(0.05)
    yield f"{address}/invocations"
    os.killpg(process.pid, 9)
    process.wait()


def post(address: str, content: Any) -> tuple[int, Any]:
    data, headers = json.dumps(content).encode(), {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data, headers)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.slow
def test_a_served_model_answers_and_refuses_in_a_sentence(
    served: str, runs: dict[str, Path]
) -> None:
    puzzle = "1" + "0" * 15
    status, found = post(served, {"inputs": [puzzle], "params": {"halting": "act"}})
    assert status == 200
    answered = solve(runs["sudoku"], puzzle, halting="act", device="cpu")
    assert [one["answer"] for one in found["predictions"]] == [answered.text]
    status, found = post(served, {"inputs": ["123"]})
    assert status == 400
    assert "puzzle has 3 cells, not 16" in found["message"]
    assert "Traceback" not in json.dumps(found)
