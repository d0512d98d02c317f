"""The participation ratio: over how many directions states spread."""

import torch
from torch import Tensor


class CovarianceAccumulator:
    """Mean and covariance of d-vectors that arrive in pieces, in float64; d² values are kept."""

    def __init__(self, width: int, device: torch.device) -> None:
        self.count = 0
        self._sum = torch.zeros(width, dtype=torch.float64, device=device)
        self._products = torch.zeros(width, width, dtype=torch.float64, device=device)

    def add(self, vectors: Tensor) -> None:
        """Take in vectors `[..., d]`."""
        rows = vectors.reshape(-1, vectors.shape[-1]).double()
        self.count += len(rows)
        self._sum += rows.sum(0)
        self._products.addmm_(rows.T, rows)

    @property
    def covariance(self) -> Tensor:
        """`[d, d]`, around the mean of all vectors so far; there must be one."""
        mean = self._sum / self.count
        return self._products / self.count - torch.outer(mean, mean)


def participation_ratio(covariance: Tensor) -> float:
    """(Σ λ)² / Σ λ² over the eigenvalues λ of a covariance `[d, d]` (HRM paper, section 5).

    1 where all spread lies along one line, d where it is equal in all directions, 0 where there is
    none. The two sums are the trace and the squared Frobenius norm: no eigenvalue is computed.
    """
    total = covariance.trace()
    return float(total.square() / covariance.square().sum()) if total > 0 else 0.0
