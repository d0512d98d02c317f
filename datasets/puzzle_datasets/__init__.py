"""Puzzles as Parquet shards: built, checked, drawn, and served in batches.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from puzzle_datasets import PuzzleDataset, TrainLoader, evaluation_batches, export, floors
    >>> from puzzle_datasets import kept_floors, prepare, puzzle_set, puzzle_sets, read_manifest
    >>> from puzzle_datasets import refuse_leaks, score, verify_all
    >>> sorted(puzzle_sets())
    ['arc', 'arc-agi-1', ..., 'maze', 'maze-hard', 'official', 'sudoku', ...]
    >>> settings = puzzle_set("maze").settings_from({"side": 5, "train": 4, "test": 2})
    >>> home = tempfile.TemporaryDirectory()
    >>> folder = prepare("maze", settings, Path(home.name))
    >>> next(verify_all(folder)), read_manifest(folder).counts["train_pairs"]
    ('hashes: 2 files are as the manifest says', 4)
    >>> dataset = PuzzleDataset.open(folder)
    >>> TrainLoader(dataset, batch_size=2, seed=0).next_batch().inputs.shape
    torch.Size([2, 25])
    >>> test = next(evaluation_batches(dataset, batch_size=2, limit=None, seed=0))
    >>> score(dataset, test.labels)["shortest_paths"]
    1.0
    >>> refuse_leaks(trained_on=dataset, scored=dataset)  # a set's own test puzzles are no leak
    >>> [floor.name for floor in floors(dataset)] == [floor.name for floor in kept_floors(folder)]
    True
    >>> export(folder, Path(home.name, "npy"))
    >>> home.cleanup()

Importing the package imports next to nothing; a name is found when it is first used.
"""

from typing import TYPE_CHECKING

from puzzle_datasets.common.lazy import lazy
from puzzle_datasets.storage.forms import find_forms_by

if TYPE_CHECKING:
    from puzzle_datasets.commands.floors import floors as floors
    from puzzle_datasets.commands.floors import kept_floors as kept_floors
    from puzzle_datasets.commands.prepare import prepare as prepare
    from puzzle_datasets.commands.prepare import puzzle_set as puzzle_set
    from puzzle_datasets.commands.prepare import puzzle_sets as puzzle_sets
    from puzzle_datasets.commands.prepare import verify_all as verify_all
    from puzzle_datasets.common.errors import DatasetError as DatasetError
    from puzzle_datasets.kinds.floors import FloorResult as FloorResult
    from puzzle_datasets.kinds.kind import Kind as Kind
    from puzzle_datasets.kinds.kind import kind_named as kind_named
    from puzzle_datasets.kinds.kind import kind_names as kind_names
    from puzzle_datasets.kinds.kind import score as score
    from puzzle_datasets.loader import TrainLoader as TrainLoader
    from puzzle_datasets.loader import evaluation_batches as evaluation_batches
    from puzzle_datasets.loading.batch import Batch as Batch
    from puzzle_datasets.loading.batch import Share as Share
    from puzzle_datasets.published.export import export as export
    from puzzle_datasets.storage.dataset import PuzzleDataset as PuzzleDataset
    from puzzle_datasets.storage.leaks import refuse_leaks as refuse_leaks
    from puzzle_datasets.storage.schema import Manifest as Manifest
    from puzzle_datasets.storage.shards import read_manifest as read_manifest

__getattr__, __dir__ = lazy(
    __name__,
    {
        "commands.floors": ("floors", "kept_floors"),
        "commands.prepare": ("prepare", "puzzle_set", "puzzle_sets", "verify_all"),
        "common.errors": ("DatasetError",),
        "kinds.floors": ("FloorResult",),
        "kinds.kind": ("Kind", "kind_named", "kind_names", "score"),
        "loader": ("TrainLoader", "evaluation_batches"),
        "loading.batch": ("Batch", "Share"),
        "published.export": ("export",),
        "storage.dataset": ("PuzzleDataset",),
        "storage.leaks": ("refuse_leaks",),
        "storage.schema": ("Manifest",),
        "storage.shards": ("read_manifest",),
    },
)
# Storage lies below the kinds, which are known here alone, and imported when one is asked for.
find_forms_by(lambda name: __getattr__("kind_named")(name))
__all__ = __dir__()
