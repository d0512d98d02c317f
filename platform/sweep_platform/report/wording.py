"""Words for the values of a sweep: counts, metrics, settings, moments."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from puzzle_datasets.common.text import flops
from sweep_platform.common.text import redact
from sweep_platform.report.analysis.difference import Difference
from sweep_platform.spec.metrics import METRIC

NOTHING = "—"


def metric(key: str, value: float | None) -> str:
    """Word the value of a metric, a dash where there is none.

    >>> metric("inference_flops", 4.5e6), metric("exact_accuracy", None)
    ('4.5 MFLOP', '—')
    """
    return NOTHING if value is None else METRIC[key].words(value)


def accuracy(share: float, puzzles: int) -> str:
    """Word a share of puzzles with its count.

    >>> accuracy(0.175, 40)
    '17.5 % (7 of 40)'
    """
    return f"{metric('exact_accuracy', share)} ({round(share * puzzles)} of {puzzles})"


def accuracies(each: Sequence[float]) -> str:
    """Word the accuracies of replicates.

    >>> accuracies([0.4, 0.425, 0.45])
    '40.0, 42.5 and 45.0 %'
    """
    *some, last = (f"{100 * one:.1f}" for one in each)
    return f"{', '.join(some)} and {last} %" if some else f"{last} %"


def estimate(found: Difference) -> str:
    """Word an accuracy with its interval, where there is one: "41.2 % [35.0, 48.1]"."""
    if found.low is None or found.high is None:
        return metric("exact_accuracy", found.mean)
    low, high = (100 * min(1.0, max(0.0, end)) for end in (found.low, found.high))
    return f"{metric('exact_accuracy', found.mean)} [{low:.1f}, {high:.1f}]"


def points(found: Difference) -> str:
    """Word a difference in points, with its interval where there is one: "+5.1 [+1.0, +9.2]"."""
    if found.low is None or found.high is None:
        return f"{100 * found.mean:+.1f}"
    return f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def p_value(value: float | None) -> str:
    """Word a p-value.

    >>> p_value(0.0004), p_value(0.04), p_value(None)
    ('< 0.001', '0.040', '—')
    """
    if value is None:
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def with_p(value: float | None) -> str:
    """Word a p-value in a sentence.

    >>> with_p(0.0004), with_p(0.04)
    ('p < 0.001', 'p = 0.040')
    """
    told = p_value(value)
    return f"p {told}" if told.startswith("<") else f"p = {told}"


def more_flops(value: float) -> str:
    """Word a difference in FLOPs.

    >>> more_flops(4.5e6), more_flops(-1e3), more_flops(0)
    ('+4.5 MFLOP', '-1 kFLOP', '0 FLOP')
    """
    sign = "" if value == 0 else "+" if value > 0 else "-"
    return f"{sign}{flops(abs(value))}"


def setting(value: Any) -> str:
    """Word a setting's value in one line, without the credentials an address may carry.

    >>> setting({"trials": 8, "minutes": None})
    'trials 8, minutes —'
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {setting(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(setting, value)) or "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    return NOTHING if value is None else redact(str(value))


def knob(knobs: Mapping[str, Any], name: str) -> str:
    """Word the value of a trial's knob; a dash where its model has no use for it."""
    return knob_value(knobs[name]) if name in knobs else NOTHING


def knob_value(value: Any) -> str:
    """Word a knob's value, as in a space: "0.001", or "null" where none is one of its values."""
    return "null" if value is None else setting(value)


def choices(knob: Mapping[str, Any]) -> str:
    """Word what a knob may be.

    >>> choices({"choices": [1, 2]}), choices({"low": 1, "high": 8, "log": True})
    ('1, 2', '1 to 8 (log)')
    >>> choices({"choices": [1, 2], "when": {"model": ["trm"]}})
    '1, 2, where model is trm'
    """
    conditions = knob.get("when") or {}
    where = " and ".join(
        f"{name} is {' or '.join(map(knob_value, admitted))}"
        for name, admitted in conditions.items()
    )
    return f"{_values(knob)}, where {where}" if where else _values(knob)


def _values(knob: Mapping[str, Any]) -> str:
    if "choices" in knob:
        return ", ".join(map(knob_value, knob["choices"]))
    if "low" in knob and "high" in knob:
        scale = " (log)" if knob.get("log") else ""
        return f"{setting(knob['low'])} to {setting(knob['high'])}{scale}"
    return setting(knob)


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of nested settings, under its dotted key."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def flattened(tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Word every leaf of nested settings, FLOPs with their unit."""
    return [
        (key, flops(value) if key.endswith("flops_per_trial") and value else setting(value))
        for key, value in leaves(tree)
    ]


def moment(unix_seconds: float) -> str:
    """Word a moment.

    >>> moment(1.79e9)
    '2026-09-21 14:13 UTC'
    """
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%Y-%m-%d %H:%M} UTC"
