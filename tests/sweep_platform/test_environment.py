"""What a sweep ran on, as its record says it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sweep_platform.common import environment, text


def test_the_description_is_whole_and_can_be_written() -> None:
    described = environment.describe()
    assert json.loads(json.dumps(described)) == described
    assert described["versions"].keys() >= {"python", "torch", "optuna"}
    assert described["hardware"]["cores"] >= 1
    assert described["hardware"]["processor"]
    assert not Path(described["command"][0]).is_absolute()


def test_a_missing_driver_means_no_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.gpu_names() == []
    assert environment.git_commit() is None


def test_gpus_as_the_driver_lists_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'NVIDIA H100'\necho 'NVIDIA H100'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert environment.gpu_names() == ["NVIDIA H100", "NVIDIA H100"]
    command.write_text("#!/bin/sh\necho 'no devices were found'\nexit 6\n")
    assert environment.gpu_names() == []


def commit_of(package: Path) -> str:
    code = "from sweep_platform.common.environment import git_commit; print(git_commit())"
    options = {"PATH": os.environ["PATH"], "PYTHONPATH": str(package), "HOME": str(package)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=options, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def test_the_commit_is_that_of_our_own_checkout(tmp_path: Path) -> None:
    package = tmp_path / "sweep_platform"
    (package / "common").mkdir(parents=True)
    for folder in (package, package / "common"):
        (folder / "__init__.py").touch()
    for module in (environment, text):
        shutil.copy(str(module.__file__), package / "common")
    assert commit_of(tmp_path) == "None", "no checkout"
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "of another project")
    assert commit_of(tmp_path) == "None", "installed inside another project's checkout"
    (tmp_path / ".gitignore").write_text("__pycache__\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "ours")
    assert re.fullmatch("[0-9a-f]{40}", commit_of(tmp_path))
    (package / "common" / "new.py").touch()
    assert re.fullmatch(r"[0-9a-f]{40}\+changes", commit_of(tmp_path))
