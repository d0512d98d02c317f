"""Import of published folders: small ones of every structure, written here."""

import json
import os
import shutil
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.arc.grids import grid_sizes
from puzzle_datasets.published.export import export
from puzzle_datasets.published.layout import Style, augmented_name, parse_names
from puzzle_datasets.published.source import OfficialSettings, build, most_identifiers
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import IDENTITY_FILE
from puzzle_datasets.storage.writer import SetWriter

Array = npt.NDArray[Any]
Content = dict[str, Array]
SIDE = 5


def save(
    folder: Path,
    splits: dict[str, list[Content]],
    names: list[str],
    vocab_size: int,
    dtype: str = "uint8",
) -> None:
    """Write a published folder whose splits have one set of arrays or more."""
    (folder / "identifiers.json").write_text(json.dumps(names))
    for split, contents in splits.items():
        sets = [f"set{number}" for number in range(len(contents))]
        (folder / split).mkdir()
        metadata = {
            "pad_id": 0,
            "ignore_label_id": 0,
            "blank_identifier_id": 0,
            "vocab_size": vocab_size,
            "seq_len": contents[0]["inputs"].shape[1],
            "num_puzzle_identifiers": len(names),
            "sets": sets,
            "total_groups": sum(len(c["group_indices"]) - 1 for c in contents),
            "of_some_other_build": [1, 2],
        }
        (folder / split / "dataset.json").write_text(json.dumps(metadata))
        for name, content in zip(sets, contents, strict=True):
            for part, array in content.items():
                kind = dtype if part in ("inputs", "labels") else "int32"
                np.save(folder / split / f"{name}__{part}.npy", array.astype(kind))


def import_folder(folder: Path, out: Path, **asked: Any) -> PuzzleDataset:
    out.mkdir()
    build(OfficialSettings(folder=str(folder), **asked), SetWriter(out))
    return PuzzleDataset.open(out)


def content(groups: list[list[int]], identifiers: list[int], draw: Callable[[], Array]) -> Content:
    """Return arrays for groups of puzzles of so many examples each."""
    sizes = [size for group in groups for size in group]
    return {
        "inputs": np.stack([draw() for _ in range(sum(sizes))]),
        "labels": np.stack([draw() for _ in range(sum(sizes))]),
        "puzzle_identifiers": np.array(identifiers),
        "puzzle_indices": np.cumsum([0, *sizes]),
        "group_indices": np.cumsum([0, *map(len, groups)]),
    }


def canvas(generator: np.random.Generator) -> Array:
    """Return a grid anywhere on its canvas, with its border."""
    height, width = generator.integers(1, SIDE + 1, 2)
    row, column = (generator.integers(0, SIDE - extent + 1) for extent in (height, width))
    tokens = np.zeros((SIDE + 1, SIDE + 1), np.uint8)
    tokens[row : row + height, column : column + width] = generator.integers(
        2, 12, (height, width)
    )
    tokens[row + height, column : column + width] = 1
    tokens[row : row + height, column + width] = 1
    return tokens[:SIDE, :SIDE].ravel()


@st.composite
def arc_folders(draw: st.DrawFn) -> tuple[dict[str, list[Content]], list[str]]:
    """Draw the splits and names of an ARC folder; some tasks are in one split only."""
    generator = np.random.default_rng(draw(st.integers(0, 9)))
    separator = draw(st.sampled_from(["_", "|||"]))
    in_splits = draw(
        st.lists(st.sampled_from(["train", "test", "both"]), max_size=4).map(
            lambda places: ["both", *places]
        )
    )
    names, tasks = ["<blank>"], []
    for task in range(len(in_splits)):
        first = len(names)
        names.append(f"task_t{task}")
        for _ in range(draw(st.integers(0, 2))):
            digits = "".join(map(str, generator.permutation(10)))
            transform = generator.integers(8)
            names.append(f"task_t{task}{separator}t{transform}{separator}{digits}")
        tasks.append(list(range(first, len(names))))
    splits = {}
    for split in ("train", "test"):
        mine = [
            ids for ids, place in zip(tasks, in_splits, strict=True) if place in (split, "both")
        ]
        groups = [[int(generator.integers(1, 4)) for _ in ids] for ids in mine]
        cut = draw(st.integers(1, len(groups)))
        parts = [part for part in (slice(cut), slice(cut, None)) if groups[part]]
        splits[split] = [
            content(groups[part], list(chain(*mine[part])), lambda: canvas(generator))
            for part in parts
        ]
    return splits, names


