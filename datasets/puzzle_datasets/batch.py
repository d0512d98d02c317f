"""What a model sees at once."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Puzzles for one forward pass.

    ``inputs`` int32 [B, L] are tokens, ``labels`` int32 [B, L] tokens or ``IGNORE_LABEL``,
    ``puzzle_identifiers`` int32 [B] name the rows of puzzle embeddings.
    """

    inputs: Tensor
    labels: Tensor
    puzzle_identifiers: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on another device."""
        return Batch(
            self.inputs.to(device), self.labels.to(device), self.puzzle_identifiers.to(device)
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
