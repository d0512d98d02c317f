"""Every tracker keeps the contract: MLflow in a file, MLflow through its server, one in memory."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from conformance_tracker import Shown, TrackerConformance
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from trackers import replicates_of, report_again

from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.tracking.mlflow_tracker import MlflowTracker
from sweep_platform.tracking.tracker import TrackingError

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")

MakeSweep = Callable[..., SweepFolder]


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
        return lambda *states, **given: make_sweep(*states, name=request.node.name, **given)

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


@pytest.mark.slow
class TestMlflowServer(MlflowConformance):
    @pytest.fixture
    def uri(self, mlflow_server: Any) -> str:
        uri: str = mlflow_server.uri
        return uri

    def test_a_server_that_hangs_is_given_up_and_taken_up_again(
        self,
        make_sweep: MakeSweep,
        shown: Any,
        mlflow_server: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """By the session that saw it hang, and by the next; no report is lost or sent twice."""
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
        sweep = make_sweep(None)
        tracker = MlflowTracker(sweep, mlflow_server.uri)
        tracker.check()
        tracker.sync()
        report_again(sweep.trials()[0], 110)
        with monkeypatch.context() as patch:
            patch.setenv(
                "MLFLOW_HTTP_REQUEST_TIMEOUT", "1"
            )  # of a request that never gets an answer
            mlflow_server.signal(signal.SIGSTOP)
            try:
                with pytest.raises(TrackingError) as caught:
                    MlflowTracker(sweep, mlflow_server.uri).check()
                with pytest.raises(Exception, match="timed out"):
                    tracker.sync()
            finally:
                mlflow_server.signal(signal.SIGCONT)
        assert caught.value.value == mlflow_server.uri
        assert tracker.unsent() == 1
        tracker.sync()
        assert tracker.unsent() == 0
        sweep.session_ended(SessionEnd.INTERRUPTED)
        again = MlflowTracker(sweep, mlflow_server.uri)
        again.check()
        again.sync()
        assert again.unsent() == 0
        [name] = replicates_of(sweep)
        steps = [step for step, _ in shown(sweep).reports[name]]
        assert steps == [45, 50, 70, 75, 95, 100, 110]
        assert shown(sweep).states == {"": "interrupted", name: "interrupted"}


def run_name(tags: Mapping[str, str]) -> str:
    """Signature and label of a replicate's run; the sweep's own is empty."""
    return "/".join(tags[tag] for tag in ("sweep.trial", "sweep.replicate") if tag in tags)


def shown_by_mlflow(sweep: SweepFolder, uri: str) -> Shown:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(sweep.record().name)
    assert experiment
    runs = client.search_runs([experiment.experiment_id])
    by_name = {run_name(run.data.tags): run for run in runs}
    assert len(by_name) == len(runs), "a replicate has one run"
    reports = {
        name: [
            (metric.step, int(metric.value))
            for metric in client.get_metric_history(run.info.run_id, "training_flops")
        ]
        for name, run in by_name.items()
        if name
    }
    parent = by_name[""].info.run_id
    stored = [*client.list_artifacts(parent), *client.list_artifacts(parent, "report")]
    names = {file.path.removeprefix("report/") for file in stored if not file.is_dir}
    states = {name: run.data.tags["sweep.state"] for name, run in by_name.items()}
    return Shown({name: sorted(points) for name, points in reports.items()}, states, names)
