"""The section on whether what a knob buys depends on another, with heat maps."""

from collections.abc import Iterator
from typing import Any

import altair as alt

from hrm.charts import chart_of
from puzzle_datasets.common.text import counted
from sweep_platform.report import blocks, parts, wording
from sweep_platform.report.analysis.difference import Difference, Unknown
from sweep_platform.report.analysis.knobs.interactions import Interaction, interactions
from sweep_platform.spec.metrics import METRIC
from sweep_platform.store.summary import SweepSummary


def interactions_section(sweep: SweepSummary) -> Iterator[blocks.Block | blocks.Missing]:
    """Mean accuracy by two knobs at a time, and how far one's gain depends on the other."""
    found = interactions(sweep)
    if isinstance(found, Unknown):
        yield blocks.Missing(found.reason)
        return
    yield blocks.Heading("Knobs together")
    yield blocks.Paragraph(
        "Complete trials by two knobs at a time, after equal training; a cell has the mean "
        "accuracy and the number of its trials. Cells may differ in the other knobs too."
    )
    for one in found:
        words = f"Mean accuracy by {one.across} and {one.up}."
        yield blocks.Figure(_name(one), words, heat_map(one))
    yield blocks.Bullets(tuple(map(_contrast, found)))


def _name(one: Interaction) -> str:
    letters = "".join(char if char.isalnum() else "-" for char in f"{one.across}-{one.up}")
    return f"together-{letters.lower()}"


def _contrast(one: Interaction) -> str:
    pair = f"{one.across} and {one.up}"
    if isinstance(one.contrast, Unknown):
        return f"{pair}: {one.contrast.reason}"
    return (
        f"{pair}: raising {one.across} from its least value to its greatest buys "
        f"{wording.points(one.contrast)} points more at the greatest {one.up} than at the least "
        f"{_chance(one.contrast)}."
    )


def _chance(found: Difference) -> str:
    if found.p is None:
        return f"(too few to tell from chance: {counted(found.seeds, 'seed')})"
    return f"({wording.with_p(found.p)}, not corrected)"


def heat_map(one: Interaction) -> parts.Spec:
    """The cells of two axes, their accuracy as colour and text."""
    rows = [
        {
            "across": str(cell.across),
            "up": str(cell.up),
            "accuracy": cell.accuracy,
            "label": f"{100 * cell.accuracy:.1f} %",
            "trials": f"n = {cell.trials}",
        }
        for cell in one.cells
    ]
    base = chart_of(rows).encode(
        x=alt.X("across:O", title=one.across, sort=_sorted(one, "across"), axis=_level()),
        y=alt.Y("up:O", title=one.up, sort=_sorted(one, "up")[::-1]),
    )
    colour = alt.Color(
        "accuracy:Q",
        title=METRIC["exact_accuracy"].title,
        scale=alt.Scale(scheme="viridis", domainMin=0),
        legend=alt.Legend(format="~%", gradientLength=180, tickCount=4, titleLimit=320),
    )
    middle = max(cell.accuracy for cell in one.cells) / 2
    ink = alt.when(alt.datum.accuracy > middle).then(alt.value("black"))
    text = ink.otherwise(alt.value("white"))
    layers = (
        base.mark_rect().encode(color=colour),
        base.mark_text(dy=-7, fontSize=13).encode(text="label:N", color=text),
        base.mark_text(dy=10, fontSize=11).encode(text="trials:N", color=text),
    )
    size = {"width": 480, "height": 70 * len({cell.up for cell in one.cells}) + 20}
    title = f"{one.across} and {one.up} together"
    return parts.finished(alt.layer(*layers), title, "Mean accuracy of complete trials.", **size)


def _level() -> Any:
    return alt.Axis(labelAngle=0)


def _sorted(one: Interaction, axis: str) -> list[str]:
    return list(dict.fromkeys(str(getattr(cell, axis)) for cell in _by(one, axis)))


def _by(one: Interaction, axis: str) -> list[Any]:
    return sorted(one.cells, key=lambda cell: getattr(cell, axis))
