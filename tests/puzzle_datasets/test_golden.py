"""Every byte of a built set and every batch of a stream stay what they were.

A change that means to alter them has to write `golden_sets.json` anew, and to say so.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from puzzle_datasets.loader import TrainLoader
from puzzle_datasets.storage.dataset import PuzzleDataset

GOLDEN = json.loads(Path(__file__).with_name("golden_sets.json").read_text())


@pytest.mark.parametrize("name", GOLDEN["sets"])
def test_sets_and_batches_are_what_they_were(name: str, built: Callable[[str], Path]) -> None:
    folder, golden = built(name), GOLDEN["sets"][name]
    dataset = PuzzleDataset.open(folder)
    digest, loader = hashlib.sha256(), TrainLoader(dataset, batch_size=20, seed=3)
    for batch in [loader.next_batch() for _ in range(3)]:
        for tensor in (batch.inputs, batch.labels, batch.puzzle_identifiers):
            digest.update(tensor.numpy().tobytes())
    assert digest.hexdigest() == golden["batches"]
    assert folder.name == golden["folder"]
    if pa.__version__ == GOLDEN["pyarrow"]:  # its version stands in every shard
        assert dataset.manifest.fingerprint == golden["fingerprint"]
