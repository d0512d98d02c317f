"""Answers per puzzle come back from their packed form as they were; what is none is refused."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hrm.evaluation.per_puzzle import NUMBERS, PuzzleAnswers, answers_from
from puzzle_datasets.common.records import ContradictionError, MisfitError

LARGEST = 2**31 - 1


@st.composite
def any_answers(draw: st.DrawFn) -> PuzzleAnswers:
    rows, segments = draw(st.integers(0, 20)), draw(st.integers(1, 20))
    halted = arrays.arrays(np.int32, rows, elements=st.integers(1, segments))
    number = arrays.arrays(np.int32, rows, elements=st.integers(0, LARGEST))
    fields = {name: draw(halted if name == "halted_at" else number) for name in NUMBERS}
    return PuzzleAnswers(
        step=draw(st.integers(0, 10**9)),
        training_flops=draw(st.integers(0, 10**25)),
        solved=draw(arrays.arrays(bool, (rows, segments))),
        **fields,
    )


def few() -> PuzzleAnswers:
    count = np.arange(3, dtype=np.int32)
    return PuzzleAnswers(
        step=7,
        training_flops=10**20,
        puzzles=count,
        views=count * 0,
        tasks=count,
        solved=np.array([[False, True], [True, True], [False, False]]),
        halted_at=count // 2 + 1,
        vote_rank=count * 0,
    )


@given(any_answers())
def test_what_is_packed_comes_back(answers: PuzzleAnswers) -> None:
    again = answers_from(json.loads(json.dumps(answers.to_plain())))
    assert again == answers
    for name in (*NUMBERS, "solved"):
        one, other = getattr(answers, name), getattr(again, name)
        assert (one.dtype, one.tolist()) == (other.dtype, other.tolist())
    assert (again.step, again.training_flops) == (answers.step, answers.training_flops)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"rows": 4}, "has puzzles of another length than its rows"),
        ({"rows": -1}, "has -1 as rows"),
        ({"rows": 2**31 - 1, "segments": 2**31}, "says 2147483647 rows"),
        ({"segments": 9}, "has solved of another length"),
        ({"segments": 1}, "halt at none of 1 segments"),
        ({"segments": 0}, "has 0 as segments"),
        ({"step": "7"}, "has '7' as step, which is not a whole number"),
        ({"tasks": "!"}, "has tasks that can't be unpacked"),
        ({"tasks": "AAAA"}, "has tasks that can't be unpacked"),
        ({"later": 1}, "has the key 'later', which is unknown here"),
    ],
)
def test_what_is_no_packed_form_is_refused(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(MisfitError, match=problem):
        answers_from({**few().to_plain(), **change})


def test_a_missing_key_is_named() -> None:
    plain = few().to_plain()
    del plain["solved"]
    with pytest.raises(MisfitError, match="lacks the key 'solved'"):
        answers_from(plain)


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ContradictionError, match="different lengths"):
        replace(few(), tasks=np.zeros(2, np.int32))
    with pytest.raises(ContradictionError, match="negative"):
        replace(few(), views=np.full(3, -1, np.int32))
    with pytest.raises(ContradictionError, match="halt at none of 2"):
        replace(few(), halted_at=np.full(3, 3, np.int32))


def test_readers_need_no_torch() -> None:
    code = "import sys, hrm.evaluation.answer_file; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
