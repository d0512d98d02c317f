"""The section on how much of the accuracy's variation each knob explains, with its chart."""

from collections.abc import Callable, Iterator

import altair as alt
import numpy as np

from hrm.charts import BLUE, ORANGE, chart_of
from sweep_platform.report import blocks, parts, tables, wording
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.knobs.importance import (
    MOST,
    RESAMPLES,
    Importance,
    Share,
    importances,
)
from sweep_platform.store.summary import SweepSummary

_PED, _FOREST = "PED-ANOVA", "fANOVA"


def _share(name: str, read: Callable[[Importance], Share | None]) -> tables.Column[Importance]:
    def end(key: str) -> Callable[[Importance], float | None]:
        return lambda one: getattr(found, key) if (found := read(one)) else None

    data = {f"{name}": end("share"), f"{name}_low": end("low"), f"{name}_high": end("high")}
    named = {tables.stem(key): values for key, values in data.items()}
    return tables.Column(name, lambda one: _words(read(one)), data=named)


_COLUMNS: tuple[tables.Column[Importance], ...] = (
    tables.Column("Knob", lambda one: one.knob, words=True),
    _share(_PED, lambda one: one.ped_anova),
    _share(_FOREST, lambda one: one.fanova),
    tables.number("Trials", lambda one: one.trials),
)


def importance_section(sweep: SweepSummary) -> Iterator[blocks.Block | blocks.Missing]:
    """Each knob's importance by two measures; the draws for intervals follow from the sweep."""
    seed = int(sweep.record.spec.get("seed", 0))
    found = importances(sweep, np.random.default_rng(seed))
    if isinstance(found, Unknown):
        yield blocks.Missing(found.reason)
        return
    yield blocks.Heading("Which knobs matter")
    yield blocks.Figure("importance", "Importance of each knob.", importance_chart(found))
    yield tables.table("importance", _COLUMNS, found)
    drawn = len(sweep.complete) > MOST
    of_many = f"Of the complete trials, {MOST:,} were drawn to tell it by. " if drawn else ""
    yield blocks.Paragraph(
        of_many
        + f"{_PED} asks which knobs set the most accurate quarter of complete trials apart; "
        f"{_FOREST} which explain the variance over the whole space, and knows only knobs that "
        f"all trials have a use for. Brackets: 95 % of {RESAMPLES} draws of the trials, which "
        "tell how far this hangs on what was tried, not on seeds. Importance has no direction and "
        "is no effect."
    )


def _words(one: Share | None) -> str:
    if one is None:
        return wording.NOTHING
    return f"{one.share:.0%} [{100 * one.low:.0f}, {100 * one.high:.0f}]"


def importance_chart(found: tuple[Importance, ...]) -> parts.Spec:
    """A bar and an interval for each knob and measure."""
    rows = [
        {"knob": one.knob, "by": by, "share": share.share, "low": share.low, "high": share.high}
        for one in found
        for by, share in ((_PED, one.ped_anova), (_FOREST, one.fanova))
        if share is not None
    ]
    scale = alt.Scale(domain=[_PED, _FOREST], range=[BLUE, ORANGE])
    base = chart_of(rows).encode(
        y=alt.Y("knob:N", title=None, sort=[one.knob for one in found]),
        yOffset=alt.YOffset("by:N", sort=[_PED, _FOREST]),
    )
    share_axis = alt.Axis(format="~%")
    bars = base.mark_bar().encode(
        x=alt.X("share:Q", title="Share of the importance of all knobs (%)", axis=share_axis),
        color=alt.Color("by:N", title=None, scale=scale),
    )
    lines = base.mark_rule(color="#222222").encode(x="low:Q", x2="high:Q")
    size = {"width": 640, "height": max(120, 52 * len(found))}
    note = "Line: 95 % of draws of the trials."
    return parts.finished(alt.layer(bars, lines), "Importance of each knob", note, **size)
