"""The file of answers per puzzle: one Parquet table for all evaluations of a configuration.

Each evaluation is a row group of its own. While evaluations come, each is a small file in a folder
beside the table, so that none is written again for the next.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hrm.config import ConfigError
from hrm.evaluation.per_puzzle import PuzzleAnswers
from puzzle_datasets.common.files import write_whole
from puzzle_datasets.common.reading import ANY_SIZE, Reader

Entry = tuple[str, int, PuzzleAnswers]
"""What a replicate is trained for, its number among those, and one evaluation of it."""

_Key = tuple[str, int, int]
"""What tells evaluations apart: purpose, replicate and step."""

_NAME = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    {
        "purpose": _NAME,
        "replicate": pa.int32(),
        "step": pa.int64(),
        "training_flops": pa.float64(),
        "puzzle": pa.int32(),
        "view": pa.int32(),
        "task": pa.int32(),
        "task_name": _NAME,
        "solved": pa.list_(pa.bool_()),
        "halted_at": pa.int32(),
        "vote_rank": pa.int32(),
    }
)
"""A row is a test puzzle, or a view of one, in one evaluation of one replicate; see
`PuzzleAnswers`. `task_name` is null where tasks have no names, `vote_rank` where nobody voted for
the right answer."""

_MOST_PARTS = 32
"""Evaluations beside the table, at which they are merged into it."""

_REMEDY = "restore it, or remove it"
_KEY = ["purpose", "replicate", "step"]
_DIFFERENCES = dict.fromkeys(("puzzle", "view", "task"), "DELTA_BINARY_PACKED")
_REPEATED = ["purpose", "replicate", "step", "training_flops", "task_name", "halted_at"]


class AnswerFile:
    """Answers per puzzle in a Parquet file, which has one writer and is read at any time.

    What was added since the last `merge` stands beside it, in the folder `answers.parts`. A writer
    that dies in a merge leaves evaluations in both: they are the same, and readers take one.

    `names` are those of the set's tasks, by number; a set whose tasks have none gives none.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     len(AnswerFile(Path(name, "answers.parquet")).read())
        0

    Raises `ConfigError` where the file is damaged, or another; it then stays as it is.
    """

    def __init__(self, path: Path, names: Sequence[str] = ()) -> None:
        self.path, self._names = path, pa.array(names, pa.string())
        self._known: set[_Key] | None = None

    def add(self, entries: Iterable[Entry]) -> None:
        """Add evaluations to those that are there, none twice; all are there, or none is."""
        known, fresh = self._keys(), {}
        for purpose, replicate, answers in entries:
            key = purpose, replicate, answers.step
            if key not in known and key not in fresh:
                fresh[key] = self._table(purpose, replicate, answers)
        if fresh:
            write_whole(self._next_part(), partial(_write, fresh.values()))
            known.update(fresh)
            if len(self._parts()) >= _MOST_PARTS:
                self.merge()

    def merge(self) -> None:
        """Have the one file hold every evaluation."""
        if self._parts():
            write_whole(self.path, partial(_write, self._tables()))
            shutil.rmtree(self._folder)

    def steps(self, purpose: str, replicate: int) -> set[int]:
        """The steps of a replicate whose evaluations are there."""
        return {step for *owner, step in self._keys() if owner == [purpose, replicate]}

    def read(self) -> pa.Table:
        """All rows, evaluation by evaluation in the order in which they came; see `SCHEMA`."""
        while True:
            parts = self._parts()
            try:  # parts first: what is merged meanwhile is in the table by then
                later = dict(pair for path in parts for pair in self._groups(path))
                found = {**dict(self._groups(self.path)), **later}
                return pa.concat_tables(
                    [SCHEMA.empty_table(), *found.values()]
                ).unify_dictionaries()
            except ConfigError:
                if all(path.exists() for path in parts):
                    raise

    @property
    def _folder(self) -> Path:
        return self.path.with_suffix(".parts")

    def _parts(self) -> list[Path]:
        """The files of what is not merged yet, in the order in which they came."""
        return sorted(self._folder.glob("[0-9]" * 9 + ".parquet"))

    def _next_part(self) -> Path:
        """Where the next evaluations are written: the first ones need no part."""
        if not self.path.exists():
            return self.path
        self._folder.mkdir(exist_ok=True)
        last = max((int(path.stem) for path in self._parts()), default=0)
        return self._folder / f"{last + 1:09}.parquet"

    def _keys(self) -> set[_Key]:
        """Which evaluations are there. For the one writer: read once."""
        if self._known is None:
            known: set[_Key] = set()
            for path in filter(Path.exists, (self.path, *self._parts())):
                with _opened(path) as parquet:
                    known.update(_keys_of(path, parquet))
            self._known = known
        return self._known

    def _tables(self) -> Iterator[pa.Table]:
        """Every evaluation once, one at a time. For the one writer."""
        seen: set[_Key] = set()
        for path in (self.path, *self._parts()):
            for key, table in self._groups(path):
                if key not in seen:
                    seen.add(key)
                    yield table

    def _groups(self, path: Path) -> Iterator[tuple[_Key, pa.Table]]:
        """The evaluations in a file, none where there is no such file."""
        if path.exists():
            with _opened(path) as parquet:
                keys = enumerate(_keys_of(path, parquet))
                # Files of before have a large evaluation in several row groups.
                for key, places in groupby(keys, key=lambda pair: pair[1]):
                    yield key, parquet.read_row_groups([number for number, _ in places])

    def _table(self, purpose: str, replicate: int, answers: PuzzleAnswers) -> pa.Table:
        rows, segments = answers.solved.shape
        starts = pa.array(np.arange(rows + 1, dtype=np.int32) * np.int32(segments))
        names = pa.array(answers.tasks, mask=np.full(rows, not len(self._names)))
        columns = {
            "purpose": _repeated(purpose, rows),
            "replicate": np.full(rows, replicate, np.int32),
            "step": np.full(rows, answers.step, np.int64),
            "training_flops": np.full(rows, float(answers.training_flops)),
            "puzzle": answers.puzzles,
            "view": answers.views,
            "task": answers.tasks,
            "task_name": pa.DictionaryArray.from_arrays(names, self._names),
            "solved": pa.ListArray.from_arrays(starts, pa.array(answers.solved.reshape(-1))),
            "halted_at": answers.halted_at,
            "vote_rank": pa.array(answers.vote_rank, mask=answers.vote_rank == 0),
        }
        return pa.table(columns, SCHEMA)


def _repeated(text: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([text]))


def _write(tables: Iterable[pa.Table], stream: BinaryIO) -> None:
    """Write evaluations, one after another."""
    options: dict[str, Any] = {"column_encoding": _DIFFERENCES, "use_dictionary": _REPEATED}
    with pq.ParquetWriter(stream, SCHEMA, compression="zstd", **options) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=max(1, len(table)))


def _keys_of(path: Path, parquet: pq.ParquetFile) -> list[_Key]:
    """Which evaluation each row group has, by its statistics: no row of it is read."""
    groups = [parquet.metadata.row_group(n) for n in range(parquet.num_row_groups)]
    return [_key(path, group) for group in groups]


def _key(path: Path, group: Any) -> _Key:
    ends = [group.column(place).statistics for place in map(SCHEMA.names.index, _KEY)]
    if any(one is None or one.min != one.max for one in ends):
        raise _unfit(path, "holds not one evaluation in each row group")
    purpose, replicate, step = (one.min for one in ends)
    return purpose, replicate, step


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    with Reader(path, ConfigError, _REMEDY, most=ANY_SIZE).opened() as stream:
        try:
            with pq.ParquetFile(stream) as parquet:
                if parquet.schema_arrow != SCHEMA:
                    raise _unfit(path, "holds no answers per puzzle")
                yield parquet
        except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
            reason = " ".join(str(error).split())  # Arrow's has lines
            raise _unfit(path, f"can't be read ({reason})") from error


def _unfit(path: Path, problem: str) -> ConfigError:
    return ConfigError.of(path, problem, _REMEDY)
