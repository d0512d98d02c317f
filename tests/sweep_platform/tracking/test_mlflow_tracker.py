"""How a sweep stands in a real SQLite store, whenever its driver was killed."""

import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import Metric as Sent
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from sweep_builders import begun, first
from trackers import report_again

from sweep_platform.common.text import knobs
from sweep_platform.report.analysis.points import trials_front
from sweep_platform.spec import metrics
from sweep_platform.spec.metrics import Metric
from sweep_platform.store.folder import SessionEnd, SweepFolder, SweepRecord
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import summarize
from sweep_platform.store.trial import Outcome, ReplicateFolder, TrialFolder, TrialState
from sweep_platform.tracking import mlflow_tracker
from sweep_platform.tracking.mlflow_store import open_store
from sweep_platform.tracking.mlflow_tracker import MlflowTracker
from sweep_platform.tracking.mlflow_view import RunStatus, report_metrics, trial_status
from sweep_platform.tracking.tracker import TrackingError

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")

COMPLETE, STOPPED, FAILED = TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED
MakeSweep = Callable[..., SweepFolder]


@pytest.fixture
def uri(mlflow_uri: str) -> str:
    return mlflow_uri


def mirrored(sweep: SweepFolder, uri: str) -> MlflowTracker:
    """A mirror, as a new session of the sweep makes it."""
    mirror = MlflowTracker(sweep, uri)
    mirror.check()
    mirror.sync()
    return mirror


def all_runs(uri: str, name: str = "toy") -> list[Run]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment
    return list(client.search_runs([experiment.experiment_id]))


def parent_and_trials(uri: str, name: str = "toy") -> tuple[Run, dict[int, Run]]:
    runs = all_runs(uri, name)
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    trials = {int(run.info.run_name[:4]): run for run in runs if run is not parent}
    assert len(trials) == len(runs) - 1
    return parent, trials


def points(uri: str, run: Run, key: str) -> list[tuple[int, int, float]]:
    history = MlflowClient(uri).get_metric_history(run.info.run_id, key)
    return sorted((m.step, m.timestamp, m.value) for m in history)


def all_points(uri: str) -> list[tuple[str, str, int, int, float]]:
    return [
        (run.info.run_id, key, *point)
        for run in all_runs(uri)
        for key in run.data.metrics
        for point in points(uri, run, key)
    ]


