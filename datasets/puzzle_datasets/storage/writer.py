"""Write a puzzle set as it comes: rows of any number in, shards of one size and a manifest out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import sync
from puzzle_datasets.storage.schema import (
    BLANK_IDENTIFIER,
    MANIFEST_FILE,
    SCHEMA_VERSION,
    SPLITS,
    Card,
    Manifest,
    Split,
    Tokens,
)
from puzzle_datasets.storage.shards import (
    GROUPS_PER_SHARD,
    ROW_GROUP,
    Columns,
    bytes_column,
    file_hash,
    joined,
    open_shard,
    shard_file,
    to_table,
    write_shard,
)

Report = Callable[[Split, int], None]
"""Called with the pairs of a split written so far."""


@dataclass(frozen=True)
class Rows:
    """A run of pairs of one split, in the order in which they are stored.

    Attributes:
        inputs, labels: tokens uint8 [n, L].
        group: int32 [n], the number of the group within the set, ascending; pairs of both splits
            that share a rule share a group.
        puzzle: int32 [n], the number of the puzzle within the split, ascending; pairs under one
            identifier are one puzzle.
        puzzle_identifier: int32 [n], the row of the puzzle embedding.
        details: further columns [n] of the kind.
    """

    inputs: Tokens
    labels: Tokens
    group: npt.NDArray[np.int32]
    puzzle: npt.NDArray[np.int32]
    puzzle_identifier: npt.NDArray[np.int32]
    details: dict[str, npt.NDArray[Any]]

    @classmethod
    def singles(
        cls,
        inputs: Tokens,
        labels: Tokens,
        first_group: int,
        first_puzzle: int,
        **details: npt.NDArray[Any],
    ) -> "Rows":
        """Return pairs that are a group and a puzzle each, numbered on from the given ones."""
        numbers = np.arange(len(inputs), dtype=np.int32)
        group, puzzle = numbers + np.int32(first_group), numbers + np.int32(first_puzzle)
        return cls(inputs, labels, group, puzzle, np.full_like(group, BLANK_IDENTIFIER), details)

    def columns(self) -> Columns:
        """Return all columns by the names they have in a shard."""
        own = {name: values for name, values in vars(self).items() if name != "details"}
        return {**own, **self.details}


class SetWriter:
    """Writes one puzzle set into an empty folder; equal content gives equal bytes."""

    def __init__(self, folder: Path, report: Report | None = None) -> None:
        self._folder = folder
        self._report = report
        self._files: list[str] = []
        self._pairs: dict[Split, int] = {}

    def write_split(self, split: Split, rows: Iterable[Rows]) -> int:
        """Write a split's shards, holding a few row groups in memory; return its pairs."""
        assert split not in self._pairs, f"{split} was written before"
        self._pairs[split] = 0
        row_groups = enumerate(_regrouped(rows))
        for number, shard in groupby(row_groups, lambda item: item[0] // GROUPS_PER_SHARD):
            self._write_shard(split, shard_file(split, number), (group for _, group in shard))
        return self._pairs[split]

    def write_table(self, file: str, table: pa.Table) -> None:
        """Write a table beside the splits."""
        write_shard(table, self._folder / file)
        self._files.append(file)

    def finish(self, card: Card) -> Manifest:
        """Write the manifest, which makes a puzzle set; `DatasetError` if a split is empty."""
        for split in SPLITS:
            if not self._pairs[split]:
                problem = f"would have no {split} pair"
                raise DatasetError.of(card.name, problem, "ask for other puzzles", 0)
        content = asdict(card)
        identities, groups = content.pop("identities"), content.pop("groups")
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            num_puzzle_identifiers=identities + 1,
            counts={
                "groups": groups,
                **{f"{split}_pairs": count for split, count in self._pairs.items()},
                "identities": identities,
            },
            files={name: file_hash(self._folder / name) for name in sorted(self._files)},
            **content,
        )
        file = self._folder / MANIFEST_FILE
        file.write_text(manifest.to_json(), encoding="utf-8")
        sync(file)
        return manifest

    def _write_shard(self, split: Split, name: str, row_groups: Iterator[Columns]) -> None:
        first = to_table(next(row_groups))
        with open_shard(first.schema, self._folder / name) as shard:
            for table in chain([first], map(to_table, row_groups)):
                shard.write_table(table, ROW_GROUP)
                self._pairs[split] += len(table)
                if self._report is not None:
                    self._report(split, self._pairs[split])
        sync(self._folder / name)
        self._files.append(name)


def group_table(names: Sequence[str]) -> pa.Table:
    """Return the table that names the groups 0, 1, …."""
    numbers = np.arange(len(names), dtype=np.int32)
    return pa.table({"group": pa.array(numbers), "name": pa.array(names, pa.string())})


def identity_table(
    group: npt.NDArray[Any],
    dihedral: npt.NDArray[np.uint8],
    colours: Tokens,
    names: Sequence[str] | None = None,
) -> pa.Table:
    """Return rows 1, 2, … of groups and transforms [I], new colours [I, 10] and names, if any."""
    columns = {
        "identifier": pa.array(np.arange(1, len(group) + 1), pa.int32()),
        "group": pa.array(group, pa.int32()),
        "dihedral": pa.array(dihedral, pa.int8()),
        "colours": bytes_column(colours),
    }
    if names is not None:
        columns["name"] = pa.array(names, pa.string())
    return pa.table(columns)


def spread(name: str, values: npt.NDArray[Any]) -> dict[str, float]:
    """Return mean, least, median, 90th percentile and most of values [n], for a manifest.

    Rounded, as sums differ in the last digits between machines.

    >>> spread("clues", np.array([20, 22]))["clues_mean"]
    21.0
    """
    exact = values.astype(np.float64)
    figures = {
        "mean": exact.mean(),
        "min": exact.min(),
        "median": np.median(exact),
        "p90": np.quantile(exact, 0.9),
        "max": exact.max(),
    }
    return {f"{name}_{key}": round(float(value), 4) for key, value in figures.items()}


def _regrouped(rows: Iterable[Rows]) -> Iterator[Columns]:
    """Yield the same rows, `ROW_GROUP` at a time, so that no chunk size shows in the bytes."""
    held: list[Columns] = []
    count = 0
    for run in rows:
        held.append(run.columns())
        count += len(run.inputs)
        if count < ROW_GROUP:
            continue
        whole_run = joined(held)
        whole = count - count % ROW_GROUP
        for begin in range(0, whole, ROW_GROUP):
            yield _cut(whole_run, begin, begin + ROW_GROUP)
        held, count = [_cut(whole_run, whole, count)], count - whole
    if count:
        yield joined(held)


def _cut(columns: Columns, begin: int, end: int) -> Columns:
    return {name: values[begin:end] for name, values in columns.items()}
