"""The file of answers keeps every evaluation once, and is whole whenever its writer dies."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrm.config import ConfigError
from hrm.evaluation.answer_file import SCHEMA, AnswerFile, Entry
from hrm.evaluation.per_puzzle import PuzzleAnswers
from puzzle_datasets.common import files

ROWS, SEGMENTS = 6, 3


def answers(step: int, seed: int = 0) -> PuzzleAnswers:
    generator = np.random.default_rng((step, seed))

    def numbers(low: int, high: int) -> Any:
        return generator.integers(low, high, ROWS, dtype=np.int32)

    return PuzzleAnswers(
        step=step,
        training_flops=10 * step,
        puzzles=np.arange(ROWS, dtype=np.int32) // 2,
        views=np.arange(ROWS, dtype=np.int32) % 2,
        tasks=np.arange(ROWS, dtype=np.int32) // 4,
        solved=generator.random((ROWS, SEGMENTS)) < 0.5,
        halted_at=numbers(1, SEGMENTS + 1),
        vote_rank=numbers(0, 3),
    )


def entry(purpose: str, replicate: int, step: int) -> Entry:
    return purpose, replicate, answers(step, replicate)


def rows(entry: Entry, names: list[str]) -> list[dict[str, Any]]:
    """What the file has to hold of an evaluation."""
    purpose, replicate, one = entry
    return [
        {
            "purpose": purpose,
            "replicate": replicate,
            "step": one.step,
            "training_flops": float(one.training_flops),
            "puzzle": one.puzzles[at],
            "view": one.views[at],
            "task": one.tasks[at],
            "task_name": names[one.tasks[at]] if names else None,
            "solved": one.solved[at].tolist(),
            "halted_at": one.halted_at[at],
            "vote_rank": one.vote_rank[at] or None,
        }
        for at in range(ROWS)
    ]


KEYS = st.tuples(st.sampled_from(["measure", "tune"]), st.integers(0, 2), st.integers(1, 3))


@given(st.lists(st.lists(KEYS)), st.sampled_from([[], ["one", "two"]]))
def test_every_evaluation_is_there_once(
    tmp_path_factory: pytest.TempPathFactory,
    calls: list[list[tuple[str, int, int]]],
    names: list[str],
) -> None:
    path = tmp_path_factory.mktemp("answers") / "answers.parquet"
    for keys in calls:  # each by another process, as far as the file can tell
        AnswerFile(path, names).add([entry(*key) for key in keys])
    file = AnswerFile(path, names)
    distinct = dict.fromkeys(key for keys in calls for key in keys)
    expected = [row for key in distinct for row in rows(entry(*key), names)]
    assert file.read().schema == SCHEMA
    assert file.read().to_pylist() == expected
    for purpose in ("measure", "tune"):
        for replicate in range(3):
            steps = {step for *owner, step in distinct if owner == [purpose, replicate]}
            assert file.steps(purpose, replicate) == steps


def test_no_evaluation_is_written_again_until_many_are_merged(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / "answers.parquet")
    file.add([entry("measure", 0, 1)])
    before = file.path.stat()
    for step in range(2, 33):
        file.add([entry("measure", 0, step)])
    assert file.path.stat() == before
    file.add([entry("measure", 0, 33)])
    assert len(pq.read_table(file.path)) == len(file.read()) == 33 * ROWS
    assert list(tmp_path.iterdir()) == [file.path]


def test_a_merge_that_dies_at_any_step_neither_loses_nor_repeats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = AnswerFile(tmp_path / "answers.parquet")
    for step in (1, 2, 3):
        file.add([entry("measure", 0, step)])
    whole = file.read()
    for name in ("write_whole", "shutil.rmtree"):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(f"hrm.evaluation.answer_file.{name}", died)
            AnswerFile(file.path).merge()
        assert AnswerFile(file.path).read().equals(whole)
    (tmp_path / "answers.parts" / "000000001.parquet").unlink()  # it died between two
    file = AnswerFile(file.path)
    assert file.read().num_rows == whole.num_rows
    file.add([entry("measure", 0, 4)])
    file.merge()
    assert file.read().slice(0, whole.num_rows).equals(whole)
    assert AnswerFile(file.path).steps("measure", 0) == {1, 2, 3, 4}


def died(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_reader_meets_a_merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = AnswerFile(tmp_path / "answers.parquet")
    for step in (1, 2, 3):
        file.add([entry("measure", 0, step)])
    whole, reader = file.read(), AnswerFile(file.path)
    listed = reader._parts()
    answers_of = iter([listed])
    file.merge()
    monkeypatch.setattr(reader, "_parts", lambda: next(answers_of, []))
    assert reader.read().equals(whole)


def test_what_is_there_already_costs_no_write(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / "answers.parquet")
    file.add([entry("measure", 0, 1)])
    before = file.path.stat()
    file.add([entry("measure", 0, 1)])
    assert file.path.stat() == before


def test_a_writer_that_breaks_leaves_the_former_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = AnswerFile(tmp_path / "answers.parquet")
    file.add([entry("measure", 0, 1)])
    before = file.path.read_bytes()

    def full_disk(path: Path, write: Callable[[BinaryIO], object]) -> None:
        def write_part(stream: BinaryIO) -> None:
            write(stream)
            raise OSError(28, "No space left on device")

        files.write_whole(path, write_part)

    with monkeypatch.context() as patched:
        patched.setattr("hrm.evaluation.answer_file.write_whole", full_disk)
        with pytest.raises(OSError, match="No space left"):
            file.add([entry("measure", 0, 2)])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file.path]
    assert file.path.read_bytes() == before
    file.add([entry("measure", 0, 2)])
    assert file.steps("measure", 0) == {1, 2}


def test_a_killed_writer_leaves_whole_evaluations(tmp_path: Path) -> None:
    path = tmp_path / "answers.parquet"
    code = f"""
