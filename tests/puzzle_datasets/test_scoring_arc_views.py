"""The views in which test pairs are served, in each of the ways a set can be stored."""

from dataclasses import replace

import pytest
import torch

from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.arc.augment import undo
from puzzle_datasets.kinds.arc.settings import ArcSettings
from puzzle_datasets.kinds.arc.views import InputIndex, VotingBatch, voting_batches
from puzzle_datasets.loading.batch import Share
from puzzle_datasets.storage.dataset import PuzzleDataset

PAIRS = 69


@pytest.fixture(scope="module")
def fresh(small_settings: ArcSettings, tmp_path_factory: pytest.TempPathFactory) -> PuzzleDataset:
    changed = replace(small_settings, augmentations="fresh")
    return PuzzleDataset.open(prepare("arc-agi-1", changed, tmp_path_factory.mktemp("fresh")))


@pytest.fixture(scope="module")
def stored(small: PuzzleDataset) -> PuzzleDataset:
    """A set with three stored copies of each test pair, the un-augmented one in the middle."""
    rows = torch.arange(PAIRS).repeat_interleave(3)
    test = small.test
    copies = replace(
        test,
        inputs=test.inputs[rows],
        labels=test.labels[rows],
        group=test.group[rows],
        puzzle=test.puzzle[rows],
        puzzle_identifier=test.puzzle_identifier[rows] + torch.tensor([5, 0, 3]).repeat(PAIRS),
        details={name: values[rows] for name, values in test.details.items()},
    )
    return replace(small, test=copies, manifest=replace(small.manifest, augmentation="stored"))


def whole(dataset: PuzzleDataset, views: int) -> VotingBatch:
    (part,) = voting_batches(dataset, batch_size=10_000, views=views)
    return part


def served(
    dataset: PuzzleDataset, batch_size: int, share: Share | None = None
) -> list[tuple[int, int, bytes]]:
    """Return each served row in five views: its test row, its identifier and its tokens."""
    rows = []
    for part in voting_batches(dataset, batch_size=batch_size, views=5, share=share):
        assert len(part.rows) <= batch_size
        tokens = torch.cat([part.batch.inputs, part.batch.labels], 1).numpy()
        identifiers = part.batch.puzzle_identifiers.tolist()
        contents = [row.tobytes() for row in tokens]
        rows += list(zip(part.rows.tolist(), identifiers, contents, strict=True))
    return rows


@pytest.mark.parametrize("source", ["small", "fresh"])
def test_undoing_a_view_gives_the_stored_pair(source: str, request: pytest.FixtureRequest) -> None:
    dataset: PuzzleDataset = request.getfixturevalue(source)
    part = whole(dataset, 8)
    inputs, sizes = undo(part.batch.inputs, part.augmentation)
    assert torch.equal(inputs, dataset.test.inputs[part.rows].int())
    assert torch.equal(sizes, dataset.test.input_sizes[part.rows])
    labels, _ = undo(part.batch.labels.clamp_min(0), part.augmentation)
    assert torch.equal(labels, dataset.test.labels[part.rows].int())
    assert not (part.batch.labels == 0).any()


def test_every_identity_of_a_task_is_served_once(small: PuzzleDataset) -> None:
    part = whole(small, 1000)
    assert small.identities is not None
    identity = part.batch.puzzle_identifiers.long() - 1
    assert torch.equal(small.identities.group[identity], small.test.group[part.rows].long())
    assert torch.equal(small.identities.colours[identity], part.augmentation.colours)
    assert torch.equal(small.identities.dihedral[identity], part.augmentation.dihedral)
    served_once = set(zip(part.rows.tolist(), identity.tolist(), strict=True))
    assert len(served_once) == len(part.rows) == PAIRS * 13


@pytest.mark.parametrize("source", ["small", "stored", "fresh"])
def test_all_inputs_come_un_augmented_first(source: str, request: pytest.FixtureRequest) -> None:
    dataset: PuzzleDataset = request.getfixturevalue(source)
    part, index = whole(dataset, 3), InputIndex.of(dataset)
    assert len(part.rows) == PAIRS * 3
    for turn in range(3):
        inputs = index.of_row[part.rows[turn * PAIRS : (turn + 1) * PAIRS]]
        assert torch.equal(inputs, torch.arange(PAIRS))
    assert not part.augmentation.dihedral[:PAIRS].any()
    assert torch.equal(part.augmentation.colours[:PAIRS], torch.arange(10).expand(PAIRS, -1))
    own = dataset.test.puzzle_identifier[part.rows[:PAIRS]]
    assert torch.equal(part.batch.puzzle_identifiers[:PAIRS], own)


def test_stored_copies_are_served_as_they_are(stored: PuzzleDataset) -> None:
    part = whole(stored, 2)
    assert part.rows.tolist() == [*range(1, 3 * PAIRS, 3), *range(0, 3 * PAIRS, 3)]
    assert torch.equal(part.batch.inputs, stored.test.inputs[part.rows].int())
    labels = stored.test.labels[part.rows].int()
    assert torch.equal(part.batch.labels, labels.masked_fill(labels == 0, -100))
    assert torch.equal(
        part.batch.puzzle_identifiers, stored.test.puzzle_identifier[part.rows].int()
    )


def test_fresh_views_differ_but_have_one_identifier(fresh: PuzzleDataset) -> None:
    part = whole(fresh, 20)
    assert len(set(served(fresh, 100))) > 4 * PAIRS
    assert torch.equal(part.batch.puzzle_identifiers, fresh.test.puzzle_identifier[part.rows])
    assert set(part.augmentation.dihedral.tolist()) == set(range(8))
    assert not part.augmentation.colours[:, 0].any()


@pytest.mark.parametrize("source", ["small", "stored", "fresh"])
def test_processes_share_the_views(source: str, request: pytest.FixtureRequest) -> None:
    dataset: PuzzleDataset = request.getfixturevalue(source)
    alone = served(dataset, 1000)
    assert served(dataset, 64) == alone
    for rank in range(3):
        assert served(dataset, 50, Share(rank=rank, world_size=3)) == alone[rank::3]


def test_a_share_that_there_is_not_is_refused() -> None:
    with pytest.raises(DatasetError, match="rank is 3; give a number below world_size=3"):
        Share(rank=3, world_size=3)
