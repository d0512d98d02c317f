"""Reaching a store: what is refused, in which words, and how quietly it is opened."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import TrialState
from sweep_platform.tracking.store import TrackingError, anchored, database_file, open_store

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
from sweep_platform.tracking.thread import MlflowMirror
mirror = MlflowMirror(SweepFolder(Path({str(sweep.root)!r})), "sqlite:///{path}")
mirror.check()
mirror.sync()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_importing_the_mirror_leaves_mlflow_for_later() -> None:
    code = (
        "import sys, sweep_platform.tracking.thread;"
        "print({'mlflow', 'torch', 'sqlalchemy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("uri", ["ftp://host/mlflow", "mlflow.db", "./mlruns", "file:///tmp/x"])
def test_an_unknown_kind_of_store(uri: str) -> None:
    with pytest.raises(TrackingError) as caught:
        open_store(uri)
    assert str(caught.value) == (
        f"{uri} is no MLflow tracking URI that can be used here: give a database such as"
        " sqlite:///mlflow.db, or a server such as http://host:5000, by --tracking-uri."
    )


def test_a_server_that_is_away_is_told_within_seconds() -> None:
    started = time.monotonic()
    with pytest.raises(TrackingError) as caught:
        open_store("http://anna:secret@127.0.0.1:9")
    assert time.monotonic() - started < 60
    message = str(caught.value)
    assert message.startswith("MLflow at http://***@127.0.0.1:9 does not answer")
    assert "(Connection refused)" in message
    assert "--tracking-uri" in message
    assert "secret" not in message
    assert "\n" not in message


def test_a_database_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a file, no folder")
    with pytest.raises(TrackingError, match=r"can't be opened for writing \(.*--tracking-uri\.$"):
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
