"""What holds for every kind of set and every way of varying it, from the build to the batch."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.commands.registry import puzzle_set
from puzzle_datasets.commands.verify import verify_all
from puzzle_datasets.common.settings import make_settings
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.loading.loader import Share, TrainLoader, evaluation_batches
from puzzle_datasets.published.export import export
from puzzle_datasets.scoring.summary import score
from puzzle_datasets.storage.dataset import PuzzleDataset

SMALL_ARC = {"canvas": 4, "held_out": "all"}
SMALL_SUDOKU = {"side": 4, "clues": 6, "train": 40, "test": 10}
SMALL_MAZES = {"side": 7, "train": 40, "test": 10}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "arc, table": ("arc-agi-1", {**SMALL_ARC, "augmentations": 5}),
    "arc, fresh": ("arc-agi-2", {**SMALL_ARC, "augmentations": "fresh"}),
    "sudoku, stored": ("sudoku", {**SMALL_SUDOKU, "augmentations": 0}),
    "sudoku, table": ("sudoku", {**SMALL_SUDOKU, "augmentations": 3}),
    "sudoku, fresh": ("sudoku", {**SMALL_SUDOKU, "side": 6, "clues": 14}),
    "maze, stored": ("maze", SMALL_MAZES),
    "maze, table": ("maze", {**SMALL_MAZES, "augmentations": 7}),
    "maze, fresh": (
        "maze",
        {**SMALL_MAZES, "family": "random-walls", "min_length": 6, "augmentations": "fresh"},
    ),
}
KINDS = (*ASKED, "arc, imported")
any_kind = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def build(name: str, chosen: dict[str, Any], root: Path) -> Path:
    return prepare(name, make_settings(puzzle_set(name).settings, chosen), root)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("kinds")
    made = {kind: build(name, chosen, root) for kind, (name, chosen) in ASKED.items()}
    export(made["arc, table"], root / "npy")
    made["arc, imported"] = build("official", {"folder": str(root / "npy")}, root)
    return made


@pytest.fixture(scope="module")
def opened(folders: dict[str, Path]) -> dict[str, PuzzleDataset]:
    return {kind: PuzzleDataset.open(folder) for kind, folder in folders.items()}


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


@any_kind
@given(
    kind=st.sampled_from(KINDS),
    rows=st.integers(1, 30),
    before=st.integers(0, 40),
    worlds=st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from([1, 2, 3])),
    seed=st.integers(0, 3),
)
def test_a_stream_goes_on_at_any_position_for_any_world_size(
    opened: dict[str, PuzzleDataset],
    kind: str,
    rows: int,
    before: int,
    worlds: tuple[int, int],
    seed: int,
) -> None:
    dataset = opened[kind]
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_built_set_passes_its_own_verification(folders: dict[str, Path], kind: str) -> None:
    assert len(list(verify_all(folders[kind]))) >= 4


@pytest.mark.parametrize("kind", KINDS)
def test_batches_hold_what_the_manifest_promises(
    opened: dict[str, PuzzleDataset], kind: str
) -> None:
    dataset = opened[kind]
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


@pytest.mark.parametrize("kind", ASKED)
def test_the_settings_tell_the_shape_beforehand(
    opened: dict[str, PuzzleDataset], kind: str
) -> None:
    name, chosen = ASKED[kind]
    manifest = opened[kind].manifest
    asked = make_settings(puzzle_set(name).settings, chosen)
    assert (asked.vocab_size, asked.seq_len) == (manifest.vocab_size, manifest.seq_len)
    assert manifest.num_puzzle_identifiers <= puzzle_set(name).most_identifiers(asked)


@pytest.mark.parametrize("kind", ASKED)
def test_the_right_answers_score_full_marks(opened: dict[str, PuzzleDataset], kind: str) -> None:
    dataset = opened[kind]
    scores = score(dataset, dataset.test.labels)
    best = {name: value for name, value in scores.items() if "exact" in name or "pass" in name}
    assert best
    assert set(best.values()) == {1.0}


@pytest.mark.parametrize("kind", ASKED)
def test_equal_settings_give_equal_bytes(
    folders: dict[str, Path], kind: str, tmp_path: Path
) -> None:
    again = build(*ASKED[kind], tmp_path)
    assert again.name == folders[kind].name
    for file in again.iterdir():
        assert file.read_bytes() == (folders[kind] / file.name).read_bytes(), file.name
