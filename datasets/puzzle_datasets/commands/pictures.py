"""Draw some puzzles of a set as people know them, and as the model gets to see them."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from puzzle_datasets.commands.summary import SHORT_FINGERPRINT, augmentation_in_words
from puzzle_datasets.common.dihedral import DIHEDRAL_NAMES
from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import write_file
from puzzle_datasets.common.page import PICTURE_STYLE, html_page, is_written_by
from puzzle_datasets.common.reading import Reader
from puzzle_datasets.drawing.picture import COLUMNS, Pair, Picture, Sample, Section, render
from puzzle_datasets.drawing.svg import Grid, has_png, to_png
from puzzle_datasets.kinds.kind import augmenter, kind_named
from puzzle_datasets.loader import PuzzleIndex
from puzzle_datasets.loading.batch import Picks
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import PAD, Integers, Split

GENERATOR = "puzzle_datasets"
"""A page that names it may be replaced."""


LARGEST_PAGE = 10**12
_HEAD = 4_000


def draw(folder: Path, into: Path, sample: Sample) -> list[Path]:
    """Write `<into>.html` and, where vl-convert is installed, `<into>.png`; return them.

    Shows a sample of each split, and what the loader of its seed makes of training puzzles in two
    epochs. Replaces what it drew before. Raises `DatasetError` if the set is damaged, or files of
    these names are none of ours; `OSError` if they can't be written.
    """
    if not into.name:
        raise DatasetError.of("out", f"is {str(into)!r}, which names no file", "give a name")
    html, png = (into.with_name(f"{into.name}.{ending}") for ending in ("html", "png"))
    _require_ours(html, png)
    picture = picture_of(PuzzleDataset.open(folder), sample)
    image = render(picture)
    whole = html_page(picture.title, image, style=PICTURE_STYLE, generator=GENERATOR)
    files = {html: whole.encode()} | ({png: to_png(image)} if has_png() else {})
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
    remedy = "give another --out"
    ours = html.exists() and is_written_by(GENERATOR, _head(html, remedy))
    for file in (html, png):
        if file.exists() and not ours:
            raise DatasetError.of(file, "exists and was not drawn here", remedy)


def _head(html: Path, remedy: str) -> str:
    """The begin of a page, which says who wrote it."""
    with Reader(html, DatasetError, remedy, most=LARGEST_PAGE).opened() as stream:
        return stream.read(_HEAD).decode(errors="replace")


EPOCHS = COLUMNS - 1
"""Epochs in which a training puzzle is drawn."""


def train_section(dataset: PuzzleDataset, puzzles: int, seed: int) -> Section:
    """Return training puzzles, with variants of them that a loader of this seed would serve."""
    generator = keyed_generator("pictures", "train", seed)
    index = PuzzleIndex.of(dataset)
    groups = _sample(len(index.starts) - 1, puzzles, generator)
    firsts = index.starts[groups]
    offsets = generator.integers(index.rows[firsts])
    rows = index.first_row[firsts] + offsets
    stored = [_stored_pair(dataset, "train", row) for row in rows.tolist()]
    several = bool((np.diff(index.starts) > 1).any())
    pairs, explanation = stored, "Training pairs are served as they are stored."
    if several or dataset.manifest.augmentation != "stored":
        picks = _picks(index, groups, offsets, generator)
        served = _served_pairs(dataset, picks, seed)
        pairs = [pair for one in stored for pair in (one, *islice(served, EPOCHS))]
        explanation = (
            "On the left a group's first puzzle, then others of it, served as they are stored."
        )
    if dataset.manifest.augmentation != "stored":
        explanation = (
            f"On the left as stored, then as a loader with seed {seed} serves it in two epochs. "
            f"Augmentation: {augmentation_in_words(dataset.manifest)}."
        )
    return Section(heading="To train on", explanation=explanation, pairs=pairs)


def test_section(dataset: PuzzleDataset, puzzles: int, seed: int) -> Section:
    """Return `puzzles` test pairs."""
    generator = keyed_generator("pictures", "test", seed)
    rows = _sample(len(dataset.test), puzzles, generator)
    return Section(
        heading="To be scored on",
        explanation="Test pairs are served as they are stored.",
        pairs=[_stored_pair(dataset, "test", row) for row in rows.tolist()],
    )


def _sample(count: int, wanted: int, generator: np.random.Generator) -> Integers:
    return np.sort(generator.choice(count, min(count, wanted), replace=False))


def _picks(
    index: PuzzleIndex, groups: Integers, offsets: Integers, generator: np.random.Generator
) -> Picks:
    """Return `EPOCHS` picks of each group: of its variants if it has any, the same pair."""
    begins, ends = (np.repeat(index.starts[groups + end], EPOCHS) for end in (0, 1))
    puzzles = generator.integers(np.minimum(begins + 1, ends - 1), ends)
    rows = index.first_row[puzzles] + np.repeat(offsets, EPOCHS) % index.rows[puzzles]
    return Picks.of(rows, puzzles, np.tile(np.arange(EPOCHS), len(groups)))


def _served_pairs(dataset: PuzzleDataset, picks: Picks, seed: int) -> Iterator[Pair]:
    batch = augmenter(dataset, seed, torch.device("cpu")).batch(picks)
    grids = zip(batch.inputs, batch.labels.clamp(min=PAD), strict=True)
    numbers = zip(picks.epochs.tolist(), batch.puzzle_identifiers.tolist(), strict=True)
    for (puzzle, solution), (epoch, identifier) in zip(grids, numbers, strict=True):
        yield Pair(
            puzzle=_grid(dataset, puzzle),
            solution=_grid(dataset, solution),
            heading="as trained on",
            details=f"epoch {epoch}{_identity(dataset, identifier)}",
        )


def _identity(dataset: PuzzleDataset, identifier: int) -> str:
    """Return how an identity differs from its task, empty where there is no table of them."""
    if dataset.identities is None or dataset.manifest.augmentation == "fresh":
        return ""
    dihedral = int(dataset.identities.dihedral[identifier - 1])
    colours = dataset.identities.colours[identifier - 1].tolist()
    recoloured = ", recoloured" if colours != sorted(colours) else ""
    return f", identity {identifier:,}: {DIHEDRAL_NAMES[dihedral]}{recoloured}"


def _stored_pair(dataset: PuzzleDataset, split: Split, row: int) -> Pair:
    table = dataset.train if split == "train" else dataset.test
    columns = {name: values[row].item() for name, values in table.details.items()}
    heading = f"row {row:,}"
    if names := dataset.group_names:
        heading = f"{names[int(table.group[row])]}, pair {columns['example'] + 1}"
    return Pair(
        puzzle=_grid(dataset, table.inputs[row]),
        solution=_grid(dataset, table.labels[row]),
        heading=heading,
        details=", ".join(kind_named(dataset.manifest.kind).details(columns)),
    )


def _grid(dataset: PuzzleDataset, tokens: Tensor) -> Grid:
    return tokens.numpy().astype(np.uint8).reshape(dataset.manifest.grid)
