"""Votes against counting by hand, on a small real set in each of the ways it can be stored."""

import json
import pickle
from collections.abc import Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.arc.augment import Augmentation
from puzzle_datasets.kinds.arc.scoring import ArcScores, ArcVotes, PassRates
from puzzle_datasets.kinds.arc.settings import ArcSettings
from puzzle_datasets.kinds.arc.views import VotingBatch, voting_batches
from puzzle_datasets.published.export import export
from puzzle_datasets.published.source import OfficialSettings, build
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.writer import SetWriter

ALL = PassRates(per_input=1.0, per_task=1.0, task_mean=1.0)
NONE = PassRates(per_input=0.0, per_task=0.0, task_mean=0.0)


@pytest.fixture(scope="module")
def stored(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> PuzzleDataset:
    """The small set with every augmented pair stored, by way of a published folder."""
    root = tmp_path_factory.mktemp("stored")
    export(small_folder, root / "published")
    imported = root / "imported"
    imported.mkdir()
    build(OfficialSettings(folder=str(root / "published")), SetWriter(imported))
    return PuzzleDataset.open(imported)


@pytest.fixture(scope="module")
def fresh(small_settings: ArcSettings, tmp_path_factory: pytest.TempPathFactory) -> PuzzleDataset:
    changed = replace(small_settings, augmentations="fresh")
    return PuzzleDataset.open(prepare("arc-agi-1", changed, tmp_path_factory.mktemp("fresh")))


@pytest.fixture(params=["table", "stored", "fresh"])
def dataset(
    request: pytest.FixtureRequest,
    small: PuzzleDataset,
    stored: PuzzleDataset,
    fresh: PuzzleDataset,
) -> PuzzleDataset:
    sets = {"table": small, "stored": stored, "fresh": fresh}
    chosen = sets[request.param]
    assert chosen.manifest.augmentation == request.param
    return chosen


def add_truth(votes: ArcVotes, part: VotingBatch) -> None:
    votes.add(
        part.batch.labels.clamp_min(0), torch.ones(len(part.rows)), part.rows, part.augmentation
    )


def unchanged(count: int) -> Augmentation:
    return Augmentation(
        dihedral=torch.zeros(count, dtype=torch.int64),
        colours=torch.arange(10, dtype=torch.uint8).expand(count, -1),
        offsets=torch.zeros(count, 2, dtype=torch.int64),
    )


def test_the_truth_in_every_view_scores_one(dataset: PuzzleDataset) -> None:
    votes, asked = ArcVotes(dataset), 0
    for part in voting_batches(dataset, batch_size=100, views=13):
        add_truth(votes, part)
        asked += len(part.rows)
    scores = votes.scores(guesses=(1, 2, 10))
    assert scores == ArcScores(
        inputs=69, inputs_voted=69, tasks=59, votes=asked, pass_at={1: ALL, 2: ALL, 10: ALL}
    )
    assert asked > 69 * 10


def test_inputs_that_got_no_vote_count_as_not_solved(dataset: PuzzleDataset) -> None:
    votes = ArcVotes(dataset)
    assert votes.scores().pass_at == {1: NONE, 2: NONE}
    part = next(voting_batches(dataset, batch_size=20, views=1))
    add_truth(votes, part)
    scores = votes.scores()
    assert (scores.inputs_voted, scores.votes) == (20, 20)
    assert scores.pass_at[1].per_input == 20 / 69


def test_one_solved_input_of_each_task(small: PuzzleDataset) -> None:
    groups = small.test.group.tolist()
    firsts = torch.tensor([groups.index(group) for group in sorted(set(groups))])
    votes = ArcVotes(small)
    votes.add(small.test.labels[firsts], torch.ones(59), firsts, unchanged(59))
    sizes = [groups.count(group) for group in set(groups)]
    assert max(sizes) > 1
    rates = votes.scores().pass_at[1]
    assert rates.per_input == 59 / 69
    assert rates.per_task == sizes.count(1) / 59
    assert rates.task_mean == pytest.approx(sum(1 / size for size in sizes) / 59)


def candidates(small: PuzzleDataset) -> Tensor:
    """Return the true grid of the first test input and three that differ in its first cell."""
    grids = small.test.labels[0].repeat(4, 1)
    grids[1:, 0] = (grids[0, 0] - 2 + torch.arange(1, 4)) % 10 + 2
    return grids


@given(ballot=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=13))
def test_guesses_rank_by_votes_then_by_mean_confidence(
    small: PuzzleDataset, ballot: list[tuple[int, int]]
) -> None:
    votes = ArcVotes(small)
    if ballot:
        voted, quarters = torch.tensor(ballot).unbind(1)
        rows = torch.zeros_like(voted)
        votes.add(candidates(small)[voted], quarters / 4, rows, unchanged(len(ballot)))
    standings = []
    for candidate in range(4):
        given_to = [confidence for voted, confidence in ballot if voted == candidate]
        mean = Fraction(sum(given_to), max(len(given_to), 1))
        standings.append((len(given_to), mean))
    better = sum(standing > standings[0] for standing in standings)
    equal = sum(standing == standings[0] for standing in standings[1:])
    scores = votes.scores(guesses=range(1, 6))
    for guesses, rates in scores.pass_at.items():
        if guesses <= better or standings[0][0] == 0:
            assert rates.per_input == 0
        elif guesses > better + equal:
            assert rates.per_input == 1 / 69


