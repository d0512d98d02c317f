"""All that is measured of one model on some puzzles, in passes that keep one batch at a time.

Shapes: B rows, S positions, d hidden size.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from hrm.config import ConfigError, ModelConfig
from hrm.evaluation.accuracy import Evaluation, evaluate
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.loading.batch import Batch

LAYERS = "layers"
"""Stands for a state in a model that continues none: its layers take the place of time."""

Batches = Callable[[], Iterable[Batch]]
"""The puzzles once more from the start."""


class Move(NamedTuple):
    """One update: its number, from 1 and over all segments, and what it made of a state.

    `state` is `z_H`, `z_L` or `layers`; `before` and `after` are `[B, S, d]`.
    """

    number: int
    segment: int
    state: str
    before: Tensor
    after: Tensor


def moves(model: ReasoningModel, batch: Batch, segments: int) -> Iterator[Move]:
    """Yield each update of `segments` segments; of a transformer each block, from x̃ upwards."""
    x = model.embed(batch.inputs, model.puzzle_emb(batch.puzzle_identifiers))
    number = 0
    if not model.config.kind.continues:
        for layer in model.get_submodule("H_level.layers").children():
            number += 1
            upper: Tensor = layer(x, model.rotary)
            yield Move(number, 1, LAYERS, x, upper)
            x = upper
        return
    carry = model.initial_carry(len(batch.inputs))
    for segment in range(1, segments + 1):
        for letter, after in model.states(carry, x):
            number += 1
            state = f"z_{letter}"
            yield Move(number, segment, state, getattr(carry, state), getattr(after, state))
            carry = after


def forward_residual(move: Move) -> Tensor:
    """The length of a move `[B]` in float64: ||after - before|| / √d, averaged over positions.

    The norm is Euclidean over the d values of a position (HRM paper, Figure 3). It is divided by
    √d, the norm of any state behind a post-norm block, so that widths compare: at 1 a state has
    moved as far as it is long, at √2 it is orthogonal to what it was.
    """
    distance = (move.after.float() - move.before.float()).square().mean(-1).sqrt()
    return distance.mean(-1, dtype=torch.float64)


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


@dataclass(frozen=True)
class Residual:
    """The mean forward residual of one update over all puzzles."""

    number: int
    segment: int
    state: str
    residual: float


@dataclass(frozen=True)
class Participation:
    """The participation ratio of a state over the trajectories of the first `puzzles` puzzles.

    A trajectory is what the state was after each of its updates, at each position.
    """

    puzzles: int
    state: str
    ratio: float


@dataclass(frozen=True)
class Trajectories:
    """Summaries of the moves of the states; participation has an entry for each batch."""

    residuals: tuple[Residual, ...]
    participation: tuple[Participation, ...]

    def dimension(self, state: str) -> float:
        """The participation ratio of a state over all puzzles."""
        return [one.ratio for one in self.participation if one.state == state][-1]

    @property
    def states(self) -> list[str]:
        """The states there are, the slow one first."""
        return sorted({one.state for one in self.residuals})


@dataclass(frozen=True)
class Dynamics:
    """One model: its trajectories, those of its kind before training, and its evaluation."""

    name: str
    config: ModelConfig
    trajectories: Trajectories
    untrained: Trajectories
    evaluation: Evaluation

    @property
    def segments(self) -> int:
        """The segments that were run."""
        return len(self.evaluation.halting.segments)


def measure(name: str, model: ReasoningModel, batches: Batches, segments: int) -> Dynamics:
    """Run the puzzles through the model and through fresh weights drawn with seed 0.

    Raises `hrm.config.ConfigError` if `segments` is below 1 or no puzzle has labels.
    """
    evaluation = evaluate(model, batches(), segments)
    untrained = ReasoningModel(model.config, model.dtype)
    untrained.initialise(torch.Generator().manual_seed(0))
    untrained.to(model.device)
    trained, fresh = (follow(one, batches(), segments) for one in (model, untrained))
    return Dynamics(name, model.config, trained, fresh, evaluation)


@torch.inference_mode()
def follow(model: ReasoningModel, batches: Iterable[Batch], segments: int) -> Trajectories:
    """Sum up every move of every puzzle; at least one batch is needed."""
    totals: dict[tuple[int, int, str], float] = defaultdict(float)
    width, device = model.config.hidden_size, model.device
    covariances: dict[str, CovarianceAccumulator] = defaultdict(
        lambda: CovarianceAccumulator(width, device)
    )
    growth: list[Participation] = []
    puzzles = 0
    for batch in batches:
        puzzles += len(batch.inputs)
        for move in moves(model, batch.to(device), segments):
            totals[move.number, move.segment, move.state] += float(forward_residual(move).sum())
            covariances[move.state].add(move.after)
        growth += [
            Participation(puzzles, state, participation_ratio(one.covariance))
            for state, one in sorted(covariances.items())
        ]
    residuals = tuple(Residual(*key, total / puzzles) for key, total in totals.items())
    numbers = [*(one.residual for one in residuals), *(one.ratio for one in growth)]
    if not all(map(math.isfinite, numbers)):
        problem = "the model's states are no finite numbers: its weights are too large"
        raise ConfigError.of(None, problem, "give another checkpoint")
    return Trajectories(residuals, tuple(growth))
