"""Augmenters on real sets: what decides a pair, and what it can become."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from puzzle_datasets.kinds.arc import augment as arc
from puzzle_datasets.kinds.arc.augment_batches import FreshPairs, TablePairs
from puzzle_datasets.kinds.kind import augmenter, kind_named
from puzzle_datasets.kinds.maze import augment as maze
from puzzle_datasets.kinds.maze.augment import MazePairs
from puzzle_datasets.kinds.sudoku import augment as sudoku
from puzzle_datasets.kinds.sudoku.augment import SudokuPairs
from puzzle_datasets.loading.batch import Augmenter, Batch, Picks
from puzzle_datasets.storage.dataset import PuzzleDataset, decoded_columns, pairs_of
from puzzle_datasets.storage.schema import IGNORE_LABEL, PAD, Card
from puzzle_datasets.storage.writer import Rows, SetWriter

CPU = torch.device("cpu")
SETS = ("small", "fresh", "sudoku", "sudoku_table", "maze", "maze_table", "stored")
shares_dataset = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def singles(folder: Path, kind: Any, side: int, **card: Any) -> PuzzleDataset:
    """Write and read a set of 12 random grids, which no rule holds and so none may open."""
    vocab_size = side + 2 if kind == "sudoku" else 6
    cells = np.random.default_rng(0).integers(1, vocab_size, (2, 12, side**2), np.uint8)
    cells[1, :3, :2] = PAD
    folder.mkdir()
    writer = SetWriter(folder)
    wanted = kind_named(kind)
    details = {n: np.zeros(12, t.to_pandas_dtype()) for n, t in wanted.columns.items()}
    one = {name: values[:1] for name, values in details.items()}
    writer.write_split("train", [Rows.singles(cells[0], cells[1], 0, 0, **details)])
    writer.write_split("test", [Rows.singles(cells[0, :1], cells[1, :1], 12, 0, **one)])
    manifest = writer.finish(
        Card(
            name=kind,
            kind=kind,
            source="",
            licence="",
            vocab_size=vocab_size,
            seq_len=side**2,
            grid=(side, side),
            box=wanted.box(side),
            tokens={str(token): "any" for token in range(vocab_size)},
            groups=13,
            statistics={},
            **card,
        )
    )
    train, test = map(pairs_of, decoded_columns(folder, manifest).values())
    return PuzzleDataset(
        manifest=manifest, train=train, test=test, identities=None, group_names=[]
    )


@pytest.fixture(scope="module")
def sets(
    small: PuzzleDataset, fresh: PuzzleDataset, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, PuzzleDataset]:
    root = tmp_path_factory.mktemp("sets")

    def made(name: str, kind: str, side: int, augmentations: Any, mode: str) -> PuzzleDataset:
        chosen = {"augmentations": augmentations, "seed": 5}
        return singles(root / name, kind, side, settings=chosen, augmentation=mode)

    return {
        "small": small,
        "fresh": fresh,
        "sudoku": made("sudoku", "sudoku", 4, "fresh", "fresh"),
        "sudoku_table": made("sudoku_table", "sudoku", 4, 3, "table"),
        "maze": made("maze", "maze", 5, "fresh", "fresh"),
        "maze_table": made("maze_table", "maze", 5, 2, "table"),
        "stored": made("stored", "maze", 5, 0, "stored"),
    }


def picks_of(dataset: PuzzleDataset, epochs: int) -> Picks:
    """Return every training pair in each of some epochs, under identities in turn."""
    rows = torch.arange(len(dataset.train)).repeat(epochs)
    in_epoch = torch.arange(epochs).repeat_interleave(len(dataset.train))
    puzzles = dataset.train.puzzle[rows].long()
    if dataset.identities is not None:
        first, end = (
            torch.searchsorted(dataset.identities.group, dataset.train.group[rows].long(), right=r)
            for r in (False, True)
        )
        puzzles = first + in_epoch % (end - first)
    return Picks(rows=rows, puzzles=puzzles, epochs=in_epoch)


def chosen(picks: Picks, at: torch.Tensor) -> Picks:
    return Picks(rows=picks.rows[at], puzzles=picks.puzzles[at], epochs=picks.epochs[at])


def equal(one: Batch, other: Batch) -> bool:
    fields = ("inputs", "labels", "puzzle_identifiers")
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in fields)


def as_tokens(labels: torch.Tensor) -> torch.Tensor:
    return labels.masked_fill(labels == IGNORE_LABEL, PAD)


@pytest.mark.parametrize("name", SETS)
def test_batches_are_typed_and_ignore_padding(name: str, sets: dict[str, PuzzleDataset]) -> None:
    dataset = sets[name]
    picks = picks_of(dataset, 2)
    batch = augmenter(dataset, 0, CPU).batch(picks)
    assert batch.inputs.shape == batch.labels.shape == (len(picks), dataset.manifest.seq_len)
    for tensor in (batch.inputs, batch.labels, batch.puzzle_identifiers):
        assert tensor.dtype == torch.int32
    assert not (batch.labels == PAD).any()
    ignored = (batch.labels == IGNORE_LABEL).sum(1)
    if dataset.manifest.kind != "arc":
        assert torch.equal(ignored, (dataset.train.labels == PAD).sum(1).repeat(2))


@pytest.mark.parametrize("name", SETS)
@shares_dataset
@given(data=st.data())
def test_a_pair_comes_out_the_same_in_any_batch(
    name: str, sets: dict[str, PuzzleDataset], data: st.DataObject
) -> None:
    picks = picks_of(sets[name], 3)
    places = st.lists(st.integers(0, len(picks) - 1), min_size=1, max_size=9)
    at = torch.tensor(data.draw(places))
    whole = augmenter(sets[name], 1, CPU).batch(picks)
    part = augmenter(sets[name], 1, CPU).batch(chosen(picks, at))
    expected = Batch(whole.inputs[at], whole.labels[at], whole.puzzle_identifiers[at])
    assert equal(part, expected)


@pytest.mark.parametrize("name", SETS)
def test_seed_and_epoch_decide_what_is_drawn(name: str, sets: dict[str, PuzzleDataset]) -> None:
    """Stored pairs never change; ARC's table is the set's; all else is the loader's draw."""
    picks = picks_of(sets[name], 2)
    half = len(picks) // 2
    seeds = [augmenter(sets[name], seed, CPU).batch(picks) for seed in (0, 1)]
    fixed = name in ("small", "stored")
    assert equal(*seeds) == fixed
    epochs = [replace(picks, epochs=torch.full((2 * half,), epoch)) for epoch in (3, 4)]
    one, other = (augmenter(sets[name], 0, CPU).batch(changed) for changed in epochs)
    assert equal(one, other) == fixed


