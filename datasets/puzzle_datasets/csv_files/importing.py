"""Puzzle files `train.csv` and `test.csv` into splits, checked and kept apart.

The test rows stay as they are. A training row that equals one of them up to the puzzle's
symmetries is left out and counted.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.csv_files.choice import ChoiceSettings, choose, draw, file_of
from puzzle_datasets.csv_files.table import CsvRows, GridText, line_error, read_ratings, read_rows
from puzzle_datasets.storage.schema import Hashes, Split, Tokens
from puzzle_datasets.storage.writer import Rows, SetWriter, spread

SOURCES_NAMED = 20

Details = dict[str, npt.NDArray[Any]]
FindFault = Callable[[Tokens, Tokens], tuple[int, str] | None]


@dataclass(frozen=True, kw_only=True)
class CsvFormat:
    """The format of a kind of puzzle, and its checks and measures.

    Equal puzzles have equal numbers `invariant`, uint64 [n] of inputs [n, L]. `measure` returns
    the kind's columns [n], and counts for the statistics. `find_fault` returns the first row whose
    label does not solve its input; `find_deep_fault` is too slow for a large file, and made on a
    random sample of `most_deep_checks` rows of a split.
    """

    text: GridText
    invariant: Callable[[Tokens], Hashes]
    measure: Callable[[Tokens, Tokens], tuple[Details, dict[str, int]]]
    find_fault: FindFault
    find_deep_fault: FindFault | None = None
    most_deep_checks: int = 0


@dataclass(kw_only=True)
class SplitReport:
    """Details of an imported split's pairs, their sources, and counts."""

    columns: dict[str, list[npt.NDArray[Any]]] = field(default_factory=dict)
    sources: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return a detail of all pairs, [n]."""
        return np.concatenate(self.columns[name])


def import_splits(
    folder: Path, settings: ChoiceSettings, form: CsvFormat, writer: SetWriter
) -> dict[Split, SplitReport]:
    """Write both splits, with only test rows held in memory; `DatasetError` if a row is wrong."""
    reports: dict[Split, SplitReport] = {"train": SplitReport(), "test": SplitReport()}
    test = list(_read(folder, "test", settings, form, reports["test"]))
    known = np.unique(np.concatenate([form.invariant(rows.inputs) for rows, _ in test]))
    train = _read(folder, "train", settings, form, reports["train"])
    apart = _apart(train, known, form, reports["train"])
    pairs = writer.write_split("train", _pairs(apart, 0, form, reports["train"]))
    if not pairs:
        problem = "has no row that is not also a test puzzle, up to its symmetries"
        raise DatasetError.of(file_of(folder, "train"), problem, "give other files")
    writer.write_split("test", _pairs(iter(test), pairs, form, reports["test"]))
    return reports


def statistics(reports: Mapping[Split, SplitReport]) -> dict[str, float]:
    """Return what both kinds of puzzle report: ratings, sources and what was left out."""
    figures: dict[str, float] = {"dropped_train": reports["train"].counts["dropped"]}
    for split, report in reports.items():
        figures |= spread(f"{split}_rating", report.column("rating"))
        for source, count in report.sources.most_common(SOURCES_NAMED):
            figures[f"{split}_rows_{source}"] = count
    return figures


Rated = tuple[CsvRows, npt.NDArray[np.float32]]


def _read(
    folder: Path, split: Split, settings: ChoiceSettings, form: CsvFormat, report: SplitReport
) -> Iterator[Rated]:
    """Yield the chosen rows of a split with their ratings, checked."""
    file = file_of(folder, split)
    ratings = read_ratings(file)
    generator = keyed_generator("csv rows", split, settings.seed)
    chosen = choose(file, split, ratings, settings, generator)
    deep = draw(chosen, form.most_deep_checks, generator)
    for rows in read_rows(file, form.text, chosen):
        _check(file, rows, form.find_fault)
        if form.find_deep_fault is not None and deep[rows.row].any():
            sample = rows.take(deep[rows.row])
            _check(file, sample, form.find_deep_fault)
            report.counts["deep_checked"] += len(sample.row)
        yield rows, ratings[rows.row].astype(np.float32)


def _check(file: Path, rows: CsvRows, find_fault: FindFault) -> None:
    if (found := find_fault(rows.inputs, rows.labels)) is not None:
        at, problem = found
        raise line_error(file, int(rows.row[at]), problem, "mend the line or leave it out")


def _apart(
    train: Iterator[Rated], known: Hashes, form: CsvFormat, report: SplitReport
) -> Iterator[Rated]:
    """Leave out training rows whose invariant is among the sorted `known` of the test rows."""
    for rows, ratings in train:
        invariants = form.invariant(rows.inputs)
        nearest = np.minimum(np.searchsorted(known, invariants), len(known) - 1)
        new = known[nearest] != invariants
        report.counts["dropped"] += int((~new).sum())
        yield rows.take(new), ratings[new]


def _pairs(
    read: Iterator[Rated], first_group: int, form: CsvFormat, report: SplitReport
) -> Iterator[Rows]:
    """Yield rows as pairs; take note of them in the report."""
    puzzle = 0
    for rows, ratings in read:
        measured, counts = form.measure(rows.inputs, rows.labels)
        details = {"rating": ratings, **measured}
        for name, values in details.items():
            report.columns.setdefault(name, []).append(values)
        for entry in rows.source.value_counts():
            report.sources[entry["values"].as_py()] += entry["counts"].as_py()
        report.counts.update(counts)
        yield Rows.singles(rows.inputs, rows.labels, first_group + puzzle, puzzle, **details)
        puzzle += len(rows.row)
