"""One evaluation of a model in training: curve, halting, votes, and each puzzle's own answers."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from hrm.distributed import SINGLE, ProcessGroup
from hrm.evaluation.accuracy import Evaluation, RowResults, evaluate
from hrm.evaluation.per_puzzle import Numbers
from hrm.evaluation.selection import EvaluatedPuzzles, Found
from hrm.evaluation.voting import VoteCollector
from hrm.model.reasoning_model import ReasoningModel
from hrm.progress import Votes
from puzzle_datasets.kinds.arc.scoring import ArcVotes, pass_rates
from puzzle_datasets.loading.batch import Batch


class Measured(NamedTuple):
    """One evaluation: of all puzzles, by vote where they come in views, and puzzle by puzzle."""

    evaluation: Evaluation
    votes: Votes | None
    found: Found


def measure(
    model: ReasoningModel,
    puzzles: EvaluatedPuzzles,
    batch_size: int,
    group: ProcessGroup = SINGLE,
    alive: Callable[[], object] = lambda: None,
) -> Measured:
    """Evaluate all puzzles for M_max segments in one pass, `batch_size` at a time.

    In a `group` each process takes its share, and all get what one process would. Before each
    batch `alive` is called. Raises `ConfigError` where no puzzle has labels.
    """
    segments, device = model.config.M_max, model.device
    none = RowResults(torch.ones(0, segments).bool(), torch.ones(0).long())
    results = [RowResults(*(field.to(device) for field in none))]
    voting = None
    batches: Iterable[Batch] = puzzles.batches(batch_size, group.share)
    if puzzles.views is not None:
        voting = VoteCollector(puzzles.dataset)
        batches = map(voting.hand_out, puzzles.voting_batches(batch_size, group.share))
    batches = map(partial(_noticed, alive), batches)
    observe = None if voting is None else voting.collect
    evaluation = evaluate(model, batches, segments, group, observe, results.append)
    mine = [torch.cat(field).cpu().numpy() for field in zip(*results, strict=True)]
    parts = zip(*group.gather_objects(mine), strict=True)
    solved, halted_at = (_in_order(part)[puzzles.labelled] for part in parts)
    votes, ranks = None, np.zeros_like(puzzles.puzzles)
    if voting is not None:
        votes, ranks = _counted(group.gather_objects(voting.votes), puzzles)
    return Measured(evaluation, votes, Found(solved, halted_at.astype(np.int32), ranks))


def _noticed(alive: Callable[[], object], batch: Batch) -> Batch:
    alive()
    return batch


def _in_order(parts: tuple[npt.NDArray[Any], ...]) -> npt.NDArray[Any]:
    """The rows of processes that took turns, row by row."""
    whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    for rank, part in enumerate(parts):
        whole[rank :: len(parts)] = part
    return whole


def _counted(ballots: list[ArcVotes], puzzles: EvaluatedPuzzles) -> tuple[Votes, Numbers]:
    """The result of a vote, and the rank of the right answer for each row, 0 without a vote."""
    votes = ballots[0]
    for other in ballots[1:]:
        votes.merge(other)
    ranks = votes.ranks()
    inputs, first = np.unique(puzzles.puzzles, return_index=True)
    tasks = puzzles.tasks[first]
    one, two = (pass_rates(ranks[inputs] <= guesses, tasks) for guesses in (1, 2))
    result = Votes(
        pass_1=one.per_input,
        pass_2=two.per_input,
        pass_1_tasks=one.per_task,
        pass_2_tasks=two.per_task,
        inputs=len(inputs),
        tasks=len(np.unique(tasks)),
        votes=len(puzzles.puzzles),
    )
    return result, np.where(np.isfinite(ranks), ranks, 0).astype(np.int32)[puzzles.puzzles]
