"""The connection to Ray: a cluster at an address is joined, or one is started on this machine."""

import logging
import os
import shutil
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from puzzle_datasets.common.errors import RunError
from puzzle_datasets.common.exit_status import say
from puzzle_datasets.common.processors import cores
from sweep_platform.common.errors import InputError
from sweep_platform.common.text import root_cause
from sweep_platform.execution.private import meanwhile, of_ray
from sweep_platform.execution.probe import no_answer, require_ray

STARTS = 3
"""Times that a Ray is started here which is not up in its half minute, on a busy machine."""

LONGEST_TEMP = 40
"""Characters of the folder for Ray's sockets, whose whole path may have 107."""

LOOPBACK, LOOPBACK_SECONDS = "127.0.0.1", 5.0
"""Where the processes of a Ray that is started here meet, and how long one waits for an answer."""

SHORT = Path("/tmp")
"""Where that folder is made if the environment names one that is too long."""

_ON_LOOPBACK = ("ray._private.ray_constants", "ENABLE_RAY_CLUSTER")
"""Whether other hosts may join, for which all of Ray has to listen beyond loopback."""

_OPTIONS: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False}


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Hold a connection to Ray; one that was started here ends with its workers.

    Raises `InputError`: the cluster does not answer, or PATH lacks what Ray needs; `RunError`: Ray
    does not start here.
    """
    try:
        if address is not None:
            require_ray(address)
        else:
            _require_shell()
            _require_loopback()
        import ray

        # What Ray's loggers say of trials, the display and the report say better.
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        # Ray prints pages of a lost node's state whatever its loggers are told.
        with meanwhile("ray._private.worker", "print_to_stdstream", lambda *_, **__: None):
            with _kept_sigterm():
                _start() if address is None else _join(address)
            yield
    finally:
        if ray := sys.modules.get("ray"):
            ray.shutdown()  # also what was half started when an interruption came


def _join(address: str) -> None:
    import ray

    try:
        ray.init(address=address, runtime_env={"py_modules": _our_packages()}, **_OPTIONS)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise no_answer(address, root_cause(error)) from None


def _require_shell() -> None:
    """Raise `InputError` without a bash: Ray waits for ever for workers that it can't start."""
    if shutil.which("bash") is None:
        problem = "names no folder with bash, through which Ray starts its workers"
        remedy = "add that folder, as in PATH=/usr/bin:/bin"
        raise InputError.of("PATH", problem, remedy, os.environ.get("PATH"))


def _require_loopback() -> None:
    """Raise `RunError` where this machine does not reach itself: Ray would try for minutes."""
    try:
        with socket.create_server((LOOPBACK, 0)) as server:
            socket.create_connection(server.getsockname(), LOOPBACK_SECONDS).close()
    except OSError as error:
        problem = f"Ray can't start, for nothing answers on {LOOPBACK} ({error.strerror or error})"
        raise RunError(f"{problem}; bring it up, as by `ip link set lo up`") from None


def _start() -> None:
    """Start Ray on this machine, for this machine: all of it listens on loopback."""
    import ray

    for left in reversed(range(STARTS)):
        try:
            with meanwhile(*_ON_LOOPBACK, False) as alone:
                if not alone:
                    say("warning: this version of Ray listens on all interfaces of this machine.")
                ray.init(
                    "local",
                    include_dashboard=False,
                    num_cpus=cores(),
                    _temp_dir=_temp_folder(),
                    **_OPTIONS,
                )
            return
        except OSError as error:
            raise _no_start(error) from None
        except Exception as error:  # Ray has no narrower one for a node that is late
            ray.shutdown()
            if not left:
                raise _no_start(error) from None
            say(f"Ray did not start ({root_cause(error)}); it is tried again.")


def _no_start(error: Exception) -> RunError:
    return RunError(
        f"Ray does not start on this machine ({root_cause(error)}); mend that, try again "
        "when the machine is less busy, or give a running cluster by --address"
    )


def _temp_folder() -> str | None:
    """A folder for Ray's sockets, where its own has too long a path or is another user's."""
    default = of_ray("ray._common.utils", "get_default_ray_temp_dir")
    if default is None:
        return None
    folder = Path(default())
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if len(str(folder)) <= LONGEST_TEMP and os.access(there, os.W_OK | os.X_OK):
        return None
    ours = SHORT / f"ray-{os.getuid()}"
    ours.mkdir(mode=0o700, exist_ok=True)
    found = ours.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{ours} is not a folder of this user")
    return str(ours)


@contextmanager
def _kept_sigterm() -> Iterator[None]:
    """Keep SIGTERM's handler from Ray; raise `KeyboardInterrupt` if Ray heard one meanwhile."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, handler)


def _our_packages() -> list[object]:
    import hrm
    import puzzle_datasets
    import sweep_platform

    return [hrm, puzzle_datasets, sweep_platform]
