"""Puzzles as Parquet shards: built, checked, drawn, and served in batches.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from puzzle_datasets import PuzzleDataset, TrainLoader, prepare, puzzle_set
    >>> settings = puzzle_set("maze").settings_from({"side": 5, "train": 4, "test": 2})
    >>> with tempfile.TemporaryDirectory() as root:
    ...     dataset = PuzzleDataset.open(prepare("maze", settings, Path(root)))
    >>> TrainLoader(dataset, batch_size=2, seed=0).next_batch().inputs.shape
    torch.Size([2, 25])

Importing the package imports nothing else; a name is found when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from puzzle_datasets.commands.prepare import prepare, puzzle_set, puzzle_sets, verify_all
    from puzzle_datasets.common.errors import DatasetError
    from puzzle_datasets.kinds.kind import Kind, kind_named, kind_names, score
    from puzzle_datasets.loader import TrainLoader, evaluation_batches
    from puzzle_datasets.loading.batch import Batch, Share
    from puzzle_datasets.published.export import export
    from puzzle_datasets.storage.dataset import PuzzleDataset
    from puzzle_datasets.storage.leaks import refuse_leaks
    from puzzle_datasets.storage.schema import Manifest
    from puzzle_datasets.storage.shards import read_manifest

_HOMES = {
    "commands.prepare": ("prepare", "puzzle_set", "puzzle_sets", "verify_all"),
    "common.errors": ("DatasetError",),
    "kinds.kind": ("Kind", "kind_named", "kind_names", "score"),
    "loader": ("TrainLoader", "evaluation_batches"),
    "loading.batch": ("Batch", "Share"),
    "published.export": ("export",),
    "storage.dataset": ("PuzzleDataset",),
    "storage.leaks": ("refuse_leaks",),
    "storage.schema": ("Manifest",),
    "storage.shards": ("read_manifest",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Batch",
    "DatasetError",
    "Kind",
    "Manifest",
    "PuzzleDataset",
    "Share",
    "TrainLoader",
    "evaluation_batches",
    "export",
    "kind_named",
    "kind_names",
    "prepare",
    "puzzle_set",
    "puzzle_sets",
    "read_manifest",
    "refuse_leaks",
    "score",
    "verify_all",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
