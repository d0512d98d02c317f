"""Which puzzles an evaluation solved, and after how many segments: arrays and their packed form.

Imports no torch, so that drivers and readers stay light.
"""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.bounded import Count, Flops, Positive
from puzzle_datasets.common.records import ContradictionError, MisfitError, record_from
from puzzle_datasets.storage.schema import MOST_COUNTED, Mask

Numbers = npt.NDArray[np.int32]

NUMBERS = ("puzzles", "views", "tasks", "halted_at", "vote_rank")
"""Fields of `PuzzleAnswers` with one number a row."""

MOST_BITS = 2**40
"""Rows times segments; more would be no evaluation that a machine can hold."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PuzzleAnswers:
    """Which rows one evaluation solved; a row is a test puzzle, or one view of it.

    Attributes:
        step, training_flops: of training when it was evaluated.
        puzzles: int32 [n], the number of the test puzzle in its set, from 0: of ARC the test
            input. The same for all runs, whatever part of the set they look at.
        views: int32 [n], which form of the puzzle it is; 0 is its own.
        tasks: int32 [n], the number of the puzzle's task, or group, in the set.
        solved: bool [n, M], after 1, 2, …, M segments.
        halted_at: int32 [n], the segment after which the row halts on its own, M at the latest.
        vote_rank: int32 [n], the rank, from 1, of the right answer among the votes on the
            puzzle; 0 where nothing votes, or nobody voted for it.

    Raises `ContradictionError` where the arrays make no evaluation together.
    """

    step: int
    training_flops: int
    puzzles: Numbers
    views: Numbers
    tasks: Numbers
    solved: Mask
    halted_at: Numbers
    vote_rank: Numbers

    def __post_init__(self) -> None:
        rows, segments = self.solved.shape
        numbers = {name: getattr(self, name) for name in NUMBERS}
        if any(values.shape != (rows,) for values in numbers.values()):
            raise ContradictionError("has arrays of different lengths")
        if rows and min(values.min() for values in numbers.values()) < 0:
            raise ContradictionError("has negative numbers")
        if rows and not 1 <= self.halted_at.min() <= self.halted_at.max() <= segments:
            raise ContradictionError(f"has rows that halt at none of {segments} segments")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PuzzleAnswers) and self.to_plain() == other.to_plain()

    __hash__ = None  # type: ignore[assignment]

    def to_plain(self) -> dict[str, Any]:
        """The answers as JSON has them: about three bytes a row, or fewer."""
        # Puzzles count upwards, most by one: their differences are nearly all the same.
        numbers = {name: np.diff(getattr(self, name), prepend=np.int32(0)) for name in NUMBERS}
        rows, segments = self.solved.shape
        return {
            "step": self.step,
            "training_flops": self.training_flops,
            "rows": rows,
            "segments": segments,
            "solved": _packed(np.packbits(self.solved)),
            **{name: _packed(values.astype("<i4")) for name, values in numbers.items()},
        }


@dataclass(frozen=True, kw_only=True)
class _Packed:
    """The plain form: arrays as bits, or differences in four bytes, compressed, in base 64."""

    step: Count
    training_flops: Flops
    rows: Count
    segments: Positive
    puzzles: str
    views: str
    tasks: str
    solved: str
    halted_at: str
    vote_rank: str

    def __post_init__(self) -> None:
        if self.rows > MOST_COUNTED or self.rows * self.segments > MOST_BITS:
            raise ContradictionError(f"says {self.rows} rows of {self.segments} segments")


def answers_from(plain: Mapping[str, Any]) -> PuzzleAnswers:
    """Return the answers that `PuzzleAnswers.to_plain` wrote, also after a way through JSON.

    Raises `MisfitError` where they are none.
    """
    packed = record_from(plain, _Packed)
    rows, bits = packed.rows, packed.rows * packed.segments
    numbers = {name: _unpacked(packed, name, 4 * rows).view("<i4") for name in NUMBERS}
    solved = np.unpackbits(_unpacked(packed, "solved", -(-bits // 8)), count=bits)
    try:
        return PuzzleAnswers(
            step=packed.step,
            training_flops=packed.training_flops,
            solved=solved.reshape(rows, packed.segments).astype(bool),
            **{name: np.cumsum(values, dtype=np.int32) for name, values in numbers.items()},
        )
    except ContradictionError as error:
        raise MisfitError(str(error)) from None


def _packed(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(values.tobytes(), 1)).decode()


def _unpacked(packed: _Packed, name: str, size: int) -> npt.NDArray[np.uint8]:
    """The bytes of a field, which are `size`; a short text can't make one hold more."""
    try:
        squeezed = base64.b64decode(getattr(packed, name), validate=True)
        content = zlib.decompressobj().decompress(squeezed, size + 1)
    except (ValueError, zlib.error):
        raise MisfitError(f"has {name} that can't be unpacked") from None
    if len(content) != size:
        raise MisfitError(f"has {name} of another length than its rows")
    return np.frombuffer(content, np.uint8)
