"""Write a puzzle set as a folder that the published training scripts read.

Sets under a table of variants are written with every variant, token for token what the training
loader serves: a thousand times larger. Of fresh augmentations the base pairs are written.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from puzzle_datasets.common.arguments import checked
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import make_folder, naming
from puzzle_datasets.common.reading import path_from
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.loading.served import ServedSplit, stored_split
from puzzle_datasets.published.layout import (
    BLANK_NAME,
    METADATA_FILE,
    NAMES_FILE,
    SIZES,
    TASKS_FILE,
    Metadata,
    Style,
    array_file,
    augmented_name,
    metadata_record,
)
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import IDENTITY_FILE, Split
from puzzle_datasets.storage.shards import rebuild
from puzzle_datasets.storage.structure import numbered_table
from puzzle_datasets.storage.writer import Report

SET = "all"


@checked(DatasetError)
def export(
    folder: Path | str, out: Path | str, style: Style = "hrm", report: Report | None = None
) -> None:
    """Write the puzzle set in `folder` to `out` in the published npy layout, tokens as uint8.

    `style` is how augmented identities are named that have no names; `trm` also writes the scored
    tasks of ARC. `report` is called with the split and the pairs written so far. Raises
    `DatasetError` if the set is damaged or `out` exists; `OSError` if it can't be written.
    """
    folder = path_from("folder", folder, DatasetError)
    out = path_from("out", out, DatasetError)
    if out.exists():
        raise DatasetError.of(out, "exists", "choose another folder to export to")
    dataset = PuzzleDataset.open(folder)
    with naming(out):
        make_folder(out, lambda into: _write(dataset, folder, into, style, report))


def _write(
    dataset: PuzzleDataset, folder: Path, out: Path, style: Style, report: Report | None
) -> None:
    manifest, kind = dataset.manifest, kind_named(dataset.manifest.kind)
    metadata = Metadata(sets=[SET], **{key: getattr(manifest, key) for key in SIZES})
    stored: dict[Split, ServedSplit] = {
        "train": stored_split(dataset.train),
        "test": stored_split(dataset.test),
    }
    served = kind.served(dataset) if manifest.augmentation == "table" else stored
    for split, content in served.items():
        (out / split).mkdir()
        groups, puzzles = len(content.group_starts) - 1, len(content.identifiers)
        record = metadata_record(metadata, groups, puzzles, len(content))
        _write_json(record, out / split / METADATA_FILE)
        tell = None if report is None else partial(report, split)
        _write_arrays(content, manifest.seq_len, out / split, tell)
    _write_json([BLANK_NAME, *_names(dataset, folder, style)], out / NAMES_FILE)
    if style == "trm" and kind.published_tasks is not None:
        _write_json(kind.published_tasks(dataset), out / TASKS_FILE)


def _write_json(content: Any, file: Path) -> None:
    """Write a JSON file as the published scripts do, in one line."""
    file.write_text(json.dumps(content), encoding="utf-8")


def _write_arrays(
    served: ServedSplit, seq_len: int, folder: Path, tell: Callable[[int], None] | None
) -> None:
    structure = {
        "puzzle_identifiers": served.identifiers,
        "puzzle_indices": served.puzzle_starts,
        "group_indices": served.group_starts,
    }
    for part, values in structure.items():
        np.save(array_file(folder, SET, part), values.astype(np.int32))
    with (
        array_file(folder, SET, "inputs").open("wb") as inputs_file,
        array_file(folder, SET, "labels").open("wb") as labels_file,
    ):
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(served), seq_len)}
        for file in (inputs_file, labels_file):
            np.lib.format.write_array_header_1_0(file, header)
        written = 0
        for inputs, labels in served.chunks():
            inputs_file.write(inputs.tobytes())
            labels_file.write(labels.tobytes())
            written += len(inputs)
            if tell is not None:
                tell(written)


def _names(dataset: PuzzleDataset, folder: Path, style: Style) -> list[str]:
    """Return the name of each identity: its own where it has one."""
    if dataset.identities is None:
        return []
    table = numbered_table(folder, dataset.manifest, IDENTITY_FILE, rebuild(folder))
    if "name" in table.column_names:
        return list(table.column("name").to_pylist())
    recipes = zip(*(column.tolist() for column in vars(dataset.identities).values()), strict=True)
    tasks = dataset.group_names
    return [augmented_name(tasks[group], dihedral, new, style) for group, dihedral, new in recipes]
