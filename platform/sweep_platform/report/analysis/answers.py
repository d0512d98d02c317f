"""What each replicate solved, task by task, from the answers that a sweep's folder keeps."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hrm.config import ConfigError
from hrm.evaluation.answer_file import AnswerFile
from sweep_platform.common.errors import InputError
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import ReplicateSummary, SweepSummary, TrialSummary

MOST_TASKS = 10_000_000
"""Beyond the numbers of any set's tasks or puzzles."""

MOST_SEGMENTS = 1_000_000
"""More than any model may spend."""

Accuracies = npt.NDArray[np.floating[Any]]

_Counted = tuple[int, npt.NDArray[Any], npt.NDArray[Any]]
"""A replicate's number; by the number of each task, its rows, and those that were solved."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answered:
    """Exact accuracy of one trial's replicates, task by task, at one evaluation.

    Attributes:
        training_flops: spent by each replicate before the evaluation.
        replicates: numbers of the replicates [R], rising.
        tasks: numbers of the tasks [K], rising.
        solved: accuracy [R, K], the mean over the task's puzzles and views.
        weights: rows of each task [K], views counted.
    """

    training_flops: float
    replicates: npt.NDArray[np.int64]
    tasks: npt.NDArray[np.int64]
    solved: Accuracies
    weights: Accuracies

    @property
    def of_replicates(self) -> Accuracies:
        """Exact accuracy of each replicate [R], over all rows."""
        means: Accuracies = self.solved @ self.weights / self.weights.sum()
        return means


Evaluations = dict[Purpose, tuple[Answered, ...]]
"""Of a trial, by purpose, the earliest first."""


def answers_of(sweep: SweepSummary, trial: TrialSummary) -> pa.Table:
    """A trial's answers per puzzle, as its file has them; see `hrm.evaluation.answer_file`.

    Raises `ConfigError`: damaged; `InputError`: of other replicates than those of the trial.
    """
    path = sweep.answers_of(trial)
    table = AnswerFile(path).read()
    lists = table["solved"].combine_chunks()
    offsets, solved = lists.offsets.to_numpy(), lists.values.to_numpy(zero_copy_only=False)
    own = {(one.replicate.purpose.value, one.replicate.number): one for one in trial.replicates}
    for (purpose, number, spent), start, end in _evaluations(table):
        replicate = own.get((purpose, number))
        if sweep.open if replicate is None else _is_ahead(replicate, spent):
            continue  # it was written since the trial was read, or before a driver died
        found = _shares(solved[offsets[start] : offsets[end]], np.diff(offsets[start : end + 1]))
        if replicate is None or found not in _told(replicate, spent):
            problem = f"tells other accuracies of {purpose}-{number} than its metrics.jsonl"
            raise InputError.of(path, problem, "restore both from one copy")
    return table


def _is_ahead(replicate: ReplicateSummary, spent: float) -> bool:
    """Whether an evaluation came after the last report of a replicate that may go on."""
    last = replicate.last.training_flops if replicate.last else -1
    return replicate.ended is None and spent > last


def _told(replicate: ReplicateSummary, spent: float) -> list[tuple[float, ...]]:
    """What a replicate reported of the evaluation after so many FLOPs of training."""
    return [
        one.curve.exact_accuracy for one in replicate.evaluations if one.training_flops == spent
    ]


def _shares(solved: npt.NDArray[Any], segments: npt.NDArray[Any]) -> tuple[float, ...]:
    """Exact accuracy after each segment, as a curve has it; none of rows of unlike lengths."""
    if segments.min() != segments.max():
        return ()
    counts = solved.reshape(len(segments), -1).sum(axis=0)
    return tuple((counts / len(segments)).tolist())


def _evaluations(table: pa.Table) -> Iterator[tuple[tuple[str, int, float], int, int]]:
    """Purpose, replicate and FLOPs of each evaluation, its first row and the one behind its last.

    Rows come evaluation by evaluation: one ends where any of these turns.
    """
    replicates, spent = table["replicate"].to_numpy(), table["training_flops"].to_numpy()
    purposes = table["purpose"].combine_chunks().indices.to_numpy()
    turns = (np.diff(column) != 0 for column in (replicates, spent, purposes))
    ends = [*np.flatnonzero(np.logical_or.reduce([*turns])) + 1, len(table)] if len(table) else []
    for start, end in pairwise([0, *ends]):
        purpose = table["purpose"][start].as_py()
        yield (purpose, int(replicates[start]), float(spent[start])), start, end


def answered(table: pa.Table, path: Path) -> Evaluations:
    """The answers of a trial's replicates after all segments, from the rows of its file.

    An evaluation lacks the replicates that did not come so far. Raises `ConfigError`: damaged.
    """
    return _after(table, MOST_SEGMENTS, path)


def answered_by_segments(
    table: pa.Table, most: int, training_flops: float, path: Path
) -> list[Evaluations]:
    """Those at the one evaluation after so much training, for 1 to `most` segments."""
    table = table.filter(pc.equal(table["training_flops"], training_flops))
    return [_after(table, segments, path) for segments in range(1, most + 1)]


def _after(table: pa.Table, segments: int, path: Path) -> Evaluations:
    """The answers after so many segments, or after all where there are fewer."""
    lists = table["solved"].combine_chunks()
    begins, behind = lists.offsets.to_numpy()[:-1], lists.offsets.to_numpy()[1:]
    at = np.minimum(begins.astype(np.int64) + segments, behind) - 1
    final = lists.values.to_numpy(zero_copy_only=False)[at]
    tasks = table["task"].to_numpy()
    found: dict[tuple[str, float], list[_Counted]] = {}
    for (purpose, replicate, spent), start, end in _evaluations(table):
        there, solved = tasks[start:end], final[start:end]
        if there.min() < 0 or there.max() >= MOST_TASKS:
            raise ConfigError.of(path, "numbers a task that no set has", "restore it from a copy")
        counted = replicate, np.bincount(there), np.bincount(there, solved)
        found.setdefault((purpose, spent), []).append(counted)
    return {
        purpose: tuple(
            _matrix(flops, found[of, flops]) for of, flops in sorted(found) if of == purpose
        )
        for purpose in Purpose
    }


def _matrix(flops: float, counted: list[_Counted]) -> Answered:
    counted = sorted(counted, key=lambda one: one[0])
    longest = max(len(counts) for _, counts, _ in counted)
    counts = np.array([np.pad(one, (0, longest - len(one))) for _, one, _ in counted])
    sums = np.array([np.pad(one, (0, longest - len(one))) for *_, one in counted])
    weights = counts.max(axis=0)
    tasks = np.flatnonzero(weights)
    return Answered(
        training_flops=flops,
        replicates=np.array([replicate for replicate, _, _ in counted]),
        tasks=tasks,
        solved=(sums / np.maximum(counts, 1))[:, tasks].astype(np.float32),
        weights=weights[tasks].astype(float),
    )


def shared(found: Mapping[int, Answered]) -> dict[int, Answered]:
    """The same answers, cut to the replicates and tasks that all trials share."""
    replicates = _common([one.replicates for one in found.values()])
    tasks = _common([one.tasks for one in found.values()])
    return {
        trial: Answered(
            training_flops=one.training_flops,
            replicates=replicates,
            tasks=tasks,
            solved=one.solved[np.isin(one.replicates, replicates)][:, np.isin(one.tasks, tasks)],
            weights=one.weights[np.isin(one.tasks, tasks)],
        )
        for trial, one in found.items()
    }


def _common(each: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    common = each[0]
    for one in each[1:]:
        common = np.intersect1d(common, one)
    return common