def joined(contents: list[Content], part: str) -> Array:
    return np.concatenate([c[part] for c in contents])


def structure(contents: list[Content]) -> tuple[list[int], list[int]]:
    """Return the puzzle and the group of every example, counted through all sets."""
    puzzle_sizes = np.concatenate([np.diff(c["puzzle_indices"]) for c in contents])
    group_sizes = np.concatenate([np.diff(c["group_indices"]) for c in contents])
    puzzles = np.repeat(np.arange(len(puzzle_sizes)), puzzle_sizes)
    return puzzles.tolist(), np.repeat(np.arange(len(group_sizes)), group_sizes)[puzzles].tolist()


@settings(max_examples=15)
@given(arc_folders(), st.sampled_from(["uint8", "int32", "int64"]))
def test_arc_folders_keep_their_pairs_and_structure(
    folder: tuple[dict[str, list[Content]], list[str]], dtype: str
) -> None:
    splits, names = folder
    with TemporaryDirectory() as root:
        published = Path(root) / "published"
        published.mkdir()
        save(published, splits, names, 12, dtype)
        dataset = import_folder(published, Path(root) / "set")
        stored_names = pq.read_table(Path(root) / "set" / IDENTITY_FILE).column("name")
        assert stored_names.to_pylist() == names[1:]
    assert dataset.manifest.kind == "arc"
    assert dataset.manifest.augmentation == "stored"
    assert dataset.identities is not None
    for table, contents in ((dataset.train, splits["train"]), (dataset.test, splits["test"])):
        puzzles, groups = structure(contents)
        ids = joined(contents, "puzzle_identifiers")
        assert np.array_equal(table.inputs, joined(contents, "inputs"))
        assert np.array_equal(table.labels, joined(contents, "labels"))
        assert table.puzzle.tolist() == puzzles
        assert table.puzzle_identifier.tolist() == ids[puzzles].tolist()
        assert np.unique(table.group, return_inverse=True)[1].tolist() == groups
        assert np.all(np.diff(table.group) >= 0)
        tasks = [names[i].split("|||")[0][:7] for i in table.puzzle_identifier]
        assert [dataset.group_names[group] for group in table.group] == tasks
        identity = table.puzzle_identifier.long() - 1
        assert torch.equal(dataset.identities.group[identity], table.group.long())


@settings(max_examples=10)
@given(arc_folders(), st.sampled_from(["uint8", "int64"]), st.sampled_from(["hrm", "trm"]))
def test_what_is_imported_is_exported_as_it_was(
    folder: tuple[dict[str, list[Content]], list[str]], dtype: str, style: Style
) -> None:
    splits, names = folder
    with TemporaryDirectory() as root:
        first, second = Path(root) / "published", Path(root) / "exported"
        first.mkdir()
        save(first, splits, names, 12, dtype)
        once = import_folder(first, Path(root) / "once")
        export(Path(root) / "once", second, style)
        twice = import_folder(second, Path(root) / "twice")
        assert once.manifest.files == twice.manifest.files
        assert json.loads((second / "identifiers.json").read_text()) == names
        for split, contents in splits.items():
            for part in ("inputs", "labels"):
                exported = np.load(second / split / f"all__{part}.npy")
                assert exported.dtype == np.uint8
                assert np.array_equal(exported, joined(contents, part))


def test_names_of_both_styles_say_what_was_done() -> None:
    names = [
        "a_1",
        "a_1_t3_0213456789",
        "b|||t7|||9876543210",
        "c_t1_0000000000",
        "d_t9_0123456789",
    ]
    identities = parse_names(names)
    assert identities.tasks == ["a_1", "a_1", "b", "c_t1_0000000000", "d_t9_0123456789"]
    assert identities.dihedral.tolist() == [0, 3, 7, 0, 0]
    assert identities.colours[1].tolist() == [0, 2, 1, 3, 4, 5, 6, 7, 8, 9]
    assert identities.colours[2].tolist() == list(range(9, -1, -1))
    assert (identities.colours[3:] == np.arange(10)).all()


