"""Export of built sets: what is written, and that it reads as the published scripts read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from puzzle_datasets.common.dihedral import transform_grid
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.arc.settings import VERSIONS
from puzzle_datasets.kinds.arc.tasks import read_tasks
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.kinds.maze.rules import OPEN, PATH
from puzzle_datasets.loader import TrainLoader
from puzzle_datasets.published.export import export
from puzzle_datasets.published.layout import parse_names
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import Card
from puzzle_datasets.storage.writer import Rows, SetWriter

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Published:
    """One split as the published scripts hold it."""

    metadata: dict[str, Any]
    inputs: Array
    labels: Array
    puzzle_identifiers: Array
    puzzle_indices: Array
    group_indices: Array

    @classmethod
    def read(cls, folder: Path) -> "Published":
        metadata = json.loads((folder / "dataset.json").read_text())
        parts = [name for name in cls.__dataclass_fields__ if name != "metadata"]
        return cls(metadata, **{p: np.load(folder / f"all__{p}.npy") for p in parts})

    def groups(self) -> Iterator[list[list[tuple[Array, Array, int]]]]:
        """Yield each group as puzzles of examples: input, label and identifier."""
        for first, last in zip(self.group_indices[:-1], self.group_indices[1:], strict=True):
            yield [self.puzzle(number) for number in range(first, last)]

    def puzzle(self, number: int) -> list[tuple[Array, Array, int]]:
        rows = range(self.puzzle_indices[number], self.puzzle_indices[number + 1])
        identifier = int(self.puzzle_identifiers[number])
        return [(self.inputs[row], self.labels[row], identifier) for row in rows]

    def training_batches(self, size: int, seed: int) -> Iterator[tuple[Array, Array, Array]]:
        """Yield an epoch's batches: groups shuffled, of each one random puzzle, until full."""
        generator = np.random.default_rng(seed)
        rows: list[int] = []
        identifiers: list[int] = []
        for group in generator.permutation(len(self.group_indices) - 1):
            puzzle = generator.integers(self.group_indices[group], self.group_indices[group + 1])
            begin, end = self.puzzle_indices[puzzle], self.puzzle_indices[puzzle + 1]
            taken = generator.permutation(np.arange(begin, end))[: size - len(rows)]
            rows += taken.tolist()
            identifiers += [int(self.puzzle_identifiers[puzzle])] * len(taken)
            if len(rows) == size:
                labels = self.labels[rows].astype(np.int32)
                labels[labels == self.metadata["ignore_label_id"]] = -100
                yield self.inputs[rows].astype(np.int32), labels, np.array(identifiers, np.int32)
                rows, identifiers = [], []


