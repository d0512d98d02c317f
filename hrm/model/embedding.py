"""One learned row per puzzle identity, trained outside autograd's parameters.

The table is a buffer: a step reads the rows of its batch as a leaf, autograd fills that leaf's
gradient, and SignSGD (`hrm.training.optim`) writes the rows back. No gradient of the size of the
table ever exists.
"""

import torch
from torch import Tensor, nn


class PuzzleEmbedding(nn.Module):
    """The table `[identities, d]`, zero at first."""

    def __init__(self, num_puzzle_identifiers: int, hidden_size: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(num_puzzle_identifiers, hidden_size))
        self.weights: Tensor

    def forward(self, identifiers: Tensor) -> Tensor:
        """Rows `[B, d]` of `identifiers` `[B]`, as a copy that knows nothing of the table."""
        return self.weights[identifiers]