@given(
    st.text(min_size=1),
    st.integers(0, 7),
    st.permutations(range(10)),
    st.sampled_from(["hrm", "trm"]),
)
def test_augmented_names_read_back(
    task: str, dihedral: int, colours: list[int], style: Style
) -> None:
    identities = parse_names([augmented_name(task, dihedral, colours, style)])
    if (dihedral, colours) != (0, list(range(10))):
        assert identities.tasks == [task]
    assert (identities.dihedral[0], identities.colours[0].tolist()) == (dihedral, colours)


@given(st.integers(0, 99))
def test_arc_sizes_are_those_of_the_grids_wherever_they_lie(seed: int) -> None:
    generator = np.random.default_rng(seed)
    height, width, row, column = (int(n) for n in generator.integers(1, 4, 4))
    tokens = np.zeros((1, 7, 7), np.uint8)
    tokens[0, row : row + height, column : column + width] = 2
    tokens[0, row + height, column : column + width] = 1
    heights, widths = grid_sizes(tokens.reshape(1, -1))
    assert (heights.tolist(), widths.tolist()) == ([height], [width])


def test_test_pairs_are_counted_on_from_the_demonstrations(arc: Path, tmp_path: Path) -> None:
    dataset = import_folder(arc, tmp_path / "set")
    assert dataset.train.details["example"].tolist() == [0, 1, 0, 1]
    assert dataset.test.details["example"].tolist() == [2, 2]


def test_names_take_no_more_room_than_the_puzzles_need(arc: Path, tmp_path: Path) -> None:
    (arc / "identifiers.json").write_text("[" + "[]," * 10_000 + "[]]")
    with pytest.raises(DatasetError, match=r"identifiers.json holds 30 kB, over the 10.4 kB it"):
        import_folder(arc, tmp_path / "set")


@pytest.fixture
def arc(tmp_path: Path) -> Path:
    """A folder of one task in two identities, of two demonstrations and one test pair each."""
    generator = np.random.default_rng(0)
    splits = {
        "train": [content([[2, 2]], [1, 2], lambda: canvas(generator))],
        "test": [content([[1, 1]], [1, 2], lambda: canvas(generator))],
    }
    folder = tmp_path / "published"
    folder.mkdir()
    save(folder, splits, ["<blank>", "a", "a_t1_0213456789"], 12)
    return folder


def singles(puzzles: list[tuple[Array, Array]]) -> Content:
    """Return arrays of puzzles that are a group each, under the blank identifier."""
    remaining = iter([given for given, _ in puzzles] + [solution for _, solution in puzzles])
    return content([[1]] * len(puzzles), [0] * len(puzzles), lambda: next(remaining))


SUDOKU = np.array([2, 3, 4, 5, 4, 5, 2, 3, 3, 2, 5, 4, 5, 4, 3, 2])
MAZE = np.array([3, 5, 2, 1, 1, 5, 1, 1, 2, 5, 4, 1, 1, 1, 1, 1])


def solved(sudoku: Array) -> tuple[Array, Array]:
    """A Sudoku all of whose cells are given, with its solution."""
    return sudoku, sudoku


def walked(maze: Array) -> tuple[Array, Array]:
    """The maze of a label that has its path, and the label."""
    return np.where(maze == 5, 2, maze), maze


