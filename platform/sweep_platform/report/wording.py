"""How the report words values of a sweep: counts, accuracies, settings, moments."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from puzzle_datasets.common.text import percent
from sweep_platform.common.redaction import redact
from sweep_platform.report.analysis.front import Point

NOTHING = "—"


def count(number: int, noun: str) -> str:
    """A number of things: "1 trial", "12 trials"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def accuracy(point: Point) -> str:
    """An accuracy with its count: "17.5 % (7 of 40)"."""
    return f"{percent(point.exact_accuracy)} ({point.solved} of {point.puzzles})"


def interval(point: Point) -> str:
    """The accuracy's 95 % interval: "8.7 to 32.0 %"."""
    low, high = point.interval
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def setting(value: Any) -> str:
    """A setting's value in one line, without the credentials an address may carry."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {setting(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(setting(item) for item in value) or "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    if value is None:
        return NOTHING
    return redact(str(value))


def knob(knobs: Mapping[str, Any], name: str) -> str:
    """The value of a trial's knob, as in a space; a dash where its model has no use for it."""
    return value(knobs[name]) if name in knobs else NOTHING


def value(given: Any) -> str:
    """A knob's value: "0.001", or "null" where nothing is one of its values."""
    return "null" if given is None else setting(given)


def choices(knob: Mapping[str, Any]) -> str:
    """What a knob may be: "1, 2, 4" or "1 to 8 (log)"."""
    if "choices" in knob:
        return ", ".join(value(choice) for choice in knob["choices"])
    if "low" in knob and "high" in knob:
        scale = " (log)" if knob.get("log") else ""
        return f"{setting(knob['low'])} to {setting(knob['high'])}{scale}"
    return setting(knob)


def flattened(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of nested settings under its dotted key."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", setting(value)


def moment(unix_seconds: float) -> str:
    """A moment in UTC: "2026-09-21 13:33 UTC"."""
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%Y-%m-%d %H:%M} UTC"
