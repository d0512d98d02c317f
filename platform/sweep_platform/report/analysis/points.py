"""What a sweep found: its accuracy-compute front, its best trials, its models and knobs."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from hrm.progress import Curve
from sweep_platform.report import wording
from sweep_platform.store.summary import SweepSummary, TrialSummary


@dataclass(frozen=True)
class Point:
    """The accuracy of the trial of a number after so many segments M, and its FLOPs a puzzle."""

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
    def words(self) -> str:
        """The accuracy with its count: "17.5 % (7 of 40)"."""
        return wording.accuracy(self.exact_accuracy, self.puzzles)


def curve_points(trial: int, curve: Curve) -> list[Point]:
    """A curve of the trial with this number, point by point."""
    pairs = zip(curve.exact_accuracy, curve.inference_flops, strict=True)
    return [
        Point(trial, segments, accuracy, flops, curve.puzzles)
        for segments, (accuracy, flops) in enumerate(pairs, start=1)
    ]


def points(trial: TrialSummary) -> list[Point]:
    """Every point of the trial's last evaluation; none where it was never evaluated."""
    return curve_points(trial.number, trial.final) if trial.final else []


def final_point(trial: TrialSummary) -> Point | None:
    """The trial's last evaluation after all segments; None where it was never evaluated."""
    return next(reversed(points(trial)), None)


def final_points(trials: Iterable[TrialSummary]) -> list[tuple[TrialSummary, Point]]:
    """The trials that were evaluated, each with its final point."""
    return [(trial, point) for trial in trials if (point := final_point(trial))]


def front(candidates: Iterable[Point]) -> list[Point]:
    """Points that no other point dominates, by FLOPs.

    A point is dominated if another costs no more and solves no less, and is better in one of
    the two. Equal points stay together. Points that solve nothing buy nothing and are left out.

        >>> few = Point(trial=0, segments=1, exact_accuracy=0.2, inference_flops=5, puzzles=10)
        >>> more = Point(trial=1, segments=1, exact_accuracy=0.4, inference_flops=5, puzzles=10)
        >>> [point.trial for point in front([few, more])]
        [1]
    """
    kept: list[Point] = []
    last = -1, 0.0
    for point in sorted(candidates, key=lambda p: (p.inference_flops, -p.exact_accuracy, p.trial)):
        here = point.inference_flops, point.exact_accuracy
        if point.exact_accuracy > last[1] or here == last:
            kept.append(point)
            last = here
    return kept


def trials_front(trials: Iterable[TrialSummary]) -> list[Point]:
    """The front over every point of these trials' last evaluations."""
    return front(point for trial in trials for point in points(trial))


def best(trials: Iterable[TrialSummary]) -> tuple[TrialSummary, Point] | None:
    """The trial most accurate after all its segments, or of equals the cheapest to run."""

    def rank(found: tuple[TrialSummary, Point]) -> tuple[float, int]:
        return found[1].exact_accuracy, -found[1].inference_flops

    return max(final_points(trials), key=rank, default=None)


def best_trial(trials: Iterable[TrialSummary]) -> TrialSummary | None:
    """The best trial alone."""
    return found[0] if (found := best(trials)) else None


def recommended(sweep: SweepSummary) -> TrialSummary | None:
    """The best of the confirmed trials, else of the complete ones."""
    confirmed = (trial for trial in sweep.complete if trial.confirmed)
    return best_trial(confirmed) or best_trial(sweep.complete)


def compared_models(sweep: SweepSummary) -> dict[str, list[TrialSummary]]:
    """The complete trials of each model that was tried, by name; of some it may be none.

    Empty where there is nothing to compare: one model only, or no complete trial.
    """
    names = sorted({trial.model for trial in sweep.trials})
    if len(names) < 2 or not sweep.complete:
        return {}
    return {name: [t for t in sweep.complete if t.model == name] for name in names}


@dataclass(frozen=True)
class KnobValue:
    """The complete trials that share one value of one knob, each after all its segments."""

    knob: str
    value: Any
    trials: int
    median_accuracy: float
    best_accuracy: float
    median_inference_flops: float


def knob_values(trials: Iterable[TrialSummary]) -> list[KnobValue]:
    """Every value of every knob, values in ascending order; trials without a curve are skipped."""
    finals = [(trial.knobs, point) for trial, point in final_points(trials)]
    found = []
    for knob in knob_names(knobs for knobs, _ in finals):
        for value in ordered({knobs[knob] for knobs, _ in finals if knob in knobs}):
            same = [p for knobs, p in finals if knob in knobs and knobs[knob] == value]
            shares = [point.exact_accuracy for point in same]
            cost = median(point.inference_flops for point in same)
            found.append(KnobValue(knob, value, len(same), median(shares), max(shares), cost))
    return found


def knob_names(configurations: Iterable[dict[str, Any]]) -> list[str]:
    """Names of all knobs, in the order in which they first appear."""
    return list(dict.fromkeys(name for knobs in configurations for name in knobs))


def ordered(values: Iterable[Any]) -> list[Any]:
    """Numbers by size, then all else by its text.

    >>> ordered(["b", 10, 9, "a"])
    [9, 10, 'a', 'b']
    """

    def rank(value: Any) -> tuple[bool, float, str]:
        number = isinstance(value, int | float)
        return not number, value if number else 0.0, str(value)

    return sorted(values, key=rank)
