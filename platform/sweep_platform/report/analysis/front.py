"""What follows from a sweep's data: the accuracy-compute front, its uncertainty, the knobs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from hrm.evaluation.wilson import wilson
from hrm.progress import Curve
from sweep_platform.store.summary import TrialSummary


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
        """How many puzzles were solved."""
        return round(self.exact_accuracy * self.puzzles)

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracy's Wilson 95 % interval, which holds for few puzzles and near 0 and 1."""
        return wilson(self.exact_accuracy, self.puzzles)


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


def front(candidates: Iterable[Point]) -> list[Point]:
    """Points that no other point dominates, by FLOPs.

    A point is dominated if another costs no more and solves no less, and is better in one of
    the two. Equal points stay together. Points that solve nothing buy nothing and are left out.
    """
    ordered = sorted(candidates, key=lambda p: (p.inference_flops, -p.exact_accuracy, p.trial))
    kept: list[Point] = []
    best = 0.0
    for point in ordered:
        equal = bool(kept) and _worth(point) == _worth(kept[-1])
        if point.exact_accuracy > best or equal:
            kept.append(point)
            best = point.exact_accuracy
    return kept


def trials_front(trials: Iterable[TrialSummary]) -> list[Point]:
    """The front over every point of these trials' last evaluations."""
    return front(point for trial in trials for point in points(trial))


def _worth(point: Point) -> tuple[int, float]:
    return point.inference_flops, point.exact_accuracy


def final_point(trial: TrialSummary) -> Point | None:
    """The trial's last evaluation after all segments; None where it was never evaluated."""
    return next(reversed(points(trial)), None)


def best_trial(trials: Iterable[TrialSummary]) -> TrialSummary | None:
    """The trial most accurate after all its segments; of equals, the one cheapest to run."""
    return max((trial for trial in trials if trial.final), key=_merit, default=None)


def _merit(trial: TrialSummary) -> tuple[float, int]:
    point = points(trial)[-1]
    return point.exact_accuracy, -point.inference_flops


@dataclass(frozen=True, kw_only=True)
class KnobValue:
    """The complete trials that share one value of one knob.

    Accuracies are those after all of a trial's segments, as are the inference FLOPs.
    """

    knob: str
    value: Any
    trials: int
    median_accuracy: float
    best_accuracy: float
    median_inference_flops: float


def knob_values(trials: Iterable[TrialSummary]) -> list[KnobValue]:
    """Every value of every knob, values in ascending order; trials without a curve are skipped."""
    finals = [(trial.knobs, points(trial)[-1]) for trial in trials if trial.final]
    return [
        _knob_value(knob, value, [p for k, p in finals if knob in k and k[knob] == value])
        for knob in knob_names(knobs for knobs, _ in finals)
        for value in ordered({knobs[knob] for knobs, _ in finals if knob in knobs})
    ]


def _knob_value(knob: str, value: Any, at_value: Sequence[Point]) -> KnobValue:
    accuracies = [point.exact_accuracy for point in at_value]
    return KnobValue(
        knob=knob,
        value=value,
        trials=len(at_value),
        median_accuracy=median(accuracies),
        best_accuracy=max(accuracies),
        median_inference_flops=median(point.inference_flops for point in at_value),
    )


def knob_names(configurations: Iterable[dict[str, Any]]) -> list[str]:
    """Names of all knobs, in the order in which they first appear."""
    return list(dict.fromkeys(name for knobs in configurations for name in knobs))


def ordered(values: Iterable[Any]) -> list[Any]:
    """Numbers by size, then all else by its text."""
    return sorted(values, key=_rank)


def _rank(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return not number, value if number else 0.0, str(value)
