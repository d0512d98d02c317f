"""Augmentation on the fly: whole batches, on the batch's device, each with an exact inverse."""

import torch

from puzzle_datasets.kinds.arc.augment_batches import FreshPairs, TablePairs
from puzzle_datasets.kinds.maze.augment import MazePairs
from puzzle_datasets.kinds.sudoku.augment import SudokuPairs
from puzzle_datasets.loading.picks import Augmenter, StoredPairs
from puzzle_datasets.storage.dataset import PuzzleDataset


def augmenter(dataset: PuzzleDataset, seed: int, device: torch.device) -> Augmenter:
    """Return what makes the batches of a set as its manifest asks.

    Pairs under a table of variants depend on the set's own seed, fresh ones on ``seed``, the
    loader's, which also draws the variant that an epoch shows of a Sudoku or a maze.
    """
    manifest = dataset.manifest
    if manifest.augmentation == "stored":
        return StoredPairs(dataset, device)
    if manifest.kind == "sudoku":
        return SudokuPairs(dataset, seed, device)
    if manifest.kind == "maze":
        return MazePairs(dataset, seed, device)
    if manifest.augmentation == "table":
        return TablePairs(dataset, device)
    return FreshPairs(dataset, seed, device)
