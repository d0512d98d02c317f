"""One's own ARC tasks, in every form that people have them in, become a set or a sentence."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from puzzle_datasets.__main__ import main
from puzzle_datasets.commands.prepare import folder_name, puzzle_set, verify_all
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.arc.own_tasks import OwnArcSettings, chosen_tasks
from puzzle_datasets.kinds.arc.task_files import read_task_files
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.shards import read_manifest

in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def pair(colour: int) -> dict[str, Any]:
    return {"input": [[colour, 0]], "output": [[0], [colour]]}


def task(colour: int, tests: int = 1) -> dict[str, Any]:
    return {"train": [pair(colour), pair(colour + 1)], "test": [pair(colour + 2)] * tests}


def unanswered(whole: dict[str, Any]) -> dict[str, Any]:
    return {**whole, "test": [{"input": one["input"]} for one in whole["test"]]}


def put(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def train(tmp_path: Path) -> Path:
    for number in range(3):
        put(tmp_path / "train" / "deep" / f"t{number}.json", task(number))
    put(tmp_path / "train" / ".ipynb_checkpoints" / "t0-checkpoint.json", task(0))
    put(tmp_path / "train" / ".hidden.json", "no task")
    return tmp_path / "train"


def build(out: Path, *words: object) -> int:
    return main(["build", "arc", "--out", str(out), "--augmentations", "2", *map(str, words)])


def test_tasks_alone_are_trained_on_and_scored(train: Path, tmp_path: Path) -> None:
    assert build(tmp_path / "set", "--tasks", train) == 0
    manifest = read_manifest(tmp_path / "set")
    assert (manifest.counts["train_pairs"], manifest.counts["test_pairs"]) == (6, 3)
    assert manifest.counts["groups"] == 3
    assert list(verify_all(tmp_path / "set"))
    assert PuzzleDataset.open(tmp_path / "set").group_names == ["t0", "t1", "t2"]


def test_scored_tasks_are_held_out_and_others_train_whole(train: Path, tmp_path: Path) -> None:
    put(tmp_path / "score" / "s.json", task(5, tests=2))
    put(tmp_path / "score" / "t0.json", task(0))  # of both: scored alone
    assert build(tmp_path / "set", "--tasks", train, "--score", tmp_path / "score") == 0
    manifest = read_manifest(tmp_path / "set")
    assert (manifest.counts["train_pairs"], manifest.counts["test_pairs"]) == (2 * 3 + 4, 3)
    assert manifest.statistics["evaluation_tasks"] == 2


def test_a_single_file_is_a_set(train: Path, tmp_path: Path) -> None:
    assert build(tmp_path / "set", "--tasks", train / "deep" / "t1.json") == 0
    assert read_manifest(tmp_path / "set").counts["groups"] == 1


def test_kaggles_files_come_with_their_answers(tmp_path: Path) -> None:
    tasks = {f"k{number}": task(number, tests=2) for number in range(3)}
    challenges = put(
        tmp_path / "arc-agi_training_challenges.json",
        {name: unanswered(one) for name, one in tasks.items()},
    )
    alone = OwnArcSettings(tasks=str(challenges))
    with pytest.raises(DatasetError, match="has no test pair with its answer"):
        chosen_tasks(alone)
    before = folder_name("arc", alone)
    solutions = {n: [test["output"] for test in one["test"]] for n, one in tasks.items()}
    put(tmp_path / "arc-agi_training_solutions.json", solutions)
    put(tmp_path / "sample_submission.json", {"k0": [{"attempt_1": [[0]], "attempt_2": [[0]]}]})
    assert folder_name("arc", alone) != before
    for place in (challenges, tmp_path):
        found = read_task_files(place)
        assert [one.name for one in found] == ["k0", "k1", "k2"]
        assert [len(one.tests) for one in found] == [2, 2, 2]
    assert build(tmp_path / "set", "--tasks", challenges) == 0


def test_lists_of_pairs_are_demonstrations(tmp_path: Path) -> None:
    put(tmp_path / "re_arc" / "tasks" / "r1.json", [pair(n) for n in range(5)])
    put(tmp_path / "re_arc" / "metadata.json", {"r1": {"generated": 5}})
    put(tmp_path / "score" / "r1.json", task(1))
    put(tmp_path / "score" / "r2.json", task(2))
    [found] = read_task_files(tmp_path / "re_arc")
    assert (len(found.demonstrations), len(found.tests)) == (5, 0)
    words = ("--tasks", tmp_path / "re_arc", "--score", tmp_path / "score")
    assert build(tmp_path / "set", *words) == 0


def test_tests_without_answers_are_counted_and_left_out(train: Path, tmp_path: Path) -> None:
    put(train / "open.json", unanswered(task(4)))
    put(train / "null.json", {**task(4), "test": [{"input": [[1]], "output": None}]})
    assert build(tmp_path / "set", "--tasks", train) == 0
    manifest = read_manifest(tmp_path / "set")
    assert manifest.statistics["unanswered_tests"] == 2
    assert manifest.counts["test_pairs"] == 3


def test_settings_come_from_a_space_too(train: Path) -> None:
    chosen = puzzle_set("arc")
    found = chosen.settings_from({"tasks": str(train), "canvas": 3})
    chosen.check(found)
    assert chosen.most_identifiers(found) == 1 + 1001 * 3
    with pytest.raises(DatasetError, match="tasks is missing"):
        chosen.settings_from({})
    with pytest.raises(DatasetError, match="score names /no/where, which can't be read"):
        folder_name("arc", chosen.settings_from({"tasks": str(train), "score": "/no/where"}))
    with pytest.raises(DatasetError, match="score can't be used, for /no/where can't be read"):
        chosen.check(chosen.settings_from({"tasks": str(train), "score": "/no/where"}))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[" * 100_000, "is nested too deep"),
        ("{", "is no JSON"),
        ("9" * 5_000, "a number of over 30 digits"),
        ('{"a": {"train": 3, "test": []}}', "no list of up to"),
        ('{"a": {"train": []}}', "holds no ARC task"),
        ('{"a": 3}', "holds no ARC task"),
        ("3", "holds no ARC task"),
        ("[3]", "holds no ARC task"),
        ('{"\\ud800": {"train": [{"input": [[1]], "output": [[1]]}], "test": []}}', "no text"),
    ],
)
def test_what_holds_no_task_is_named(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text(content)
    with pytest.raises(DatasetError, match=said) as caught:
        read_task_files(tmp_path)
    assert str(tmp_path / "odd.json") in str(caught.value)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_named(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path / "odd.json")
    with pytest.raises(DatasetError, match=r"odd\.json is no regular file"):
        read_task_files(tmp_path)


def test_a_file_whose_name_is_no_text_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.json"
    Path(os.fsdecode(path)).write_text(json.dumps(task(1)))
    assert build(tmp_path / "set", "--tasks", tmp_path) == 2
    assert "has a task named '\\udcff', which is no text; rename it" in capsys.readouterr().err


def test_one_name_twice_is_refused(train: Path) -> None:
    put(train / "other" / "t1.json", task(1))
    with pytest.raises(DatasetError, match=r"has task t1, as .*t1\.json has; keep one"):
        read_task_files(train)


ODD = st.recursive(
    st.none() | st.integers(-1, 10) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)


@in_one_folder
@given(data=st.data())
def test_any_value_anywhere_is_a_task_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content: Any = data.draw(st.sampled_from([task(1), {"k": task(1)}, [pair(1)]]))
    content = json.loads(json.dumps(content))
    place = content
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            place[key] = data.draw(ODD)
            break
        place = inner
    put(tmp_path / "one.json", content)
    try:
        assert read_task_files(tmp_path)
    except DatasetError as error:
        assert str(error).startswith(str(tmp_path))
        assert "\n" not in str(error)
