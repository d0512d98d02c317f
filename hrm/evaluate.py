"""Accuracy against inference compute, from one pass over the puzzles."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Curve:
    """Accuracy after 1, 2, …, M segments against what that many segments cost.

    `exact_accuracy[m - 1]` is the share of puzzles whose every labelled token is right after m segments,
    `token_accuracy[m - 1]` the mean share of right tokens, `inference_flops[m - 1]` the operations one
    puzzle took; `puzzles` is how many were evaluated.
    """

    exact_accuracy: tuple[float, ...]
    token_accuracy: tuple[float, ...]
    inference_flops: tuple[int, ...]
    puzzles: int
