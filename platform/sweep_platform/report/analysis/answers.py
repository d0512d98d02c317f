"""What each replicate solved, task by task, from the answers that a sweep's folder keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from hrm.evaluation.answer_file import AnswerFile
from sweep_platform.store.replicate import Purpose

Accuracies = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Answered:
    """Exact accuracy of one trial's replicates, task by task, at one evaluation.

    Attributes:
        training_flops: spent by each replicate before the evaluation.
        replicates: numbers of the replicates [R], rising.
        tasks: numbers of the tasks [K], rising.
        solved: accuracy [R, K], the mean over the task's puzzles and views after all segments.
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


def answered(path: Path) -> dict[Purpose, tuple[Answered, ...]]:
    """The answers of a trial's replicates by purpose, at each evaluation, the earliest first.

    An evaluation lacks the replicates that did not come so far. Raises `ConfigError`: damaged.
    """
    table = AnswerFile(path).read()
    lists = table["solved"].combine_chunks()
    final = lists.values.to_numpy(zero_copy_only=False)[lists.offsets.to_numpy()[1:] - 1]
    columns = {name: table[name].to_numpy() for name in ("replicate", "task", "training_flops")}
    found = {}
    for purpose in Purpose:
        mine = pc.equal(table["purpose"], purpose.value).to_numpy()
        spent = columns["training_flops"]
        found[purpose] = tuple(
            _matrix(flops, columns["replicate"][at], columns["task"][at], final[at])
            for flops in np.unique(spent[mine])
            for at in [mine & (spent == flops)]
        )
    return found


def _matrix(flops: float, replicate: Any, task: Any, final: Any) -> Answered:
    replicates, row = np.unique(replicate, return_inverse=True)
    tasks, column = np.unique(task, return_inverse=True)
    shape = len(replicates), len(tasks)
    cell = row * shape[1] + column
    counts = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    sums = np.bincount(cell, final, minlength=counts.size).reshape(shape)
    return Answered(
        training_flops=float(flops),
        replicates=replicates.astype(np.int64),
        tasks=tasks.astype(np.int64),
        solved=(sums / np.maximum(counts, 1)).astype(np.float32),
        weights=counts.max(axis=0).astype(float),
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
