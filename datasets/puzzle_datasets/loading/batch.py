"""A batch of puzzles, and the share of it that one of several processes takes."""

from dataclasses import dataclass

import torch
from torch import Tensor


def send(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Return the tensor on a device, on a GPU without waiting for the work it has to do."""
    if torch.device(device).type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@dataclass(frozen=True)
class Batch:
    """Puzzles for one forward pass.

    `inputs` int32 [B, L] are tokens, `labels` int32 [B, L] tokens or `IGNORE_LABEL`,
    `puzzle_identifiers` int32 [B] name the rows of puzzle embeddings.
    """

    inputs: Tensor
    labels: Tensor
    puzzle_identifiers: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on another device."""
        return Batch(
            send(self.inputs, device),
            send(self.labels, device),
            send(self.puzzle_identifiers, device),
        )

    def split(self, rows: int) -> "list[Batch]":
        """Return the batch cut into batches of so many rows."""
        parts = zip(
            torch.split(self.inputs, rows),
            torch.split(self.labels, rows),
            torch.split(self.puzzle_identifiers, rows),
            strict=True,
        )
        return [Batch(*part) for part in parts]


@dataclass(frozen=True, kw_only=True)
class Share:
    """The part of every batch that a process takes: the `rank`-th of `world_size`."""

    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        assert 0 <= self.rank < self.world_size, self

    def of(self, rows: int) -> slice:
        """Return the rows of a batch that are this process's."""
        share = rows // self.world_size
        return slice(self.rank * share, (self.rank + 1) * share)
