"""The knobs of a sweep: their values, and the accuracy of the trials that share one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sweep_platform.report.analysis.front import Point, points
from sweep_platform.store.summary import TrialSummary


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
    """Numbers by size, then all else by its text.

    >>> ordered(["b", 10, 9, "a"])
    [9, 10, 'a', 'b']
    """
    return sorted(values, key=_rank)


def _rank(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return not number, value if number else 0.0, str(value)