@pytest.fixture(scope="module")
def exported(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exports") / "small"
    export(small_folder, out, "trm")
    return out


def test_metadata_has_what_both_scripts_look_for(exported: Path, small: PuzzleDataset) -> None:
    for split in ("train", "test"):
        published = Published.read(exported / split)
        sizes = np.diff(published.puzzle_indices)
        assert published.metadata == {
            "pad_id": 0,
            "ignore_label_id": 0,
            "blank_identifier_id": 0,
            "vocab_size": 12,
            "seq_len": 36,
            "num_puzzle_identifiers": small.manifest.num_puzzle_identifiers,
            "total_groups": len(published.group_indices) - 1,
            "total_puzzles": len(sizes),
            "mean_puzzle_examples": sizes.mean(),
            "sets": ["all"],
        }
        assert published.inputs.dtype == published.labels.dtype == np.uint8
        assert published.puzzle_indices.dtype == published.group_indices.dtype == np.int32
        assert published.inputs.shape == (sizes.sum(), 36)


def rectangle(tokens: Array) -> Array:
    canvas = tokens.reshape(6, 6)
    rows, columns = np.nonzero(canvas >= 2)
    return canvas[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] - 2


def test_every_identity_has_the_pairs_of_its_task(exported: Path, small: PuzzleDataset) -> None:
    names = json.loads((exported / "identifiers.json").read_text())
    assert names[0] == "<blank>"
    assert len(set(names)) == small.manifest.num_puzzle_identifiers
    identities = parse_names(names)
    tasks = {task.name: task for task in read_tasks(VERSIONS["arc-agi-1"])}
    for split in ("train", "test"):
        seen = []
        for group in Published.read(exported / split).groups():
            assert len({identities.tasks[puzzle[0][2]] for puzzle in group}) == 1
            for puzzle in group:
                identifier = puzzle[0][2]
                seen.append(identifier)
                task = tasks[identities.tasks[identifier]]
                base = task.demonstrations if split == "train" else task.tests
                for (x, y, _), pair in zip(puzzle, base, strict=True):
                    for tokens, grid in zip((x, y), pair, strict=True):
                        turned = transform_grid(grid, int(identities.dihedral[identifier]))
                        wanted = identities.colours[identifier][turned]
                        assert np.array_equal(rectangle(tokens), wanted)
        assert seen == list(range(1, len(names)))


def test_the_export_is_what_the_training_loader_serves(
    exported: Path, small: PuzzleDataset
) -> None:
    train = Published.read(exported / "train")
    identifiers = np.repeat(train.puzzle_identifiers, np.diff(train.puzzle_indices))
    written = {
        (int(i), x.tobytes(), y.tobytes())
        for i, x, y in zip(identifiers, train.inputs, train.labels, strict=True)
    }
    loader = TrainLoader(small, batch_size=64, seed=5)
    for _ in range(20):
        batch = loader.next_batch()
        inputs, labels = (
            t.clamp_min(0).to(torch.uint8).numpy() for t in (batch.inputs, batch.labels)
        )
        served = zip(batch.puzzle_identifiers.tolist(), inputs, labels, strict=True)
        assert {(i, x.tobytes(), y.tobytes()) for i, x, y in served} <= written


def in_corner(tokens: Array) -> Array:
    """Return which canvases [n, L] have a colour in their first cell."""
    return tokens[:, 0] >= 2


def test_training_pairs_are_moved_except_one_and_test_pairs_are_not(exported: Path) -> None:
    train, test = (Published.read(exported / split) for split in ("train", "test"))
    corner = in_corner(train.inputs) & in_corner(train.labels)
    assert np.add.reduceat(corner, train.puzzle_indices[:-1]).min() >= 1
    assert not corner.all()
    assert (in_corner(test.inputs) & in_corner(test.labels)).all()


def test_published_training_reads_it(exported: Path) -> None:
    train = Published.read(exported / "train")
    batches = list(train.training_batches(16, seed=0))
    assert batches
    for inputs, labels, identifiers in batches:
        assert inputs.shape == labels.shape == (16, 36)
        assert identifiers.min() >= 1
        assert set(np.unique(labels)) <= {-100, *range(1, 12)}


def test_scored_tasks_are_arcs_own(exported: Path, small: PuzzleDataset) -> None:
    tasks = {task.name: task for task in read_tasks(VERSIONS["arc-agi-1"])}
    scored = json.loads((exported / "test_puzzles.json").read_text())
    assert list(scored) == [small.group_names[g] for g in np.unique(small.test.group).tolist()]
    for name, task in scored.items():
        for part, pairs in (("train", tasks[name].demonstrations), ("test", tasks[name].tests)):
            wanted = [{"input": x.tolist(), "output": y.tolist()} for x, y in pairs]
            assert task[part] == wanted


def test_hrm_names_its_identities_in_its_own_way(small_folder: Path, tmp_path: Path) -> None:
    export(small_folder, tmp_path / "out")
    names = json.loads((tmp_path / "out" / "identifiers.json").read_text())
    assert not any("|||" in name for name in names)
    assert parse_names(names).dihedral.any()
    assert not (tmp_path / "out" / "test_puzzles.json").exists()


def test_nothing_is_overwritten(small_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(DatasetError, match="precious exists; choose another folder"):
        export(small_folder, tmp_path / "precious")
    with pytest.raises(OSError, match="precious"):
        export(small_folder, tmp_path / "precious" / "below")
    assert [file.name for file in tmp_path.iterdir()] == ["precious"]


SUDOKU = np.array([2, 3, 4, 5, 4, 5, 2, 3, 3, 2, 5, 4, 5, 4, 3, 2], np.uint8)
MAZE = np.array([3, 5, 2, 1, 1, 5, 1, 1, 2, 5, 4, 1, 1, 1, 1, 1], np.uint8)


def variant_set(folder: Path, kind: str, augmentations: int | str) -> Path:
    """Build three training puzzles and one test puzzle."""
    folder.mkdir()
    writer = SetWriter(folder)
    label = SUDOKU if kind == "sudoku" else MAZE
    blank = np.eye(16, dtype=bool)[[2, 5, 11, 2]]
    given = np.where(blank, 1, label) if kind == "sudoku" else np.where(label == PATH, OPEN, label)
    inputs, labels = np.resize(given, (4, 16)).astype(np.uint8), np.tile(label, (4, 1))
    facts = {"clues": 15} if kind == "sudoku" else {"length": 4, "n_shortest": 1}
    for split, rows, first in (("train", slice(0, 3), 0), ("test", slice(3, 4), 3)):
        count = len(inputs[rows])
        own = kind_named(kind).columns
        details = {
            name: np.full(count, facts[name], one.to_pandas_dtype()) for name, one in own.items()
        }
        writer.write_split(split, [Rows.singles(inputs[rows], labels[rows], first, 0, **details)])
    card = Card(
        name="variants",
        kind=kind,
        settings={"augmentations": augmentations, "seed": 3},
        source="written by hand",
        licence="none",
        vocab_size=6,
        seq_len=16,
        grid=(4, 4),
        box=(2, 2) if kind == "sudoku" else None,
        tokens={str(token): f"token {token}" for token in range(6)},
        augmentation="fresh" if augmentations == "fresh" else "table",
        groups=4,
        statistics={},
    )
    writer.finish(card)
    return folder


@pytest.mark.parametrize("kind", ["sudoku", "maze"])
def test_a_group_is_a_puzzle_with_its_variants(kind: str, tmp_path: Path) -> None:
    folder = variant_set(tmp_path / "set", kind, 5)
    export(folder, tmp_path / "out")
    dataset = PuzzleDataset.open(folder)
    train, test = (Published.read(tmp_path / "out" / split) for split in ("train", "test"))
    assert train.group_indices.tolist() == [0, 6, 12, 18]
    assert train.puzzle_indices.tolist() == list(range(19))
    assert not train.puzzle_identifiers.any()
    assert np.array_equal(train.inputs[::6], dataset.train.inputs)
    assert np.array_equal(train.labels[::6], dataset.train.labels)
    assert np.array_equal(test.inputs, dataset.test.inputs)
    assert test.group_indices.tolist() == [0, 1]
    assert json.loads((tmp_path / "out" / "identifiers.json").read_text()) == ["<blank>"]


@pytest.mark.parametrize("kind", ["sudoku", "maze"])
def test_exported_variants_are_all_that_training_serves(kind: str, tmp_path: Path) -> None:
    folder = variant_set(tmp_path / "set", kind, 5)
    export(folder, tmp_path / "out")
    train = Published.read(tmp_path / "out" / "train")
    written = {(x.tobytes(), y.tobytes()) for x, y in zip(train.inputs, train.labels, strict=True)}
    assert len(written) >= 6
    loader = TrainLoader(PuzzleDataset.open(folder), batch_size=3, seed=1)
    served = set()
    for _ in range(100):
        batch = loader.next_batch()
        pairs = zip(batch.inputs.byte().numpy(), batch.labels.byte().numpy(), strict=True)
        served |= {(x.tobytes(), y.tobytes()) for x, y in pairs}
    assert served == written


def test_a_set_with_fresh_augmentations_gives_its_base_puzzles(tmp_path: Path) -> None:
    folder = variant_set(tmp_path / "set", "sudoku", "fresh")
    export(folder, tmp_path / "out")
    train = Published.read(tmp_path / "out" / "train")
    assert np.array_equal(train.inputs, PuzzleDataset.open(folder).train.inputs)
    assert train.group_indices.tolist() == [0, 1, 2, 3]


def test_an_export_says_how_far_it_is(small_folder: Path, tmp_path: Path) -> None:
    said: list[tuple[str, int]] = []
    export(small_folder, tmp_path / "out", report=lambda split, pairs: said.append((split, pairs)))
    assert [split for split, _ in said] == ["train", "test"]
    lengths = [len(np.load(tmp_path / "out" / split / "all__inputs.npy")) for split, _ in said]
    assert [pairs for _, pairs in said] == lengths
