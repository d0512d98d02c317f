"""What was measured inside a sweep's models: numbers and tokens, kept beside the report.

Nothing that is drawn or named is kept. Charts, pictures and names of files are made anew, so that
the file can bring none of its own.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from hrm.progress import Curve, Halting
from puzzle_datasets.common.bounded import Amount, Count, Flops, Positive, Share
from puzzle_datasets.common.files import write_file
from puzzle_datasets.common.options import Bounds
from puzzle_datasets.common.reading import Reader
from puzzle_datasets.common.records import ContradictionError
from sweep_platform.common.errors import InputError

FILE = "inside.json"
_REMEDY = "remove it, and write the report again"
_MOST_BYTES = 4_000_000
"""Of the file: as many marks as a chart can hold."""

Token = Annotated[int, Bounds(least=-100, most=255)]
"""Of a puzzle, or the label of a cell that is not scored; the puzzles' own bounds are narrower."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A trial's model after M segments of N cycles of T steps; `trained` if it was trained so."""

    trial: Count
    N: Positive
    T: Positive
    M: Positive
    trained: bool
    exact_accuracy: Share
    inference_flops: Flops


class State(StrEnum):
    """A state of a model; its layers, where it has none that lasts."""

    HIGH = "z_H"
    LOW = "z_L"
    LAYERS = "layers"


@dataclass(frozen=True, kw_only=True)
class Update:
    """How far the update of this number moved a state; see `hrm.dynamics.measure.Residual`."""

    number: Positive
    segment: Positive
    state: State
    residual: Amount


@dataclass(frozen=True, kw_only=True)
class Participation:
    """How many directions a state used; see `hrm.dynamics.measure.Participation`."""

    puzzles: Positive
    state: State
    ratio: Amount


@dataclass(frozen=True, kw_only=True)
class Moves:
    """How the states of a model moved; see `hrm.dynamics.measure.Trajectories`."""

    residuals: tuple[Update, ...]
    participation: tuple[Participation, ...]

    def __post_init__(self) -> None:
        moved = {one.state for one in self.residuals}
        if not moved or moved != {one.state for one in self.participation}:
            raise ContradictionError("has not both measures of each state")
        numbers = range(1, len(self.residuals) + 1)  # the chart's axis is as long
        if [one.number for one in self.residuals] != list(numbers):
            raise ContradictionError("has updates that are not numbered one by one")


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A puzzle, its solution and the answer after each segment, as tokens; see `SegmentTrace`."""

    inputs: tuple[Token, ...]
    labels: tuple[Token, ...]
    predictions: tuple[tuple[Token, ...], ...]
    exact: tuple[bool, ...]
    halts: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class Inside:
    """All that was measured.

    Attributes:
        key: of the checkpoints and puzzles that it was measured on.
        cells: of the grid over N, T and M; none of models without cycles.
        grid_puzzles, grid_tasks: on how many these were measured, and of how many tasks they are.
        left_out: trials whose checkpoints could not be used.
        trial: whose model the rest is of, the most accurate that could be used.
        curve, halting: its evaluation.
        trained, untrained: how its states move, and moved before training.
        traces: sample puzzles.
    """

    key: str
    cells: tuple[Cell, ...]
    grid_puzzles: Count
    grid_tasks: Count
    left_out: tuple[Count, ...]
    trial: Count
    curve: Curve
    halting: Halting
    trained: Moves
    untrained: Moves
    traces: tuple[Trace, ...]

    def __post_init__(self) -> None:
        if {one.state for one in self.trained.residuals} != {
            one.state for one in self.untrained.residuals
        }:
            raise ContradictionError("has other states before training than after it")
        if self.cells and not 1 <= self.grid_tasks <= self.grid_puzzles:
            raise ContradictionError("has a grid of no puzzles, or of more tasks than puzzles")


def write_inside(report: Path, found: Inside) -> None:
    """Keep it in a report's folder."""
    write_file(report / FILE, json.dumps(asdict(found)).encode())


def read_inside(report: Path) -> Inside | None:
    """What is kept; None where there is nothing that this version can read."""
    try:
        return Reader(report / FILE, InputError, _REMEDY, most=_MOST_BYTES).record(Inside)
    except (InputError, OSError):
        return None  # of another version, or damaged: measured again