def test_stored_pairs_are_served_as_they_are(sets: dict[str, PuzzleDataset]) -> None:
    train = sets["stored"].train
    batch = augmenter(sets["stored"], 0, CPU).batch(picks_of(sets["stored"], 1))
    assert torch.equal(batch.inputs, train.inputs.int())
    assert torch.equal(as_tokens(batch.labels), train.labels.int())
    assert torch.equal(batch.puzzle_identifiers, train.puzzle_identifier)


@pytest.mark.parametrize("name", ["small", "fresh"])
def test_arc_pairs_undo_to_the_stored_ones(name: str, sets: dict[str, PuzzleDataset]) -> None:
    dataset, picks = sets[name], picks_of(sets[name], 3)
    pairs = augmenter(dataset, 2, CPU)
    assert isinstance(pairs, TablePairs | FreshPairs)
    batch, change = pairs.batch(picks), pairs.augmentation(picks)
    train = dataset.train
    for tokens, stored, sizes in (
        (batch.inputs, train.inputs, train.input_sizes),
        (as_tokens(batch.labels), train.labels, train.label_sizes),
    ):
        undone, undone_sizes = arc.undo(tokens, change)
        assert torch.equal(undone, stored[picks.rows].int())
        assert torch.equal(undone_sizes, sizes[picks.rows])
    assert (change.colours[:, 0] == 0).all()