import sys, itertools
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_answer_file import AnswerFile, Path, entry
file = AnswerFile(Path({str(path)!r}))
for step in itertools.count(1):
    file.add([entry("measure", 0, step)])
    print(step, flush=True)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
        assert writer.stdout is not None
        for _ in range(20):
            last = int(writer.stdout.readline())
        writer.kill()
    file = AnswerFile(path)
    there = file.steps("measure", 0)
    assert there == set(range(1, max(there) + 1))
    assert max(there) >= last
    assert len(file.read()) == ROWS * len(there)
    file.add([entry("measure", 0, step) for step in range(1, max(there) + 3)])
    assert file.steps("measure", 0) == set(range(1, max(there) + 3))
    file.merge()
    assert len(pq.read_table(path)) == ROWS * (max(there) + 2)
    assert [name.name for name in tmp_path.iterdir()] == [path.name]


def test_a_row_group_of_several_evaluations_is_refused(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / "answers.parquet")
    file.add([entry("measure", 0, 1), entry("measure", 0, 2)])
    pq.write_table(file.read(), file.path)
    with pytest.raises(ConfigError, match="holds not one evaluation in each row group; restore"):
        AnswerFile(file.path).add([entry("measure", 0, 3)])


@pytest.mark.parametrize("damage", ["cut", "text", "other", "folder"])
def test_a_damaged_file_is_refused_and_stays(tmp_path: Path, damage: str) -> None:
    file = AnswerFile(tmp_path / "answers.parquet")
    file.add([entry("measure", 0, 1)])
    whole = file.path.read_bytes()
    if damage == "folder":
        file.path.unlink()
        file.path.mkdir()
    elif damage == "other":
        pq.write_table(pa.table({"puzzle": [1]}), file.path)
    else:
        file.path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"no Parquet")
    file = AnswerFile(file.path)
    for use in (file.read, lambda: file.steps("measure", 0), lambda: file.add([])):
        with pytest.raises(ConfigError, match=r"answers\.parquet .*; restore it, or remove it"):
            use()
    assert file.path.exists()


def test_single_bytes_changed_never_go_unnamed(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / "answers.parquet")
    file.add([entry("measure", 0, 1)])
    whole = bytearray(file.path.read_bytes())
    for at in range(0, len(whole), 7):
        changed = whole.copy()
        changed[at] ^= 0xFF
        file.path.write_bytes(changed)
        try:
            file.read()
        except ConfigError as error:
            assert error.field == str(file.path)


def test_an_evaluation_of_over_a_million_rows_stays_whole(tmp_path: Path) -> None:
    count = 2**20 + 1
    zeros, ones = np.zeros(count, np.int32), np.ones(count, np.int32)
    many = PuzzleAnswers(
        step=1,
        training_flops=10,
        puzzles=np.arange(count, dtype=np.int32),
        views=zeros,
        tasks=zeros,
        solved=np.ones((count, 1), np.bool_),
        halted_at=ones,
        vote_rank=zeros,
    )
    file = AnswerFile(tmp_path / "answers.parquet")
    for replicate in range(2):
        file.add([("measure", replicate, many)])
    file.merge()
    assert len(AnswerFile(file.path).read()) == 2 * count