@pytest.mark.parametrize(
    ("puzzle", "kind", "box"), [(solved(SUDOKU), "sudoku", (2, 2)), (walked(MAZE), "maze", None)]
)
@pytest.mark.parametrize("asked", [True, False])
def test_kinds_with_equal_vocabulary_are_told_apart(
    puzzle: tuple[Array, Array],
    kind: str,
    box: tuple[int, int] | None,
    asked: bool,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    save(folder, {s: [singles([puzzle] * 3)] for s in ("train", "test")}, ["<blank>"], 6, "int64")
    dataset = import_folder(folder, tmp_path / "set", kind=kind if asked else "auto")
    manifest = dataset.manifest
    assert (manifest.kind, manifest.box, manifest.grid) == (kind, box, (4, 4))
    assert manifest.num_puzzle_identifiers == 1
    assert manifest.counts["groups"] == 6
    assert dataset.identities is None
    assert dataset.test.group.tolist() == [3, 4, 5]
    assert set(manifest.tokens) == set("012345")
    details = {name: column.tolist() for name, column in dataset.train.details.items()}
    facts = {"sudoku": {"clues": [16] * 3}, "maze": {"length": [4] * 3, "n_shortest": [1.0] * 3}}
    assert details == facts[kind]


def swapped_digits(sudoku: Array) -> Array:
    return np.array([0, 1, 3, 2, 4, 5])[sudoku]


def mirrored(maze: Array) -> Array:
    return maze.reshape(4, 4)[:, ::-1].ravel()


OTHER_MAZE = np.array([3, 5, 5, 4] + [1] * 12)


@pytest.mark.parametrize(
    ("own", "disguised", "other"),
    [
        (
            solved(SUDOKU),
            solved(swapped_digits(SUDOKU)),
            (np.where(np.arange(16) < 8, SUDOKU, 1), SUDOKU),
        ),
        (walked(MAZE), walked(mirrored(MAZE)), walked(OTHER_MAZE)),
    ],
)
def test_test_puzzles_that_are_trained_on_are_counted(
    own: tuple[Array, Array],
    disguised: tuple[Array, Array],
    other: tuple[Array, Array],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    grids = {"train": [own, own], "test": [own, disguised, disguised, other]}
    save(folder, {s: [singles(g)] for s, g in grids.items()}, ["<blank>"], 6)
    figures = import_folder(folder, tmp_path / "set").manifest.statistics
    assert figures["test_pairs_trained_on"] == 1
    assert figures["test_pairs_trained_on_up_to_symmetry"] == 3


def test_arc_pairs_that_are_trained_on_are_counted(arc: Path, tmp_path: Path) -> None:
    def test_rows_from_train(part: str) -> None:
        train, test = (np.load(arc / split / f"set0__{part}.npy") for split in ("train", "test"))
        test[1] = train[2]
        np.save(arc / "test" / f"set0__{part}.npy", test)

    test_rows_from_train("inputs")
    figures = import_folder(arc, tmp_path / "input_only").manifest.statistics
    assert figures["test_pairs_trained_on"] == 0
    test_rows_from_train("labels")
    figures = import_folder(arc, tmp_path / "pair").manifest.statistics
    assert figures["test_pairs_trained_on"] == 1
    assert "test_pairs_trained_on_up_to_symmetry" not in figures


def test_settings_know_the_sizes_before_the_import(arc: Path) -> None:
    asked = OfficialSettings(folder=str(arc))
    assert (asked.vocab_size, asked.seq_len, most_identifiers(asked)) == (12, SIDE**2, 3)


def edited(file: str, change: Callable[[Array], Array]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        np.save(folder / file, change(np.load(folder / file)))

    return edit


def described(key: str, value: Any, *splits: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        for split in splits or ("train", "test"):
            file = folder / split / "dataset.json"
            file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))

    return edit


def cut(file: str, size: int) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        (folder / file).write_bytes((folder / file).read_bytes()[:size])

    return edit


def named(*names: str) -> Callable[[Path], None]:
    return lambda folder: save_names(folder, names)


def save_names(folder: Path, names: Any) -> None:
    (folder / "identifiers.json").write_text(json.dumps(names))


def with_value(index: Any, value: int) -> Callable[[Array], Array]:
    def change(array: Array) -> Array:
        array = array.astype(np.int32)
        array[index] = value
        return array

    return change


def replace_metadata(folder: Path, content: Any) -> None:
    (folder / "train" / "dataset.json").write_text(json.dumps(content))


def no_examples(folder: Path) -> None:
    for part in ("inputs", "labels"):
        np.save(folder / f"{TRAIN}{part}.npy", np.zeros((0, SIDE**2), np.uint8))


TRAIN = "train/set0__"
BAD_FOLDERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no dataset.json": (
        lambda folder: (folder / "test/dataset.json").unlink(),
        r"test/dataset\.json does not exist",
    ),
    "no JSON": (cut("train/dataset.json", 9), r"train/dataset\.json is no JSON"),
    "no object": (lambda folder: replace_metadata(folder, []), "no JSON object"),
    "other padding": (described("pad_id", 3), "pad_id 3"),
    "other ignored label": (described("ignore_label_id", -100), "ignore_label_id -100"),
    "no size": (described("vocab_size", None), "vocab_size None"),
    "no sets": (described("sets", []), "no list 'sets'"),
    "too many groups": (described("total_groups", 10**15), "has total_groups 10{15} where"),
    "more groups than examples": (described("total_groups", 5), "total_groups 5, but there are 4"),
    "more puzzles than examples": (described("total_puzzles", 5), "total_puzzles 5, but there"),
    "no number of groups": (described("total_groups", "many"), "total_groups 'many' where"),
    "set elsewhere": (
        described("sets", ["../../elsewhere"]),
        r"names a set '../../elsewhere', which no set can have",
    ),
    "absolute set": (described("sets", ["/etc/x"]), "names a set '/etc/x'"),
    "huge size": (described("num_puzzle_identifiers", 10**30), "num_puzzle_identifiers 1000"),
    "pickled array": (
        lambda folder: np.save(folder / f"{TRAIN}inputs.npy", np.array([{}]), allow_pickle=True),
        r"inputs\.npy can't be read",
    ),
    "nested header": (
        lambda folder: (folder / f"{TRAIN}inputs.npy").write_bytes(
            b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"(" * 9000
        ),
        r"inputs\.npy can't be read",
    ),
    "a pipe": (
        lambda folder: (
            (folder / f"{TRAIN}inputs.npy").unlink(),
            os.mkfifo(folder / f"{TRAIN}inputs.npy"),
        ),
        r"inputs\.npy is no regular file",
    ),
    "unknown set": (described("sets", ["other"]), r"other__inputs\.npy does not exist"),
    "sizes differ": (described("vocab_size", 11, "test"), "vocab_size 11 but train has 12"),
    "vocabulary of no kind": (described("vocab_size", 13), "vocab_size 13"),
    "other length": (
        described("seq_len", 36),
        r"inputs\.npy has shape \(4, 25\) but .* seq_len 36",
    ),
    "no names": (
        lambda folder: (folder / "identifiers.json").unlink(),
        r"identifiers\.json does not exist",
    ),
    "names no list": (lambda folder: save_names(folder, {"a": 1}), "no list of names"),
    "too few names": (named("<blank>", "a"), "2 names but .* num_puzzle_identifiers 3"),
    "array missing": (
        lambda folder: (folder / f"{TRAIN}labels.npy").unlink(),
        r"train/set0__labels\.npy does not exist",
    ),
    "array cut off": (cut(f"{TRAIN}inputs.npy", 150), r"inputs\.npy can't be read"),
    "header cut off": (cut(f"{TRAIN}inputs.npy", 20), r"inputs\.npy can't be read"),
    "no npy": (cut(f"{TRAIN}group_indices.npy", 0), r"group_indices\.npy can't be read"),
    "floats": (
        edited(f"{TRAIN}inputs.npy", lambda a: a.astype(np.float32)),
        r"inputs\.npy holds float32; convert",
    ),
    "label missing": (edited(f"{TRAIN}labels.npy", lambda a: a[:-1]), r"\(4, 25\) but labels"),
    "no examples": (no_examples, r"inputs\.npy holds no examples"),
    "indices no list": (edited(f"{TRAIN}group_indices.npy", lambda a: a[None]), "list is due"),
    "indices empty": (edited(f"{TRAIN}group_indices.npy", lambda a: a[:0]), "group_indices"),
    "late start": (
        edited(f"{TRAIN}puzzle_indices.npy", with_value(0, 1)),
        r"puzzle_indices\.npy starts at \[1\] instead of 0",
    ),
    "out of order": (
        edited(f"{TRAIN}puzzle_indices.npy", with_value(1, 5)),
        r"puzzle_indices\.npy has 4 at index 2 after 5",
    ),
    "empty puzzle": (
        edited(f"{TRAIN}puzzle_indices.npy", with_value(1, 0)),
        "0 at index 1 after 0",
    ),
    "early end": (
        edited(f"{TRAIN}puzzle_indices.npy", with_value(2, 3)),
        "ends at 3 but there are 4 examples",
    ),
    "puzzle too many": (
        edited(f"{TRAIN}puzzle_indices.npy", lambda a: np.array([0, 1, 2, 4])),
        "4 entries but there are 2 puzzle identifiers, which need 3",
    ),
    "group too long": (
        edited(f"{TRAIN}group_indices.npy", with_value(1, 3)),
        "ends at 3 but there are 2 puzzles",
    ),
    "identifier too large": (
        edited("test/set0__puzzle_identifiers.npy", with_value(1, 3)),
        r"test/set0__puzzle_identifiers\.npy has identifier 3 at index 1",
    ),
    "blank identifier in training": (
        edited(f"{TRAIN}puzzle_identifiers.npy", with_value(1, 0)),
        "identifier 0 at index 1",
    ),
    "blank identifier": (
        edited("test/set0__puzzle_identifiers.npy", with_value(0, 0)),
        "identifier 0 at index 0",
    ),
    "token too large": (
        edited(f"{TRAIN}labels.npy", with_value((3, 7), 12)),
        r"labels\.npy has token 12 in row 3 .* position 7 but vocab_size is 12",
    ),
    "token negative": (
        edited(f"{TRAIN}inputs.npy", with_value((1, 2), -100)),
        "token -100 in row 1 .* position 2",
    ),
    "no rectangle": (
        edited("test/set0__labels.npy", with_value(1, 0)),
        "test has a fault in example 1 .*its label is no full rectangle",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_FOLDERS.values(), ids=list(BAD_FOLDERS))
def test_bad_folders_are_refused(
    spoil: Callable[[Path], None], message: str, arc: Path, tmp_path: Path
) -> None:
    spoil(arc)
    with pytest.raises(DatasetError, match=message):
        import_folder(arc, tmp_path / "set")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_imported_or_refused(
    arc: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = Path(shutil.copytree(arc, tmp_path_factory.mktemp("damaged") / "published"))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    file = data.draw(st.sampled_from(files))
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, min(200, len(content) - 1)))] = data.draw(
            st.integers(0, 255)
        )
    file.write_bytes(content[: data.draw(st.one_of(st.none(), st.integers(0, len(content))))])
    try:
        import_folder(folder, folder.parent / "set")
    except DatasetError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("kind", ["sudoku", "maze"])