def test_a_table_shows_each_identity_under_its_recipe(sets: dict[str, PuzzleDataset]) -> None:
    dataset, picks = sets["small"], picks_of(sets["small"], 3)
    pairs = augmenter(dataset, 0, CPU)
    assert isinstance(pairs, TablePairs) and dataset.identities is not None
    change = pairs.augmentation(picks)
    assert torch.equal(change.dihedral, dataset.identities.dihedral[picks.puzzles])
    assert torch.equal(change.colours, dataset.identities.colours[picks.puzzles])
    identifiers = pairs.batch(picks).puzzle_identifiers
    assert torch.equal(identifiers.long(), picks.puzzles + 1)


def test_fresh_pairs_stay_under_their_task(sets: dict[str, PuzzleDataset]) -> None:
    dataset, picks = sets["fresh"], picks_of(sets["fresh"], 40)
    pairs = augmenter(dataset, 0, CPU)
    assert isinstance(pairs, FreshPairs)
    identifiers = pairs.batch(picks).puzzle_identifiers
    assert torch.equal(identifiers, dataset.train.puzzle_identifier[picks.rows])
    change = pairs.augmentation(picks)
    assert change.dihedral.unique().tolist() == list(range(8))
    assert len(change.colours.unique(dim=0)) > 0.9 * len(picks)


@pytest.mark.parametrize("name", ["small", "fresh"])
def test_each_group_keeps_any_one_pair_in_the_corner(
    name: str, sets: dict[str, PuzzleDataset]
) -> None:
    """Where grids leave room everywhere, only the chosen pair is sure to be in the corner."""
    dataset, epochs = sets[name], 10
    picks = picks_of(dataset, epochs)
    pairs = augmenter(dataset, 0, CPU)
    assert isinstance(pairs, TablePairs | FreshPairs)
    in_corner = (pairs.augmentation(picks).offsets == 0).all(1).view(epochs, -1)
    group = dataset.train.group.long()
    in_group = torch.zeros(epochs, int(group.max()) + 1).index_add_(1, group, in_corner.float())
    assert (in_group[:, group] >= 1).all()
    assert (in_group[:, group] == 1).float().mean() > 0.3
    assert in_corner.any(0).float().mean() > 0.9


@pytest.mark.parametrize("name", ["small", "fresh"])
def test_the_seed_decides_offsets_and_which_pair_stays_in_the_corner(
    name: str, sets: dict[str, PuzzleDataset]
) -> None:
    """The seed of a table is the set's own, that of fresh pairs the loader's."""
    dataset, picks = sets[name], picks_of(sets[name], 12)
    group = dataset.train.group.long()
    offsets, in_corner, is_one = [], [], []
    for seed in (0, 1):
        own = {**dataset.manifest.settings, "seed": seed}
        seeded = replace(dataset, manifest=replace(dataset.manifest, settings=own))
        pairs = augmenter(seeded, seed, CPU)
        assert isinstance(pairs, TablePairs | FreshPairs)
        offsets.append(pairs.augmentation(picks).offsets)
        in_corner.append((offsets[-1] == 0).all(1).view(12, -1))
        counts = torch.zeros(12, int(group.max()) + 1, dtype=torch.long)
        is_one.append((counts.index_add_(1, group, in_corner[-1].long()) == 1)[:, group])
    chosen_by_both = is_one[0] & is_one[1] & in_corner[0] & (group.bincount() > 2)[group]
    assert 0.1 < in_corner[1][chosen_by_both].float().mean() < 0.6
    moved = ~(in_corner[0] | in_corner[1]).flatten()
    assert (offsets[0][moved] != offsets[1][moved]).any(1).float().mean() > 0.3


