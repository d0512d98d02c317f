"""How a command of this package ends: an exit status, and one sentence where something is wrong.

0 is done, 1 failed, 2 what the user can mend, 130 interrupted.
"""

import errno
import os
import re
import sys
from argparse import Namespace
from collections.abc import Callable

import torch

from hrm.checkpoints.checkpoint import CheckpointError
from hrm.commands.options import flag
from hrm.config import ConfigError
from hrm.distributed import LostProcess
from hrm.model.devices import device_named
from hrm.training.learner import NonFiniteLoss
from puzzle_datasets.common.errors import DatasetError

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of the system that more room mends."""


def guarded(program: str, work: Callable[[], int]) -> int:
    """Do the work and return its exit status; what the user can mend becomes one sentence."""
    status, text = outcome(work, "--batch-size")
    if text:
        complain(program, text)
    return status


def outcome(work: Callable[[], int], smaller: str = "--micro-batch") -> tuple[int, str]:
    """Do the work; its exit status, and what to complain of, nothing if empty.

    `smaller` is the option that makes the work take less memory; the default is that of training.
    """
    try:
        return work(), ""
    except (ConfigError, CheckpointError, DatasetError, OSError) as error:
        return BAD_INPUT, sentence(error)
    except torch.OutOfMemoryError:
        return BAD_INPUT, f"the GPU has too little memory; give a smaller {smaller}."
    except (NonFiniteLoss, LostProcess) as error:
        return FAILED, sentence(error)
    except KeyboardInterrupt:
        return INTERRUPTED, "interrupted."


def sentence(error: Exception) -> str:
    """What is wrong and how to mend it, in the words of the command line."""
    if isinstance(error, OSError):
        return _of_the_system(error)
    settings = r"\b(?:Model|Training)Config\.(\w+)"
    text = re.sub(settings, lambda found: flag(found[1]), str(error))
    return text if text.endswith(".") else f"{text}."


def _of_the_system(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.filename is None:
        return f"{reason.removesuffix('.')}."
    remedy = "make room there or" if error.errno in FULL else "mend that or"
    return f"{error.filename}: {reason}; {remedy} name another place."


def complain(program: str, text: str) -> None:
    """Tell a person what went wrong."""
    print(f"{program}: {text}", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Print a line at once; where nobody reads any more, work goes on in silence."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def machine(arguments: Namespace) -> torch.device:
    """Obey --threads and return the device that --device names; raises `ConfigError`."""
    threads = arguments.threads
    if threads is not None:
        if threads < 1:
            raise ConfigError(f"--threads is {threads}; give a whole number of at least 1.")
        torch.set_num_threads(threads)
    return device_named(arguments.device)
