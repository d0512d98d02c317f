"""Refuse to score tasks whose test pairs were trained on.

ARC-2's training half holds 376 of the 400 evaluation tasks of ARC-1, test pairs included.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from puzzle_datasets.common.arguments import checked
from puzzle_datasets.common.errors import DatasetError

if TYPE_CHECKING:
    from torch import Tensor

    from puzzle_datasets.storage.dataset import PuzzleDataset


@checked(DatasetError)
def refuse_leaks(trained_on: "PuzzleDataset", scored: "PuzzleDataset") -> None:
    """Refuse to score a set after training on another one that gives its answers away.

    A set holds back the test pairs of groups in its test split; others of its train split are
    trained on whole, so that it never leaks into itself. Groups are compared by name, which Sudoku
    and mazes lack. Raises `DatasetError` if tasks that `scored` scores are trained on whole.
    """
    held_out = _names(trained_on, trained_on.test.group)
    refuse_leaks_by_name(
        _names(trained_on, trained_on.train.group) - held_out,
        _names(scored, scored.test.group),
        trained_on=trained_on.manifest.name,
        scored_on=scored.manifest.name,
    )


def refuse_leaks_by_name(
    trained: Collection[str],
    scored: Collection[str],
    *,
    trained_on: str,
    scored_on: str,
    setting: str | None = None,
) -> None:
    """Refuse to score tasks, by name, whose test pairs are in training.

    `trained` come from the set `trained_on`, for which a `setting` may ask, `scored` from
    `scored_on`. Raises `DatasetError` if a task is in both.
    """
    leaked = sorted(set(trained) & set(scored))
    if leaked:
        problem = (
            f"trains on {len(leaked)} of the {len(set(scored))} tasks that {scored_on} "
            f"scores, such as {leaked[0]}, with their test pairs"
        )
        remedy = f"leave {trained_on} out of the training or score other tasks"
        raise DatasetError.of(setting or trained_on, problem, remedy, trained_on)


def _names(dataset: "PuzzleDataset", groups: "Tensor") -> set[str]:
    if not dataset.group_names:
        return set()
    return {dataset.group_names[group] for group in np.unique(groups.numpy()).tolist()}
