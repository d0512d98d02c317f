"""What broke a trial: itself, which is a result, or the machine, which is none."""

import socket
import traceback
from collections.abc import Iterator
from dataclasses import fields

from hrm.config import TrainingConfig
from puzzle_datasets.common.errors import DatasetError, RunError, UserError
from sweep_platform.execution.processes.group import GroupError
from sweep_platform.store.messages import Failure, Fault

_SETTINGS = {item.name for item in fields(TrainingConfig)}
"""Where puzzles refuse one of these, such as a batch size, no host will do better."""


class HostError(RuntimeError):
    """This host lacks what a trial needs of it; as text, a sentence that names the host."""


def failure_of(error: Exception) -> Failure:
    """What is told of an error that ended a trial's work on this host.

    A GPU, or a share of one, is the trial's own: a configuration that does not fit there never
    will, so that this is a result of the trial. Main memory is shared with others.
    """
    import torch

    from hrm.distributed import LostProcess
    from hrm.training.learner import TooLittleMemory

    if isinstance(error, TooLittleMemory):
        return Failure(reason=str(error))
    for cause in _chain(error):
        if isinstance(cause, torch.OutOfMemoryError):
            return Failure(reason="the memory of the GPU did not suffice for this configuration")
        if (lack := _lack(cause)) is not None:
            return Failure(reason=_on_this_host(lack, error), fault=Fault.MACHINE)
    if isinstance(error, GroupError):
        return error.failure
    if isinstance(error, LostProcess):
        return Failure(reason=str(error), fault=Fault.WORKER)
    if isinstance(error, RunError | UserError):
        return Failure(reason=str(error))
    sentence = f"{type(error).__name__}: {error}".splitlines()[0]
    return Failure(reason=sentence, traceback=traceback.format_exc())


def _lack(error: BaseException) -> str | None:
    """What the host lacks, by what is raised where it does; None for an error of another kind."""
    if isinstance(error, HostError):
        return str(error)
    if isinstance(error, DatasetError) and error.field not in _SETTINGS:
        return f"{error.field or 'the puzzles'} {error.problem}"
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        return reason if error.filename is None else f"{error.filename}: {reason}"
    if isinstance(error, MemoryError) or _is_of_allocator(error):
        return "the memory did not suffice"
    return None


def lacks_memory(error: BaseException) -> bool:
    """Whether an error came of too little main memory."""
    return any(isinstance(one, MemoryError) or _is_of_allocator(one) for one in _chain(error))


def _is_of_allocator(error: BaseException) -> bool:
    """Whether torch got no main memory: the name is that of its allocator."""
    # torch has no type for it, and no measurement stands in: an evaluation may ask for more than
    # the estimate of training, and memory that others held may be free again by now.
    return type(error) is RuntimeError and "DefaultCPUAllocator" in str(error)


def _on_this_host(lack: str, error: Exception) -> str:
    field = error.field if isinstance(error, UserError) else None
    place = f"{field}: " if field and field not in lack else ""
    host = socket.gethostname()
    return f"{place}{lack}" if host in lack else f"{place}{lack} on host {host}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came of."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
