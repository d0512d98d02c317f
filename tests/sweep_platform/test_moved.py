"""Sweeps whose folder was moved or copied: what is found again, and what is asked for."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from sweep_builders import sweep_record

from sweep_platform.common.errors import InputError
from sweep_platform.driver.moved import place_now, store_now
from sweep_platform.driver.puzzles import prepare_puzzles
from sweep_platform.driver.record import record_sweep, tracking_uri
from sweep_platform.driver.request import Request, ResolvedSweep, resolve
from sweep_platform.execution.cluster import Hardware
from sweep_platform.space import dataset as puzzles
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.store.folder import SweepFolder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A working directory with a sweep below it, and a store and puzzles beside that."""
    home = tmp_path / "home"
    folder = SweepFolder(home / "runs" / "toy")
    (home / "data" / "arc").mkdir(parents=True)
    (home / "mlflow.db").touch()
    uri = f"sqlite:///{home}/mlflow.db"
    folder.create(sweep_record(root=str(folder.root), tracking_uri=uri))
    return home


def sweep_in(home: Path) -> SweepFolder:
    return SweepFolder(home / "runs" / "toy")


def test_what_did_not_move_is_where_it_was(home: Path) -> None:
    assert place_now(sweep_in(home), home / "data") == home / "data"
    (home / "mlflow.db").unlink()
    assert store_now(sweep_in(home), home / "mlflow.db") == home / "mlflow.db"


@pytest.mark.parametrize("copy", [False, True])
def test_what_moved_along_is_taken_from_beside_the_sweep(home: Path, copy: bool) -> None:
    there = home.parent / "deep" / "there"
    if copy:
        shutil.copytree(home, there)
    else:
        there.parent.mkdir()
        home.rename(there)
    assert place_now(sweep_in(there), home / "data" / "arc") == there / "data" / "arc"
    assert store_now(sweep_in(there), home / "mlflow.db") == there / "mlflow.db"
    asked = Request(space=SpaceFile.of({}), resume=True)
    assert tracking_uri(asked, sweep_in(there)) == f"sqlite:///{there}/mlflow.db"
    assert home.exists() == copy


def test_a_sweep_that_was_moved_alone_goes_on_with_the_former_store(home: Path) -> None:
    alone = SweepFolder((home / "runs" / "toy").rename(home.parent / "alone"))
    assert store_now(alone, home / "mlflow.db") == home / "mlflow.db"
    assert place_now(alone, home / "data") == home / "data"


def test_a_copy_does_not_write_over_the_runs_of_the_other(home: Path) -> None:
    copy = SweepFolder(Path(shutil.copytree(home / "runs" / "toy", home.parent / "copy")))
    with pytest.raises(InputError, match=r"shares its MLflow store .* by --tracking-uri"):
        store_now(copy, home / "mlflow.db")


def test_a_store_that_is_gone_is_asked_for(home: Path) -> None:
    (home / "mlflow.db").unlink()
    there = home.rename(home.parent / "there")
    with pytest.raises(InputError, match=r"was moved from .*no MLflow store lies beside it"):
        store_now(sweep_in(there), home / "mlflow.db")
    assert not home.exists()


def test_puzzles_are_found_beside_a_sweep_that_was_moved(tmp_path: Path, make_spec: Any) -> None:
    spec, home = make_spec(), tmp_path / "home"
    resolved = ResolvedSweep(spec=spec, scale="none", folder=sweep_in(home))
    found = prepare_puzzles(resolved, home / "data")
    record = sweep_record(root=str(sweep_in(home).root), dataset=asdict(found.address))
    resolved.folder.create(record)
    there = home.rename(tmp_path / "there")
    moved = ResolvedSweep(spec=spec, scale="none", folder=sweep_in(there))
    again = prepare_puzzles(moved, None)
    assert Path(again.address.folder).is_relative_to(there)
    assert again.address.fingerprint == found.address.fingerprint
    record_sweep(moved, Request(space=SpaceFile.of({}), resume=True), again, "sqlite:///x.db")
    last = there.rename(tmp_path / "last")
    onwards = prepare_puzzles(ResolvedSweep(spec=spec, scale="none", folder=sweep_in(last)), None)
    assert Path(onwards.address.folder).is_relative_to(last)
    assert not there.exists()
    assert puzzles.built_shape(again.manifest) == found.shape
    assert not home.exists()


@pytest.fixture
def with_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepFolder:
    """A sweep of one trial whose study is a file beside its folder, named as from there."""
    (home := tmp_path / "home").mkdir()
    monkeypatch.chdir(home)
    tree = {**sweep_record().spec, "search": {"storage": "sqlite:///study.db"}}
    tree["dataset"] = {"name": "sudoku", "side": 4, "train": 4, "test": 2}
    spec = SpaceFile.of(tree).resolve(None)
    assert spec.search.storage == f"sqlite:///{home}/study.db"
    folder = SweepFolder(home / "toy")
    folder.create(sweep_record(root=str(folder.root), spec=spec.public()))
    write_trial(folder)
    (home / "study.db").touch()
    monkeypatch.chdir(tmp_path)
    return folder


def write_trial(folder: SweepFolder) -> None:
    trial = folder.trial(0, "a" * 12).root
    trial.mkdir(parents=True)
    (trial / "trial.json").touch()


def study_of(folder: SweepFolder, *settings: str) -> str | None:
    asked = Request(space=SpaceFile.of({}), resume=True, out=folder.root, settings=settings)
    return resolve(asked, Hardware(())).spec.search.storage


def test_a_study_is_found_from_everywhere(with_study: SweepFolder, tmp_path: Path) -> None:
    assert study_of(with_study) == f"sqlite:///{tmp_path}/home/study.db"


def test_a_study_that_moved_along_is_found(with_study: SweepFolder, tmp_path: Path) -> None:
    there = with_study.root.parent.rename(tmp_path / "there")
    assert study_of(SweepFolder(there / "toy")) == f"sqlite:///{there}/study.db"


def test_a_study_that_is_gone_is_asked_for(with_study: SweepFolder, tmp_path: Path) -> None:
    there = (tmp_path / "home" / "study.db").rename(tmp_path / "elsewhere.db")
    with pytest.raises(InputError, match=r"study.db is not there, .* by --set search.storage=URL"):
        study_of(with_study)
    assert study_of(with_study, "search.storage=sqlite:///elsewhere.db") == f"sqlite:///{there}"


def test_a_copy_does_not_write_into_the_study_of_the_other(
    with_study: SweepFolder, tmp_path: Path
) -> None:
    copy = SweepFolder(Path(shutil.copytree(with_study.root, tmp_path / "copy")))
    with pytest.raises(InputError, match=r"shares its study's database with .* search.storage"):
        study_of(copy)
    with pytest.raises(InputError, match="is not the storage"):
        study_of(with_study, "search.storage=sqlite:///other.db")
