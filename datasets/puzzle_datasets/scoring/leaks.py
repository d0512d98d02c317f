"""Refuse to score ARC tasks whose test pairs were trained on.

ARC-2's training half holds 376 of the 400 evaluation tasks of ARC-1, test pairs included, so a
model that learned from it has seen the answers.
"""

import numpy as np
from torch import Tensor

from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.leaks import refuse_leaks_by_name


def refuse_leaks(trained_on: PuzzleDataset, scored: PuzzleDataset) -> None:
    """Refuse to score a set after training on another one that gives its answers away.

    A set holds back the test pairs of the groups that have rows in its test split; every other
    group of its train split is trained on whole. So a set never leaks into itself. Groups are
    compared by name, and puzzles other than ARC's have none to compare.

    Raises:
        DatasetError: tasks that ``scored`` scores are trained on whole.
    """
    held_out = _task_names(trained_on, trained_on.test.group)
    refuse_leaks_by_name(
        _task_names(trained_on, trained_on.train.group) - held_out,
        _task_names(scored, scored.test.group),
        trained_on=trained_on.manifest.name,
        scored_on=scored.manifest.name,
    )


def _task_names(dataset: PuzzleDataset, groups: Tensor) -> set[str]:
    if dataset.manifest.kind != "arc":
        return set()
    return {dataset.group_names[group] for group in np.unique(groups.numpy()).tolist()}
