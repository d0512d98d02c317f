"""Answers per puzzle as a checkpoint holds them: tensors, which take no more room than told."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hrm.checkpoints.checkpoint import CheckpointError
from hrm.checkpoints.tensor_file import require_like
from hrm.evaluation.per_puzzle import PuzzleAnswers
from hrm.evaluation.selection import EvaluatedPuzzles, Found
from puzzle_datasets.common.records import ContradictionError


def to_tensors(answers: Sequence[PuzzleAnswers]) -> list[dict[str, torch.Tensor]]:
    """Return what differs between evaluations of the same puzzles; solved ones as bits."""
    return [
        {
            "solved": torch.from_numpy(np.packbits(one.solved, axis=1)),
            "halted_at": torch.from_numpy(one.halted_at),
            "vote_rank": torch.from_numpy(one.vote_rank),
        }
        for one in answers
    ]


def from_tensors(
    path: Path,
    content: Any,
    puzzles: EvaluatedPuzzles,
    segments: int,
    training: Sequence[tuple[int, int]],
) -> list[PuzzleAnswers]:
    """Return what `to_tensors` made of evaluations, of which `training` has step and FLOPs.

    Raises `CheckpointError`, of the checkpoint at `path`, where it is of other evaluations.
    """
    rows = len(puzzles.puzzles)
    own = {
        "solved": torch.empty(rows, -(-segments // 8), dtype=torch.uint8),
        "halted_at": torch.empty(rows, dtype=torch.int32),
        "vote_rank": torch.empty(rows, dtype=torch.int32),
    }
    require_like(path, content, [own] * len(training), "state.answers")
    try:
        return [
            puzzles.answers(step, flops, _found(one, segments))
            for (step, flops), one in zip(training, content, strict=True)
        ]
    except ContradictionError as error:
        problem = f"holds damaged answers: one {error}"
        raise CheckpointError.of(path, problem, "restore another one") from error


def _found(one: dict[str, torch.Tensor], segments: int) -> Found:
    bits, halted_at, vote_rank = (one[name].numpy() for name in Found._fields)
    solved = np.unpackbits(bits, axis=1, count=segments).view(bool)
    return Found(solved, halted_at, vote_rank)
