"""What every kind of puzzle has to do, from the build to the batch: the known and a new one.

A new kind's tests derive a class from `KindConformance` and say which of its sets to try.
"""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from puzzle_datasets import (
    Batch,
    PuzzleDataset,
    Share,
    TrainLoader,
    evaluation_batches,
    export,
    floors,
    kept_floors,
    kind_named,
    kind_names,
    kinds,
    prepare,
    puzzle_set,
    read_manifest,
    score,
    verify_all,
)
from puzzle_datasets.checks import Piece, StoredSet
from puzzle_datasets.commands.floors import FLOOR_FILE
from puzzle_datasets.commands.pictures import draw
from puzzle_datasets.commands.summary import summary
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.drawing.picture import Sample
from puzzle_datasets.kinds.arc.grids import canvas_tokens
from puzzle_datasets.kinds.floors import COMMON
from puzzle_datasets.storage.schema import COLOUR_OFFSET, IGNORE_LABEL, IMPORTED, Tokens

GOLDEN = json.loads(Path(__file__).with_name("golden_sets.json").read_text())["sets"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A built set of a kind, by the name and settings that it was asked for with."""

    name: str
    settings: dict[str, Any]
    folder: Path

    @cached_property
    def dataset(self) -> PuzzleDataset:
        return PuzzleDataset.open(self.folder)


def same(one: Batch, other: Batch) -> bool:
    return (
        one.inputs.equal(other.inputs)
        and one.labels.equal(other.labels)
        and one.puzzle_identifiers.equal(other.puzzle_identifiers)
    )


def joined(parts: list[Batch]) -> Batch:
    names = ("inputs", "labels", "puzzle_identifiers")
    return Batch(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def pairs_of(dataset: PuzzleDataset) -> set[bytes]:
    pairs = torch.cat([dataset.test.inputs, dataset.test.labels], 1)
    return {pair.numpy().tobytes() for pair in pairs}


def corner(kind: str, inputs: Tokens) -> Tokens:
    """ARC grids that an imported set has moved on the canvas, back in its corner."""
    if kind != "arc":
        return inputs
    side = math.isqrt(inputs.shape[1])
    rows, columns = np.nonzero(inputs.reshape(side, side) >= COLOUR_OFFSET)
    whole = slice(rows[0], rows[-1] + 1), slice(columns.min(), columns.max() + 1)
    return canvas_tokens(inputs.reshape(side, side)[whole] - COLOUR_OFFSET, side)[None]


class KindConformance:
    """The contract of a kind; a subclass overrides `case` by a fixture with its own sets."""

    @pytest.fixture
    def case(self) -> Case:
        raise NotImplementedError

    # The sets are only read, and one test stands for all kinds: few examples of each are many.
    @settings(
        max_examples=8,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    @given(
        rows=st.integers(1, 30),
        before=st.integers(0, 40),
        sizes=st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from([1, 2, 3])),
        seed=st.integers(0, 3),
    )
    def test_a_stream_goes_on_at_any_position_for_any_world_size(
        self, case: Case, rows: int, before: int, sizes: tuple[int, int], seed: int
    ) -> None:
        dataset = case.dataset
        chosen: dict[str, Any] = {"batch_size": 6 * rows, "seed": seed}
        whole = TrainLoader(dataset, **chosen)
        begun = TrainLoader(dataset, **chosen, share=Share(rank=sizes[0] - 1, world_size=sizes[0]))
        for _ in range(before):
            whole.next_batch()
            begun.next_batch()
        ranks = [Share(rank=rank, world_size=sizes[1]) for rank in range(sizes[1])]
        resumed = [TrainLoader(dataset, **chosen, share=rank) for rank in ranks]
        for loader in resumed:
            loader.load_state_dict(begun.state_dict())
        for _ in range(2):
            assert same(joined([loader.next_batch() for loader in resumed]), whole.next_batch())
            assert {str(loader.state_dict()) for loader in resumed} == {str(whole.state_dict())}

    def test_a_built_set_passes_its_own_verification(self, case: Case) -> None:
        assert len(list(verify_all(case.folder))) >= 4

    def test_batches_hold_what_the_manifest_promises(self, case: Case) -> None:
        dataset = case.dataset
        manifest = dataset.manifest
        loader = TrainLoader(dataset, batch_size=50, seed=0)
        evaluated = evaluation_batches(dataset, batch_size=50, limit=None, seed=0)
        for batch in [*(loader.next_batch() for _ in range(4)), *evaluated]:
            assert batch.inputs.shape[1] == batch.labels.shape[1] == manifest.seq_len
            assert int(batch.inputs.min()) >= 0
            assert int(batch.inputs.max()) < manifest.vocab_size
            assert int(batch.labels.max()) < manifest.vocab_size
            assert (batch.labels != IGNORE_LABEL).any(1).all()
            assert int(batch.puzzle_identifiers.max()) < manifest.num_puzzle_identifiers

    def test_the_settings_tell_the_shape_beforehand(self, case: Case) -> None:
        manifest, chosen = case.dataset.manifest, puzzle_set(case.name)
        asked = chosen.settings_from(case.settings)
        assert (asked.vocab_size, asked.seq_len) == (manifest.vocab_size, manifest.seq_len)
        assert manifest.num_puzzle_identifiers <= chosen.most_identifiers(asked)

    def test_equal_settings_give_equal_bytes(self, case: Case, tmp_path: Path) -> None:
        again = prepare(case.name, puzzle_set(case.name).settings_from(case.settings), tmp_path)
        assert again.name == case.folder.name
        for file in again.iterdir():
            assert file.read_bytes() == (case.folder / file.name).read_bytes(), file.name

    def test_the_right_answers_score_full_marks(self, case: Case) -> None:
        dataset = case.dataset
        scores = score(dataset, dataset.test.labels)
        best = {name: value for name, value in scores.items() if "exact" in name or "pass" in name}
        assert best
        assert set(best.values()) == {1.0}

    def test_a_puzzle_is_written_and_read_again(self, case: Case) -> None:
        manifest = case.dataset.manifest
        kind, grid = kind_named(manifest.kind), manifest.grid
        for row in case.dataset.test.inputs[:20].numpy():
            inputs = corner(manifest.kind, row[None])
            written = kind.to_text(inputs, grid)
            again = kind.from_text(written, grid)
            assert again.dtype == np.uint8
            assert np.array_equal(again, inputs)
            assert kind.to_text(again, grid) == written
        anything = np.arange(manifest.seq_len, dtype=np.uint8)[None] % manifest.vocab_size
        assert kind.to_text(anything, grid)

    def test_floors_answer_every_test_puzzle_alike_each_time(self, case: Case) -> None:
        dataset = case.dataset
        manifest, rows = dataset.manifest, np.arange(len(dataset.test))
        known = [*COMMON, *kind_named(manifest.kind).floors]
        assert len({floor.name for floor in known}) == len(known)
        for floor in known:
            answers = floor.predict(dataset, rows)
            assert (answers.shape, answers.dtype) == (dataset.test.labels.shape, np.uint8)
            assert answers.max() < manifest.vocab_size
            assert np.array_equal(answers, floor.predict(dataset, rows))
        assert [found.name for found in floors(dataset)] == [floor.name for floor in known]

    def test_floors_are_kept_beside_the_set_and_are_no_part_of_it(
        self, case: Case, tmp_path: Path
    ) -> None:
        folder = Path(shutil.copytree(case.folder, tmp_path / "set"))
        assert kept_floors(folder) == floors(case.dataset)
        assert (folder / FLOOR_FILE).exists()
        assert read_manifest(folder).fingerprint == case.dataset.manifest.fingerprint
        assert list(verify_all(folder)) == list(verify_all(case.folder))

    def test_a_set_is_summed_up_and_drawn(self, case: Case, tmp_path: Path) -> None:
        kind = kind_named(case.dataset.manifest.kind)
        assert kind.title in summary(case.dataset.manifest, case.folder)
        page = draw(case.folder, tmp_path / "page", Sample(puzzles=1))[0].read_text()
        assert kind.puzzles in page

    def test_what_is_exported_is_imported_again(self, case: Case, tmp_path: Path) -> None:
        """Test pairs come back as they were; of ARC under a table, once for each identity."""
        dataset = case.dataset
        export(case.folder, tmp_path / "npy")
        kind = dataset.manifest.kind
        chosen = puzzle_set(IMPORTED)
        asked = chosen.settings_from({"folder": str(tmp_path / "npy"), "kind": kind})
        chosen.check(asked)
        imported = prepare(IMPORTED, asked, tmp_path)
        back = PuzzleDataset.open(imported)
        assert list(verify_all(imported))
        assert back.manifest.kind == kind
        assert set(kind_named(kind).columns) == set(back.test.details)
        pairs = {
            pair.numpy().tobytes() for pair in torch.cat([back.test.inputs, back.test.labels], 1)
        }
        stored = torch.cat([dataset.test.inputs, dataset.test.labels], 1)
        assert {pair.numpy().tobytes() for pair in stored} <= pairs


class TestKindsOfThisPackage(KindConformance):
    @pytest.fixture(params=sorted(GOLDEN))
    def case(self, request: pytest.FixtureRequest, built: Callable[[str], Path]) -> Case:
        folder, golden = built(request.param), GOLDEN[request.param]
        asked = dict(golden["settings"])
        if "exported" in asked:
            asked = {"folder": str(folder.parent / "exported")}
        return Case(name=golden["set"], settings=asked, folder=folder)

    def test_each_kind_is_tried(self) -> None:
        tried = {name.partition(",")[0] for name in GOLDEN}
        assert tried == set(kind_names()) - {"negative"}


@pytest.fixture(scope="module")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    room = tmp_path_factory.mktemp("kinds")
    (room / "negative").mkdir()
    source = Path(__file__).with_name("invented_kind.py")
    shutil.copy(source, room / "negative" / "__init__.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "__path__", [*kinds.__path__, str(room)])
        yield room


class TestAnInventedKind(KindConformance):
    """One folder is enough to build, inspect, verify, load, score, export and import a kind."""

    @pytest.fixture(params=[0, 1, "fresh"])
    def case(self, request: pytest.FixtureRequest, invented: Path) -> Case:
        asked = {"augmentations": request.param}
        settings = puzzle_set("negatives").settings_from(asked)
        folder = prepare("negatives", settings, invented.with_name("negatives"))
        return Case(name="negatives", settings=asked, folder=folder)

    def test_a_wrong_row_is_found(self, case: Case) -> None:
        """The kind's own check is asked, with rows that can be named."""
        stored = StoredSet(folder=case.folder, manifest=case.dataset.manifest)
        [piece] = islice(stored.pieces("test"), 1)
        columns = {**piece.columns, "labels": piece.columns["inputs"]}
        spoilt = Piece(file=piece.file, first=0, columns=columns)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(DatasetError) as refused:
            patch.setattr(StoredSet, "pieces", lambda self, split: iter([spoilt]))
            list(kind_named("negative").check(stored))
        assert refused.value.value == 0


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(DatasetError) as refused:
        kind_named("chess")
    assert (refused.value.field, refused.value.value) == ("kind", "chess")
