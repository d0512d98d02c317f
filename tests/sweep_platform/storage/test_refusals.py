"""Storages that can't be used: one sentence, status 2, and nothing is begun."""

from pathlib import Path

import pytest
from s3_server import Gate

from sweep_platform.cli import main
from sweep_platform.store.storage.objects import open_objects
from sweep_platform.store.storage.owner import claim

SPACE = """\
name: tiny
dataset: {name: sudoku, side: 4, train: 8, test: 4}
space: {N: {choices: [1, 2]}}
model: {hidden_size: 32, H_layers: 1, L_layers: 1, head_dim: 32}
training: {batch_size: 4}
budget: {trials: 1, flops_per_trial: 1e7}
"""

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(SPACE)


def refused(capsys: pytest.CaptureFixture[str], uri: str, *options: str) -> str:
    """What is said of a sweep that does not begin."""
    assert main(["--space", "tiny.yaml", "--tracking-uri", uri, *options]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert not Path("runs").exists()
    assert not Path("data").exists()
    return said


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("s3://key:secret@bucket/x", "holds credentials"),
        ("ftp://host/x", "is no address of a storage"),
        ("s3://no-such-bucket-at-all/x", "can't be used"),
        ("tiny.yaml/x", "can't be used"),
    ],
)
def test_a_url_that_does_not_do(
    capsys: pytest.CaptureFixture[str], mlflow_uri: str, s3: str, url: str, problem: str
) -> None:
    said = refused(capsys, mlflow_uri, "--storage", url)
    assert problem in said
    assert "secret" not in said


def test_a_server_that_is_away(
    capsys: pytest.CaptureFixture[str], mlflow_uri: str, s3: str, s3_gate: Gate
) -> None:
    s3_gate.close()
    assert s3 in refused(capsys, mlflow_uri, "--storage", f"{s3}/sweeps")
    assert s3 in refused(capsys, mlflow_uri, "--data", f"{s3}/data")
    assert s3 in refused(capsys, mlflow_uri, "--resume", f"{s3}/sweeps/tiny")


def test_a_start_that_is_refused_makes_no_store(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, s3: str, s3_gate: Gate
) -> None:
    s3_gate.close()
    refused(capsys, f"sqlite:///{tmp_path}/mlflow.db", "--storage", f"{s3}/sweeps")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_a_folder_whose_name_no_url_takes(
    capsys: pytest.CaptureFixture[str], mlflow_uri: str, s3: str
) -> None:
    said = refused(capsys, mlflow_uri, "--storage", s3, "--out", "runs/a b?")
    assert "is no name that every storage takes" in said


def test_a_study_that_its_mirror_would_lack(
    capsys: pytest.CaptureFixture[str], mlflow_uri: str, s3: str
) -> None:
    study = ("--set", "search.storage=sqlite:///study.db")
    said = refused(capsys, mlflow_uri, "--storage", s3, "--set", "storage.mirror=true", *study)
    assert "search.storage is a file outside" in said
    assert not Path("study.db").exists()


def test_another_sweep_of_that_name(
    capsys: pytest.CaptureFixture[str], mlflow_uri: str, s3: str
) -> None:
    claim(open_objects(f"{s3}/sweeps/tiny"), "another")
    said = refused(capsys, mlflow_uri, "--storage", f"{s3}/sweeps")
    assert "already holds another sweep" in said
