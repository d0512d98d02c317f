from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.storage.shards import ROW_GROUP, bytes_column, read_bytes_column, write_shard


@given(st.integers(1, 9), st.integers(1, 20), st.integers(0, 19))
def test_bytes_columns_round_trip_from_any_row(width: int, count: int, first: int) -> None:
    rows = np.arange(count * width, dtype=np.uint8).reshape(count, width)
    table = pa.table({"tokens": bytes_column(rows)}).slice(first)
    assert np.array_equal(read_bytes_column(table, "tokens"), rows[first:])


def test_shards_of_many_row_groups_read_back(tmp_path: Path) -> None:
    count = 2 * ROW_GROUP + 5
    rows = np.arange(count * 3, dtype=np.uint64).astype(np.uint8).reshape(count, 3)
    columns = {"tokens": bytes_column(rows), "group": pa.array(range(count), pa.int32())}
    write_shard(pa.table(columns), tmp_path / "a.parquet")
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3
    table = pq.read_table(tmp_path / "a.parquet")
    assert np.array_equal(read_bytes_column(table, "tokens"), rows)
    assert table.column("group").to_pylist() == list(range(count))