def test_a_kind_that_does_not_fit_is_refused(kind: str, arc: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"kind is {kind}, but"):
        import_folder(arc, tmp_path / "set", kind=kind)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(DatasetError, match="kind is 'chess'; choose from auto, arc"):
        OfficialSettings(folder="anywhere", kind="chess")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [([1, 2], [2, 1], "'a' after tasks that follow it"), ([1, 1], [1], "'a' in group 0 and in")],
)
def test_tasks_in_no_single_order_are_refused(
    train: list[int], test: list[int], message: str, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    splits = {
        split: [content([[1]] * len(tasks), tasks, lambda: canvas(generator))]
        for split, tasks in (("train", train), ("test", test))
    }
    folder = tmp_path / "published"
    folder.mkdir()
    save(folder, splits, ["<blank>", "a", "b"], 12)
    with pytest.raises(DatasetError, match=message):
        import_folder(folder, tmp_path / "set")


def test_identifiers_without_pairs_have_no_group(arc: Path, tmp_path: Path) -> None:
    described("num_puzzle_identifiers", 4)(arc)
    save_names(arc, ["<blank>", "a", "a_t1_0213456789", "gone"])
    identities = import_folder(arc, tmp_path / "set").identities
    assert identities is not None
    assert identities.group.tolist() == [0, 0, -1]
