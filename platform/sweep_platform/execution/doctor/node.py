"""What one host says of itself: versions, GPUs, clock, disk, and what it sees of shared places.

This runs on the host that is asked about, which may lack much of what the driver has: beside the
standard library only what needs nothing else is imported before more is known to be there.
"""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sweep_platform.common.environment import gpu_names

PACKAGES = ("ray", "torch", "numpy", "pyarrow")
"""What a trial needs, whose versions may change its numbers or keep it from running."""

TORCH_SECONDS = 120.0
"""Time for torch to load, which takes minutes from a cold network disk."""

_TRIAL = """\
import json, sys
try:
    import hrm.training.trainer, sweep_platform.execution.worker, torch
    from ray import tune
    print(json.dumps([torch.version.cuda, torch.cuda.device_count(), None]))
except ImportError as error:
    print(json.dumps([None, 0, str(error)]))
"""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a host is asked.

    Attributes:
        marks: files that the driver has just written in its folders; a host that sees one shares
            that folder.
        storage: address of the checkpoints' storage, None where there is none.
        channel: under which the driver hands down how the storage is reached.
    """

    marks: tuple[str, ...] = ()
    storage: str | None = None
    channel: str | None = None


@dataclass(frozen=True, kw_only=True)
class NodeState:
    """What a host says of itself.

    Attributes:
        host: its name.
        python: version of the interpreter.
        versions: of `PACKAGES`, without those that are missing.
        cuda: that torch was built for, None in a CPU build.
        gpus: that torch sees.
        broken: why what trains a trial can't be loaded, None if it can.
        cards: GPUs that the system's driver lists.
        free: bytes on the disk of its temporary folder.
        shared: by mark, whether it is seen here.
        storage: what keeps it from the storage, None if nothing does or there is none.
    """

    host: str
    python: str
    versions: dict[str, str]
    cuda: str | None
    gpus: int
    cards: int
    free: int
    shared: dict[str, bool]
    broken: str | None = None
    storage: str | None = None


def examine(question: Question) -> NodeState:
    """Look at this host."""
    versions = _versions()
    cuda, gpus, broken = _trial_sees() if "torch" in versions else (None, 0, None)
    return NodeState(
        host=socket.gethostname(),
        python=platform.python_version(),
        versions=versions,
        cuda=cuda,
        gpus=gpus,
        broken=broken,
        cards=len(gpu_names()),
        free=shutil.disk_usage(tempfile.gettempdir()).free,
        shared={mark: Path(mark).exists() for mark in question.marks},
        storage=_kept_from(question),
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _trial_sees() -> tuple[str | None, int, str | None]:
    """The CUDA version that torch was built for, the GPUs that it sees, and what can't be loaded.

    Asked of a process of its own, since one that has touched a GPU keeps memory there. Ray hides
    all GPUs from a task that reserves none.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    if environment.get("CUDA_VISIBLE_DEVICES") == "":
        del environment["CUDA_VISIBLE_DEVICES"]
    said = _output([sys.executable, "-c", _TRIAL], environment, TORCH_SECONDS)
    if said is None:
        return None, 0, "Python ends, or takes minutes"
    cuda, gpus, broken = json.loads(said.splitlines()[-1])
    return cuda, gpus, broken


def _output(command: list[str], environment: dict[str, str] | None, patience: float) -> str | None:
    """The output of a command, None where it is missing, fails, or takes longer."""
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=patience
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _kept_from(question: Question) -> str | None:
    """What keeps this host from the storage that is asked about; None if nothing does."""
    if question.storage is None:
        return None
    try:
        from sweep_platform.execution.environment import take_over
        from sweep_platform.store.storage.owner import usable

        if question.channel is not None:
            take_over(question.channel)
        usable(question.storage)
    except Exception as error:  # of any kind: a package that it needs may be missing here
        return str(error)
    return None
