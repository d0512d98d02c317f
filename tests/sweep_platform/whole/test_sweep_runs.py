"""A sweep from its first line to its report, and what a second start of it does."""

import hashlib
import subprocess
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from sweep_builders import first

from hrm.evaluation.answer_file import AnswerFile
from sweep_platform.cli import main
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.trial import TrialFolder, TrialState

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")

COMPLETE, FAILED = TrialState.COMPLETE, TrialState.FAILED
Finished = tuple[Any, SweepFolder]


def content(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def under_way(trial: TrialFolder) -> tuple[int, int]:
    """When a trial's first and last report were written, in milliseconds."""
    times = [m.time_ms for m in first(trial).measurements()]
    return min(times), max(times)


def test_a_sweep_ends_with_an_outcome_for_every_trial(finished: Finished) -> None:
    driver, sweep = finished
    assert driver.process.returncode == 0, driver.said()
    assert driver.err.read_text() == ""
    outcomes = [trial.outcome() for trial in sweep.trials()]
    assert Counter(outcome.state for outcome in outcomes if outcome) == {COMPLETE: 4, FAILED: 1}
    assert [session.end for session in sweep.sessions()] == [SessionEnd.DONE]
    assert not (sweep.root / "ray").exists()


def test_trials_run_at_the_same_time(finished: Finished) -> None:
    _, sweep = finished
    spans = [under_way(trial) for trial in sweep.trials() if first(trial).last_step]
    assert any(max(a[0], b[0]) < min(a[1], b[1]) for a, b in combinations(spans, 2))


def test_a_trial_whose_loss_breaks_says_so_everywhere(finished: Finished, mlflow_of: Any) -> None:
    driver, sweep = finished
    [failed] = [t for t in sweep.trials() if (o := t.outcome()) and o.state is FAILED]
    outcome = failed.outcome()
    assert outcome and outcome.reason.startswith("The loss is ")
    assert outcome.reason in driver.said()
    loss, _, remedy = outcome.reason.partition(";")
    assert "lower learning_rate 1e+30" in remedy
    assert loss in (sweep.report / "report.md").read_text()
    run = mlflow_of(sweep).by_signature()[failed.record().signature]
    assert (run.info.status, run.data.tags["sweep.reason"]) == ("FAILED", outcome.reason)


def test_the_study_knows_what_came_of_every_trial(finished: Finished) -> None:
    _, sweep = finished
    storage = JournalStorage(JournalFileBackend(str(sweep.journal)))
    study = optuna.load_study(study_name=sweep.record().id, storage=storage)
    states = {
        trial.user_attrs["signature"]: trial.state
        for trial in study.trials
        if "duplicate" not in trial.user_attrs
    }
    expected = {COMPLETE: optuna.trial.TrialState.COMPLETE, FAILED: optuna.trial.TrialState.FAIL}
    for trial in sweep.trials():
        outcome = trial.outcome()
        assert outcome and states[trial.record().signature] is expected[outcome.state]
    assert len(states) == len(sweep.trials())


def test_mlflow_has_one_run_for_the_sweep_and_one_for_each_replicate(
    finished: Finished, mlflow_of: Any
) -> None:
    _, sweep = finished
    mlflow = mlflow_of(sweep)
    [parent] = mlflow.parents
    assert parent.info.status == "FINISHED"
    runs = mlflow.by_signature()
    assert set(runs) == {trial.record().signature for trial in sweep.trials()}
    assert Counter(run.info.status for run in runs.values()) == {"FINISHED": 4, "FAILED": 1}
    record = sweep.record()
    commit = record.environment["git_commit"]
    for run in [parent, *runs.values()]:
        assert run.data.tags["sweep.dataset"] == record.dataset["fingerprint"]
        assert run.data.tags.get("mlflow.source.git.commit") == commit
    head = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    here = subprocess.run(head, capture_output=True, text=True, check=False).stdout.strip()
    assert (commit or "").removesuffix("+changes") == here


def test_mlflow_charts_accuracy_against_flops(finished: Finished, mlflow_of: Any) -> None:
    _, sweep = finished
    mlflow = mlflow_of(sweep)
    for trial in sweep.trials():
        run = mlflow.by_signature()[trial.record().signature]
        reports = [m.progress for m in first(trial).measurements()]
        curves = [(r.step, r.curve) for r in reports if r.curve]
        spent = mlflow.points(run, "training_flops")
        assert spent == [(r.step, r.training_flops) for r in reports]
        assert mlflow.points(run, "loss") == [(r.step, r.loss) for r in reports]
        accuracy = mlflow.points(run, "exact_accuracy")
        assert accuracy == [(step, curve.exact_accuracy[-1]) for step, curve in curves]
        for _, curve in curves[-1:]:
            assert mlflow.points(run, "curve_exact_accuracy") == list(
                zip(curve.inference_flops, curve.exact_accuracy, strict=True)
            )


def test_the_report_names_every_trial(finished: Finished) -> None:
    driver, sweep = finished
    told = [line.partition(" ") for line in driver.out.read_text().splitlines()[-3:]]
    assert [first for first, _, _ in told] == ["Report:", "MLflow:", "Charts:"]
    assert told[0][2].endswith("report/report.html")
    page = (sweep.report / "report.html").read_text()
    text = (sweep.report / "report.md").read_text()
    for trial in sweep.trials():
        number = trial.record().number
        assert f"| {number} |" in text
        assert f">{number}<" in page


def test_a_second_start_is_refused_and_changes_nothing(
    finished: Finished, place: Any, monkeypatch: Any, capsys: Any
) -> None:
    _, sweep = finished
    before = content(sweep.root)
    monkeypatch.chdir(place.root)
    assert main(["--space", str(place.space)]) == 2
    said = capsys.readouterr()
    assert "--resume" in said.err and len(said.err.splitlines()) == 1
    assert content(sweep.root) == before


def test_a_resume_of_a_finished_sweep_starts_no_ray(
    finished: Finished, place: Any, monkeypatch: Any, capsys: Any
) -> None:
    _, sweep = finished
    monkeypatch.chdir(place.root)
    monkeypatch.setenv("RAY_TMPDIR", "/dev/null")  # where no Ray can start
    again = ["--space", str(place.space), "--resume"]
    assert main(again) == 0, capsys.readouterr().err
    assert [session.end for session in sweep.sessions()] == [SessionEnd.DONE]
    assert main([*again, "--tracking-uri", place.uri]) == 0, capsys.readouterr().err
    assert [session.end for session in sweep.sessions()] == [SessionEnd.DONE] * 2


def test_a_finished_sweep_takes_more_trials(
    finished: Finished, start: Any, cluster: str, mlflow_of: Any
) -> None:
    _, sweep = finished
    before = {trial.root: content(trial.root) for trial in sweep.trials()}
    grown = start("--resume", "--trials", str(len(before) + 2), "--address", cluster)
    assert grown.wait() == 0, grown.said()
    new = [trial for trial in sweep.trials() if trial.root not in before]
    assert len(new) == 2
    assert all(trial.outcome() for trial in new)
    assert all(content(root) == files for root, files in before.items())
    runs = mlflow_of(sweep).by_signature()
    assert len(runs) == len(before) + 2
    assert "RUNNING" not in {run.info.status for run in runs.values()}


@pytest.mark.slow
def test_what_an_earlier_sweep_trained_is_not_trained_again(
    finished: Finished, place: Any, start: Callable[..., Any]
) -> None:
    _, earlier = finished
    sweep = SweepFolder(place.root / "runs/reusing")
    names = ("--out", str(sweep.root), "--set", f"reuse=[{earlier.root}]")
    driver = start(*names)
    assert driver.wait() == 0, driver.said()
    reused, known = 0, {one.record().signature: one for one in earlier.trials()}
    for own in sweep.trials():  # of the same seed, and random as yet
        other = known[own.record().signature]
        [replicate], [before] = own.replicates(), other.replicates()
        assert replicate.outcome().state is before.outcome().state
        if before.outcome().state is TrialState.COMPLETE:
            assert replicate.reused().trial == other.record().number
            assert list(replicate.measurements()) == list(before.measurements())
            assert AnswerFile(own.answers).read().equals(AnswerFile(other.answers).read())
            reused += 1
        else:
            assert replicate.reused() is None, "a failure is tried again"
    assert reused
    assert (
        f"{reused} replicates had been trained before" in (sweep.report / "report.md").read_text()
    )
    again = start("--out", str(sweep.root), "--resume", "--set", "replicates=2")
    assert again.wait() == 0, again.said()
    second = [trial.replicate("measure-1") for trial in sweep.trials()]
    assert all(one.reused() is None for one in second if one.exists()), "no other had its seed"
