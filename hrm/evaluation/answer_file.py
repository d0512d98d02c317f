"""The file of answers per puzzle: one Parquet table for all evaluations of a configuration.

Each evaluation is a row group of its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
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

_REMEDY = "restore it, or remove it"
_KEY = ["purpose", "replicate", "step"]
_DIFFERENCES = dict.fromkeys(("puzzle", "view", "task"), "DELTA_BINARY_PACKED")
_REPEATED = ["purpose", "replicate", "step", "training_flops", "task_name", "halted_at"]


class AnswerFile:
    """Answers per puzzle in one Parquet file, which has one writer and is read at any time.

    `names` are those of the set's tasks, by number; a set whose tasks have none gives none.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     len(AnswerFile(Path(name, "answers.parquet")).read())
        0

    Raises `ConfigError` where the file is damaged, or another; it then stays as it is.
    """

    def __init__(self, path: Path, names: Sequence[str] = ()) -> None:
        self.path, self._names = path, pa.array(names, pa.string())
        self._known: set[tuple[str, int, int]] | None = None

    def add(self, entries: Iterable[Entry]) -> None:
        """Add evaluations to those that are there, none twice; the file is whole at any time."""
        known, fresh = self._keys(), {}
        for purpose, replicate, answers in entries:
            key = purpose, replicate, answers.step
            if key not in known and key not in fresh:
                fresh[key] = self._table(purpose, replicate, answers)
        if fresh:
            write_whole(self.path, partial(self._write, list(fresh.values())))
            known.update(fresh)

    def steps(self, purpose: str, replicate: int) -> set[int]:
        """The steps of a replicate whose evaluations are there."""
        return {step for *owner, step in self._keys() if owner == [purpose, replicate]}

    def read(self) -> pa.Table:
        """All rows, evaluation by evaluation in the order in which they came; see `SCHEMA`."""
        if not self.path.exists():
            return SCHEMA.empty_table()
        with self._opened() as parquet:
            return parquet.read().unify_dictionaries()

    def _keys(self) -> set[tuple[str, int, int]]:
        """Which evaluations are there. For the one writer: read once."""
        if self._known is None:
            groups: list[Any] = []
            if self.path.exists():
                with self._opened() as parquet:
                    groups = [parquet.metadata.row_group(n) for n in range(parquet.num_row_groups)]
            self._known = set(map(self._key, groups))
        return self._known

    def _key(self, group: Any) -> tuple[str, int, int]:
        """Which evaluation a row group has, by its statistics: no row of it is read."""
        ends = [group.column(place).statistics for place in map(SCHEMA.names.index, _KEY)]
        if any(one is None or one.min != one.max for one in ends):
            raise self._unfit("holds not one evaluation in each row group")
        purpose, replicate, step = (one.min for one in ends)
        return purpose, replicate, step

    def _write(self, fresh: Sequence[pa.Table], stream: BinaryIO) -> None:
        """Write what is there and what is new, an evaluation after another."""
        options: dict[str, Any] = {"column_encoding": _DIFFERENCES, "use_dictionary": _REPEATED}
        with pq.ParquetWriter(stream, SCHEMA, compression="zstd", **options) as writer:
            if self.path.exists():
                with self._opened() as parquet:
                    for group in range(parquet.num_row_groups):
                        writer.write_table(parquet.read_row_group(group))
            for table in fresh:
                writer.write_table(table)

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        with Reader(self.path, ConfigError, _REMEDY, most=ANY_SIZE).opened() as stream:
            try:
                with pq.ParquetFile(stream) as parquet:
                    if parquet.schema_arrow != SCHEMA:
                        raise self._unfit("holds no answers per puzzle")
                    yield parquet
            except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
                reason = " ".join(str(error).split())  # Arrow's has lines
                raise self._unfit(f"can't be read ({reason})") from error

    def _unfit(self, problem: str) -> ConfigError:
        return ConfigError.of(self.path, problem, _REMEDY)

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
