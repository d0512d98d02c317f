"""Draw some puzzles of a set as people know them, and as the model gets to see them."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from puzzle_datasets.commands.sections import test_section, train_section
from puzzle_datasets.commands.summary import SHORT_FINGERPRINT
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import write_file
from puzzle_datasets.common.options import check, option
from puzzle_datasets.common.page import PICTURE_STYLE, html_page, is_written_by
from puzzle_datasets.drawing.look import Look
from puzzle_datasets.drawing.page import Page, render
from puzzle_datasets.drawing.png import packed
from puzzle_datasets.kinds.arc.drawing import ArcLook
from puzzle_datasets.kinds.maze.drawing import MazeLook
from puzzle_datasets.kinds.sudoku.drawing import SudokuLook
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import Manifest
from puzzle_datasets.storage.settings import LARGEST_SEED

GENERATOR = "puzzle_datasets"
"""A page that names it may be replaced."""

PIXELS_PER_POINT = 2

_PUZZLES = {"arc": "ARC puzzles", "sudoku": "Sudoku puzzles", "maze": "mazes"}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Which puzzles are drawn."""

    puzzles: int = option(3, "puzzles of each split", least=1, most=1000)
    seed: int = option(0, "decides which puzzles", least=0, most=LARGEST_SEED)

    def __post_init__(self) -> None:
        check(self, DatasetError)


def draw(folder: Path, into: Path, sample: Sample) -> list[Path]:
    """Write ``<into>.html`` and, where vl-convert is installed, ``<into>.png``; return them.

    Shows a sample of each split; of puzzles to train on also what the loader of the sample's seed
    makes of them in two epochs. Replaces an earlier page of the same name.

    Raises:
        DatasetError: the set is damaged, or files of these names are none of ours.
        OSError: they can't be written.
    """
    html, png = (into.with_name(f"{into.name}.{ending}") for ending in ("html", "png"))
    _require_ours(html, png)
    page = picture_page(PuzzleDataset.open(folder), sample)
    image = render(page)
    whole = html_page(page.title, image, style=PICTURE_STYLE, generator=GENERATOR)
    files = {html: whole.encode()}
    if find_spec("vl_convert") is not None:
        import vl_convert

        files[png] = packed(vl_convert.svg_to_png(image, scale=PIXELS_PER_POINT))
    for file, content in files.items():
        write_file(file, content)
    return list(files)


def picture_page(dataset: PuzzleDataset, sample: Sample) -> Page:
    """Return what is drawn of a puzzle set."""
    manifest = dataset.manifest
    names = ("groups", "train_pairs", "test_pairs", "identities")
    amounts = [f"{n:,} {name.replace('_', ' ')}" for name in names if (n := manifest.counts[name])]
    return Page(
        title=f"{manifest.name}: {_PUZZLES[manifest.kind]} as the model sees them",
        subtitle=f"Each pair is what the model reads and what it has to write. "
        f"{', '.join(amounts)}; fingerprint {manifest.fingerprint[:SHORT_FINGERPRINT]}.",
        look=_look(manifest),
        sections=[
            train_section(dataset, sample.puzzles, sample.seed),
            test_section(dataset, sample.puzzles, sample.seed),
        ],
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
        ours = html.exists() and is_written_by(GENERATOR, html.read_text(errors="replace"))
    except OSError as error:
        problem = f"can't be read ({error})"
        raise DatasetError.of_file(html, problem, "give another --out") from error
    for file in (html, png):
        if file.exists() and not ours:
            problem = "exists and was not drawn here"
            raise DatasetError.of_file(file, problem, "give another --out")
