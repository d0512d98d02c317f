"""All that is measured of one model on some puzzles, in passes that keep one batch at a time."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from hrm.config import ModelConfig
from hrm.dynamics.covariance import CovarianceAccumulator, participation_ratio
from hrm.dynamics.moves import forward_residual, moves
from hrm.evaluation.fixed import Evaluation, evaluate
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.loading.batch import Batch

Batches = Callable[[], Iterable[Batch]]
"""The puzzles once more from the start."""


@dataclass(frozen=True)
class Residual:
    """The mean forward residual of one update (`hrm.dynamics.moves`) over all puzzles."""

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
    return Dynamics(
        name,
        model.config,
        follow(model, batches(), segments),
        follow(untrained, batches(), segments),
        evaluation,
    )


@torch.inference_mode()
def follow(model: ReasoningModel, batches: Iterable[Batch], segments: int) -> Trajectories:
    """Sum up every move of every puzzle; at least one batch is needed."""
    totals: dict[tuple[int, int, str], float] = defaultdict(float)
    width, device = model.config.hidden_size, model.device
    covariances = defaultdict[str, CovarianceAccumulator](
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
    return Trajectories(residuals, tuple(growth))
