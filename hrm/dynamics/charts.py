"""The measures as charts: a panel for each model, side by side on equal scales."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from hrm.charts import PALETTE, Chart, altair, chart_of, heading, styled
from hrm.config import ModelConfig
from hrm.dynamics.measure import LAYERS, Dynamics
from hrm.recurrence import layers_of, segment_updates
from puzzle_datasets.common.text import counted

COLOURS = {"z_H": PALETTE[0], "z_L": PALETTE[5], LAYERS: PALETTE[2]}
WIDTH, HEIGHT, SPACING = 684, 240, 24
"""Of one panel, or two side by side; of each; between two."""

TRAINED, UNTRAINED = "trained", "before training"


def residual_chart(measured: Sequence[Dynamics]) -> Chart:
    """Forward residuals over the updates (HRM paper, Figure 3); dotted lines part the segments."""
    note = (
        "How far each update moves a state: ||z(t) - z(t-1)|| / √d, mean of positions and puzzles"
    )
    top = max(one.residual for each in measured for one in each.trajectories.residuals)
    draw = partial(_residuals, top=top, colour=_colour(measured))
    return _side_by_side(measured, draw, "Forward residuals", note)


def participation_chart(measured: Sequence[Dynamics]) -> Chart:
    """Participation ratios over the number of puzzles, trained and not."""
    note = "(Σλ)² / Σλ² over the eigenvalues λ of the covariance of a state"
    top = max(row["value"] for each in measured for row in _participation_rows(each))
    draw = partial(_participation, top=top, colour=_colour(measured))
    title = "Participation ratio: directions that a state uses"
    return _side_by_side(measured, draw, title, note)


def halting_chart(measured: Sequence[Dynamics]) -> Chart:
    """The share of puzzles that halt after each segment; of models with more than one."""
    note = "Share of puzzles that stop as soon as the Q-values say so, at the latest at the end"
    halting = [each for each in measured if each.segments > 1]
    return _side_by_side(halting, _halting, "Segments until a puzzle halts", note)


def setting(config: ModelConfig, segments: int) -> str:
    """Return the updates and segments of a model, as the line under its name."""
    if not config.kind.continues:
        return f"{layers_of(config, 'H')} blocks, one after the other"
    updates = counted(segment_updates(config).length, "update")
    cycles = f"N={config.N}, T={config.T}"
    if not config.kind.has_low_state:
        cycles = f"a loop of {counted(layers_of(config, 'H'), 'block')}"
    return f"{cycles}: {updates} in each of {counted(segments, 'segment')}"


def _side_by_side(
    measured: Sequence[Dynamics], draw: Callable[..., Chart], title: str, note: str
) -> Chart:
    """A panel for each model, as wide as two for one alone; `draw` is told which is `first`."""
    alt = altair()
    if len(measured) == 1:
        [each] = measured
        notes = note, f"{each.name}: {setting(each.config, each.segments)}"
        alone = draw(each, first=True).properties(width=WIDTH, height=HEIGHT)
        return styled(alone.properties(title=heading(title, *notes)))
    panels = []
    for each in measured:
        name = alt.TitleParams(
            each.name,
            subtitle=setting(each.config, each.segments),
            fontSize=13,
            subtitleFontSize=11.5,
            offset=6,
        )
        drawn = draw(each, first=each is measured[0])
        panels.append(drawn.properties(width=(WIDTH - SPACING) // 2, height=HEIGHT, title=name))
    joined = alt.hconcat(*panels, spacing=SPACING)
    return styled(joined.properties(title=heading(title, note)))


def _colour(measured: Sequence[Dynamics]) -> Chart:
    """Colours of the states that any panel has, in all panels, with one legend below."""
    present = {state for each in measured for state in each.trajectories.states}
    states = [state for state in COLOURS if state in present]
    scale = altair().Scale(domain=states, range=[COLOURS[state] for state in states])
    legend = altair().Legend(orient="bottom", title=None, symbolOpacity=1)
    return altair().Color("state:N", scale=scale, legend=legend)


def _upward(top: float, title: str, *, first: bool) -> Chart:
    """The y-axis from zero to a little above `top`; only the first panel's has a title."""
    scale = altair().Scale(domain=[0, 1.05 * top], nice=False)
    return altair().Y("value:Q", title=title if first else None, scale=scale)


