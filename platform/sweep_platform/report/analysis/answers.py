"""What each replicate solved, task by task, from the answers that a sweep's folder keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hrm.evaluation.answer_file import AnswerFile
from sweep_platform.store.replicate import Purpose

Accuracies = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Answered:
    """Exact accuracy of one trial's replicates, task by task, at their last evaluation.

    Attributes:
        replicates: numbers of the replicates [R], rising.
        tasks: numbers of the tasks [K], rising.
        solved: accuracy [R, K], the mean over the task's puzzles and views after all segments.
        weights: rows of each task [K], views counted.
    """

    replicates: npt.NDArray[np.int64]
    tasks: npt.NDArray[np.int64]
    solved: Accuracies
    weights: Accuracies

    @property
    def of_replicates(self) -> Accuracies:
        """Exact accuracy of each replicate [R], over all rows."""
        means: Accuracies = self.solved @ self.weights / self.weights.sum()
        return means


def answered(path: Path, purpose: Purpose) -> Answered | None:
    """The answers of a trial's replicates of a purpose; None where there are none.

    Replicates that did not come as far as others are left out. Raises `ConfigError`: damaged.
    """
    table = AnswerFile(path).read()
    table = table.filter(pc.equal(table["purpose"], purpose.value))
    if not len(table):
        return None
    last = pc.max(table["training_flops"])
    table = table.filter(pc.equal(table["training_flops"], last))
    return _matrix(table)


def _matrix(table: pa.Table) -> Answered:
    lists = table["solved"].combine_chunks()
    final = lists.values.to_numpy(zero_copy_only=False)[lists.offsets.to_numpy()[1:] - 1]
    replicates, row = np.unique(table["replicate"].to_numpy(), return_inverse=True)
    tasks, column = np.unique(table["task"].to_numpy(), return_inverse=True)
    shape = len(replicates), len(tasks)
    counts, sums = np.zeros(shape), np.zeros(shape)
    np.add.at(counts, (row, column), 1.0)
    np.add.at(sums, (row, column), final.astype(float))
    return Answered(
        replicates=replicates.astype(np.int64),
        tasks=tasks.astype(np.int64),
        solved=sums / np.maximum(counts, 1),
        weights=counts.max(axis=0),
    )


def shared(found: Mapping[int, Answered]) -> dict[int, Answered]:
    """The same answers, cut to the replicates and tasks that all trials share."""
    replicates = _common([one.replicates for one in found.values()])
    tasks = _common([one.tasks for one in found.values()])
    return {
        trial: Answered(
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