@given(shares=st.lists(st.integers(0, 13), min_size=59, max_size=59))
@settings(max_examples=20)
def test_right_in_k_of_n_identities(small: PuzzleDataset, shares: list[int]) -> None:
    """The truth in the first k identities of a task, one same wrong grid in the others."""
    right_in = torch.tensor(shares)
    votes = ArcVotes(small)
    turns = torch.zeros(69, dtype=torch.int64)
    for part in voting_batches(small, batch_size=69, views=13):
        wrong = torch.zeros_like(part.batch.labels)
        wrong[:, 0] = part.augmentation.colours[:, 0] + 2
        is_right = turns[part.rows] < right_in[small.test.group[part.rows]]
        turns.index_add_(0, part.rows, torch.ones_like(part.rows))
        predictions = torch.where(is_right[:, None], part.batch.labels.clamp_min(0), wrong)
        votes.add(predictions, is_right.float(), part.rows, part.augmentation)
    # At equal votes the truth's confidence is the higher one.
    right = torch.minimum(turns, right_in[small.test.group])
    first = ((right > 0) & (2 * right >= turns)).double().mean().item()
    second = (right > 0).double().mean().item()
    scores = votes.scores()
    assert scores.pass_at[1].per_input == pytest.approx(first)
    assert scores.pass_at[2].per_input == pytest.approx(second)


@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_order_and_processes_do_not_matter(
    small: PuzzleDataset, data: st.DataObject, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    count = data.draw(st.integers(1, 200))
    rows = torch.randint(0, 3, (count,), generator=generator)
    predictions = small.test.labels[rows].clone()
    predictions[:, 0] = torch.randint(1, 5, (count,), generator=generator).byte()
    confidence = torch.rand(count, generator=generator)

    def collected(order: Tensor) -> ArcVotes:
        votes = ArcVotes(small)
        votes.add(predictions[order], confidence[order], rows[order], unchanged(len(order)))
        return votes

    def merged(parts: Sequence[Tensor]) -> ArcVotes:
        total = ArcVotes(small)
        for part in parts:
            total.merge(pickle.loads(pickle.dumps(collected(part))))
        return total

    parts = torch.randperm(count, generator=generator).chunk(data.draw(st.integers(1, 5)))
    whole = collected(torch.arange(count)).scores(guesses=range(1, 6))
    assert merged(parts).scores(guesses=range(1, 6)) == whole
    assert merged(parts[::-1]).scores(guesses=range(1, 6)) == whole


def test_the_empty_grid_is_a_guess_that_is_never_right(small: PuzzleDataset) -> None:
    votes = ArcVotes(small)
    blank = torch.ones(5, 36, dtype=torch.int32)
    votes.add(blank, torch.ones(5), torch.zeros(5, dtype=torch.int64), unchanged(5))
    assert votes.scores().votes == 5
    assert votes.scores(guesses=(1, 99)).pass_at == {1: NONE, 99: NONE}
    votes.add(small.test.labels[:1], torch.zeros(1), torch.tensor([0]), unchanged(1))
    assert [votes.scores().pass_at[k].per_input for k in (1, 2)] == [0, 1 / 69]


def test_a_confidence_that_is_no_number_counts_as_none(small: PuzzleDataset) -> None:
    votes = ArcVotes(small)
    confidence = torch.tensor([torch.nan, 0.1])
    rows = torch.zeros(2, dtype=torch.int64)
    votes.add(candidates(small)[:2], confidence, rows, unchanged(2))
    assert [votes.scores().pass_at[k].per_input for k in (1, 2)] == [0.0, 1 / 69]


def test_what_lies_beyond_the_grid_is_no_part_of_the_vote(small: PuzzleDataset) -> None:
    row = int((small.test.label_sizes.max(1).values < 5).nonzero()[0, 0])
    prediction = small.test.labels[row : row + 1].clone()
    assert prediction[0, -1] == 0
    prediction[0, -1] = 7
    votes = ArcVotes(small)
    votes.add(prediction, torch.ones(1), torch.tensor([row]), unchanged(1))
    assert votes.scores().pass_at[1].per_input == 1 / 69


def test_scores_are_plain_values(small: PuzzleDataset) -> None:
    scores = ArcVotes(small).scores(guesses=(2,))
    assert json.loads(json.dumps(asdict(scores)))["pass_at"] == {"2": vars(NONE)}
    assert scores.metrics() == {
        "pass_2_per_input": 0.0,
        "pass_2_per_task": 0.0,
        "pass_2_task_mean": 0.0,
    }


def test_a_label_that_is_not_in_the_corner_is_refused(stored: PuzzleDataset) -> None:
    labels = stored.test.labels.clone()
    labels[:, 0] = 1
    moved = replace(stored, test=replace(stored.test, labels=labels))
    with pytest.raises(DatasetError, match=r"official has no label grid .*not translated"):
        ArcVotes(moved)
