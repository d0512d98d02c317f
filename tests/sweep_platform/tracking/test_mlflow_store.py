"""Reaching a store: what is refused, in which words, and how quietly it is opened."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import TrialState
from sweep_platform.tracking.mlflow_store import anchored, database_file, open_store
from sweep_platform.tracking.tracker import TrackingError

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")


def test_a_new_database_is_made_in_silence(
    make_sweep: Callable[..., SweepFolder], tmp_path: Path
) -> None:
    """Making the schema prints nothing, and readers do not wait for the writer."""
    path = tmp_path / "new" / "mlflow.db"
    sweep = make_sweep(TrialState.COMPLETE)
    code = f"""
from pathlib import Path
from sweep_platform.store.folder import SweepFolder
from sweep_platform.tracking.mlflow_tracker import MlflowTracker
tracker = MlflowTracker(SweepFolder(Path({str(sweep.root)!r})), "sqlite:///{path}")
tracker.check()
tracker.sync()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_importing_the_tracker_leaves_mlflow_for_later() -> None:
    code = (
        "import sys, sweep_platform.tracking.mlflow_tracker, sweep_platform.tracking.tracker;"
        "print({'mlflow', 'torch', 'sqlalchemy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("uri", ["ftp://host/mlflow", "mlflow.db", "./mlruns", "file:///tmp/x"])
def test_an_unknown_kind_of_store(uri: str) -> None:
    with pytest.raises(TrackingError) as caught:
        open_store(uri)
    assert (caught.value.field, caught.value.value) == ("--tracking-uri", uri)
    assert "sqlite:///mlflow.db" in caught.value.remedy


def test_a_server_that_is_away_is_told_without_its_password() -> None:
    with pytest.raises(TrackingError) as caught:
        open_store("http://anna:secret@127.0.0.1:9")
    assert str(caught.value) == (
        "--tracking-uri http://***@127.0.0.1:9 does not answer as MLflow should (Connection"
        " refused); start or repair it, or name another, such as sqlite:///mlflow.db."
    )


def test_a_database_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a file, no folder")
    with pytest.raises(TrackingError, match="can't be opened for writing"):
        open_store(f"sqlite:///{tmp_path}/plain/mlflow.db")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_text("this is a text of some length, and not a database" * 20)
    with pytest.raises(TrackingError, match="file is not a database"):
        open_store(f"sqlite:///{path}")
    assert path.read_text().startswith("this is a text")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:///mlflow.db", Path("mlflow.db")),
        ("sqlite:////var/mlflow.db?timeout=3", Path("/var/mlflow.db")),
        ("http://host:5000", None),
        ("postgresql://host/mlflow", None),
    ],
)
def test_database_file(uri: str, path: Path | None) -> None:
    assert database_file(uri) == path


def test_a_database_is_found_again_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert anchored("sqlite:///mlflow.db") == f"sqlite:///{tmp_path}/mlflow.db"
    assert anchored("sqlite:////var/mlflow.db") == "sqlite:////var/mlflow.db"
    assert anchored("http://host:5000") == "http://host:5000"
