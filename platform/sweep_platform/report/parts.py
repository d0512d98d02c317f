"""Parts that the report's charts share: the data behind their points, axes, labels, tooltips.

Fields have our names, never a knob's, so that no knob's name is read as a path into the data.
"""

import textwrap
from collections.abc import Iterable
from typing import Any

from hrm import charts
from puzzle_datasets.common.text import flops
from sweep_platform.common.text import knobs
from sweep_platform.report import wording
from sweep_platform.report.analysis.points import Point
from sweep_platform.spec.metrics import METRIC
from sweep_platform.store.summary import TrialSummary

Spec = dict[str, Any]
WIDE: Spec = {"width": 680, "height": 380}
_NOTE = 104
"""Letters of a line below a chart's title, as wide as `WIDE`; a phone's page breaks it anew."""

COMPLETE, OTHER = "complete trial", "not complete"


def row(trial: TrialSummary, point: Point) -> Spec:
    """One point of a trial, with the texts of its tooltip.

    Its `values` are those that the reader may colour by; a knob without effect has none.
    """
    known = {name: chart_value(value) for name, value in trial.knobs.items()}
    inactive = dict.fromkeys(trial.record.inactive, wording.NOTHING)
    return {
        "trial": trial.number,
        "values": {**inactive, **known, "trial": trial.number},
        "knobs": knobs(trial.knobs),
        "model": trial.model,
        "state": str(trial.state),
        "kind": COMPLETE if trial.complete else OTHER,
        "M": point.segments,
        "flops": point.inference_flops,
        "cost": f"{flops(point.inference_flops)} per puzzle",
        "accuracy": point.exact_accuracy,
        "solved": point.words,
    }


def chart_value(value: Any) -> Any:
    """A knob's value as a chart takes it: numbers as they are, all else as words."""
    return value if isinstance(value, int | float) else wording.knob_value(value)


def tooltip() -> list[Any]:
    """The fields of `row` that a reader asks about when pointing at a mark."""
    fields = {"trial": "Trial", "knobs": "Knobs", "M": "Segments M", "state": "State"}
    solved = METRIC["exact_accuracy"].column
    return charts.tooltip({**fields, "solved": solved, "cost": "Compute"})


def labels(rows: list[Spec], name: str) -> Any:
    """Names of the points; where points fall together, the first and how many more there are."""
    names: dict[tuple[int, float], list[str]] = {}
    for fields in rows:
        names.setdefault((fields["flops"], fields["accuracy"]), []).append(name.format_map(fields))
    named = [
        {"flops": cost, "accuracy": share, "label": first + (f" +{len(more)}" if more else "")}
        for (cost, share), (first, *more) in names.items()
    ]
    text = charts.chart_of(named).encode(text="label:N")
    return text.mark_text(align="right", dx=-6, dy=-8, fontSize=11, color="#00507D")


def axis_title(key: str, *notes: str) -> str:
    """A metric's title with its unit: "Inference compute per puzzle (FLOP, log scale)"."""
    metric = METRIC[key]
    return f"{metric.title} ({', '.join([metric.unit, *notes])})"


def inference_axis() -> Any:
    """Inference FLOPs per puzzle from left to right, on a log scale."""
    return charts.compute_axis(axis_title("inference_flops", "log scale"), padding=60)


def accuracy_axis(shown: Iterable[float], *, titled: bool = True) -> Any:
    """Exact accuracy from zero to the greatest shown, or to a tenth where that is less."""
    return charts.accuracy_axis(max(shown), METRIC["exact_accuracy"].title if titled else None)


def finished(drawn: Any, title: Any, note: str, **size: Any) -> Spec:
    """A chart's specification in the look that all our charts share, `note` below its title."""
    titled = drawn.properties(title=charts.heading(title, note), **size)
    spec = charts.specification(charts.styled(titled, orient="top", columnPadding=14))
    del spec["$schema"]
    spec["title"]["subtitle"] = textwrap.wrap(note, _NOTE)
    return spec
