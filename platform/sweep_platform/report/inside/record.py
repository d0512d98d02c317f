"""What was measured inside a sweep's models, as it is kept beside the report."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from puzzle_datasets.common.bounded import Amount, Count, Flops, Positive, Share
from puzzle_datasets.common.files import write_file
from puzzle_datasets.common.reading import Reader
from sweep_platform.common.errors import InputError

FILE = "inside.json"
_REMEDY = "remove it, and write the report again"


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


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A chart: the stem of its file, its words, and Vega-Lite."""

    name: str
    description: str
    spec: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class State:
    """A state of the best model, and how many directions it uses, now and before training."""

    name: str
    directions: Amount
    untrained: Amount


@dataclass(frozen=True, kw_only=True)
class Inside:
    """All that was measured.

    Attributes:
        key: of the checkpoints and puzzles that it was measured on.
        grid_puzzles, puzzles: how many the grid was measured on, and all else.
        cells: of the grid over N, T and M; none of models without cycles.
        charts: of the dynamics of the best model.
        trial: the best model's.
        states: of the best model.
        picture: sample puzzles segment by segment, as SVG.
    """

    key: str
    grid_puzzles: Count
    puzzles: Count
    cells: tuple[Cell, ...]
    charts: tuple[Drawn, ...]
    trial: Count
    states: tuple[State, ...]
    picture: str


def write_inside(report: Path, found: Inside) -> None:
    """Keep it in a report's folder."""
    write_file(report / FILE, json.dumps(asdict(found)).encode())


def read_inside(report: Path, key: str) -> Inside | None:
    """What is kept of these checkpoints and puzzles; None where there is nothing, or of others."""
    path = report / FILE
    if not path.exists():
        return None
    try:
        found = Reader(path, InputError, _REMEDY).record(Inside)
    except InputError:
        return None  # of another version, or damaged: measured again
    return found if found.key == key else None
