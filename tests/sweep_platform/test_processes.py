"""A job that two processes train together: it comes to what one does, and none is left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from s3_server import Gate
from sweep_builders import begun, sweep_folder

from puzzle_datasets.storage.dataset import PuzzleDataset
from sweep_platform.execution.host import at_hand
from sweep_platform.execution.worker import train
from sweep_platform.search.search import open_search
from sweep_platform.space import dataset as puzzles
from sweep_platform.store.messages import Fault, TrialJob, TrialReport

pytestmark = pytest.mark.slow

ROUNDING = 1e-4
"""Of float32, by which sums over the rows in another order differ after some steps."""


@pytest.fixture
def job(tmp_path: Path, make_spec: Any) -> Callable[..., TrialJob]:
    """Makes a job of so many processes, in a folder of its own."""

    def make(processes: int = 2, name: str = "toy", flops: float = 3e9) -> TrialJob:
        spec = make_spec(
            budget={"trials": 1, "flops_per_trial": flops},
            training={"batch_size": 8, "warmup_steps": 2, "learning_rate": 1e-3},
            space={"N": {"choices": [1]}},
        )
        folder = puzzles.prepare(spec.dataset, tmp_path / "data")
        manifest = PuzzleDataset.open(folder).manifest
        address = asdict(
            puzzles.DatasetAddress(
                folder=str(folder), name=manifest.name, fingerprint=manifest.fingerprint
            )
        )
        sweep = sweep_folder(tmp_path / name)
        [trial] = open_search(
            sweep, spec, puzzles.built_shape(manifest), address
        ).proposer.propose()
        record = trial.record()
        return TrialJob(
            trial=record.number,
            model=record.model,
            training=record.training,
            replicates=(begun(trial).replicate(),),
            dataset=address,
            device="cpu",
            threads=1,
            checkpoints=sweep.checkpoints,
            key=trial.root.name,
            channel="test",
            processes=processes,
        )

    return make


def numbers(reports: list[TrialReport]) -> list[dict[str, Any]]:
    """What was measured, at each step once."""
    found = {m.progress.step: m.progress for report in reports for m in report.measurements}
    return [asdict(progress) for progress in found.values()]


def same(got: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    """Whether two trainings are one, up to rounding."""
    counts = ("step", "examples", "training_flops", "mean_segments")
    return all(
        [one[key] for key in counts] == [other[key] for key in counts]
        and one["loss"] == pytest.approx(other["loss"], rel=ROUNDING)
        and (one["curve"] is None) == (other["curve"] is None)
        for one, other in zip(got, wanted, strict=True)
    )


def members() -> list[psutil.Process]:
    """The processes that were started for a job here and live."""
    return members_of(psutil.Process())


def members_of(worker: psutil.Process) -> list[psutil.Process]:
    found = []
    for child in worker.children(recursive=True):
        with suppress(psutil.Error):  # it has ended
            if "processes.member" in " ".join(child.cmdline()):
                found.append(child)
    return found


def failures(reports: list[TrialReport]) -> list[Any]:
    return [report.failure for report in reports if report.failure]


def test_two_come_to_what_one_does(job: Callable[..., TrialJob]) -> None:
    alone = list(train(job(1, "alone")))
    beats: list[int] = []
    together = list(train(job(2, "together"), alive=lambda: beats.append(1)))
    assert failures(together) == []
    assert len(numbers(alone)) >= 20
    assert same(numbers(together), numbers(alone))
    assert together[0].session
    assert together[0].session["speed"]["processes"] == 2
    assert together[-1].answers
    assert members() == []


def test_a_dead_process_ends_the_others_and_the_job_goes_on(job: Callable[..., TrialJob]) -> None:
    one, reports = job(2, flops=2e10), []
    for report in train(one):
        reports.append(report)
        if len(reports) == 2:
            _, second = sorted(members(), key=lambda process: process.pid)
            second.kill()
    [failure] = failures(reports)
    assert failure.fault is Fault.WORKER
    assert failure.reason == "process 1 of its 2 ended by signal 9"
    assert members() == []
    again = list(train(one))
    assert failures(again) == []
    undisturbed = list(train(job(2, "undisturbed", 2e10)))
    assert same(numbers(reports[:-1] + again), numbers(undisturbed))


def test_what_breaks_in_one_is_told(job: Callable[..., TrialJob]) -> None:
    one = job(2)
    reports = list(train(replace(one, training={**one.training, "batch_size": 7})))
    [failure] = failures(reports)
    assert "can't be divided among 2 processes" in failure.reason
    assert failure.fault is Fault.TRIAL
    assert members() == []


def test_both_save_and_end_when_they_are_told_to(job: Callable[..., TrialJob]) -> None:
    one, reports = job(2), list[TrialReport]()
    reports += train(one, stop=lambda: len(numbers(reports)) > 2 or bool(reports[2:]))
    assert failures(reports) == []
    [checkpoint] = Path(one.checkpoints).rglob("checkpoint.pt")
    assert checkpoint.exists()
    assert members() == []
    rest = list(train(one))
    assert rest[0].measurements, "what was measured before"
    assert (
        rest[-1].measurements[-1].progress.step == rest[-1].measurements[-1].progress.total_steps
    )


def test_a_storage_that_is_away_is_waited_for_before_any_process_starts(
    job: Callable[..., TrialJob], s3: str, s3_gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_hand, "AWAY_SECONDS", 0.05)
    one = replace(job(2), checkpoints=f"{s3}/toy/checkpoints", keep=2)
    s3_gate.close()
    waiting = train(one)
    for _ in range(2):
        [warning] = next(waiting).warnings
        assert "can't be read" in warning.text
    assert members() == []
    s3_gate.open()
    rest = list(waiting)
    assert failures(rest) == []
    assert numbers(rest)[-1]["step"] >= 20


def test_an_end_while_a_storage_is_away_is_no_loss(
    job: Callable[..., TrialJob], s3: str, s3_gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_hand, "AWAY_SECONDS", 0.05)
    s3_gate.close()
    one = replace(job(2), checkpoints=f"{s3}/toy/checkpoints", keep=2)
    reports = list(train(one, stop=lambda: True))
    assert failures(reports) == []
    assert reports[-1].warnings


def test_a_storage_gets_what_several_processes_save(job: Callable[..., TrialJob], s3: str) -> None:
    one, reports = replace(job(2), checkpoints=f"{s3}/toy/checkpoints", keep=2), []
    reports += train(one, stop=lambda: bool(reports[2:]))
    assert failures(reports) == []
    before = numbers(reports)[-1]["step"]
    rest = list(train(one))
    assert failures(rest) == []
    assert rest[0].measurements[-1].progress.step >= before, "it went on from what was stored"
    assert numbers(rest)[-1]["step"] > before


def test_all_listen_on_loopback_alone(job: Callable[..., TrialJob]) -> None:
    reports = train(job(2))
    next(reports)
    watched = [psutil.Process(), *members()]
    listening = {
        connection.laddr.ip
        for process in watched
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening
    assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    reports.close()  # type: ignore[attr-defined]
    assert members() == []


WORKER = """
import os, sys
from sweep_platform.execution.worker import train
from sweep_platform.store.messages import TrialJob

for report in train(TrialJob.from_text(sys.stdin.read())):
    print("reported", flush=True)
"""


@pytest.fixture
def worker(job: Callable[..., TrialJob]) -> Iterator["subprocess.Popen[str]"]:
    """A worker that trains a job in two processes."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    )
    assert process.stdin
    process.stdin.write(job(2).to_text())
    process.stdin.close()
    with process:
        yield process
        process.kill()


@pytest.mark.parametrize("stopped", [False, True])
def test_no_process_outlives_its_worker(worker: "subprocess.Popen[str]", stopped: bool) -> None:
    assert worker.stdout
    assert worker.stdout.readline()
    both = members_of(psutil.Process(worker.pid))
    assert len(both) == 2
    if stopped:  # one that hears nothing itself
        both[1].send_signal(signal.SIGSTOP)
    worker.kill()
    worker.wait()
    gone, alive = psutil.wait_procs(both, timeout=60)
    assert (len(gone), alive) == (2, [])
