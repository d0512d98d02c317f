"""The section on how the front grew as the sweep spent compute, with its chart."""

from collections.abc import Iterator

import altair as alt

from hrm.charts import BLUE, chart_of
from puzzle_datasets.common.text import counted, flops
from sweep_platform.report import blocks, parts
from sweep_platform.report.analysis.compute.hypervolume import Growth, growth
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.store.summary import SweepSummary

_FEWEST = 3
"""Trials below which growth is no curve."""


def growth_section(sweep: SweepSummary) -> Iterator[blocks.Block | blocks.Missing]:
    """The front's hypervolume after each trial, against the training spent by then."""
    found = growth(sweep)
    if isinstance(found, Unknown):
        yield blocks.Missing(found.reason)
        return
    if len(found.trials) < _FEWEST:
        ended = counted(len(found.trials), "trial")
        yield blocks.Missing(f"No growth of the front: {ended} ended, it takes {_FEWEST}.")
        return
    yield blocks.Heading("How the front grew")
    yield blocks.Figure("growth", "The front's hypervolume, trial by trial.", growth_chart(found))
    yield blocks.Paragraph(
        "The area below the front, accuracy times powers of ten of inference FLOPs, up to "
        f"{flops(found.reference)}. Where it no longer rises, more trials of this kind buy little."
    )


def growth_chart(found: Growth) -> parts.Spec:
    """The hypervolume as steps over the training of all trials that had ended."""
    rows = [
        {
            "flops": one.training_flops,
            "volume": one.hypervolume,
            "trial": one.trial,
            "spent": flops(one.training_flops),
        }
        for one in found.trials
    ]
    axis = alt.Axis(format="~s", tickCount=8, grid=False)
    title = parts.axis_title("training_flops")
    base = chart_of(rows).encode(
        x=alt.X("flops:Q", title=f"All trials that ended: {title}", axis=axis),
        y=alt.Y("volume:Q", title="Hypervolume (accuracy times powers of ten of FLOP)"),
    )
    steps = base.mark_line(interpolate="step-after", color=BLUE, strokeWidth=2)
    shown = [alt.Tooltip("trial:N", title="Trial"), alt.Tooltip("spent:N", title="Spent")]
    marks = base.mark_point(filled=True, size=45, color=BLUE, opacity=1).encode(tooltip=shown)
    note = "A point a trial, in the order in which they ended."
    return parts.finished(alt.layer(steps, marks), "How the front grew", note, **parts.WIDE)
