"""Draw some puzzles of a set as people know them, and as the model gets to see them."""

from pathlib import Path

from puzzle_datasets.commands.sections import test_section, train_section
from puzzle_datasets.commands.summary import SHORT_FINGERPRINT
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import write_file
from puzzle_datasets.common.page import PICTURE_STYLE, html_page, is_written_by
from puzzle_datasets.drawing.picture import Picture, Sample, render
from puzzle_datasets.drawing.svg import has_png, to_png
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.storage.dataset import PuzzleDataset

GENERATOR = "puzzle_datasets"
"""A page that names it may be replaced."""


def draw(folder: Path, into: Path, sample: Sample) -> list[Path]:
    """Write `<into>.html` and, where vl-convert is installed, `<into>.png`; return them.

    Shows a sample of each split; of puzzles to train on also what the loader of the sample's seed
    makes of them in two epochs. Replaces an earlier page of the same name. Raises `DatasetError`
    if the set is damaged, or files of these names are none of ours; `OSError` if they can't be
    written.
    """
    html, png = (into.with_name(f"{into.name}.{ending}") for ending in ("html", "png"))
    _require_ours(html, png)
    picture = picture_of(PuzzleDataset.open(folder), sample)
    image = render(picture)
    whole = html_page(picture.title, image, style=PICTURE_STYLE, generator=GENERATOR)
    files = {html: whole.encode()}
    if has_png():
        files[png] = to_png(image)
    for file, content in files.items():
        write_file(file, content)
    return list(files)


def picture_of(dataset: PuzzleDataset, sample: Sample) -> Picture:
    """Return what is drawn of a puzzle set."""
    manifest, kind = dataset.manifest, kind_named(dataset.manifest.kind)
    names = ("groups", "train_pairs", "test_pairs", "identities")
    amounts = [f"{n:,} {name.replace('_', ' ')}" for name in names if (n := manifest.counts[name])]
    return Picture(
        title=f"{manifest.name}: {kind.puzzles} as the model sees them",
        subtitle=f"Each pair is what the model reads and what it has to write. "
        f"{', '.join(amounts)}; fingerprint {manifest.fingerprint[:SHORT_FINGERPRINT]}.",
        look=kind.look(manifest),
        sections=[
            train_section(dataset, sample.puzzles, sample.seed),
            test_section(dataset, sample.puzzles, sample.seed),
        ],
    )


def _require_ours(html: Path, png: Path) -> None:
    """Refuse to replace what no earlier call has written: a picture is ours if its page is."""
    try:
        ours = html.exists() and is_written_by(GENERATOR, html.read_text(errors="replace"))
    except OSError as error:
        problem = f"can't be read ({error})"
        raise DatasetError.of(html, problem, "give another --out") from error
    for file in (html, png):
        if file.exists() and not ours:
            problem = "exists and was not drawn here"
            raise DatasetError.of(file, problem, "give another --out")
