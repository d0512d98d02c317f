"""Test-time compute: one model under numbers of cycles, steps and segments it wasn't trained with.

A pass to the most segments yields all smaller numbers too, so that a cell of the grid is one
(N, T). Cells are kept in a file as they are finished; who starts again goes on from there.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hrm.checkpoints.loading import LoadedModel, require_segments, with_steps
from hrm.commands.output import require_own_folder
from hrm.commands.trained_model import description_of
from hrm.config import ConfigError, ModelConfig, require_least
from hrm.evaluation.accuracy import EVALUATION_SEED, evaluate
from hrm.model.reasoning_model import ReasoningModel
from hrm.progress import Curve, Halting
from puzzle_datasets.common.bounded import Amount, Positive
from puzzle_datasets.common.files import write_json
from puzzle_datasets.common.reading import Reader
from puzzle_datasets.loader import evaluation_batches
from puzzle_datasets.storage.dataset import PuzzleDataset

FILE = "grid.json"
MOST_NUMBERS, LARGEST_NUMBER, MOST_CELLS, _DIGITS = 1000, 4096, 10_000, 12


@dataclass(frozen=True, kw_only=True)
class Cell:
    """N cycles of T steps: accuracy over segments, and if each puzzle halts on its own."""

    N: Positive
    T: Positive
    curve: Curve
    halting: Halting
    seconds: Amount


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The finished cells of one model on one puzzle set, by N and T.

    Attributes:
        subject: model, puzzles and options, as far as numbers depend on them.
        trained: N, T and M_max that the model was trained with.
        checkpoint: where the weights lay when they were last evaluated, and what they are.
    """

    subject: dict[str, Any]
    trained: tuple[Positive, Positive, Positive]
    checkpoint: dict[str, Any]
    cells: tuple[Cell, ...] = ()

    def has(self, N: int, T: int) -> bool:
        """Return True if a cell is finished."""
        return any((cell.N, cell.T) == (N, T) for cell in self.cells)


@dataclass(frozen=True, kw_only=True)
class GridOptions:
    """A grid to fill: each N with each T, up to `segments`, on `limit` puzzles (None: all).

    Raises `ConfigError` where a number is impossible.
    """

    N: tuple[int, ...]
    T: tuple[int, ...]
    segments: int
    limit: int | None = None
    batch_size: int = 128

    def __post_init__(self) -> None:
        require_least(1, M=self.segments, limit=self.limit, batch_size=self.batch_size)
        if (count := len(self.N) * len(self.T)) > MOST_CELLS:
            problem, remedy = f"makes {count:,} pairs with T", f"give at most {MOST_CELLS:,}"
            raise ConfigError.of("N", problem, remedy, count, also=("T",))

    def configs(self, config: ModelConfig) -> list[ModelConfig]:
        """The model in each cell; raises `ConfigError` where it has no use for a number."""
        require_segments(config, self.segments, "M")
        return [with_steps(config, N, T) for N in self.N for T in self.T]


def begin(loaded: LoadedModel, dataset: PuzzleDataset, options: GridOptions, folder: Path) -> Grid:
    """The grid in `folder` as far as it is finished, or an empty one.

    Raises `ConfigError` where that is the grid of something else, or the folder holds other files.
    """
    config, found = loaded.config, description_of(loaded, dataset)
    subject = {
        "weights": _digest(loaded.model),
        "dtype": found["checkpoint"]["dtype"],
        **found["dataset"],
        "segments": options.segments,
        "limit": options.limit,
    }
    trained, checkpoint = (config.N, config.T, config.M_max), found["checkpoint"]
    file = folder / FILE
    if not file.exists():
        require_own_folder(folder, FILE)
        return Grid(subject=subject, trained=trained, checkpoint=checkpoint)
    grid = _read(file, checkpoint)
    for name, value in subject.items():
        if grid.subject.get(name) != value:
            problem = f"is a grid of {name} {grid.subject.get(name)!r}, not {value!r}"
            raise ConfigError.of(file, problem, "name another folder")
    return grid


def fill(
    grid: Grid, model: ReasoningModel, dataset: PuzzleDataset, options: GridOptions, folder: Path
) -> Iterator[tuple[Grid, Cell]]:
    """Evaluate the cells that are missing; yield each with the grid, when that is on disk."""
    own = model.config
    try:
        for config in options.configs(own):
            if grid.has(config.N, config.T):
                continue
            model.config = config
            cell = _cell(model, dataset, options)
            cells = sorted((*grid.cells, cell), key=lambda one: (one.N, one.T))
            grid = replace(grid, cells=tuple(cells))
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / FILE, asdict(grid))
            yield grid, cell
    finally:
        model.config = own


def _cell(model: ReasoningModel, dataset: PuzzleDataset, options: GridOptions) -> Cell:
    batches = evaluation_batches(
        dataset, batch_size=options.batch_size, limit=options.limit, seed=EVALUATION_SEED
    )
    began = time.perf_counter()
    measured = evaluate(model, batches, options.segments)._asdict()
    seconds = time.perf_counter() - began
    return Cell(N=model.config.N, T=model.config.T, **measured, seconds=seconds)


def _digest(model: ReasoningModel) -> str:
    """Names the weights; equal for equal ones only."""
    found = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        found.update(f"{name} {tuple(tensor.shape)} ".encode())
        found.update(tensor.detach().float().cpu().contiguous().numpy())
    return found.hexdigest()


def _read(file: Path, checkpoint: dict[str, Any]) -> Grid:
    """The grid in a file; equal weights may lie elsewhere by now, at `checkpoint`."""
    remedy = "remove it or name another folder"
    grid = Reader(file, ConfigError, remedy).record(Grid)
    segments = grid.subject.get("segments")
    for cell in grid.cells:
        lengths = [len(cell.curve.exact_accuracy), len(cell.curve.inference_flops)]
        if lengths != [segments, segments]:
            problem = f"lacks segments of N {cell.N}, T {cell.T}"
            raise ConfigError.of(file, problem, remedy)
    return replace(grid, checkpoint=checkpoint)


def whole_numbers(name: str, words: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of words such as 1, 4 and 6..8, rising.

        >>> whole_numbers("N", ["1", "4", "6..8"])
        (1, 4, 6, 7, 8)

    Raises `ConfigError` where a word is no number above 0, or they are too large or too many,
    since a slip of the hand must not fill memory; its field is `name`.
    """
    found: set[int] = set()
    for word in words:
        first, to, last = word.partition("..")
        last = last if to else first
        numbers, problem = range(0), f"is {word}"
        if first.isdecimal() and last.isdecimal():
            # Python reads no number of thousands of digits; the first of them are too large, too.
            numbers = range(int(first[:_DIGITS]), int(last[:_DIGITS]) + 1)
        if not numbers or numbers[0] < 1:
            remedy = "give whole numbers such as 1 2 4, or 1..4"
            raise ConfigError.of(name, problem, remedy, word)
        if numbers[-1] > LARGEST_NUMBER:
            remedy = f"give numbers of at most {LARGEST_NUMBER}"
            raise ConfigError.of(name, problem, remedy, word)
        found.update(numbers)
    if len(found) > MOST_NUMBERS:
        problem = f"has {len(found)} numbers"
        raise ConfigError.of(name, problem, f"give at most {MOST_NUMBERS}", len(found))
    return tuple(sorted(found))
