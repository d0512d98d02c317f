"""What holds for every kind of set and every way of varying it, from the build to the batch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.commands.prepare import prepare, puzzle_set
from puzzle_datasets.commands.verify import verify_all
from puzzle_datasets.kinds.kind import score
from puzzle_datasets.loader import TrainLoader, evaluation_batches
from puzzle_datasets.loading.batch import Batch, Share
from puzzle_datasets.storage.dataset import PuzzleDataset

GOLDEN = json.loads(Path(__file__).with_name("golden_sets.json").read_text())["sets"]
SETS = sorted(GOLDEN)
BUILT = sorted(set(GOLDEN) - {"arc, imported"})


def same(one: Batch, other: Batch) -> bool:
    return (
        one.inputs.equal(other.inputs)
        and one.labels.equal(other.labels)
        and one.puzzle_identifiers.equal(other.puzzle_identifiers)
    )


def joined(parts: list[Batch]) -> Batch:
    return Batch(
        torch.cat([part.inputs for part in parts]),
        torch.cat([part.labels for part in parts]),
        torch.cat([part.puzzle_identifiers for part in parts]),
    )


@given(
    name=st.sampled_from(SETS),
    rows=st.integers(1, 30),
    before=st.integers(0, 40),
    worlds=st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from([1, 2, 3])),
    seed=st.integers(0, 3),
)
def test_a_stream_goes_on_at_any_position_for_any_world_size(
    opened: Callable[[str], PuzzleDataset],
    name: str,
    rows: int,
    before: int,
    worlds: tuple[int, int],
    seed: int,
) -> None:
    dataset = opened(name)
    chosen: dict[str, Any] = {"batch_size": 6 * rows, "seed": seed}
    whole = TrainLoader(dataset, **chosen)
    begun = TrainLoader(dataset, **chosen, share=Share(rank=worlds[0] - 1, world_size=worlds[0]))
    for _ in range(before):
        whole.next_batch()
        begun.next_batch()
    ranks = [Share(rank=rank, world_size=worlds[1]) for rank in range(worlds[1])]
    resumed = [TrainLoader(dataset, **chosen, share=rank) for rank in ranks]
    for loader in resumed:
        loader.load_state_dict(begun.state_dict())
    for _ in range(2):
        assert same(joined([loader.next_batch() for loader in resumed]), whole.next_batch())


@pytest.mark.parametrize("name", SETS)
def test_a_built_set_passes_its_own_verification(built: Callable[[str], Path], name: str) -> None:
    assert len(list(verify_all(built(name)))) >= 4


@pytest.mark.parametrize("name", SETS)
def test_batches_hold_what_the_manifest_promises(
    opened: Callable[[str], PuzzleDataset], name: str
) -> None:
    dataset = opened(name)
    manifest = dataset.manifest
    loader = TrainLoader(dataset, batch_size=50, seed=0)
    evaluated = evaluation_batches(dataset, batch_size=50, limit=None, seed=0)
    for batch in [*(loader.next_batch() for _ in range(4)), *evaluated]:
        assert batch.inputs.shape[1] == batch.labels.shape[1] == manifest.seq_len
        assert int(batch.inputs.min()) >= 0
        assert int(batch.inputs.max()) < manifest.vocab_size
        assert int(batch.labels.max()) < manifest.vocab_size
        assert (batch.labels != -100).any(1).all()
        assert int(batch.puzzle_identifiers.max()) < manifest.num_puzzle_identifiers


@pytest.mark.parametrize("name", BUILT)
def test_the_settings_tell_the_shape_beforehand(
    opened: Callable[[str], PuzzleDataset], name: str
) -> None:
    chosen, manifest = puzzle_set(GOLDEN[name]["set"]), opened(name).manifest
    asked = chosen.settings_from(GOLDEN[name]["settings"])
    assert (asked.vocab_size, asked.seq_len) == (manifest.vocab_size, manifest.seq_len)
    assert manifest.num_puzzle_identifiers <= chosen.most_identifiers(asked)


@pytest.mark.parametrize("name", BUILT)
def test_the_right_answers_score_full_marks(
    opened: Callable[[str], PuzzleDataset], name: str
) -> None:
    dataset = opened(name)
    scores = score(dataset, dataset.test.labels)
    best = {name: value for name, value in scores.items() if "exact" in name or "pass" in name}
    assert best
    assert set(best.values()) == {1.0}


@pytest.mark.parametrize("name", BUILT)
def test_equal_settings_give_equal_bytes(
    built: Callable[[str], Path], name: str, tmp_path: Path
) -> None:
    chosen = puzzle_set(GOLDEN[name]["set"])
    settings = chosen.settings_from(GOLDEN[name]["settings"])
    again = prepare(GOLDEN[name]["set"], settings, tmp_path)
    assert again.name == built(name).name
    for file in again.iterdir():
        assert file.read_bytes() == (built(name) / file.name).read_bytes(), file.name
