"""Drawn puzzles read back from their shapes, and the files that they are written to."""

import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.commands.pictures import Sample, draw, train_section
from puzzle_datasets.commands.pictures import test_section as scored_section
from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.drawing import svg
from puzzle_datasets.drawing.picture import COLUMNS
from puzzle_datasets.drawing.svg import packed
from puzzle_datasets.kinds.arc.kind import COLOURS, ArcLook
from puzzle_datasets.kinds.kind import augmenter
from puzzle_datasets.kinds.maze import rules as maze
from puzzle_datasets.kinds.maze.kind import WAY, MazeLook
from puzzle_datasets.kinds.maze.source import MazeSettings
from puzzle_datasets.kinds.sudoku.csv_source import SudokuSampleSettings
from puzzle_datasets.kinds.sudoku.kind import FOUND, SudokuLook
from puzzle_datasets.loading.batch import Picks
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import IGNORE_LABEL, PAD

Element = ElementTree.Element
grids = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: st.lists(
        st.integers(0, 11), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]
    ).map(lambda tokens: np.array(tokens, np.uint8).reshape(shape))
)


def shapes(text: str) -> list[Element]:
    return list(ElementTree.fromstring(f"<g>{text}</g>").iter())


def filled_cells(shape: Element, like: svg.Grid, cell: int) -> npt.NDArray[np.bool_]:
    """Return the cells that a path of rectangles covers."""
    mask = np.zeros(like.shape, np.bool_)
    for x, y, width, height in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-\d+z", shape.attrib["d"]):
        row, column = int(y) // cell, int(x) // cell
        mask[row : row + int(height) // cell, column : column + int(width) // cell] = True
    return mask


@given(grids)
def test_every_arc_colour_fills_its_cells(grid: svg.Grid) -> None:
    drawn = {shape.get("fill"): shape for shape in shapes(ArcLook().panel(grid, grid, 5))}
    for colour, fill in enumerate(COLOURS):
        mask = grid == colour + 2
        assert (fill in drawn) == mask.any()
        if fill in drawn:
            assert (filled_cells(drawn[fill], grid, 5) == mask).all()


def test_sudoku_digits_stand_in_their_cells() -> None:
    rng = np.random.default_rng(0)
    solution = rng.integers(2, 8, (6, 6)).astype(np.uint8)
    puzzle = np.where(rng.random((6, 6)) < 0.4, solution, 1).astype(np.uint8)
    read = np.ones((6, 6), np.uint8)
    for text in shapes(SudokuLook((2, 3)).panel(puzzle, solution, 20)):
        if text.tag != "text":
            continue
        places = (list(map(float, text.attrib[axis].split())) for axis in "yx")
        for y, x, digit in zip(*places, text.text or "", strict=True):
            cell = int(y // 20), int(x // 20)
            read[cell] = int(digit) + 1
            assert (puzzle[cell] == 1) == (text.get("fill") == FOUND)
    assert (read == solution).all()


def test_the_way_through_a_maze_has_as_many_strokes_as_steps(maze_set: PuzzleDataset) -> None:
    for inputs, labels, length in zip(
        maze_set.train.inputs, maze_set.train.labels, maze_set.train.details["length"], strict=True
    ):
        puzzle, solution = (tokens.numpy().reshape(7, 7) for tokens in (inputs, labels))
        drawn = {
            shape.get("stroke"): shape for shape in shapes(MazeLook().panel(puzzle, solution, 9))
        }
        assert drawn[WAY].attrib["d"].count("M") == length
        unsolved = shapes(MazeLook().panel(puzzle, puzzle, 9))
        assert WAY not in {shape.get("stroke") for shape in unsolved}
        walls = next(shape for shape in unsolved if shape.tag == "path")
        assert (filled_cells(walls, puzzle, 9) == (puzzle == maze.WALL)).all()


@pytest.fixture(scope="module")
def maze_set(tmp_path_factory: pytest.TempPathFactory) -> PuzzleDataset:
    settings = MazeSettings(side=7, train=6, test=4, min_length=5, augmentations="fresh")
    return PuzzleDataset.open(prepare("maze", settings, tmp_path_factory.mktemp("sets")))


def test_training_puzzles_are_shown_as_the_loader_serves_them(maze_set: PuzzleDataset) -> None:
    pairs = train_section(maze_set, 4, seed=3).pairs
    assert len(pairs) == 4 * COLUMNS
    for stored, *served in zip(*[iter(pairs)] * COLUMNS, strict=True):
        row = int(stored.heading.removeprefix("row "))
        assert (stored.puzzle.ravel() == maze_set.train.inputs[row].numpy()).all()
        assert (
            stored.details == f"{maze_set.train.details['length'][row]} steps, one shortest path"
        )
        epochs = torch.arange(len(served))
        same_row = torch.full_like(epochs, row)
        picks = Picks(rows=same_row, puzzles=same_row, epochs=epochs)
        batch = augmenter(maze_set, 3, torch.device("cpu")).batch(picks)
        labels = batch.labels.masked_fill(batch.labels == IGNORE_LABEL, PAD)
        for pair, inputs, label in zip(served, batch.inputs, labels, strict=True):
            assert (pair.puzzle.ravel() == inputs.numpy()).all()
            assert (pair.solution.ravel() == label.numpy()).all()


def test_arc_variants_are_of_the_same_task(small: PuzzleDataset) -> None:
    assert small.identities is not None
    pairs = train_section(small, 5, seed=0).pairs
    for stored, *served in zip(*[iter(pairs)] * COLUMNS, strict=True):
        task = stored.heading.partition(",")[0]
        for pair in served:
            identifier = int(re.findall(r"identity ([\d,]+)", pair.details)[0].replace(",", ""))
            assert small.group_names[int(small.identities.group[identifier - 1])] == task
            assert (pair.puzzle > 1).sum() == (stored.puzzle > 1).sum()


def test_sets_served_as_stored_show_no_variants(tmp_path: Path) -> None:
    settings = SudokuSampleSettings(augmentations=0, subsample=8, test_subsample=2)
    dataset = PuzzleDataset.open(prepare("sudoku-hard-sample", settings, tmp_path))
    section = train_section(dataset, 99, seed=0)
    assert [pair.heading for pair in section.pairs] == [f"row {row}" for row in range(8)]
    assert all("clues, rating" in pair.details for pair in section.pairs)
    assert len(scored_section(dataset, 99, seed=0).pairs) == 2


def test_a_page_is_whole_small_and_drawn_again_the_same(
    small_folder: Path, small: PuzzleDataset, tmp_path: Path
) -> None:
    html, png = draw(small_folder, tmp_path / "a.b", Sample(puzzles=3, seed=1))
    assert (html.name, png.name) == ("a.b.html", "a.b.png")
    text = html.read_text()
    assert len(text) < 1_000_000
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
    image = ElementTree.fromstring(text[text.index("<svg") : text.index("</body>")])
    words = " ".join("".join(element.itertext()) for element in image.iter())
    assert small.manifest.fingerprint[:12] in words
    assert words.count("as trained on") >= 6
    assert png.read_bytes().startswith(b"\x89PNG")
    before = html.read_bytes(), png.read_bytes()
    assert draw(small_folder, tmp_path / "a.b", Sample(puzzles=3, seed=1)) == [html, png]
    assert (html.read_bytes(), png.read_bytes()) == before
    draw(small_folder, tmp_path / "a.b", Sample(puzzles=3, seed=2))
    assert html.read_bytes() != before[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.html", "a.b.png"]


def test_without_vl_convert_there_is_a_page_only(
    small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    assert draw(small_folder, tmp_path / "page", Sample(puzzles=1, seed=0)) == [
        tmp_path / "page.html"
    ]


@pytest.mark.parametrize("name", ["page.html", "page.png"])
def test_other_files_are_kept(name: str, small_folder: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(DatasetError, match=rf"{name} exists.*--out"):
        draw(small_folder, tmp_path / "page", Sample(puzzles=1, seed=0))
    assert (tmp_path / name).read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 1


def test_impossible_requests_are_refused(small_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="puzzles is 0; give a whole number from 1"):
        Sample(puzzles=0)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        draw(small_folder, tmp_path / "file" / "page", Sample(puzzles=1))


@given(st.binary(min_size=1, max_size=300), st.integers(1, 40))
def test_packing_keeps_pixels_and_other_parts(pixels: bytes, size: int) -> None:
    def part(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    stream = zlib.compress(pixels, 0)
    pieces = [stream[begin : begin + size] for begin in range(0, len(stream), size)]
    middle = b"".join(part(b"IDAT", piece) for piece in pieces)
    ends = part(b"IHDR", b"about"), part(b"IEND", b"")
    small = packed(b"\x89PNG\r\n\x1a\n" + ends[0] + middle + ends[1])
    head, tail = small.split(part(b"IDAT", zlib.compress(pixels, 9)))
    assert head == b"\x89PNG\r\n\x1a\n" + ends[0]
    assert tail == ends[1]


def test_a_limit_that_would_end_the_process_that_draws_is_a_sentence() -> None:
    code = (
        "import resource; from puzzle_datasets.drawing.svg import chart_library;"
        "resource.setrlimit(resource.RLIMIT_AS, (64 * 10**9, resource.RLIM_INFINITY));"
        "from puzzle_datasets.common.exit_status import guarded;"
        "import sys; sys.exit(guarded('tool', lambda: bool(chart_library())))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("tool: charts can't be drawn under a limit of 64 GB")
