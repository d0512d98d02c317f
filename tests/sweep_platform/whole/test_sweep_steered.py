"""A sweep that is steered from another process while it runs, killed, and taken up."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from sweep_builders import first
from sweep_survival import by_signature, numbers, states

from sweep_platform.cli import main
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.steering.messages import Verb
from sweep_platform.store.trial import TrialState

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]

ENDLESS = (
    *("--set", "budget.flops_per_trial=1e15"),
    *("--set", "evaluation.at=[1e-7]"),
    *("--set", "space.learning_rate={choices: [1e-3]}"),
)
"""No machine comes to the end of such a trial; it reports early, and then for hours no more."""


def begun(sweep: SweepFolder) -> list[int]:
    """How often each trial began to train, or went on."""
    files = [first(one).root / "sessions.jsonl" for one in sweep.trials()]
    return [len(file.read_text().splitlines()) if file.exists() else 0 for file in files]


def test_a_sweep_that_is_forked_goes_on_from_the_others_trials(
    place: Any, start: Callable[..., Any], finished: tuple[Any, SweepFolder], mlflow_of: Any
) -> None:
    source = finished[1]
    complete = {
        signature: numbers(trial)
        for signature, trial in by_signature(source).items()
        if (end := trial.outcome()) and end.state is TrialState.COMPLETE
    }
    here = ("--out", "runs/forked", "--trials", str(len(complete) + 1))
    driver = start(*here, "--fork", str(source.root))
    assert driver.wait() == 0, driver.said()
    sweep = SweepFolder(place.root / "runs/forked")
    own = by_signature(sweep)
    assert len(own) == len(complete) + 1
    assert {signature: numbers(own[signature]) for signature in complete} == complete
    assert f"began with {len(complete)} complete trial" in (sweep.report / "report.md").read_text()
    assert set(mlflow_of(sweep).by_signature()) == set(own)
    changed = place.root / "changed.yaml"
    changed.write_text(
        place.space.read_text().replace("T: {choices: [1, 2]}", "T: {choices: [2]}")
    )
    again = start("--space", str(changed), "--out", "runs/forked", "--resume")
    assert again.wait() == 2
    assert "space.T was" in again.said()


def test_a_sweep_is_steered_while_it_runs_and_over_its_drivers_death(
    place: Any, start: Callable[..., Any], mlflow_of: Any, capsys: Any
) -> None:
    sweep = SweepFolder(place.root / "runs/steered")
    here = ("--out", "runs/steered")
    driver = start(*here, *ENDLESS, "--trials", "2")
    driver.wait_until(lambda: begun(sweep) == [1, 1])

    def tell(*words: str) -> int:
        return main([*words, str(sweep.root)])

    assert tell("stop", "0") == 0
    driver.wait_until(lambda: states(sweep)[0] is TrialState.STOPPED)
    assert tell("stop", "0") == 2
    assert "trial 0 is over" in capsys.readouterr().err
    assert tell("add", "N=2", "T=2", "M_max=1") == 2, "the budget has no trial left"
    assert tell("extend", "--trials", "+1") == 0
    assert tell("add", "N=9") == 2

    assert tell("pause") == 0
    driver.wait_until(
        lambda: TrialState.RUNNING not in states(sweep) and None not in states(sweep)
    )
    assert TrialState.PAUSED in states(sweep)
    assert tell("promote", "0") == 0
    assert first(sweep.trials()[0]).checkpoint.exists()
    assert tell("resume") == 0
    driver.wait_until(lambda: begun(sweep)[0] == 2)
    assert states(sweep)[0] is None

    os.kill(driver.process.pid, signal.SIGSTOP)  # it answers nothing more
    left = [
        sweep.messages.send(Verb.STOP, {"trial": 1}),
        sweep.messages.send(Verb.EXTEND, {"trials": 4}),
        sweep.messages.send(Verb.PAUSE, {}),
    ]
    driver.kill()
    assert sweep.messages.waiting() == [one.number for one in left]

    second = start(*here, "--start-or-resume")
    second.wait_until(lambda: not sweep.messages.waiting())
    second.wait_until(lambda: "hrm-sweep resume lets it go on" in second.said())
    assert states(sweep)[1] is TrialState.STOPPED
    assert sweep.record().spec["budget"]["trials"] == 4
    assert main(["resume", str(sweep.root)]) == 0
    second.wait_until(lambda: begun(sweep)[0] == 3)
    second.process.send_signal(signal.SIGINT)
    assert second.wait() == 130, second.said()
    assert second.err.read_text() == ""

    assert [one.end for one in sweep.sessions()] == [None, SessionEnd.INTERRUPTED]
    told = [(str(one.message.verb), one.state) for one in sweep.messages.history()]
    assert told == [
        ("stop", "done"),
        ("stop", "refused"),
        ("add", "refused"),
        ("extend", "done"),
        ("add", "refused"),
        ("pause", "done"),
        ("promote", "done"),
        ("resume", "done"),
        ("stop", "done"),
        ("extend", "done"),
        ("pause", "done"),
        ("resume", "done"),
    ]
    assert "steered by hand" in (sweep.report / "report.md").read_text()
    statuses = {run.data.tags["sweep.trial"]: run.info.status for run in mlflow_of(sweep).trials}
    assert set(statuses.values()) == {"KILLED"}