def _residuals(dynamics: Dynamics, *, top: float, colour: Chart, first: bool) -> Chart:
    alt = altair()
    residuals = dynamics.trajectories.residuals
    borders = [
        {"number": after.number - 0.5}
        for before, after in pairwise(residuals)
        if before.segment < after.segment
    ]
    rows = [
        {"number": one.number, "segment": one.segment, "state": one.state, "value": one.residual}
        for one in residuals
    ]
    x = alt.X(
        "number:Q",
        title="Block" if dynamics.trajectories.states == [LAYERS] else "Update",
        axis=alt.Axis(tickMinStep=1, grid=False),
        scale=alt.Scale(domain=[0, len(rows) + 1], nice=False),
    )
    base = chart_of(rows).encode(
        x=x,
        y=_upward(top, "Forward residual, in lengths of z", first=first),
        color=colour,
        tooltip=["number:Q", "segment:Q", "state:N", alt.Tooltip("value:Q", format=".3f")],
    )
    lines = base.mark_line(strokeWidth=1.3, opacity=0.5)
    rule = chart_of(borders).mark_rule(color="#777777", strokeDash=[2, 3]).encode(x="number:Q")
    return alt.layer(rule, lines, base.mark_circle(size=34, opacity=1))


def _participation_rows(dynamics: Dynamics) -> list[dict[str, Any]]:
    kinds = {TRAINED: dynamics.trajectories, UNTRAINED: dynamics.untrained}
    return [
        {"number": one.puzzles, "state": one.state, "value": one.ratio, "weights": weights}
        for weights, trajectories in kinds.items()
        for one in trajectories.participation
    ]


def _participation(dynamics: Dynamics, *, top: float, colour: Chart, first: bool) -> Chart:
    alt = altair()
    dash = alt.Scale(domain=[TRAINED, UNTRAINED], range=[[1, 0], [5, 4]])
    return (
        chart_of(_participation_rows(dynamics))
        .mark_line()
        .encode(
            x=alt.X("number:Q", title="Puzzles", axis=alt.Axis(grid=False, tickMinStep=1)),
            y=_upward(top, "Participation ratio", first=first),
            color=colour,
            strokeDash=alt.StrokeDash(
                "weights:N",
                title=None,
                scale=dash,
                legend=alt.Legend(orient="bottom", symbolType="stroke", symbolSize=300),
            ),
            tooltip=["number:Q", "state:N", "weights:N", alt.Tooltip("value:Q", format=".1f")],
        )
    )


def _halting(dynamics: Dynamics, *, first: bool) -> Chart:
    alt = altair()
    shares = enumerate(dynamics.evaluation.halting.segments, start=1)
    rows = [{"number": number, "value": share} for number, share in shares]
    bars = chart_of(rows).encode(
        x=alt.X("number:O", title="Segments", axis=alt.Axis(labelAngle=0)),
        y=alt.Y(
            "value:Q",
            title="Share of puzzles" if first else None,
            # Room for the number above a bar of 100 %.
            scale=alt.Scale(domain=[0, 1.08], nice=False),
            axis=alt.Axis(format="~%", values=[0, 0.25, 0.5, 0.75, 1]),
        ),
        tooltip=["number:O", alt.Tooltip("value:Q", format=".1%")],
    )
    text = bars.mark_text(dy=-7, fontSize=11).encode(text=alt.Text("value:Q", format=".0%"))
    return alt.layer(bars.mark_bar(color=PALETTE[4]), text)
