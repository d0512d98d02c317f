import hashlib
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.arc.augment import Augmentation, undo
from puzzle_datasets.loader import PuzzleIndex, TrainLoader, _Epoch, evaluation_batches
from puzzle_datasets.loading.batch import Batch, Share
from puzzle_datasets.published.export import export
from puzzle_datasets.published.source import OfficialSettings
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import IGNORE_LABEL, PAD

shares_dataset = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def same(one: Batch, other: Batch) -> bool:
    return (
        one.inputs.equal(other.inputs)
        and one.labels.equal(other.labels)
        and one.puzzle_identifiers.equal(other.puzzle_identifiers)
    )


def batches(loader: TrainLoader, count: int) -> list[Batch]:
    return [loader.next_batch() for _ in range(count)]


def as_tokens(labels: torch.Tensor) -> torch.Tensor:
    return labels.masked_fill(labels == IGNORE_LABEL, PAD)


def offset_of(tokens: torch.Tensor) -> torch.Tensor:
    """Return row and column [B, 2] of the first cell of each grid."""
    side = round(tokens.shape[1] ** 0.5)
    drawn = (tokens >= 2).view(-1, side, side)
    return torch.stack([drawn.any(2).int().argmax(1), drawn.any(1).int().argmax(1)], 1)


def groups_of(dataset: PuzzleDataset, batch: Batch) -> list[int]:
    return dataset.identities.group[batch.puzzle_identifiers.long() - 1].tolist()


def visits_of(dataset: PuzzleDataset, batch: Batch) -> list[int]:
    """Return the groups that a batch visits; no group directly follows itself within an epoch."""
    return [group for group, _ in groupby(groups_of(dataset, batch))]


def test_batches_are_full_and_typed(small: PuzzleDataset) -> None:
    batch = TrainLoader(small, batch_size=7, seed=0).next_batch()
    assert batch.inputs.shape == batch.labels.shape == (7, small.manifest.seq_len)
    assert batch.puzzle_identifiers.shape == (7,)
    for tensor in (batch.inputs, batch.labels, batch.puzzle_identifiers):
        assert tensor.dtype == torch.int32
    assert same(batch.to("cpu"), batch)


@pytest.mark.parametrize(
    ("batch_size", "digest"), [(7, "bf4601fc25ac328e"), (64, "f4eec91454f1944e")]
)
def test_batches_are_those_of_all_versions(
    small: PuzzleDataset, batch_size: int, digest: str
) -> None:
    """A run that an older version began goes on with the same batches."""
    total = hashlib.blake2b(digest_size=8)
    for batch in batches(TrainLoader(small, batch_size=batch_size, seed=3), 50):
        for tensor in vars(batch).values():
            total.update(tensor.numpy().tobytes())
    assert total.hexdigest() == digest


def test_a_puzzle_of_many_rows_is_shuffled_like_any_other() -> None:
    """The first pairs of a visit are those that the whole visit begins with."""
    index = PuzzleIndex(
        starts=np.array([0, 1, 3]), first_row=np.array([5, 0, 2]), rows=np.array([400, 2, 3])
    )
    whole = _Epoch(index, seed=1, epoch=0)
    pairs = int(whole.starts[-1])
    behind, rows, puzzles = whole.take(0, pairs)
    assert behind == 2
    for most in (1, 2, 3, 50, 399, pairs - 1):
        _, some, of_puzzles = whole.take(0, most)
        assert some.tolist() == rows[:most].tolist()
        assert of_puzzles.tolist() == puzzles[:most].tolist()
    assert sorted(rows[puzzles == 0].tolist()) == list(range(5, 405))
    assert rows[puzzles == 0].tolist() != list(range(5, 405))


