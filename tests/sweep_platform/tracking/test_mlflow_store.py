"""Reaching a store: what is refused, in which words, and how quietly it is opened."""

import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sweep_platform.common.databases import anchored, database_file
from sweep_platform.common.errors import InputError
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import TrialState
from sweep_platform.tracking.mlflow_store import open_store
from sweep_platform.tracking.mlflow_tracker import find_experiment
from sweep_platform.tracking.tracker import TrackingError

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://[::1", "does not answer as MLflow should"),
        ("sqlite://", "is a database in memory"),
        ("sqlite:///", "is a database in memory"),
        ("sqlite:///?timeout=3", "is a database in memory"),
        ("sqlite+pysqlite:///:memory:", "is a database in memory"),
        ("sqlite:///~no-such-user/x.db", "name a user that there is"),
        ("sqlite:///a\0b", "give a path that a system has"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(uri: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_store(uri)


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


def opening(path: Path) -> "subprocess.Popen[bytes]":
    """A start that opens this store, in a process of its own."""
    code = (
        "from sweep_platform.tracking.mlflow_store import open_store;"
        f"open_store('sqlite:///{path}')"
    )
    return subprocess.Popen([sys.executable, "-c", code])


@pytest.mark.slow
def test_a_start_that_is_killed_leaves_no_half_made_store(tmp_path: Path) -> None:
    """Two that start at once after it both run."""
    path, partial = tmp_path / "mlflow.db", tmp_path / ".mlflow.db.partial"
    killed = opening(path)
    while not (partial.exists() and partial.stat().st_size > 300_000):  # a whole one: a megabyte
        assert killed.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    killed.kill()
    killed.wait()
    assert not path.exists()
    both = [opening(path), opening(path)]
    assert [start.wait() for start in both] == [0, 0]
    assert [found.name for found in tmp_path.iterdir()] == ["mlflow.db"]


def test_an_empty_file_gets_the_tables(tmp_path: Path) -> None:
    """Earlier versions left one when they were killed before the first table."""
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    assert path.stat().st_size > 0
    assert open_store(f"sqlite:///{path}").get_experiment("0").name == "Default"


@pytest.mark.filterwarnings("ignore:Unnamed CHECK constraint")
def test_a_store_that_was_half_made_before_is_one_sentence(
    mlflow_database: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(mlflow_database, tmp_path / "mlflow.db"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE trace_info")
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        connection.commit()
    with pytest.raises(TrackingError, match="does not answer as MLflow should") as caught:
        open_store(f"sqlite:///{path}")
    assert "move that file away" in caught.value.remedy
    assert "\n" not in str(caught.value)


def test_the_home_folder_in_an_address(
    mlflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copy(mlflow_database, tmp_path / "mine.db")
    assert anchored("sqlite:///~/mine.db?timeout=3") == f"sqlite:///{tmp_path}/mine.db?timeout=3"
    open_store("sqlite:///~/mine.db")
    assert not Path("~").exists()


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


def test_a_link_to_a_store_that_is_not_there_stays_a_link(tmp_path: Path) -> None:
    link, store = tmp_path / "mlflow.db", tmp_path / "disk" / "store.db"
    link.symlink_to(store)
    open_store(f"sqlite:///{link}")
    assert link.is_symlink()
    assert store.is_file()


def test_an_experiment_that_another_start_makes_meanwhile_is_shared(
    mlflow_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_store(mlflow_uri)
    other = client.create_experiment("toy")
    found = iter([None, client.get_experiment_by_name("toy")])
    monkeypatch.setattr(client, "get_experiment_by_name", lambda name: next(found))
    assert find_experiment(client, mlflow_uri, "toy") == other
