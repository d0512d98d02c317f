"""The processes that train one model together: sums over them, and what each has, gathered.

A process alone is a world of one, in which nothing is sent.
"""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from puzzle_datasets.loader import Share


@dataclass(frozen=True)
class World:
    """This process's place among `size` processes, each of which takes its share of a batch."""

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
            dist.all_reduce(tensor)
        return tensor

    def gather(self, tensor: Tensor) -> Tensor:
        """The rows of all processes, in the order of their ranks, in each process."""
        if self.size == 1:
            return tensor
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        # Gloo and NCCL know no boolean tensors.
        sendable = tensor.contiguous()
        if tensor.dtype == torch.bool:
            return self.gather(tensor.byte()).bool()
        dist.all_gather(parts, sendable)
        return torch.cat(parts)

    def agreed(self, flag: bool) -> bool:
        """What the first process says, in every process."""
        if self.size == 1:
            return flag
        said = [flag]
        dist.broadcast_object_list(said)
        return said[0]


ALONE = World()
