"""The result of an evaluation, as a record and as a page of text."""

from dataclasses import dataclass

from hrm.evaluation.wilson import wilson
from hrm.progress import Curve, Halting
from puzzle_datasets.common.text import columns, counted, flops, percent, seconds
from puzzle_datasets.kinds.arc.scoring import ArcScores
from puzzle_datasets.kinds.floors import FloorResult

RULES = {
    "missing_digits": "{:.2f} digits missing from rows, columns and boxes of a puzzle",
    "changed_clues": "{:.2f} clues changed",
    "valid_paths": "{:.1%} of paths valid",
    "shortest_paths": "{:.1%} among the shortest",
}


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """All that one evaluation measured.

    Attributes:
        segments: that each puzzle got, at most.
        puzzles: how many were evaluated; those without labels don't count.
        curve: accuracy after each segment; None where puzzles left early.
        halting: what halting makes of the same puzzles.
        rules: scores of the answers by the rules of Sudoku or mazes, by name.
        votes: pass@K of ARC; None without a vote.
        seconds: spent on the puzzles, without the vote, which took `voting_seconds`.
    """

    segments: int
    puzzles: int
    curve: Curve | None
    halting: Halting
    rules: dict[str, float]
    votes: ArcScores | None
    seconds: float
    voting_seconds: float


def text(result: EvaluationResult) -> str:
    """The result as people read it: tables and sentences."""
    parts = [_curve(result.curve)] if result.curve else []
    parts.append(_halting(result))
    if result.rules:
        words = (RULES[name].format(value) for name, value in result.rules.items())
        parts.append(f"By the rules: {', '.join(words).replace('%', ' %')}.")
    parts += [_votes(result.votes, result.voting_seconds)] if result.votes else []
    rate = result.puzzles / result.seconds
    parts.append(
        f"{counted(result.puzzles, 'puzzle')} in {seconds(result.seconds)}, {rate:,.1f} puzzles/s."
    )
    return "\n\n".join(parts)


def floor_text(floor: FloorResult) -> str:
    """The floor to compare with, in a line."""
    return f"Floor of the set, {floor.name} ({floor.words}): {floor.figures}, without training."


def share(value: float, count: int) -> str:
    """A share of `count` with Wilson's 95 % interval."""
    low, high = wilson(value, count)
    return f"{percent(value)} ({100 * low:.1f} to {100 * high:.1f})"


def _curve(curve: Curve) -> str:
    rows = [("segments", "per puzzle", "exact (95 %)", "tokens")]
    points = zip(curve.inference_flops, curve.exact_accuracy, curve.token_accuracy, strict=True)
    for segments, (cost, exact, tokens) in enumerate(points, start=1):
        rows.append((str(segments), flops(cost), share(exact, curve.puzzles), percent(tokens)))
    return columns(rows)


def _halting(result: EvaluationResult) -> str:
    halting = result.halting
    shares = enumerate(halting.segments, start=1)
    stops = ", ".join(f"{segments}: {percent(part)}" for segments, part in shares if part)
    return (
        f"If each puzzle stops on its own: {share(halting.exact_accuracy, result.puzzles)} exact, "
        f"{halting.mean_segments:.2f} of {counted(result.segments, 'segment')} and "
        f"{flops(halting.inference_flops)} a puzzle on average.\n"
        f"Segments spent: {stops}."
    )


def _votes(votes: ArcScores, spent: float) -> str:
    rows = [("guesses", "inputs (95 %)", "tasks, whole (95 %)", "tasks, in part")]
    for guesses, rates in votes.pass_at.items():
        whole = share(rates.per_task, votes.tasks)
        per_input = share(rates.per_input, votes.inputs)
        rows.append((f"pass@{guesses}", per_input, whole, percent(rates.task_mean)))
    inputs = f"{counted(votes.inputs, 'test input')} of {counted(votes.tasks, 'task')}"
    by = f"By {counted(votes.votes, 'vote')} on all {inputs}, in {seconds(spent)}."
    return f"{columns(rows)}\n{by}"