def test_a_batch_larger_than_the_memory_is_refused(
    small: PuzzleDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("puzzle_datasets.loader.memory", lambda: 10 * 8 * small.manifest.seq_len)
    with pytest.raises(DatasetError, match="memory does not hold; give at most 10"):
        TrainLoader(small, batch_size=11, seed=0)
    assert len(TrainLoader(small, batch_size=10, seed=0).next_batch().inputs) == 10


def test_seeds_differ(small: PuzzleDataset) -> None:
    one, other = (TrainLoader(small, batch_size=32, seed=seed).next_batch() for seed in (0, 1))
    assert not one.puzzle_identifiers.equal(other.puzzle_identifiers)


def test_an_epoch_visits_every_group_once(small: PuzzleDataset) -> None:
    loader = TrainLoader(small, batch_size=1, seed=3)
    first, second = (
        [group for batch in batches(loader, 59) for group in groups_of(small, batch)]
        for _ in range(2)
    )
    assert sorted(first) == sorted(second) == list(range(59))
    assert first != second


@pytest.mark.parametrize("batch_size", [5, 16, 64])
def test_the_batch_size_cuts_visits_but_keeps_their_order(
    small: PuzzleDataset, batch_size: int
) -> None:
    one_by_one = TrainLoader(small, batch_size=1, seed=3)
    expected = [group for b in batches(one_by_one, 59) for group in groups_of(small, b)]
    loader = TrainLoader(small, batch_size=batch_size, seed=3)
    seen: list[int] = []
    while len(seen) < 59:
        seen += visits_of(small, loader.next_batch())
    assert seen[:59] == expected


def test_a_cut_visit_is_dropped_and_the_place_is_told(small: PuzzleDataset) -> None:
    loader = TrainLoader(small, batch_size=1, seed=0)
    batches(loader, 60)
    assert loader.state_dict() == {"epoch": 1, "position": 1}


def test_a_batch_may_span_epochs(small: PuzzleDataset) -> None:
    loader = TrainLoader(small, batch_size=3 * 223, seed=0)
    batch = loader.next_batch()
    assert loader.state_dict() == {"epoch": 2, "position": 59}
    for epoch in range(3):
        groups = groups_of(small, batch)[223 * epoch : 223 * (epoch + 1)]
        assert sorted(groups) == small.train.group.tolist()


def test_augmented_pairs_undo_to_the_pairs_of_their_group(small: PuzzleDataset) -> None:
    """One epoch in one batch is every training pair once, in some variant."""
    batch = TrainLoader(small, batch_size=223, seed=5).next_batch()
    identity = batch.puzzle_identifiers.long() - 1
    recipe = {
        "dihedral": small.identities.dihedral[identity],
        "colours": small.identities.colours[identity],
    }
    offsets = offset_of(batch.inputs)
    augmentation = Augmentation(offsets=offsets, **recipe)
    inputs, input_sizes = undo(batch.inputs, augmentation)
    labels, label_sizes = undo(as_tokens(batch.labels), augmentation)
    keys = zip(groups_of(small, batch), inputs.tolist(), labels.tolist(), strict=True)
    train = small.train
    expected = zip(train.group.tolist(), train.inputs.tolist(), train.labels.tolist(), strict=True)
    assert sorted(keys) == sorted(expected)
    assert offset_of(as_tokens(batch.labels)).equal(offsets)
    assert sorted(input_sizes.tolist()) == sorted(train.input_sizes.tolist())
    assert sorted(label_sizes.tolist()) == sorted(train.label_sizes.tolist())


def test_a_visit_keeps_one_identity_and_leaves_a_pair_in_the_corner(small: PuzzleDataset) -> None:
    batch = TrainLoader(small, batch_size=223, seed=5).next_batch()
    in_corner = (offset_of(batch.inputs) == 0).all(1).tolist()
    identifiers = batch.puzzle_identifiers.tolist()
    visits = [list(rows) for _, rows in groupby(range(223), key=lambda row: identifiers[row])]
    assert len(visits) == 59
    assert all(any(in_corner[row] for row in rows) for rows in visits)


def test_translations_reach_every_place(fresh: PuzzleDataset) -> None:
    """A task of grids up to 3×3 is seen at every offset for which a 6×6 canvas has room."""
    loader = TrainLoader(fresh, batch_size=223, seed=1)
    larger = torch.maximum(fresh.train.input_sizes, fresh.train.label_sizes)
    group = int(fresh.train.group[(larger == 3).all(1)][0])
    assert (larger[fresh.train.group == group] == 3).all()
    seen = set()
    for batch in batches(loader, 60):
        rows = torch.tensor(groups_of(fresh, batch)) == group
        drawn = (batch.inputs[rows] >= 2) | (as_tokens(batch.labels[rows]) >= 2)
        seen |= {tuple(place) for place in offset_of(drawn.int() * 2).tolist()}
    assert seen == {(row, column) for row in range(4) for column in range(4)}


def epoch_of(dataset: PuzzleDataset, loader: TrainLoader) -> set[tuple[int, ...]]:
    """Return the pairs of one epoch, each with its identifier, whatever their order."""
    batch = loader.next_batch()
    rows = torch.cat([batch.puzzle_identifiers[:, None], batch.inputs, batch.labels], 1)
    return {tuple(row) for row in rows.tolist()}


def test_a_table_shows_an_identity_the_same_in_every_epoch(small: PuzzleDataset) -> None:
    seen: dict[int, set[tuple[int, ...]]] = {}
    for seed in range(2):
        loader = TrainLoader(small, batch_size=223, seed=seed)
        for _ in range(100):
            for row in epoch_of(small, loader):
                seen.setdefault(row[0], set()).add(row[1:])
    pairs = small.train.group.bincount()[small.identities.group]
    assert len(seen) == len(small.identities)
    assert all(len(rows) <= pairs[identifier - 1] for identifier, rows in seen.items())


def test_fresh_pairs_differ_between_epochs_and_seeds(fresh: PuzzleDataset) -> None:
    loader = TrainLoader(fresh, batch_size=223, seed=0)
    first, second = epoch_of(fresh, loader), epoch_of(fresh, loader)
    other = epoch_of(fresh, TrainLoader(fresh, batch_size=223, seed=1))
    assert len(first & second) < 40
    assert len(first & other) < 40
    assert fresh.manifest.num_puzzle_identifiers == 60


def test_epochs_differ_in_their_order_of_pairs(small: PuzzleDataset) -> None:
    """The pairs of a visit are shuffled anew; counts of equal cells tell them in any variant."""
    group = int(small.train.group.bincount().argmax())
    loader = TrainLoader(small, batch_size=223, seed=2)
    orders = set()
    for batch in batches(loader, 40):
        own = batch.inputs[torch.tensor(groups_of(small, batch)) == group]
        orders.add(tuple(tuple(row.bincount().sort().values.tolist()) for row in own))
    assert len(orders) > 5


def test_a_visit_to_a_stored_set_is_one_identity_with_its_own_rows(
    small_folder: Path, tmp_path: Path
) -> None:
    """Each identity of a published folder has rows of its own, and an epoch takes one a group."""
    export(small_folder, tmp_path / "published")
    settings = OfficialSettings(folder=str(tmp_path / "published"))
    stored = PuzzleDataset.open(prepare("official", settings, tmp_path / "sets"))
    train = stored.train
    own: dict[int, list[tuple[list[int], list[int]]]] = {}
    for row, identifier in enumerate(train.puzzle_identifier.tolist()):
        pair = (train.inputs[row].tolist(), train.labels[row].tolist())
        own.setdefault(identifier, []).append(pair)
    loader, seen = TrainLoader(stored, batch_size=223, seed=0), set()
    for batch in batches(loader, 60):
        rows = zip(batch.inputs.tolist(), as_tokens(batch.labels).tolist(), strict=True)
        shown = zip(batch.puzzle_identifiers.tolist(), rows, strict=True)
        visits = {key: [pair for _, pair in run] for key, run in groupby(shown, lambda s: s[0])}
        groups = stored.identities.group[torch.tensor([*visits]) - 1]
        assert sorted(groups.tolist()) == list(range(59))
        assert all(sorted(pairs) == sorted(own[key]) for key, pairs in visits.items())
        seen.update(visits)
    assert len(seen) > 0.9 * len(own) > 9 * 59


def test_a_batch_that_cannot_be_divided_is_refused(small: PuzzleDataset) -> None:
    with pytest.raises(DatasetError, match="10, which can't be divided among 4 processes"):
        TrainLoader(small, batch_size=10, seed=0, share=Share(rank=0, world_size=4))


def test_every_puzzle_needs_training_rows(small: PuzzleDataset) -> None:
    lacks_last = replace(small, train=replace(small.train, group=small.train.group.clamp_max(57)))
    with pytest.raises(AssertionError, match="puzzles without training rows"):
        TrainLoader(lacks_last, batch_size=8, seed=0)


def test_the_block_size_does_not_show(
    small: PuzzleDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = batches(TrainLoader(small, batch_size=10, seed=0), 30)
    monkeypatch.setattr("puzzle_datasets.loader.BLOCK", 1)
    one_by_one = TrainLoader(small, batch_size=10, seed=0)
    assert all(map(same, batches(one_by_one, 30), expected))


def test_processes_share_an_evaluation(small: PuzzleDataset) -> None:
    [whole] = evaluation_batches(small, batch_size=99, limit=20, seed=0)
    parts = [
        batch.inputs
        for rank in range(3)
        for batch in evaluation_batches(
            small, batch_size=4, limit=20, seed=0, share=Share(rank=rank, world_size=3)
        )
    ]
    assert sorted(torch.cat(parts).tolist()) == sorted(whole.inputs.tolist())


def test_every_identity_of_a_group_comes_up(small: PuzzleDataset) -> None:
    loader = TrainLoader(small, batch_size=223, seed=1)
    seen: set[int] = set()
    for batch in batches(loader, 150):
        seen.update(batch.puzzle_identifiers.tolist())
    assert seen == set(range(1, small.manifest.num_puzzle_identifiers))


def test_any_pair_of_a_group_may_come_first(small: PuzzleDataset) -> None:
    """Batches of one hold the first pair of a visit; a visit in its base identity names it."""
    loader = TrainLoader(small, batch_size=1, seed=0)
    own = int(small.train.puzzle_identifier[0])
    seen = set()
    for batch in batches(loader, 59 * 150):
        if batch.puzzle_identifiers.item() == own:
            identity = Augmentation(
                dihedral=torch.zeros(1, dtype=torch.long),
                colours=torch.arange(10)[None],
                offsets=offset_of(batch.inputs),
            )
            seen.add(tuple(undo(batch.inputs, identity)[0][0].tolist()))
    rows = small.train.inputs[small.train.group == 0]
    assert seen == {tuple(row) for row in rows.tolist()}


def test_evaluation_walks_the_test_pairs_as_stored(small: PuzzleDataset) -> None:
    walked = list(evaluation_batches(small, batch_size=32, limit=None, seed=0))
    assert [len(batch.inputs) for batch in walked] == [32, 32, 5]
    assert torch.cat([batch.inputs for batch in walked]).equal(small.test.inputs.int())
    labels = torch.cat([batch.labels for batch in walked])
    assert as_tokens(labels).equal(small.test.labels.int())
    assert not (labels == PAD).any()
    identifiers = torch.cat([batch.puzzle_identifiers for batch in walked])
    assert identifiers.equal(small.test.puzzle_identifier)


def test_evaluation_takes_a_fixed_subset(small: PuzzleDataset) -> None:
    def subset(seed: int, batch_size: int) -> list[list[int]]:
        walk = evaluation_batches(small, batch_size=batch_size, limit=20, seed=seed)
        return [row for batch in walk for row in batch.inputs.tolist()]

    assert len(subset(0, 8)) == 20
    assert subset(0, 8) == subset(0, 20)
    assert subset(0, 8) != subset(1, 8)
    [whole] = evaluation_batches(small, batch_size=99, limit=500, seed=0)
    assert len(whole.inputs) == 69
