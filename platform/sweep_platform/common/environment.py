"""Versions, commit and hardware of a sweep, so that its numbers can be compared."""

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from puzzle_datasets.common.exit_status import DISK_FULL
from puzzle_datasets.common.processors import cores
from sweep_platform.common.text import redact

PACKAGES = ("hrm-sweeps", "torch", "ray", "optuna", "mlflow", "numpy", "pyarrow")


def describe() -> dict[str, Any]:
    """Versions, git commit and hardware of this process, without importing anything heavy."""
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "git_commit": git_commit(),
        "hardware": {
            "machine": platform.machine(),
            "processor": _processor(),
            "cores": cores(),
            "gpus": gpu_names(),
        },
        "command": [Path(sys.argv[0]).name, *map(redact, sys.argv[1:])],
    }


def git_commit() -> str | None:
    """Commit of this project's checkout, with "+changes" if it is not clean; None outside one."""
    commit = _git("rev-parse", "HEAD")
    if commit is None or _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    return commit + ("+changes" if _git("status", "--porcelain") else "")


def gpu_names() -> list[str]:
    """Names of the NVIDIA GPUs of this host, as the driver lists them; empty without a driver."""
    listed = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    return listed.splitlines() if listed else []


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _git(*arguments: str) -> str | None:
    return _output(["git", "-C", str(Path(__file__).parent), *arguments])


def _output(command: list[str]) -> str | None:
    """The output of a command, None if it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def disk_full(error: BaseException) -> OSError | None:
    """The error of a full disk that an error came of, where there was one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in DISK_FULL:
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