def test_a_finished_sweep(make_sweep: MakeSweep, uri: str) -> None:
    sweep = make_sweep(COMPLETE, STOPPED, FAILED, COMPLETE)
    sweep.session_ended(SessionEnd.DONE)
    mirror = mirrored(sweep, uri)
    parent, trials = parent_and_trials(uri)
    assert mirror.unsent() == 0
    statuses = {number: run.info.status for number, run in trials.items()}
    assert statuses == {0: "FINISHED", 1: "KILLED", 2: "FAILED", 3: "FINISHED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in trials.values()} == {parent.info.run_id}
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == "toy"
    ended = sweep.sessions()[-1].ended
    assert ended
    assert parent.info.end_time == int(ended * 1000)
    assert parent.data.metrics == {
        "trials_complete": 2.0,
        "best_exact_accuracy": pytest.approx(0.15),
        "training_flops": 250e6,
        "front_exact_accuracy": pytest.approx(0.15),
    }
    front = [
        (p.inference_flops, p.exact_accuracy) for p in trials_front(summarize(sweep).complete)
    ]
    told = points(uri, parent, "front_exact_accuracy")
    assert [(step, value) for step, _, value in told] == front
    assert sorted(value for _, _, value in told) == [value for _, _, value in told]


def test_a_trial_that_is_promoted_runs_again_within_the_session(
    make_sweep: MakeSweep, uri: str
) -> None:
    sweep = make_sweep(STOPPED)
    mirror = mirrored(sweep, uri)
    _, before = parent_and_trials(uri)
    assert before[0].info.status == "KILLED"
    [trial] = sweep.trials()
    trial.begin_again(7)
    first(trial).begin_again()
    mirror.go_on(trial)
    mirror.sync()
    _, after = parent_and_trials(uri)
    assert (after[0].info.run_id, after[0].info.status) == (before[0].info.run_id, "RUNNING")
    assert mirror.unsent() == 0


def test_a_resumed_sweep_has_a_front_of_its_own_for_each_end(
    make_sweep: MakeSweep, uri: str
) -> None:
    sweep = make_sweep(COMPLETE)
    for _ in range(2):
        sweep.session_ended(SessionEnd.DONE)
        mirrored(sweep, uri)
        sweep.session_started()
        mirrored(sweep, uri)
    parent, _ = parent_and_trials(uri)
    first = points(uri, parent, "front_exact_accuracy")
    second = points(uri, parent, "front_exact_accuracy_session_2")
    assert [step for step, *_ in first] == [step for step, *_ in second]


def test_a_trial_of_some_model_shows_it(make_comparison: MakeSweep, uri: str) -> None:
    sweep = make_comparison("hrm", "transformer")
    mirrored(sweep, uri)
    _, trials = parent_and_trials(uri, "models")
    run = trials[1]
    expected = {
        "model": "transformer",
        "training.ema": "0.0",
    }
    assert expected.items() <= run.data.params.items()
    assert "model.model" not in run.data.params, "knobs stand there once"
    assert "N" not in run.data.params, "a transformer has no cycles"
    assert trials[0].data.params["N"] == "1"
    assert "N=" not in run.info.run_name
    halting = [m.progress.halting for m in first(sweep.trials()[1]).measurements()][-1]
    assert halting
    assert {
        "halting_exact_accuracy": pytest.approx(halting.exact_accuracy),
        "halting_mean_segments": halting.mean_segments,
        "halting_inference_flops": halting.inference_flops,
    }.items() <= run.data.metrics.items()


def test_what_a_trial_shows(make_sweep: MakeSweep, uri: str) -> None:
    sweep = make_sweep(COMPLETE, STOPPED)
    mirrored(sweep, uri)
    _, trials = parent_and_trials(uri)
    run = trials[1]
    assert run.info.run_name == f"0001 measure-0 {knobs(sweep.trials()[1].record().parameters)}"
    assert run.info.end_time == 1_790_000_101_000
    expected = {"N": "2", "hidden_size": "64", "training.batch_size": "16"}
    assert expected.items() <= run.data.params.items()
    assert "model.mode" not in run.data.params, "that is at its default"
    assert run.data.params["parameter_count"] == "120000"
    expected_tags = {
        "sweep.id": "b1946ac92492d234",
        "sweep.trial": "01abcdef0123456789",
        "sweep.state": "stopped",
        "sweep.reason": "beaten at the rung at 50% of the training budget",
        "sweep.scale": "laptop",
        "sweep.dataset": "5f0c" * 16,
        "mlflow.source.git.commit": "0" * 40,
    }
    assert expected_tags.items() <= run.data.tags.items()
    assert run.inputs
    [dataset] = run.inputs.dataset_inputs
    assert dataset.dataset.name == "arc-agi-1"
    assert dataset.dataset.digest == ("5f0c" * 16)[:36]


def test_replicates_of_a_trial_are_told_apart_and_grouped(make_sweep: MakeSweep, uri: str) -> None:
    sweep = make_sweep(COMPLETE, STOPPED, replicates=2)
    mirrored(sweep, uri)
    runs = {run.info.run_name: run.data for run in all_runs(uri) if "N" in run.data.params}
    assert [name.split()[:2] for name in sorted(runs)] == [
        [f"{trial:04d}", f"measure-{number}"] for trial in range(2) for number in range(2)
    ]
    for trial in sweep.trials():
        number, label = trial.record().number, f"{trial.record().number}: "
        for folder in trial.replicates():
            [data] = [runs[n] for n in runs if n.startswith(f"{number:04d} {folder.label} ")]
            replicate = folder.replicate()
            own = {"purpose": "measure", "seed": str(replicate.seed)}
            assert {**own, "replicate": str(replicate.number)}.items() <= data.params.items()
            assert data.params["configuration"] == label + knobs(trial.record().knobs)
            assert data.tags["sweep.replicate"] == folder.label


def test_accuracy_and_flops_share_steps(make_sweep: MakeSweep, uri: str) -> None:
    """So that the chart's x-axis can be FLOPs."""
    sweep = make_sweep(COMPLETE)
    mirrored(sweep, uri)
    run = parent_and_trials(uri)[1][0]
    flops = {step: (time, value) for step, time, value in points(uri, run, "training_flops")}
    reports = {m.progress.step: m for m in first(sweep.trials()[0]).measurements()}
    assert {step: time for step, (time, _) in flops.items()} == {
        step: report.time_ms for step, report in reports.items()
    }
    assert all(value == step * 1e6 for step, (_, value) in flops.items())
    for key in ("exact_accuracy", "token_accuracy", "inference_flops"):
        assert [step for step, _, _ in points(uri, run, key)] == [50, 75, 100]
    assert [step for step, _, _ in points(uri, run, "loss")] == sorted(flops)
    evaluated = points(uri, run, "evaluated_training_flops")
    assert [(step, value) for step, _, value in evaluated] == [
        (step, flops[step][1]) for step in (50, 75, 100)
    ], "point by point with accuracy, as charts of groups match them"


def test_the_final_curve_has_flops_as_steps(make_sweep: MakeSweep, uri: str) -> None:
    sweep = make_sweep(COMPLETE, None)
    mirrored(sweep, uri)
    _, trials = parent_and_trials(uri)
    curve = [m.progress.curve for m in first(sweep.trials()[0]).measurements()][-1]
    assert curve
    for key in ("exact_accuracy", "inference_flops"):
        sent = [(step, value) for step, _, value in points(uri, trials[0], f"curve_{key}")]
        assert sent == list(zip(curve.inference_flops, getattr(curve, key), strict=True))
    segments = [value for _, _, value in points(uri, trials[0], "curve_segments")]
    assert segments == list(range(1, len(curve.exact_accuracy) + 1))
    assert "curve_exact_accuracy" not in trials[1].data.metrics


@pytest.mark.parametrize("state", [one for one in TrialState if one is not TrialState.RUNNING])
@pytest.mark.parametrize("sweep", [RunStatus("RUNNING", "running"), RunStatus("KILLED", "failed")])
def test_every_state_of_a_trial_has_a_status(state: TrialState, sweep: RunStatus) -> None:
    """One that is not final, such as paused, runs as long as its sweep does."""
    final = {COMPLETE: "FINISHED", STOPPED: "KILLED", FAILED: "FAILED"}
    status = trial_status(Outcome(state=state, reason="", ended=0.0), sweep)
    assert status.status == final.get(state, sweep.status)
    assert status.state == state


def test_a_new_row_in_the_table_of_metrics_is_sent(
    make_sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Metric("new", "New", "New", str, "total_steps")
    monkeypatch.setattr(metrics, "METRICS", (row, *metrics.METRICS))
    report = next(first(make_sweep(COMPLETE).trials()[0]).measurements())
    [sent] = [metric for metric in report_metrics(report) if metric.key == "new"]
    assert (sent.step, sent.value) == (report.progress.step, report.progress.total_steps)


def test_a_value_that_is_no_number_is_left_out(make_sweep: MakeSweep) -> None:
    report = next(first(make_sweep(COMPLETE).trials()[0]).measurements())
    progress = replace(report.progress, loss=math.nan)
    keys = [metric.key for metric in report_metrics(replace(report, progress=progress))]
    assert "loss" not in keys
    assert keys[-1] == "training_flops"


def test_a_session_sends_only_what_is_new(
    make_sweep: MakeSweep, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = make_sweep(COMPLETE, None)
    mirrored(sweep, uri)
    batches: list[Any] = []
    monkeypatch.setattr(MlflowClient, "log_batch", lambda *args, **kw: batches.append((args, kw)))
    again = mirrored(sweep, uri)
    again.sync()
    assert not batches


def test_a_replicate_that_ended_takes_four_requests(
    make_sweep: MakeSweep, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = MlflowTracker(make_sweep(COMPLETE), uri)
    mirror.check()
    asked: list[str] = []

    def count(name: str) -> None:
        real = getattr(MlflowClient, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            asked.append(name)
            return real(*arguments, **options)

        monkeypatch.setattr(MlflowClient, name, counted)

    for name in ("create_run", "log_inputs", "log_batch", "set_terminated", "update_run"):
        count(name)
    mirror.sync()
    own = ["create_run", "log_inputs", "log_batch", "set_terminated"]
    assert asked == ["create_run", *own], "the first is the sweep's"
    _, trials = parent_and_trials(uri)
    assert trials[0].data.tags["sweep.state"] == "complete"
    assert trials[0].data.params["parameter_count"]
    assert trials[0].data.metrics["exact_accuracy"]


def test_a_sync_looks_into_no_trial_that_was_sent_and_stays_as_it_is(
    make_sweep: MakeSweep, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = make_sweep(COMPLETE, STOPPED, None)
    monkeypatch.setattr(mlflow_tracker, "SETTLED_SECONDS", 0.0)
    mirror = mirrored(sweep, uri)
    replicates, looked = TrialFolder.replicates, []

    def counted(trial: TrialFolder, *purposes: Purpose) -> list[ReplicateFolder]:
        looked.append(trial.record().number)
        return replicates(trial, *purposes)

    monkeypatch.setattr(TrialFolder, "replicates", counted)
    mirror.sync()
    assert set(looked) == {2}
    ended = sweep.trials()[0]
    late = begun(ended, 1)
    looked.clear()
    mirror.sync()
    assert set(looked) == {0, 2}
    assert f"{ended.record().signature}/{late.label}" in {
        "/".join(run.data.tags.get(tag, "") for tag in ("sweep.trial", "sweep.replicate"))
        for run in all_runs(uri)
    }


def test_killed_after_a_run_was_made(make_sweep: MakeSweep, uri: str) -> None:
    sweep = make_sweep(COMPLETE)
    client = open_store(uri)
    experiment = client.create_experiment("toy")
    signature = sweep.trials()[0].record().signature
    own = {"sweep.trial": signature, "sweep.replicate": "measure-0"}
    tags = {"sweep.id": sweep.record().id, **own, "sweep.state": "running"}
    made = client.create_run(experiment, tags={**tags, "mlflow.parentRunId": "?"}, run_name="0000")
    mirrored(sweep, uri)
    _, trials = parent_and_trials(uri)
    assert trials[0].info.run_id == made.info.run_id
    assert trials[0].info.status == "FINISHED"
    assert trials[0].data.params["N"] == "1"


def test_a_run_made_twice_by_a_late_request_is_dropped(make_sweep: MakeSweep, uri: str) -> None:
    sweep = make_sweep(COMPLETE)
    mirrored(sweep, uri)
    first = parent_and_trials(uri)[1][0]
    client = MlflowClient(uri)
    client.create_run(first.info.experiment_id, tags=first.data.tags)
    mirrored(sweep, uri)
    assert parent_and_trials(uri)[1][0].info.run_id == first.info.run_id


def test_trials_of_a_parent_made_twice_are_filed_under_the_one_that_stays(
    make_sweep: MakeSweep, uri: str
) -> None:
    sweep = make_sweep(COMPLETE, None)
    mirrored(sweep, uri)
    parent, _ = parent_and_trials(uri)
    client = MlflowClient(uri)
    client.create_run(parent.info.experiment_id, start_time=1, tags=parent.data.tags)
    mirrored(sweep, uri)
    left, trials = parent_and_trials(uri)
    assert left.info.run_id != parent.info.run_id
    parents = {run.data.tags["mlflow.parentRunId"] for run in trials.values()}
    assert parents == {left.info.run_id}


def test_the_best_is_that_of_complete_trials(make_sweep: MakeSweep, uri: str) -> None:
    """The stopped trial stood higher than the complete one when it was stopped."""
    sweep = make_sweep(STOPPED, COMPLETE)
    stopped = sweep.trials()[0]
    last = list(first(stopped).measurements())[-1].progress
    assert last.curve
    solved = replace(last.curve, exact_accuracy=(1.0,) * len(last.curve.exact_accuracy))
    report_again(stopped, last.step + 1, curve=solved)
    sweep.session_ended(SessionEnd.DONE)
    mirrored(sweep, uri)
    parent, _ = parent_and_trials(uri)
    assert parent.data.metrics["best_exact_accuracy"] == pytest.approx(0.3)


def test_an_interrupted_sweep_leaves_no_run_running(make_sweep: MakeSweep, uri: str) -> None:
    sweep = make_sweep(None)
    tracker = mirrored(sweep, uri)
    sweep.session_ended(SessionEnd.INTERRUPTED)
    tracker.sync()
    parent, trials = parent_and_trials(uri)
    assert (parent.info.status, trials[0].info.status) == ("KILLED", "KILLED")
    sweep.session_started()
    mirrored(sweep, uri)
    parent, trials = parent_and_trials(uri)
    assert (parent.info.status, trials[0].info.status) == ("RUNNING", "RUNNING")


def test_a_trial_stopped_at_once_after_resume(make_sweep: MakeSweep, uri: str) -> None:
    """An interrupted trial's run is KILLED already; how it really ended is told all the same."""
    sweep = make_sweep(None)
    sweep.session_ended(SessionEnd.INTERRUPTED)
    mirrored(sweep, uri)
    sweep.session_started()
    first(sweep.trials()[0]).end(
        Outcome(state=STOPPED, reason="time is up", ended=1_790_000_200.0)
    )
    sweep.session_ended(SessionEnd.DONE)
    mirrored(sweep, uri)
    run = parent_and_trials(uri)[1][0]
    assert run.info.status == "KILLED"
    assert run.data.tags["sweep.reason"] == "time is up"
    assert "curve_exact_accuracy" in run.data.metrics


def test_files_lie_beside_the_database(make_sweep: MakeSweep, uri: str, tmp_path: Path) -> None:
    mirrored(make_sweep(COMPLETE), uri)
    parent, _ = parent_and_trials(uri)
    assert parent.info.artifact_uri.startswith((tmp_path / "mlruns" / "toy").as_uri())


def test_mlflow_drops_points_that_it_has(uri: str) -> None:
    """The mirror relies on it where a server's answer was lost."""
    client = open_store(uri)
    run = client.create_run("0").info.run_id
    points = [Sent("a", float(step), 1_000 + step, step) for step in range(5)]
    for _ in range(2):
        client.log_batch(run, metrics=points)
    assert len(client.get_metric_history(run, "a")) == 5


def test_a_deleted_experiment(make_sweep: MakeSweep, uri: str) -> None:
    sweep = make_sweep(COMPLETE)
    client = open_store(uri)
    client.delete_experiment(client.create_experiment("toy"))
    with pytest.raises(TrackingError, match="deleted from MLflow at sqlite") as caught:
        MlflowTracker(sweep, uri).check()
    assert (caught.value.field, caught.value.value) == ("name", "toy")
    assert f"`MLFLOW_TRACKING_URI={uri} mlflow experiments restore -x 1`" in caught.value.remedy


@pytest.mark.parametrize("which", ["parent", "trial"])
def test_a_deleted_run_is_made_anew(make_sweep: MakeSweep, uri: str, which: str) -> None:
    sweep = make_sweep(COMPLETE, COMPLETE)
    mirrored(sweep, uri)
    parent, trials = parent_and_trials(uri)
    run = parent if which == "parent" else trials[0]
    MlflowClient(uri).delete_run(run.info.run_id)
    mirrored(sweep, uri)
    parent, trials = parent_and_trials(uri)
    assert set(trials) == {0, 1}
    assert {r.data.tags["mlflow.parentRunId"] for r in trials.values()} == {parent.info.run_id}


def test_a_store_that_was_moved_does_not_make_the_former_folder_again(
    make_sweep: MakeSweep, mlflow_database: Path, tmp_path: Path
) -> None:
    sweep, former = make_sweep(COMPLETE), tmp_path / "former"
    former.mkdir()
    uri = f"sqlite:///{shutil.copy(mlflow_database, former)}"
    mirrored(sweep, uri).send_files()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore._engine_map[uri].dispose()
    now = former.rename(tmp_path / "now") / mlflow_database.name
    tracker = mirrored(sweep, f"sqlite:///{now}")
    with pytest.raises(OSError, match="former"):
        tracker.send_files()
    assert not former.exists()


class LossyClient:
    """MLflow's client on a line that loses requests, or answers, of the chosen calls."""

    def __init__(self, client: MlflowClient, losses: Iterator[str]) -> None:
        self._client = client
        self._losses = losses

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            loss = next(self._losses, "")
            if loss == "request":
                raise ConnectionError(name)
            answer = getattr(self._client, name)(*args, **kwargs)
            if loss == "answer":
                raise ConnectionError(name)
            return answer

        return call


@pytest.fixture
def fresh_sweep(make_sweep: MakeSweep) -> Callable[[], SweepFolder]:
    """The same sweep, made anew under another name at each call."""
    template = make_sweep(STOPPED, None)
    count = iter(range(1_000))

    def fresh() -> SweepFolder:
        number = next(count)
        root = template.root.parent / f"copy{number}"
        shutil.copytree(template.root, root)
        record: SweepRecord = replace(template.record(), id=f"id{number}", name=f"copy{number}")
        SweepFolder(root).create(record)
        return SweepFolder(root)

    return fresh


@given(losses=st.lists(st.sampled_from(["", "", "", "request", "answer"]), max_size=60))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_lost_requests_and_answers_neither_lose_nor_double(
    losses: list[str], fresh_sweep: Callable[[], SweepFolder], uri: str
) -> None:
    sweep = fresh_sweep()
    line = iter(losses)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlflow_tracker, "open_store", lambda at: LossyClient(open_store(at), line))
        mirror = MlflowTracker(sweep, uri)
        sync_until_sent(mirror)
        first(sweep.trials()[1]).end(Outcome(state=FAILED, reason="broke", ended=1.79e9))
        sweep.session_ended(SessionEnd.DONE)
        sync_until_sent(mirror)
    runs = all_runs(uri, sweep.record().name)
    assert len(runs) == 3
    assert "RUNNING" not in {run.info.status for run in runs}
    by_signature = {run.data.tags.get("sweep.trial"): run for run in runs}
    for trial in sweep.trials():
        check_points(uri, by_signature[trial.record().signature], first(trial))


def sync_until_sent(mirror: MlflowTracker) -> None:
    while True:
        try:
            return mirror.sync()
        except ConnectionError:
            continue


def check_points(uri: str, run: Run, folder: ReplicateFolder) -> None:
    reports = list(folder.measurements())
    sent = points(uri, run, "training_flops")
    assert sent == [(m.progress.step, m.time_ms, m.progress.training_flops) for m in reports]
    assert len(points(uri, run, "loss")) == len(reports)
