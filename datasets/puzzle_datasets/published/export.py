"""Write a puzzle set as a folder that the published training scripts read.

Sets whose pairs are stored are written as they are. Sets under a table of fixed variants are
written with every variant, token for token what the training loader serves; this is what makes the
published folders a thousand times larger. A set with fresh augmentations has no variants that
could be written: its base pairs are.
"""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import make_folder, naming
from puzzle_datasets.published.export_tasks import scored_tasks
from puzzle_datasets.published.folder import array_file
from puzzle_datasets.published.materialise import ServedSplit, served_splits
from puzzle_datasets.published.metadata import METADATA_FILE, NAMES_FILE
from puzzle_datasets.published.names import augmented_name
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import BLANK_IDENTIFIER, IDENTITY_FILE, PAD, Manifest

Style = Literal["hrm", "trm"]

SET = "all"
BLANK_NAME = "<blank>"
TEST_PUZZLES_FILE = "test_puzzles.json"
_SEPARATORS: dict[Style, str] = {"hrm": "_", "trm": "|||"}


def export(folder: Path, out: Path, style: Style = "hrm") -> None:
    """Write the puzzle set in ``folder`` to ``out`` in the published npy layout, tokens as uint8.

    ``style`` is how augmented identities are named, which the scoring of HRM and TRM reads; sets
    that were imported keep their names. With ``trm`` the scored tasks of ARC are written as well.

    Raises:
        DatasetError: the set is damaged, or ``out`` exists.
        OSError: ``out`` can't be written.
    """
    if out.exists():
        raise DatasetError.of_file(out, "exists", "choose another folder to export to")
    dataset = PuzzleDataset.open(folder)
    with naming(out):
        make_folder(out, lambda partial: _write(dataset, folder, partial, style))


def _write(dataset: PuzzleDataset, folder: Path, out: Path, style: Style) -> None:
    for split, served in served_splits(dataset).items():
        (out / split).mkdir()
        _write_json(_metadata(dataset.manifest, served), out / split / METADATA_FILE)
        _write_split(served, dataset.manifest.seq_len, out / split)
    _write_json([BLANK_NAME, *_names(dataset, folder, style)], out / NAMES_FILE)
    if style == "trm" and dataset.manifest.kind == "arc":
        _write_json(scored_tasks(dataset), out / TEST_PUZZLES_FILE)


def _metadata(manifest: Manifest, served: ServedSplit) -> dict[str, Any]:
    """Return all keys that HRM's or TRM's scripts look for."""
    puzzles = len(served.identifiers)
    return {
        "pad_id": PAD,
        "ignore_label_id": PAD,
        "blank_identifier_id": BLANK_IDENTIFIER,
        "vocab_size": manifest.vocab_size,
        "seq_len": manifest.seq_len,
        "num_puzzle_identifiers": manifest.num_puzzle_identifiers,
        "total_groups": len(served.group_starts) - 1,
        "total_puzzles": puzzles,
        "mean_puzzle_examples": len(served) / puzzles,
        "sets": [SET],
    }


def _write_split(served: ServedSplit, seq_len: int, folder: Path) -> None:
    structure = {
        "puzzle_identifiers": served.identifiers,
        "puzzle_indices": served.puzzle_starts,
        "group_indices": served.group_starts,
    }
    for part, values in structure.items():
        np.save(array_file(folder, SET, part), values.astype(np.int32))
    shape = (len(served), seq_len)
    with (
        array_file(folder, SET, "inputs").open("wb") as inputs_file,
        array_file(folder, SET, "labels").open("wb") as labels_file,
    ):
        for file in (inputs_file, labels_file):
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
        for inputs, labels in served.chunks():
            inputs_file.write(inputs.tobytes())
            labels_file.write(labels.tobytes())


def _names(dataset: PuzzleDataset, folder: Path, style: Style) -> list[str]:
    """Return the name of each identity: its own where it has one."""
    if dataset.identities is None:
        return []
    table = pq.read_table(folder / IDENTITY_FILE)
    if "name" in table.column_names:
        names: list[str] = table.column("name").to_pylist()
        return names
    recipes = zip(
        dataset.identities.group.tolist(),
        dataset.identities.dihedral.tolist(),
        dataset.identities.colours.tolist(),
        strict=True,
    )
    return [
        augmented_name(dataset.group_names[group], dihedral, colours, _SEPARATORS[style])
        for group, dihedral, colours in recipes
    ]


def _write_json(content: Any, file: Path) -> None:
    file.write_text(json.dumps(content), encoding="utf-8")