def test_translations_reach_every_place_there_is_room_for(sets: dict[str, PuzzleDataset]) -> None:
    dataset, picks = sets["fresh"], picks_of(sets["fresh"], 150)
    pairs = augmenter(dataset, 0, CPU)
    assert isinstance(pairs, FreshPairs)
    change = pairs.augmentation(picks)
    larger = torch.maximum(dataset.train.input_sizes, dataset.train.label_sizes)[picks.rows]
    height, width = arc.transformed_sizes(larger, change.dihedral).unbind(1)
    row, column = change.offsets.unbind(1)
    assert ((row + height <= 6) & (column + width <= 6)).all()
    for size in (3, 4, 5):
        counts = row[height == size].bincount()
        assert len(counts) == 7 - size
        # The larger side of a grid takes no room from the smaller one.
        assert row[(height == size) & (width > size)].max() == 6 - size
        moved = counts[1:].float()
        assert (moved - moved.mean()).abs().max() < 5 * moved.mean() ** 0.5


@pytest.mark.parametrize("name", ["sudoku", "sudoku_table"])
def test_sudoku_pairs_undo_to_the_stored_ones(name: str, sets: dict[str, PuzzleDataset]) -> None:
    dataset, picks = sets[name], picks_of(sets[name], 5)
    pairs = augmenter(dataset, 0, CPU)
    assert isinstance(pairs, SudokuPairs)
    batch, change = pairs.batch(picks), pairs.augmentation(picks)
    assert torch.equal(sudoku.undo(batch.inputs, change), dataset.train.inputs[picks.rows].int())
    labels = sudoku.undo(as_tokens(batch.labels), change)
    assert torch.equal(labels, dataset.train.labels[picks.rows].int())


@pytest.mark.parametrize("name", ["maze", "maze_table"])
def test_maze_pairs_undo_to_the_stored_ones(name: str, sets: dict[str, PuzzleDataset]) -> None:
    dataset, picks = sets[name], picks_of(sets[name], 5)
    pairs = augmenter(dataset, 0, CPU)
    assert isinstance(pairs, MazePairs)
    batch, change = pairs.batch(picks), pairs.augmentation(picks)
    assert torch.equal(maze.undo(batch.inputs, change), dataset.train.inputs[picks.rows].int())
    labels = maze.undo(as_tokens(batch.labels), change)
    assert torch.equal(labels, dataset.train.labels[picks.rows].int())


def variants_of(pairs: Augmenter, dataset: PuzzleDataset, row: int) -> set[tuple[int, ...]]:
    """Return all that 200 epochs show of one row."""
    rows = torch.full((200,), row)
    picks = Picks(rows=rows, puzzles=rows, epochs=torch.arange(200))
    return {tuple(tokens) for tokens in pairs.batch(picks).inputs.tolist()}


@pytest.mark.parametrize(("name", "variants"), [("sudoku_table", 3), ("maze_table", 2)])
def test_a_table_shows_the_puzzle_and_its_variants(
    name: str, variants: int, sets: dict[str, PuzzleDataset]
) -> None:
    """Which ones there are is the set's own; the loader's seed only orders them."""
    dataset = sets[name]
    one, other = (augmenter(dataset, seed, CPU) for seed in (0, 1))
    for row in range(3):
        seen = variants_of(one, dataset, row)
        assert len(seen) == variants + 1
        assert tuple(dataset.train.inputs[row].tolist()) in seen
        assert variants_of(other, dataset, row) == seen


@pytest.mark.parametrize(("name", "at_least"), [("sudoku", 190), ("maze", 8)])
def test_fresh_puzzles_show_all_their_variants(
    name: str, at_least: int, sets: dict[str, PuzzleDataset]
) -> None:
    assert len(variants_of(augmenter(sets[name], 0, CPU), sets[name], 0)) >= at_least
