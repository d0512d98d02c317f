"""Starts that are refused: one line, exit status 2, and nothing left behind."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from sweep_builders import sweep_record

from puzzle_datasets.common.files import exclusive
from sweep_platform.cli import main
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.store.folder import SweepFolder

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")

SPACE = """\
name: toy
dataset: {name: arc-agi-1, canvas: 3, tasks: 4, augmentations: 2, held_out: all}
space: {N: {choices: [1, 2]}}
model: {hidden_size: 32, num_heads: 1}
budget: {trials: 2, flops_per_trial: 1e8}
"""

Refused = Callable[..., str]


@pytest.fixture
def here(mlflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a space and a database."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copy(mlflow_database, folder / "mlflow.db")
    monkeypatch.chdir(folder)
    Path("toy.yaml").write_text(SPACE)
    return Path.cwd()


@pytest.fixture
def refused(here: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Starts a sweep that must be refused in one line; returns the line."""

    def refused(*options: str) -> str:
        assert main(["--space", "toy.yaml", *options]) == 2
        said = capsys.readouterr().err
        assert said.startswith("hrm-sweep: ")
        assert len(said.splitlines()) == 1
        return said

    return refused


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.mark.parametrize("out", ["toy.yaml", "toy.yaml/below/it"])
def test_a_file_where_the_folder_should_be(refused: Refused, out: str) -> None:
    assert f"{out} cannot be written" in refused("--out", out)
    assert Path("toy.yaml").read_text() == SPACE


def test_a_folder_that_holds_something_else(refused: Refused) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.tex").touch()
    assert "mine is not empty" in refused("--out", "mine")
    assert [path.name for path in Path("mine").iterdir()] == ["thesis.tex"]


def test_a_ray_address_that_does_not_answer(refused: Refused, closed_port: int) -> None:
    address = f"127.0.0.1:{closed_port}"
    assert f"--address {address} is not answered by a Ray cluster" in refused("--address", address)
    assert not Path("runs").exists()


def test_a_tracking_server_that_is_away(refused: Refused, closed_port: int) -> None:
    uri = f"http://127.0.0.1:{closed_port}"
    assert f"--tracking-uri {uri} does not answer" in refused("--tracking-uri", uri)
    assert not Path("runs").exists()


def test_an_experiment_that_was_deleted(refused: Refused) -> None:
    client = MlflowClient("sqlite:///mlflow.db")
    client.delete_experiment(client.create_experiment("toy"))
    assert "'toy' is that of an experiment that was deleted" in refused()
    assert not Path("runs").exists()


def test_a_study_whose_database_cannot_be_opened(refused: Refused) -> None:
    url = "sqlite:///no/such/folder/study.db"
    assert "`search.storage`" in refused("--set", f"search.storage={url}")
    assert not Path("runs").exists()


def test_a_trial_that_no_machine_here_can_hold(refused: Refused) -> None:
    assert "lower `resources`" in refused("--set", "resources.cpus=10000")
    assert not Path("runs").exists()


def test_a_budget_of_more_steps_than_can_be_counted(refused: Refused) -> None:
    options = ("--set", "budget.flops_per_trial=1e24", "--set", "training.batch_size=1")
    assert "budget.flops_per_trial is 1e+24, which pays for over" in refused(*options)
    assert not Path("runs").exists()


@pytest.mark.parametrize("further", [(), ("--dry-run",)])
def test_a_space_larger_than_this_machine(refused: Refused, further: tuple[str, ...]) -> None:
    said = refused("--set", "training.batch_size=1000000000", *further)
    assert "batch_size is 1000000000, with which training needs about" in said
    assert "even in the smallest configuration of the space" in said
    assert not Path("runs").exists()
    assert not Path("data").exists()


def test_a_folder_that_another_driver_owns(refused: Refused) -> None:
    folder = SweepFolder(Path("runs/toy"))
    folder.root.mkdir(parents=True)
    with exclusive(folder.lock, wait=False):
        assert "another process runs this sweep" in refused()
        assert folder.lock.exists()


def test_a_start_that_was_killed_before_its_sweep_began_is_no_hindrance(
    refused: Refused, closed_port: int
) -> None:
    folder = SweepFolder(Path("runs/toy"))
    folder.root.mkdir(parents=True)
    folder.lock.touch()
    uri = f"http://127.0.0.1:{closed_port}"
    assert "does not answer" in refused("--tracking-uri", uri)


def test_a_sweep_that_another_driver_made_before_the_lock(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sweep_platform.store import folder

    make = folder._make

    def make_after_another(root: Path) -> list[Path]:
        made = make(root)
        (root / "sweep.json").write_text("{}")
        (root / "sessions.jsonl").write_text('{"started": 1.0}\n')
        return made

    monkeypatch.setattr(folder, "_make", make_after_another)
    assert "already holds a sweep" in refused()
    assert Path("runs/toy/sweep.json").read_text() == "{}"


def test_a_tracking_store_with_a_password_is_asked_for_again(refused: Refused) -> None:
    folder = SweepFolder(Path("runs/toy"))
    spec = SpaceFile.read(Path("toy.yaml")).resolve(None).public()
    folder.create(sweep_record(spec=spec, tracking_uri="http://***@host:5000"))
    folder.session_started()
    assert "give the URI again by --tracking-uri" in refused("--resume")


def test_a_folder_named_lock(refused: Refused) -> None:
    Path("mine/lock").mkdir(parents=True)
    assert "mine/lock cannot be locked" in refused("--out", "mine")
    assert Path("mine/lock").is_dir()


def test_a_name_that_no_disk_takes(refused: Refused) -> None:
    assert "give a shorter path" in refused("--out", "n" * 300)


def test_a_name_that_no_text_has(refused: Refused) -> None:
    refused("--out", "o\udcff")
    assert [path.name for path in Path().glob("o*")] == []


def test_failed_trials_of_a_sweep_that_is_not_resumed(refused: Refused) -> None:
    assert "--retry-failed runs trials of an earlier session; add --resume" in refused(
        "--retry-failed"
    )
