"""Every tracker keeps the contract of `sweep_platform.tracking.tracker.Tracker`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from sweep_platform.store.folder import Outcome, SweepFolder, TrialState
from sweep_platform.tracking.mlflow_tracker import MlflowTracker
from sweep_platform.tracking.tracker import Tracker, TrackingError

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")

COMPLETE, STOPPED = TrialState.COMPLETE, TrialState.STOPPED
MakeSweep = Callable[..., SweepFolder]


@dataclass(frozen=True)
class Shown:
    """What the service shows: training FLOPs by step for each trial, states, names of files.

    Trials are named by their signature, and the sweep itself is the empty one.
    """

    reports: dict[str, list[tuple[int, int]]]
    states: dict[str, str]
    files: set[str]


class TrackerConformance:
    """The contract. A subclass has fixtures for its tracker and for a look at its service."""

    @pytest.fixture
    def make(self) -> Callable[[SweepFolder], Tracker]:
        """Makes a tracker to the one service, as each session of a sweep does."""
        raise NotImplementedError

    @pytest.fixture
    def shown(self) -> Callable[[SweepFolder], Shown]:
        """Reads what the service shows of a sweep."""
        raise NotImplementedError

    @pytest.fixture
    def away(self) -> Callable[[], AbstractContextManager[None]]:
        """Makes a context within which the service takes nothing."""
        raise NotImplementedError

    def test_all_of_a_sweep_is_sent(self, make_sweep: MakeSweep, make: Any, shown: Any) -> None:
        sweep = make_sweep(COMPLETE, STOPPED, None)
        tracker = make(sweep)
        tracker.check()
        assert tracker.unsent() >= reports_of(sweep)
        tracker.sync()
        assert tracker.unsent() == 0
        assert_same(shown(sweep), sweep, "running", ["complete", "stopped", "running"])

    def test_what_is_new_is_counted_and_sent(
        self, make_sweep: MakeSweep, make: Any, shown: Any
    ) -> None:
        sweep = make_sweep(None, COMPLETE)
        tracker = synced(make(sweep))
        report(sweep, 110)
        end(sweep)
        sweep.session_ended("done")
        assert tracker.unsent() == 3  # a report, the end of its trial, and that of the sweep
        tracker.sync()
        assert tracker.unsent() == 0
        assert_same(shown(sweep), sweep, "done", ["complete", "complete"])

    def test_a_new_session_sends_nothing_twice(
        self, make_sweep: MakeSweep, make: Any, shown: Any
    ) -> None:
        sweep = make_sweep(COMPLETE, None)
        synced(make(sweep))
        before = shown(sweep)
        again = synced(make(sweep))
        again.sync()
        assert again.unsent() == 0
        assert shown(sweep) == before

    def test_an_interrupted_sweep_leaves_nothing_running_until_it_is_resumed(
        self, make_sweep: MakeSweep, make: Any, shown: Any
    ) -> None:
        sweep = make_sweep(COMPLETE, None)
        tracker = synced(make(sweep))
        sweep.session_ended("interrupted")
        tracker.sync()
        assert_same(shown(sweep), sweep, "interrupted", ["complete", "interrupted"])
        sweep.session_started()
        synced(make(sweep))
        assert_same(shown(sweep), sweep, "running", ["complete", "running"])

    def test_what_a_service_missed_is_sent_when_it_is_back(
        self, make_sweep: MakeSweep, make: Any, shown: Any, away: Any
    ) -> None:
        sweep = make_sweep(None)
        tracker = synced(make(sweep))
        with away():
            report(sweep, 110)
            for _ in range(2):
                with pytest.raises(Exception):  # noqa: B017 - any, says the contract
                    tracker.sync()
            assert tracker.unsent() == 1
        tracker.sync()
        assert tracker.unsent() == 0
        assert_same(shown(sweep), sweep, "running", ["running"])

    def test_a_service_that_is_away_is_an_error_of_the_user(
        self, make_sweep: MakeSweep, make: Any, away: Any
    ) -> None:
        with away(), pytest.raises(TrackingError):
            make(make_sweep(None)).check()

    def test_record_and_report_are_stored(
        self, make_sweep: MakeSweep, make: Any, shown: Any
    ) -> None:
        sweep = make_sweep(COMPLETE)
        sweep.report.mkdir()
        (sweep.report / "report.md").write_text("# Toy\n")
        synced(make(sweep)).send_files()
        assert shown(sweep).files == {"sweep.json", "report.md"}


def synced(tracker: Tracker) -> Tracker:
    tracker.check()
    tracker.sync()
    return tracker


def report(sweep: SweepFolder, step: int) -> None:
    """Let the first trial report once more."""
    trial = sweep.trials()[0]
    last = list(trial.measurements())[-1].progress
    trial.append(replace(last, step=step, training_flops=step * 1_000_000))


def end(sweep: SweepFolder) -> None:
    """Let the first trial end."""
    sweep.trials()[0].end(Outcome(state=COMPLETE, reason="spent", ended=1_790_000_200.0))


def reports_of(sweep: SweepFolder) -> int:
    return sum(len(list(trial.measurements())) for trial in sweep.trials())


def assert_same(shown: Shown, sweep: SweepFolder, state: str, trials: list[str]) -> None:
    """The service shows what the folder holds, nothing twice, and the given states."""
    folders = {trial.record().signature: trial for trial in sweep.trials()}
    assert shown.reports == {
        signature: [(m.progress.step, m.progress.training_flops) for m in trial.measurements()]
        for signature, trial in folders.items()
    }
    assert shown.states == {"": state, **dict(zip(folders, trials, strict=True))}


class TestMemoryTracker(TrackerConformance):
    @pytest.fixture
    def make(self, make_memory_tracker: Any) -> Any:
        return make_memory_tracker

    @pytest.fixture
    def shown(self, service: Any) -> Any:
        def shown(sweep: SweepFolder) -> Shown:
            reports = {name: sorted(sent.items()) for name, sent in service.reports.items()}
            return Shown(reports, dict(service.states), set(service.files))

        return shown

    @pytest.fixture
    def away(self, service: Any) -> Any:
        @contextmanager
        def away() -> Iterator[None]:
            service.away = True
            yield
            service.away = False

        return away


class MlflowConformance(TrackerConformance):
    """MLflow's stores differ in their address alone."""

    @pytest.fixture
    def uri(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def make_sweep(self, make_sweep: MakeSweep, request: pytest.FixtureRequest) -> MakeSweep:
        """Sweeps of an experiment of the test's own, for a server keeps those of all tests."""
        return lambda *states: make_sweep(*states, name=request.node.name)

    @pytest.fixture
    def make(self, uri: str) -> Any:
        return lambda sweep: MlflowTracker(sweep, uri)

    @pytest.fixture
    def shown(self, uri: str) -> Any:
        return lambda sweep: shown_by_mlflow(sweep, uri)

    @pytest.fixture
    def away(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        def refuse(*arguments: object, **named: object) -> None:
            raise MlflowException("nobody answers")

        @contextmanager
        def away() -> Iterator[None]:
            with monkeypatch.context() as patch:
                for call in ("search_experiments", "search_runs", "log_batch", "create_run"):
                    patch.setattr(MlflowClient, call, refuse)
                yield

        return away


class TestMlflowOnSqlite(MlflowConformance):
    @pytest.fixture
    def uri(self, mlflow_uri: str) -> str:
        return mlflow_uri


class TestMlflowServer(MlflowConformance):
    @pytest.fixture
    def uri(self, mlflow_server: Any) -> str:
        uri: str = mlflow_server.uri
        return uri


def shown_by_mlflow(sweep: SweepFolder, uri: str) -> Shown:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(sweep.record().name)
    assert experiment
    runs = client.search_runs([experiment.experiment_id])
    by_signature = {run.data.tags.get("sweep.trial", ""): run for run in runs}
    assert len(by_signature) == len(runs), "a trial has one run"
    reports = {
        signature: [
            (metric.step, int(metric.value))
            for metric in client.get_metric_history(run.info.run_id, "training_flops")
        ]
        for signature, run in by_signature.items()
        if signature
    }
    parent = by_signature[""].info.run_id
    stored = [*client.list_artifacts(parent), *client.list_artifacts(parent, "report")]
    names = {file.path.removeprefix("report/") for file in stored if not file.is_dir}
    states = {signature: run.data.tags["sweep.state"] for signature, run in by_signature.items()}
    return Shown({name: sorted(points) for name, points in reports.items()}, states, names)
