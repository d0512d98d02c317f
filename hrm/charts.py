"""Charts as files: what Altair draws, saved as PNG, SVG or a page that needs no network."""

from pathlib import Path
from typing import Any

from hrm.config import ConfigError
from puzzle_datasets.common.files import write_file

PNG_SCALE = 2.0
"""Pixels of a PNG for one of the chart's own."""

SUFFIXES = (".png", ".svg", ".html")

BLUE, SKY, GREEN, ORANGE = "#0072B2", "#56B4E9", "#009E73", "#E69F00"
VERMILION, PINK, GREY = "#D55E00", "#CC79A7", "#9A9A9A"
"""Colours that the colour-blind tell apart (Okabe and Ito's)."""

Chart = Any
"""An Altair chart of any kind; naming its type would load Altair."""


def altair() -> Any:
    """Return the module `altair`, loaded where it is needed.

    Raises:
        ConfigError: this or what renders its charts is not installed.
    """
    try:
        import altair
        import vl_convert  # noqa: F401 - better refused before the work than after it
    except ModuleNotFoundError as error:
        problem = f"charts need {error.name}, which is not installed"
        remedy = "pip install altair vl-convert-python"
        raise ConfigError(None, error.name, remedy, problem=problem) from error
    return altair


def lacking() -> str:
    """Return what is missing to draw charts, as a sentence; empty where nothing is."""
    try:
        altair()
    except ConfigError as error:
        return str(error)
    return ""


def save_chart(chart: Chart, path: Path) -> None:
    """Write a chart to `path`, whole or not at all, in the format that its suffix names.

    Raises:
        ConfigError: the suffix is none of `SUFFIXES`, or Altair is not installed.
        OSError: the file can't be written.
    """
    if path.suffix not in SUFFIXES:
        remedy = f"end it in {', '.join(SUFFIXES)}"
        raise ConfigError(str(path), None, remedy, problem="is no picture's name")
    write_file(path, _render(chart, path.suffix))


def styled(chart: Chart, **legend: Any) -> Chart:
    """The chart in the look that our charts share, with these further settings of its legend."""
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


def _render(chart: Chart, suffix: str) -> bytes:
    version = "_".join(altair().SCHEMA_VERSION.split(".")[:2])
    import vl_convert

    spec = chart.to_dict()
    if suffix == ".png":
        png: bytes = vl_convert.vegalite_to_png(spec, vl_version=version, scale=PNG_SCALE)
        return png
    if suffix == ".svg":
        return vl_convert.vegalite_to_svg(spec, vl_version=version).encode()
    return vl_convert.vegalite_to_html(spec, vl_version=version, bundle=True).encode()
