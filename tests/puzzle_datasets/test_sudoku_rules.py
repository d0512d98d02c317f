"""The rules of Sudoku against grids whose faults are known."""

import numpy as np
import numpy.typing as npt
import pytest

from puzzle_datasets.kinds.sudoku import rules as sudoku

SIDES = (4, 6, 9)


def solved(side: int) -> npt.NDArray[np.uint8]:
    """Return one solution [1, L]: rows shifted by a box's width, bands by one more."""
    height, width = sudoku.BOX_SHAPES[side]
    row, column = np.indices((side, side))
    digits = (row % height * width + row // height + column) % side + 1
    return (digits + 1).astype(np.uint8).reshape(1, -1)


@pytest.mark.parametrize("side", SIDES)
def test_each_cell_is_in_its_three_houses_only(side: int) -> None:
    houses = sudoku.house_cells(side)
    for cell, its in enumerate(sudoku.cell_houses(side)):
        assert np.flatnonzero((houses == cell).any(axis=1)).tolist() == its.tolist()


def test_boxes_of_6x6_have_2_rows_and_3_columns() -> None:
    assert sudoku.house_cells(6)[12].tolist() == [0, 1, 2, 6, 7, 8]


@pytest.mark.parametrize("side", SIDES)
def test_each_missing_digit_of_each_house_counts(side: int) -> None:
    grids = solved(side).repeat(4, axis=0)
    grids[1, 0] = grids[1, 1]  # its digit is gone from its row, column and box
    grids[2] = sudoku.BLANK
    grids[3] = 255
    assert sudoku.is_solution(grids, side).tolist() == [True, False, False, False]
    missing = sudoku.missing_digits(grids, side).tolist()
    assert missing == [0, 3, 3 * side * side, 3 * side * side]


def test_changed_clues_are_counted_and_blanks_are_free() -> None:
    inputs, grids = solved(4).repeat(3, axis=0), solved(4).repeat(3, axis=0)
    inputs[:, 5:] = sudoku.BLANK
    grids[1, 0], grids[2, 10] = 5, 5
    assert grids[1, 0] != inputs[1, 0]
    assert sudoku.changed_clues(inputs, grids).tolist() == [0, 1, 0]
    assert (sudoku.changed_clues(inputs, grids) == 0).tolist() == [True, False, True]


@pytest.mark.parametrize("side", SIDES)
def test_a_right_pair_has_no_fault(side: int) -> None:
    labels = solved(side).repeat(2, axis=0)
    inputs = labels.copy()
    inputs[1, ::2] = sudoku.BLANK
    assert sudoku.find_fault(inputs, labels, side) is None


def test_faults_name_the_first_row_and_the_place() -> None:
    label = solved(9)[0]
    assert label[:4].tolist() == [2, 3, 4, 5]
    faults = {
        "the puzzle has token 0 at row 1, column 4": ("inputs", 3, 0),
        "the puzzle has token 11 at row 2, column 1": ("inputs", 9, 11),
        "the solution has token 1 at row 1, column 2": ("labels", 1, 1),
        "row 1 of the solution lacks digit 1": ("labels", 0, 3),
        "the clue 9 at row 1, column 1 is 1 in the solution": ("inputs", 0, 10),
    }
    for sentence, (name, cell, token) in faults.items():
        pairs = {key: label[None].repeat(3, axis=0) for key in ("inputs", "labels")}
        pairs["inputs"][:, 1:] = sudoku.BLANK
        pairs[name][1:, cell] = token
        fault = sudoku.find_fault(pairs["inputs"], pairs["labels"], 9)
        assert fault == (1, sentence)
