"""Batched augmentation against one grid at a time in plain numpy."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzle_datasets.common.dihedral import NUM_DIHEDRAL, transform_grid
from puzzle_datasets.kinds.arc.augment import (
    Augmentation,
    augment,
    crop,
    frame,
    transformed_sizes,
    undo,
)
from puzzle_datasets.kinds.arc.augment_batches import Orientations
from puzzle_datasets.storage.schema import IGNORE_LABEL, PAD

Grid = npt.NDArray[np.uint8]
SIDES = st.integers(1, 7)


def turned(grid: Grid, dihedral: int) -> Grid:
    if dihedral < 4:
        return np.rot90(grid, dihedral)
    return [np.fliplr(grid), np.flipud(grid), grid.T, np.fliplr(np.rot90(grid))][dihedral - 4]


def on_canvas(grid: Grid, side: int, row: int = 0, column: int = 0) -> Grid:
    canvas = np.zeros((side, side), np.uint8)
    height, width = grid.shape
    for i in range(side):
        for j in range(side):
            in_rows, in_columns = row <= i < row + height, column <= j < column + width
            if in_rows and in_columns:
                canvas[i, j] = grid[i - row, j - column] + 2
            elif (in_rows and j == column + width) or (in_columns and i == row + height):
                canvas[i, j] = 1
    return canvas.ravel()


@st.composite
def cases(draw: st.DrawFn, sides: st.SearchStrategy[int] = SIDES) -> dict[str, Any]:
    """Return one grid under all eight transforms, each with its own place on the canvas."""
    side = draw(sides)
    height, width = draw(st.integers(1, side)), draw(st.integers(1, side))
    cells = draw(st.binary(min_size=height * width, max_size=height * width))
    grid = (np.frombuffer(cells, np.uint8) % 10).reshape(height, width)
    colours = np.array([0, *draw(st.permutations(range(1, 10)))], np.uint8)
    offsets = []
    for dihedral in range(NUM_DIHEDRAL):
        new_height, new_width = turned(grid, dihedral).shape
        down = draw(st.integers(0, side - new_height))
        offsets.append((down, draw(st.integers(0, side - new_width))))
    return {"side": side, "grid": grid, "colours": colours, "offsets": offsets}


def as_batch(case: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor, Augmentation]:
    base = torch.from_numpy(on_canvas(case["grid"], case["side"])).repeat(NUM_DIHEDRAL, 1)
    sizes = torch.tensor(case["grid"].shape).repeat(NUM_DIHEDRAL, 1)
    augmentation = Augmentation(
        dihedral=torch.arange(NUM_DIHEDRAL),
        colours=torch.from_numpy(case["colours"]).repeat(NUM_DIHEDRAL, 1),
        offsets=torch.tensor(case["offsets"]),
    )
    return base, sizes, augmentation


def joined(parts: list[Augmentation]) -> Augmentation:
    return Augmentation(
        dihedral=torch.cat([part.dihedral for part in parts]),
        colours=torch.cat([part.colours for part in parts]),
        offsets=torch.cat([part.offsets for part in parts]),
    )


@given(cases())
def test_augment_equals_plain_numpy(case: dict[str, Any]) -> None:
    base, sizes, augmentation = as_batch(case)
    tokens = augment(frame(base, sizes), sizes, augmentation)
    for dihedral, (row, column) in enumerate(case["offsets"]):
        new = case["colours"][turned(case["grid"], dihedral)]
        assert tokens[dihedral].tolist() == on_canvas(new, case["side"], row, column).tolist()
        assert transformed_sizes(sizes, augmentation.dihedral)[dihedral].tolist() == [*new.shape]


@given(cases())
def test_undo_is_the_inverse(case: dict[str, Any]) -> None:
    base, sizes, augmentation = as_batch(case)
    tokens = augment(frame(base, sizes), sizes, augmentation)
    undone, undone_sizes = undo(tokens, augmentation)
    assert torch.equal(undone, base.int())
    assert torch.equal(undone_sizes, sizes)


@given(cases())
def test_labels_ignore_padding_and_nothing_else(case: dict[str, Any]) -> None:
    base, sizes, augmentation = as_batch(case)
    framed = frame(base, sizes)
    tokens = augment(framed, sizes, augmentation)
    labels = augment(framed, sizes, augmentation, padding=-100)
    assert torch.equal(labels, tokens.masked_fill(tokens == 0, -100))


@settings(max_examples=40)
@given(st.data())
def test_oriented_grids_are_augmented_as_any(data: st.DataObject) -> None:
    """Runs of a tall or a low grid, from any place, never show a grid beside them."""
    side = data.draw(SIDES)
    drawn = data.draw(st.lists(cases(st.just(side)), min_size=1, max_size=6))
    base, sizes, changes = zip(*map(as_batch, drawn), strict=True)
    grids = torch.arange(len(drawn)).repeat_interleave(NUM_DIHEDRAL)
    paddings = torch.tensor([PAD, IGNORE_LABEL] * (len(grids) // 2))
    whole = Orientations(
        torch.stack([tokens[0] for tokens in base]),
        torch.stack([shapes[0] for shapes in sizes]),
        torch.device("cpu"),
    )
    tokens = whole.augmented(grids, joined(list(changes)), paddings)
    framed = frame(torch.cat(base), torch.cat(sizes))
    expected = augment(framed, torch.cat(sizes), joined(list(changes)))
    ignored = (expected == PAD) & (paddings == IGNORE_LABEL)[:, None]
    assert tokens.dtype == torch.int32
    assert torch.equal(tokens, expected.masked_fill(ignored, IGNORE_LABEL))


@pytest.mark.parametrize("dihedral", range(NUM_DIHEDRAL))
def test_transform_grid_equals_numpy(dihedral: int) -> None:
    grid = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert np.array_equal(transform_grid(grid, dihedral), turned(grid, dihedral))


@given(st.integers(1, 6), st.data())
def test_crop_finds_the_largest_rectangle(side: int, data: st.DataObject) -> None:
    length = side * side
    tokens = data.draw(
        st.lists(st.sampled_from([0, 1, 2, 5, 11]), min_size=length, max_size=length)
    )
    canvas = np.array(tokens).reshape(side, side)
    areas = {
        (h, w): h * w
        for h in range(1, side + 1)
        for w in range(1, side + 1)
        if (canvas[:h, :w] >= 2).all()
    }
    height, width = crop(torch.tensor([tokens]))[0].tolist()
    assert height * width == max(areas.values(), default=0)
    assert (height, width) == (0, 0) or (height, width) in areas


def test_of_two_largest_rectangles_the_one_of_fewer_rows_is_cropped() -> None:
    assert crop(torch.tensor([[2, 2, 2, 0]])).tolist() == [[1, 2]]


def test_undo_reads_a_canvas_without_a_grid_as_empty() -> None:
    augmentation = Augmentation(
        dihedral=torch.tensor([3]),
        colours=torch.arange(10)[None],
        offsets=torch.zeros(1, 2, dtype=torch.long),
    )
    undone, sizes = undo(torch.ones(1, 9, dtype=torch.int32), augmentation)
    assert sizes.tolist() == [[0, 0]]
    assert not undone.any()
