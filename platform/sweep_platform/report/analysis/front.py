"""The accuracy-compute front of a sweep, its best trials, and how sure their accuracies are."""

from collections.abc import Iterable
from dataclasses import dataclass

from hrm.evaluation.wilson import wilson
from hrm.progress import Curve
from sweep_platform.report.analysis import wording
from sweep_platform.store.summary import SweepSummary, TrialSummary


@dataclass(frozen=True, kw_only=True)
class Point:
    """A trial's accuracy after so many segments, and what that costs.

    Attributes:
        trial: number of the trial.
        segments: M, from 1 to the trial's M_max.
        exact_accuracy: share of puzzles solved.
        inference_flops: FLOPs for one puzzle.
        puzzles: how many puzzles were evaluated.
    """

    trial: int
    segments: int
    exact_accuracy: float
    inference_flops: int
    puzzles: int

    @property
    def solved(self) -> int:
        """Number of puzzles solved."""
        return round(self.exact_accuracy * self.puzzles)

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracy's Wilson 95 % interval, which holds for few puzzles and near 0 and 1."""
        return wilson(self.exact_accuracy, self.puzzles)

    @property
    def words(self) -> str:
        """The accuracy with its count: "17.5 % (7 of 40)"."""
        return wording.accuracy(self.exact_accuracy, self.puzzles)

    @property
    def interval_words(self) -> str:
        """The interval: "8.7 to 32.0 %"."""
        return wording.interval(*self.interval)


def curve_points(trial: int, curve: Curve) -> list[Point]:
    """A curve of the trial with this number, point by point."""
    return [
        Point(
            trial=trial,
            segments=segments,
            exact_accuracy=accuracy,
            inference_flops=flops,
            puzzles=curve.puzzles,
        )
        for segments, (accuracy, flops) in enumerate(
            zip(curve.exact_accuracy, curve.inference_flops, strict=True), start=1
        )
    ]


def points(trial: TrialSummary) -> list[Point]:
    """Every point of the trial's last evaluation; none where it was never evaluated."""
    return curve_points(trial.number, trial.final) if trial.final else []


def final_point(trial: TrialSummary) -> Point | None:
    """The trial's last evaluation after all segments; None where it was never evaluated."""
    return next(reversed(points(trial)), None)


def front(candidates: Iterable[Point]) -> list[Point]:
    """Points that no other point dominates, by FLOPs.

    A point is dominated if another costs no more and solves no less, and is better in one of
    the two. Equal points stay together. Points that solve nothing buy nothing and are left out.

        >>> few = Point(trial=0, segments=1, exact_accuracy=0.2, inference_flops=5, puzzles=10)
        >>> more = Point(trial=1, segments=1, exact_accuracy=0.4, inference_flops=5, puzzles=10)
        >>> [point.trial for point in front([few, more])]
        [1]
    """
    ordered = sorted(candidates, key=lambda p: (p.inference_flops, -p.exact_accuracy, p.trial))
    kept: list[Point] = []
    best = 0.0
    for point in ordered:
        equal = bool(kept) and _coordinates(point) == _coordinates(kept[-1])
        if point.exact_accuracy > best or equal:
            kept.append(point)
            best = point.exact_accuracy
    return kept


def _coordinates(point: Point) -> tuple[int, float]:
    return point.inference_flops, point.exact_accuracy


def trials_front(trials: Iterable[TrialSummary]) -> list[Point]:
    """The front over every point of these trials' last evaluations."""
    return front(point for trial in trials for point in points(trial))


def best_trial(trials: Iterable[TrialSummary]) -> TrialSummary | None:
    """The trial most accurate after all its segments; of equals, the one cheapest to run."""
    return max((trial for trial in trials if trial.final), key=_rank, default=None)


def _rank(trial: TrialSummary) -> tuple[float, int]:
    point = points(trial)[-1]
    return point.exact_accuracy, -point.inference_flops


def best_point(trials: Iterable[TrialSummary]) -> Point | None:
    """The best trial's last evaluation after all its segments; None where none was evaluated."""
    best = best_trial(trials)
    return final_point(best) if best else None


def compared_models(sweep: SweepSummary) -> dict[str, list[TrialSummary]]:
    """The complete trials of each model that was tried, by name; of some it may be none.

    Empty where there is nothing to compare: one model only, or no complete trial.
    """
    names = sorted({trial.model for trial in sweep.trials})
    if len(names) < 2 or not sweep.complete:
        return {}
    return {name: [t for t in sweep.complete if t.model == name] for name in names}
