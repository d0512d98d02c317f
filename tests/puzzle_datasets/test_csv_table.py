import csv
import gzip
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.csv_files import table as csv_blocks
from puzzle_datasets.csv_files.choice import file_of
from puzzle_datasets.csv_files.table import GridText, first_question, read_ratings, read_rows

# Four cells of a maze: spaces at the ends are cells.
QUESTION = {"#": 1, " ": 2, "S": 3, "G": 4}
TEXT = GridText(question=QUESTION, answer=QUESTION | {"o": 5}, cells=4, remedy="keep the spaces")
HEADER = b"source,question,answer,rating\n"
ROW = b"a,S  G,SooG,3\n"

Row = tuple[str, str, str, float]

rows_of_text = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=5),
        st.text("# SG", min_size=4, max_size=4),
        st.text("# SGo", min_size=4, max_size=4),
        st.floats(0, 1000, width=32),
    ),
    min_size=1,
    max_size=20,
)


def write(file: Path, rows: Sequence[Row]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("source", "question", "answer", "rating"))
        writer.writerows(rows)


def written_back(file: Path, chosen: np.ndarray) -> list[Row]:
    """Return the chosen rows as they are read, turned to text again."""
    character = {token: text for text, token in TEXT.answer.items()}
    ratings = read_ratings(file)
    found: list[Row] = []
    for rows in read_rows(file, TEXT, chosen):
        grids = (
            ["".join(character[t] for t in grid) for grid in grids.tolist()]
            for grids in (rows.inputs, rows.labels)
        )
        read = zip(rows.source.to_pylist(), *grids, ratings[rows.row].tolist(), strict=True)
        found.extend(read)
    return found


@given(rows=rows_of_text, block=st.sampled_from([300, 1 << 20]), data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read(
    rows: list[Row],
    block: int,
    data: st.DataObject,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", block)
    file = tmp_path / "train.csv"
    write(file, rows)
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    kept = [row for row, is_chosen in zip(rows, chosen, strict=True) if is_chosen]
    assert written_back(file, chosen) == kept
    assert first_question(file) == rows[0][1].encode()


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_bytes(b"\xef\xbb\xbfrating,note,answer,question,source\r\n2.5,\xff,SooG,S  G,a\r\n")
    assert written_back(file, np.array([True])) == [("a", "S  G", "SooG", 2.5)]


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"", r"line 1: there are 0 columns 'source'; have the header source,question"),
        (b"source,question,answer\nx,S  G,SooG\n", "line 1: there are 0 columns 'rating'"),
        (b"source,question,question,answer,rating\n", "line 1: there are 2 columns 'question'"),
        ("ü,rating\n".encode("latin-1"), "line 1: it is not UTF-8; save the file as UTF-8"),
        (HEADER, "has no row below its header; give at least one puzzle"),
        (HEADER.strip(), "has no row below its header"),
        (HEADER + ROW + b"a,S  G,SooG,many\n", "line 3: rating 'many' is no number"),
        (HEADER + ROW + b"a,S  G,SooG,nan\n", "line 3: rating 'nan' is no number up to 3.4e"),
        (HEADER + ROW + b"a,S  G,SooG,1e300\n", r"line 3: rating '1e300' .* give a finite one"),
        (HEADER + ROW + b"a,S  G,SooG,-inf\n", "line 3: rating '-inf' is no number up to 3.4e"),
        (HEADER + b"\n\r\n" + ROW + b"\na,S  G,SooG,many\n", "line 6: rating 'many' is no number"),
        (b"\n" + HEADER + ROW + b"\n" + b"a,S,SooG,1\n", "line 5: question has 1 characters"),
        (HEADER + ROW + b"\n\na,S  G\n", "line 5: there are 2 values where the header has 4"),
        (HEADER + ROW + b"a,S  G,Soo", "line 3: there are 3 values where the header has 4; mend"),
        (HEADER + ROW + b"a,S  G,SooG,1,\n", "line 3: there are 5 values"),
        (HEADER + ROW + b'a,"S  G,SooG,1\n' + ROW, "line 3: a quote is left open; close it"),
        (HEADER + ROW + b"a,S  G,Soo,1\n", "line 3: answer has 3 characters in place of 4; keep"),
        (HEADER + ROW + b"a,S,SooG,1\n", "line 3: question has 1 characters in place of 4"),
        (HEADER + ROW + b"a,S xG,SooG,1\n", "line 3: question has the unknown character 'x'"),
        (HEADER + ROW + b"a,SooG,SooG,1\n", "question has the unknown character 'o'; use only"),
        (HEADER + ROW + "a,S■ G,SooG,1\n".encode(), "question has the unknown character '■'"),
        (HEADER + ROW + b"a,S\xff G,SooG,1\n", "line 3: question is not UTF-8; save"),
        (HEADER + ROW + b"a\xff,S  G,SooG,1\n", "line 3: source is not UTF-8; save"),
    ],
)
def test_bad_files_are_refused_by_line(content: bytes, refusal: str, tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=refusal) as refused:
        written_back(file, np.ones(content.count(b"\n"), bool))
    assert str(refused.value).startswith(str(file))


@pytest.mark.parametrize("row", [b'a,"S  G,SooG,1\n', b"a,S  G\n", b"a,S?G,SooG,1\n"])
def test_lines_are_right_in_later_blocks(
    row: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 256)
    file = tmp_path / "train.csv"
    file.write_bytes(HEADER + ROW * 100 + row + ROW * 100)
    with pytest.raises(DatasetError, match="line 102: "):
        written_back(file, np.ones(201, bool))


def test_a_fault_in_a_row_that_is_not_chosen_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_bytes(HEADER + ROW + b"b,?,?,1\n" + ROW)
    assert len(written_back(file, np.array([True, False, True]))) == 2


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"train\.csv does not exist"):
        read_ratings(tmp_path / "train.csv")


@pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\n\n", b"\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_line_ends_blank_lines_and_packed_files(end: bytes, packed: bool, tmp_path: Path) -> None:
    content = end.join([HEADER.strip(), ROW.strip(), ROW.strip(), b""])
    file = tmp_path / ("train.csv.gz" if packed else "train.csv")
    file.write_bytes(gzip.compress(content) if packed else content)
    assert file_of(tmp_path, "train") == file
    assert read_ratings(file).tolist() == [3.0, 3.0]
    assert len(written_back(file, np.ones(2, bool))) == 2


def test_blank_lines_without_end_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "train.csv.gz"
    file.write_bytes(gzip.compress(HEADER + b"\n" * 2_000_000 + ROW))
    with pytest.raises(DatasetError, match="over 1,000,000 blank lines"):
        read_ratings(file)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_regular_file_is_refused(
    make: Callable[[Path], object], tmp_path: Path
) -> None:
    make(tmp_path / "train.csv")
    with pytest.raises(DatasetError, match=r"train\.csv is no regular file"):
        read_ratings(tmp_path / "train.csv")


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    packed = data.draw(st.booleans())
    content = bytearray(HEADER + ROW * 3)
    if packed:
        content = bytearray(gzip.compress(bytes(content)))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path / ("train.csv.gz" if packed else "train.csv")
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        ratings = read_ratings(file)
        written_back(file, np.ones(len(ratings), bool))
    except DatasetError as error:
        assert str(error).startswith(str(file))
        assert "\n" not in str(error)
