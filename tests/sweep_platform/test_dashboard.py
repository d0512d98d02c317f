"""Optuna's dashboard shows a sweep's study: objectives by name, and why trials were pruned."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from sweep_builders import measurement
from sweep_driver import Driver

from sweep_platform.search.studies import dashboard
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.messages import Decision

notes = pytest.importorskip("optuna_dashboard._note", reason="optuna-dashboard is not installed")
CHROMIUM = shutil.which("chromium")
REASON = "beaten at the rung at 50% of the training budget"
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--no-first-run"]


@pytest.mark.parametrize("text", ["a *star* | <b>", "é" * 2_045, "x" * 5_000, ""])
def test_notes_are_those_that_the_dashboard_reads(text: str) -> None:
    study = optuna.create_study()
    trial = study.ask()
    for _ in range(2):
        dashboard.note(study, trial._trial_id, text)
        assert notes.get_note(trial) == dashboard.markdown_text(text)[:2_045]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study of a small sweep; its third trial was stopped at a rung."""
    spec = SweepSpec.model_validate(
        {
            "name": "toy",
            "dataset": {"name": "arc-agi-1"},
            "space": {"N": {"low": 1, "high": 6}},
            "objectives": ["exact_accuracy", "parameter_count"],
            "rungs": {"at": [0.5], "minimum": 3},
            "search": {"deterministic": False},
            "budget": {"trials": 3, "flops_per_trial": 1e8},
        }
    )
    driver = Driver(tmp_path_factory.mktemp("toy"), spec, capacity=1)
    for key, accuracy in {"0": 0.5, "1": 0.4, "2": 0.1}.items():
        driver.start(key)
        driver.report(key, measurement(50, accuracy))
        if driver.told(int(key)) is not Decision.STOP:
            driver.finish(key, accuracy)
        driver.scheduler.ended(key)
    assert driver.states() == ["complete", "complete", "stopped"]
    return driver.folder.journal


@pytest.fixture(scope="module")
def served(journal: Path) -> Iterator[str]:
    """The dashboard as a user starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("optuna-dashboard"), journal, "--port", str(port)]
    if not command[0].exists():
        command[:1] = [sys.executable, "-m", "optuna_dashboard._cli"]
    process = subprocess.Popen([*map(str, command), "--server", "wsgiref", "--quiet"])
    while not _answers(port):
        assert process.poll() is None, "the dashboard ended before it answered"
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def answered(url: str) -> Any:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as answer:
        return json.load(answer)


def test_objectives_are_named_and_pruned_trials_have_notes(served: str) -> None:
    found = answered(f"{served}/api/studies/0")
    assert found["objective_names"] == ["exact_accuracy", "parameter_count"]
    of_trials = [(one["state"], one["note"]["body"]) for one in found["trials"]]
    assert of_trials == [("Complete", ""), ("Complete", ""), ("Pruned", REASON)]


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")
def test_a_browser_shows_the_note_of_a_pruned_trial(served: str, tmp_path: Path) -> None:
    assert CHROMIUM
    options = [*QUIET, f"--user-data-dir={tmp_path}", "--virtual-time-budget=30000", "--dump-dom"]
    command = [CHROMIUM, *options, f"{served}/dashboard/studies/0/trials?numbers=2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert REASON in done.stdout
