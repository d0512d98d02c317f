"""The floor of ARC: the output that a task's demonstrations have most often."""

from collections import Counter, defaultdict

import numpy as np

from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import PAD, Integers, Tokens


def commonest_outputs(dataset: PuzzleDataset, rows: Integers) -> Tokens:
    """Return canvases uint8 [n, L] for test rows; padding where nothing of the task is trained on.

    Of outputs that are as common, the first of the task's is taken.
    """
    train, length = dataset.train, dataset.manifest.seq_len
    asked = dataset.test.puzzle_identifier.numpy()[rows]
    identifiers = train.puzzle_identifier.numpy()
    of_tasks = np.flatnonzero(np.isin(identifiers, asked))
    outputs: defaultdict[int, Counter[bytes]] = defaultdict(Counter)
    for row in of_tasks.tolist():
        outputs[int(identifiers[row])][train.labels[row].numpy().tobytes()] += 1
    none = bytes([PAD]) * length
    seen_of_rows = (outputs[identifier] for identifier in asked.tolist())
    guesses = [max(seen, key=seen.__getitem__, default=none) for seen in seen_of_rows]
    return np.frombuffer(b"".join(guesses), np.uint8).reshape(-1, length)
