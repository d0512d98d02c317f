"""Charts: their common look, and files that need no network: PNG, SVG or an HTML page.

Altair is loaded where a chart is made, so that commands without charts run where it is missing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hrm.config import ConfigError
from puzzle_datasets.common.files import write_file
from puzzle_datasets.common.page import SCRIPTED, html_page, json_in_html, printable
from puzzle_datasets.drawing.svg import chart_library

PNG_SCALE = 2.0
"""Pixels of a PNG for one of the chart's own."""

SUFFIXES = (".png", ".svg", ".html")

BLUE, ORANGE, GREEN, PINK = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILION, GREY = "#56B4E9", "#D55E00", "#999999"
PALETTE = (BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, GREY)
"""Okabe and Ito's colours, which the colour-blind can tell apart, most used first."""

INFERENCE = "Inference compute per puzzle (FLOP, log scale)"
ACCURACY = "Test puzzles solved exactly"

_DIGITS = 15
"""Of a whole number that a float holds exactly."""

Chart = Any
"""An Altair chart of any kind; naming its type would load Altair."""

_DRAW = """
const spec = JSON.parse(document.getElementById("spec").textContent);
vegaEmbed("#chart", spec, {mode: "vega-lite", renderer: "svg"}).catch(console.error);
"""


def altair() -> Any:
    """Return the module `altair`, loaded where it is needed.

    Raises `ConfigError` where this or what renders its charts is not installed.
    """
    try:
        import altair

        chart_library()  # better refused before the work than after it
    except ModuleNotFoundError as error:
        problem = f"charts need {error.name}, which is not installed"
        remedy = "pip install altair vl-convert-python"
        raise ConfigError.of(None, problem, remedy, error.name) from error
    return altair


def lacking() -> str:
    """Return what is missing to draw charts, as a sentence; empty where nothing is."""
    try:
        altair()
    except ConfigError as error:
        return str(error)
    return ""


def chart_of(rows: Sequence[dict[str, Any]]) -> Chart:
    """An empty chart of these rows, which travel inside its specification."""
    alt = altair()
    return alt.Chart(alt.InlineData(values=list(rows)))


def compute_axis(title: str = INFERENCE, *, log: bool = True, padding: int = 20) -> Chart:
    """The x-axis of a field `flops`, its ticks written as 10M or 2G."""
    alt = altair()
    scale = alt.Scale(type="log", nice=False, padding=padding) if log else alt.Scale(zero=True)
    axis = alt.Axis(format="~s", labelOverlap="greedy", labelSeparation=8, tickCount=8, grid=False)
    return alt.X("flops:Q", title=title, scale=scale, axis=axis)


def accuracy_axis(top: float | None = None, title: str | None = ACCURACY) -> Chart:
    """The y-axis of a field `accuracy`, from zero to `top`, and at least to a tenth."""
    alt = altair()
    axis = alt.Axis(format="~%", tickCount=6)
    if top is None:
        return alt.Y("accuracy:Q", title=title, axis=axis)
    scale = alt.Scale(domain=[0, max(1.03 * top, 0.1)], nice=False)
    return alt.Y("accuracy:Q", title=title, axis=axis, scale=scale)


def tooltip(titles: dict[str, str]) -> list[Chart]:
    """The fields that a reader sees who points at a mark, by name, and their titles."""
    alt = altair()
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in titles.items()]


def heading(text: Any, *notes: str) -> Chart:
    """A chart's title with lines on how to read it."""
    return altair().TitleParams(text, subtitle=list(notes), subtitlePadding=5)


def styled(chart: Chart, **legend: Any) -> Chart:
    """The chart in the look that all our charts share; `legend` adds to that of the legends."""
    alt = altair()
    text: dict[str, Any] = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    return chart.configure(
        font="sans-serif",
        axis=alt.AxisConfig(gridColor="#ECECEC", domainColor="#888888", **text),
        legend=alt.LegendConfig(labelLimit=320, **text, **legend),
        view=alt.ViewConfig(stroke=None),
        title=alt.TitleConfig(
            anchor="start", fontSize=15, offset=12, subtitleColor="#555555", subtitleFontSize=12
        ),
    )


def specification(chart: Chart) -> dict[str, Any]:
    """A chart as Vega-Lite, without what ends the process that draws it: see `_drawable`."""
    spec: dict[str, Any] = _drawable(chart.to_dict())
    return spec


def _drawable(content: Any) -> Any:
    """JSON whose texts are printable, and whose large whole numbers are floats, as charts reckon.

    Backslashes go too: Vega reads a title's as escapes.

    >>> _drawable({"flops": 10**30, "trial": 7, "name": "a"})
    {'flops': 1e+30, 'trial': 7, 'name': 'a'}
    """
    if isinstance(content, dict):
        return {_drawable(str(name)): _drawable(one) for name, one in content.items()}
    if isinstance(content, list):
        return [_drawable(one) for one in content]
    if type(content) is int and abs(content) >= 10**_DIGITS:
        return float(content)
    if isinstance(content, str):
        return printable(content).replace("\\", "\N{REVERSE SOLIDUS OPERATOR}")
    return content


def save_chart(chart: Chart, path: Path) -> None:
    """Write a chart to `path`, whole or not at all, in the format that its suffix names.

    Raises:
        ConfigError: the suffix is none of `SUFFIXES`, or Altair is not installed.
        OSError: the file can't be written.
    """
    if path.suffix not in SUFFIXES:
        remedy = f"end it in {', '.join(SUFFIXES)}"
        raise ConfigError.of(path, "is no picture's name", remedy)
    write_file(path, _render(chart, path))


def _render(chart: Chart, path: Path) -> bytes:
    version = "_".join(altair().SCHEMA_VERSION.split(".")[:2])
    vl_convert, spec = chart_library(), specification(chart)
    if path.suffix == ".png":
        png: bytes = vl_convert.vegalite_to_png(spec, vl_version=version, scale=PNG_SCALE)
        return png
    if path.suffix == ".svg":
        svg: str = vl_convert.vegalite_to_svg(spec, vl_version=version)
        return svg.encode()
    script = vl_convert.javascript_bundle(_DRAW, vl_version=version)
    body = (
        f'<div id="chart"></div>\n<script type="application/json" id="spec">{json_in_html(spec)}'
        f"</script>\n<script>{script}</script>"
    )
    return html_page(path.stem, body, policy=SCRIPTED).encode()
