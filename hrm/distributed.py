"""The processes that train one model together: sums over them, and what each has, gathered."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from puzzle_datasets.common.errors import RunError
from puzzle_datasets.loading.batch import Share


class LostProcess(RunError):
    """Another process has ended, or no longer answers; the message says what was heard last."""


@dataclass(frozen=True)
class ProcessGroup:
    """This process's place among `size` processes, each of which takes its share of a batch.

    Alone it is a group of one, in which nothing is sent. What is sent raises `LostProcess` where
    another process is gone.
    """

    rank: int = 0
    size: int = 1

    @property
    def share(self) -> Share:
        """The part of a batch that is this process's."""
        return Share(rank=self.rank, world_size=self.size)

    def of(self, tensor: Tensor) -> Tensor:
        """This process's rows of something that all have, `[B, ...]`."""
        return tensor[self.share.of(len(tensor))]

    def sum_(self, tensor: Tensor) -> Tensor:
        """Replace `tensor` by its sum over all processes, the same in each."""
        if self.size > 1:
            with _others_listening():
                dist.all_reduce(tensor)
        return tensor

    def gather(self, tensor: Tensor) -> Tensor:
        """The rows of all processes, in the order of their ranks, in each process."""
        if self.size == 1:
            return tensor
        if tensor.dtype == torch.bool:  # which neither Gloo nor NCCL knows
            return self.gather(tensor.byte()).bool()
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        with _others_listening():
            dist.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    def gather_objects(self, one: Any) -> list[Any]:
        """What each process has, in the order of their ranks, in each."""
        if self.size == 1:
            return [one]
        everything: list[Any] = [None] * self.size
        with _others_listening():
            dist.all_gather_object(everything, one)
        return everything

    def barrier(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            with _others_listening():
                dist.barrier()

    def broadcast(self, make: Callable[[], Any]) -> Any:
        """Return what the first process makes, in each; what it raises is raised in each."""
        if self.size == 1:
            return make()
        made: list[Any] = [None, None]
        if self.rank == 0:
            try:
                made[0] = make()
            except Exception as error:
                made[1] = error
        with _others_listening():
            dist.broadcast_object_list(made)
        if made[1] is not None:
            raise made[1]
        return made[0]


@contextmanager
def _others_listening() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        first_line = str(error).partition("\n")[0].rstrip(".")
        problem = f"another process has ended or no longer answers ({first_line})"
        raise LostProcess(problem) from error


SINGLE = ProcessGroup()
