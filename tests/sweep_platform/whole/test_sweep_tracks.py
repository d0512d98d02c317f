"""A sweep whose MLflow server goes away."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sweep_builders import first
from trackers import MlflowServer, replicates_of

from sweep_platform.store.folder import SweepFolder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]


@pytest.fixture
def server(place: Any, mlflow_database: Path) -> Iterator[MlflowServer]:
    server = MlflowServer(place.root, mlflow_database)
    server.start()
    yield server
    server.kill()


def test_what_a_server_missed_of_each_replicate_is_sent_by_a_resume_that_starts_nothing(
    place: Any,
    start: Callable[..., Any],
    wait_until: Callable[..., None],
    cluster: str,
    server: MlflowServer,
    mlflow_of: Any,
) -> None:
    sweep = SweepFolder(place.root / "runs/tracked")
    here = ("--out", "runs/tracked", "--address", cluster)
    amount = ("--trials", "2", "--set", "replicates=2")
    driver = start(*here, *amount, "--tracking-uri", server.uri)
    driver.wait_until(lambda: any(first(trial).last_step for trial in sweep.trials()))
    server.kill()
    assert driver.wait() == 0, driver.said()
    assert driver.err.read_text() == ""
    assert driver.said().count("takes nothing") == 1
    assert "run again with --resume when" in driver.said()
    assert all(trial.outcome() for trial in sweep.trials())

    server.start()
    second = start(*here, "--resume")
    assert second.wait() == 0, second.said()
    events = second.out.read_text().splitlines()
    assert [line.partition(" ")[0] for line in events] == ["Sweep", "Report:", "Charts:"]
    mlflow = mlflow_of(sweep, server.uri)
    assert [run.info.status for run in mlflow.parents] == ["FINISHED"]
    runs = mlflow.by_replicate()
    assert (len(runs), len(sweep.trials())) == (4, 2)
    for name, folder in replicates_of(sweep).items():
        run = runs[name]
        assert run.info.status != "RUNNING"
        sent = mlflow.points(run, "training_flops")
        reports = [m.progress for m in folder.measurements()]
        assert sent == [(report.step, report.training_flops) for report in reports]
