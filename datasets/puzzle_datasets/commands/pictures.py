"""Draw some puzzles of a set as people know them, and as the model gets to see them."""

import os
import tempfile
from html import escape
from importlib.util import find_spec
from pathlib import Path

from puzzle_datasets.commands.sections import test_section, train_section
from puzzle_datasets.commands.summary import SHORT_FINGERPRINT
from puzzle_datasets.drawing.look import Look
from puzzle_datasets.drawing.page import Page, render
from puzzle_datasets.drawing.png import packed
from puzzle_datasets.kinds.arc.drawing import ArcLook
from puzzle_datasets.kinds.maze.drawing import MazeLook
from puzzle_datasets.kinds.sudoku.drawing import SudokuLook
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import DatasetError, Manifest

MARK = '<meta name="generator" content="puzzle_datasets">'
"""By this a page is known as one that may be replaced."""

PIXELS_PER_POINT = 2

_PUZZLES = {"arc": "ARC puzzles", "sudoku": "Sudoku puzzles", "maze": "mazes"}

_PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
{MARK}
<meta name="viewport" content="width=device-width">
<title>{{title}}</title>
<style>body{{{{margin:0}}}}svg{{{{display:block;margin:auto;max-width:100%;height:auto}}}}</style>
{{image}}
</html>
"""


def draw(folder: Path, into: Path, puzzles: int, seed: int) -> list[Path]:
    """Write ``<into>.html`` and, where vl-convert is installed, ``<into>.png``; return them.

    Shows ``puzzles`` puzzles of each split, drawn by ``seed``; of those to train on also what the
    loader of that seed makes of them in two epochs. Replaces an earlier page of the same name.

    Raises:
        DatasetError: the set is damaged, ``puzzles`` is no positive number, or files of these
            names can't be written or are none of ours.
    """
    if puzzles < 1:
        raise DatasetError(f"puzzles is {puzzles}; give 1 or more", key="puzzles")
    html, png = (into.with_name(f"{into.name}.{ending}") for ending in ("html", "png"))
    _require_ours(html, png)
    page = picture_page(PuzzleDataset.open(folder), puzzles, seed)
    image = render(page)
    files = {html: _PAGE.format(title=escape(page.title), image=image).encode()}
    if find_spec("vl_convert") is not None:
        import vl_convert

        files[png] = packed(vl_convert.svg_to_png(image, scale=PIXELS_PER_POINT))
    for file, content in files.items():
        _replace(file, content)
    return list(files)


def picture_page(dataset: PuzzleDataset, puzzles: int, seed: int) -> Page:
    """Return what is drawn of a puzzle set."""
    manifest = dataset.manifest
    names = ("groups", "train_pairs", "test_pairs", "identities")
    amounts = [f"{n:,} {name.replace('_', ' ')}" for name in names if (n := manifest.counts[name])]
    return Page(
        title=f"{manifest.name}: {_PUZZLES[manifest.kind]} as the model sees them",
        subtitle=f"Each pair is what the model reads and what it has to write. "
        f"{', '.join(amounts)}; fingerprint {manifest.fingerprint[:SHORT_FINGERPRINT]}.",
        look=_look(manifest),
        sections=[train_section(dataset, puzzles, seed), test_section(dataset, puzzles, seed)],
    )


def _look(manifest: Manifest) -> Look:
    if manifest.kind == "arc":
        return ArcLook()
    if manifest.kind == "maze":
        return MazeLook()
    assert manifest.box is not None, manifest.kind
    return SudokuLook(manifest.box)


def _require_ours(html: Path, png: Path) -> None:
    """Refuse to replace what no earlier call has written: a picture is ours if its page is."""
    try:
        ours = html.exists() and MARK in html.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DatasetError(f"{html} can't be read ({error}); give another --out") from error
    for file in (html, png):
        if file.exists() and not ours:
            raise DatasetError(f"{file} exists and was not drawn here; give another --out")


def _replace(file: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    try:
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(file)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(
            f"{file} can't be written ({error.strerror}); give another --out or make room"
        ) from error
