"""How a sweep stands: running, ended, killed, and what of it may be stuck."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from puzzle_datasets.common.errors import UserError
from sweep_platform import cli
from sweep_platform.commands.status import in_words, status
from sweep_platform.commands.steering.watch import watch
from sweep_platform.report.analysis.points import trials_front
from sweep_platform.store.folder import SessionEnd, SweepFolder, owned
from sweep_platform.store.summary import summarize
from sweep_platform.store.trial import TrialState

MakeSweep = Callable[..., SweepFolder]


def test_a_sweep_that_has_ended(make_sweep: MakeSweep) -> None:
    folder = make_sweep(TrialState.COMPLETE, TrialState.FAILED)
    found = status(folder)
    assert (found.driver, found.running) == (None, ())
    assert found.trials == {"complete": 1, "failed": 1}
    assert {point.trial for point in found.front} == {0}
    text = in_words(found)
    assert text.startswith(f"toy in {folder.root}: {found.state}\n")
    assert "1 complete, 1 failed" in text


def test_a_sweep_whose_driver_is_at_work(make_sweep: MakeSweep) -> None:
    folder = make_sweep(TrialState.COMPLETE, None)
    folder.session_started()
    assert status(folder).state == "killed", "nobody holds the folder"
    with owned(folder):
        found = status(folder)
    assert (found.state, found.driver) == ("running", os.getpid())
    [running] = found.running
    assert (running.trial, running.replicate) == (1, "measure-0")
    assert 0 < running.share <= 1
    assert not running.silent


def test_a_replicate_that_is_silent_is_told(make_sweep: MakeSweep) -> None:
    folder = make_sweep(None)
    folder.session_started()
    [trial] = folder.trials()
    old = time.time() - 3600
    os.utime(trial.replicates()[0].metrics, (old, old))
    with owned(folder):
        assert "trial 0 measure-0 has said nothing for 1 h; it may be stuck." in in_words(
            status(folder)
        )


def test_the_lock_is_free_all_the_while(make_sweep: MakeSweep) -> None:
    """A driver that starts while somebody looks is not refused."""
    folder = make_sweep(None)
    code = "from sweep_platform.cli import main; raise SystemExit(main())"
    looking = subprocess.Popen(
        [sys.executable, "-c", code, "status", str(folder.root)], stdout=subprocess.DEVNULL
    )
    while looking.poll() is None:
        with owned(folder):
            pass
    assert looking.returncode == 0


def test_the_command_prints_words_or_json(
    make_sweep: MakeSweep, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_sweep(TrialState.COMPLETE)
    folder.session_started()
    folder.session_ended(SessionEnd.DONE)
    assert cli.main(["status", str(folder.root)]) == 0
    assert ": done\n" in capsys.readouterr().out
    assert cli.main(["status", str(folder.root), "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["trials"] == {"complete": 1}
    assert plain["front"][0]["trial"] == 0


def test_what_is_no_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", str(tmp_path)]) == 2
    assert "holds no sweep.json" in capsys.readouterr().err


def test_a_glance_tells_what_the_whole_record_does(make_sweep: MakeSweep) -> None:
    states = [TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED, None]
    folder = make_sweep(*states, TrialState.COMPLETE, replicates=2)
    with owned(folder):
        found, summary = status(folder), summarize(folder)
    assert found.trials == {state.value: n for state, n in summary.states.items()}
    assert found.training_flops == summary.training_flops
    assert found.front == tuple(trials_front(summary.complete))
    assert found.wall_seconds == summary.wall_seconds
    folder.session_started()  # the one before was killed
    assert status(folder).wall_seconds == summarize(folder).wall_seconds


def test_the_last_report_is_found_at_the_end_of_a_file_of_any_length(
    make_sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    [trial] = make_sweep(TrialState.COMPLETE).trials()
    [replicate] = trial.replicates()
    last = list(replicate.measurements())[-1]
    assert replicate.last_measurement() == last
    with replicate.metrics.open("a") as file:
        file.write('{"step": ')  # its writer died
    assert replicate.last_measurement() == last
    monkeypatch.setattr("hrm.runs.folder._TAIL", 50)
    assert replicate.last_measurement() == last
    replicate.metrics.write_text("")
    assert replicate.last_measurement() is None
    replicate.metrics.write_text('{"step": 1}\n')
    monkeypatch.undo()
    with pytest.raises(UserError, match="last line"):
        replicate.last_measurement()


def test_limits_are_shown_with_what_is_spent(make_sweep: MakeSweep) -> None:
    """Two trials of 100 steps, each of 0.05 s and 1e6 FLOPs, on two GPUs."""
    folder = make_sweep(TrialState.COMPLETE, TrialState.COMPLETE)
    [one] = folder.trials()[1].replicates()
    lines = one.metrics.read_text()
    one.metrics.write_text(lines.replace('"energy_joules": null', '"energy_joules": 1800000.0'))
    assert status(folder).limits == {}
    record = folder.record()
    limits = {"flops": 1e9, "price_per_gpu_hour": 360.0, "money": 8.0, "energy_kwh": 2.0}
    budget = {**record.spec["budget"], **limits}
    folder.create(
        replace(record, spec={**record.spec, "budget": budget, "resources": {"gpus": 2}})
    )
    found = status(folder)
    assert found.limits["budget.flops"] == {"spent": 2e8, "most": 1e9}
    assert found.limits["budget.money"] == {"spent": pytest.approx(2.0), "most": 8.0}
    assert found.limits["budget.energy_kwh"] == {"spent": 0.5, "most": 2.0}
    told = "200 MFLOP of 1 GFLOP of training, 0.00556 device-hours, 2.00 of 8.00 of money"
    assert f"; {told}, 0.5 of 2 kWh" in in_words(found)
    stream = io.StringIO()
    watch(folder, stream)
    assert told in stream.getvalue()
