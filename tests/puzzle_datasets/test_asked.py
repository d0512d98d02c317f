"""Puzzles that people write become tokens and back; what is none is refused in a sentence."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets import PuzzleDataset, kind_named
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.arc.asked import asked_task, known_row, ranked, views_of
from puzzle_datasets.kinds.arc.served import scored_tasks

GRIDS = st.integers(1, 6).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, 9), min_size=width, max_size=width), min_size=1, max_size=6
    )
)


@given(side=st.sampled_from([4, 6, 9]), data=st.data())
def test_a_sudoku_in_any_layout_is_the_same(side: int, data: st.DataObject) -> None:
    cell, kind = st.integers(1, side + 1), kind_named("sudoku")
    tokens = np.array(data.draw(st.lists(cell, min_size=side**2, max_size=side**2)), np.uint8)
    text = kind.to_text(tokens[None], (side, side))
    rows = "\n".join(text[at : at + side] for at in range(0, side**2, side))
    for written in (text, rows, text.replace(".", "0") + "\n"):
        assert np.array_equal(kind.from_text(written, (side, side)), tokens[None])


@given(side=st.integers(2, 8), data=st.data())
def test_a_maze_in_rows_or_on_a_line_is_the_same(side: int, data: st.DataObject) -> None:
    cells = data.draw(st.lists(st.sampled_from("# "), min_size=side**2 - 2, max_size=side**2 - 2))
    text = "".join(data.draw(st.permutations([*cells, "S", "G"])))
    rows = "\n".join(text[at : at + side] for at in range(0, side**2, side))
    kind, grid = kind_named("maze"), (side, side)
    tokens = kind.from_text(text, grid)
    assert np.array_equal(kind.from_text(rows + "\n", grid), tokens)
    assert kind.to_text(tokens, grid) == rows


@given(inputs=st.lists(GRIDS, min_size=1, max_size=3))
def test_inputs_of_a_task_come_back_as_they_were(inputs: list[Any]) -> None:
    task = json.dumps({"train": [], "test": [{"input": grid} for grid in inputs]})
    kind = kind_named("arc")
    tokens = kind.from_text(task, (6, 6))
    assert json.loads(kind.to_text(tokens, (6, 6))) == inputs
    assert np.array_equal(kind.from_text(json.dumps(inputs), (6, 6)), tokens)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("sudoku", "1" * 15),
        ("sudoku", "1" * 17),
        ("sudoku", "5" + "." * 15),
        ("sudoku", "x" + "." * 15),
        ("sudoku", ""),
        ("maze", "S" + " " * 15),
        ("maze", "SG" + " " * 13 + "o"),
        ("maze", "SSG" + " " * 13),
        ("maze", "S  G\n####\n####"),
        ("maze", "S  G\n###\n#####\n####"),
        ("arc", "task.json"),
        ("arc", "3"),
        ("arc", "[]"),
        ("arc", "{}"),
        ("arc", '{"train": [], "test": []}'),
        ("arc", '{"train": 3, "test": [{"input": [[1]]}]}'),
        ("arc", '{"train": [], "test": [{"output": [[1]]}]}'),
        ("arc", "[[[1, 2], [1]]]"),
        ("arc", "[[[10]]]"),
        ("arc", "[[[1.0]]]"),
        ("arc", "[[[1, 1, 1, 1, 1]]]"),
        ("arc", "[" * 100_000),
        ("arc", '{"name": "foreign"}'),
        pytest.param("arc", str([[[1]]] * 101), id="too many inputs"),
    ],
)
def test_what_is_no_puzzle_is_refused(kind: str, text: str) -> None:
    with pytest.raises(DatasetError) as refused:
        kind_named(kind).from_text(text, (4, 4))
    assert refused.value.field == "puzzle"
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("name", ["small", "fresh"])
def test_a_task_of_the_set_is_known_by_its_pairs(
    name: str, request: pytest.FixtureRequest
) -> None:
    dataset: PuzzleDataset = request.getfixturevalue(name)
    for written, task in list(scored_tasks(dataset).items())[:5]:
        row = known_row(dataset, asked_task(json.dumps(task)))
        assert row is not None
        assert dataset.group_names[int(dataset.train.group[row])] == written
        identifiers, changes = views_of(dataset, row, 7)
        assert identifiers[0] == dataset.train.puzzle_identifier[row]
        assert len(identifiers) == len(changes.colours) == 7
        assert changes.dihedral[0] == 0
        assert changes.colours[0].tolist() == list(range(10))
        task["train"][0]["output"][0][0] += 1 - 2 * (task["train"][0]["output"][0][0] > 4)
        assert known_row(dataset, asked_task(json.dumps(task))) is None
    assert known_row(dataset, asked_task("[[[1]]]")) is None
    assert views_of(dataset, None, 3)[0].tolist() == [0, 0, 0]


def test_the_answer_of_most_views_is_first_then_the_surest() -> None:
    tokens = np.array([[1], [2], [3], [2], [4]], np.uint8)
    found = ranked(tokens, np.array([0.1, 0.2, 0.9, 0.4, 0.5]))
    assert [(one.tokens.tolist(), one.votes) for one in found] == [
        ([2], 2),
        ([3], 1),
        ([4], 1),
        ([1], 1),
    ]
    assert found[0].confidence == pytest.approx(0.3)
