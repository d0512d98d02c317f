"""The files of a report or a comparison, all made before the first is written.

Drawing libraries are imported when a page is written.
"""

import re
import time
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from puzzle_datasets.common.files import write_file
from puzzle_datasets.drawing.svg import chart_library
from sweep_platform.common.arrow import arrow_table, as_csv, as_parquet
from sweep_platform.report.blocks import Outline
from sweep_platform.report.pages import DRAWING, report_as_html, report_as_markdown
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.summary import summarize

_PIXELS_PER_POINT = 2.0
_LARGEST_DRAWING = 150_000
"""Bytes of an SVG beyond which the page holds a PNG in its place: with 500 trials, a twentieth."""

REPORT, COMPARISON = "report", "comparison"
"""Stems of the pages' names."""

_OWN = {REPORT: ".*", COMPARISON: r"fronts|results|common(-\d+)?"}
"""Stems of charts and tables that are a page's: a report's folder is its own, a comparison's may
be anyone's."""


def write_report(sweep: SweepFolder) -> Path:
    """Write report.html, report.md, the charts and the tables; return the path of report.html.

    Charts are PNG and PDF, tables are CSV and Parquet, in `tables`. The sweep is read as it is now
    and only its report folder is written. All is made before the first file is written, and each
    file is replaced whole: what was there stays readable. Raises `InputError` where the folder
    holds no sweep.
    """
    summary = summarize(sweep)
    chart_library()
    from sweep_platform.report.sections import outline

    return _write(outline(summary, written=time.time()), sweep.report, REPORT)


def write_comparison(sweeps: Sequence[SweepFolder], out: Path) -> Path:
    """Write comparison.html and all that goes with it into a folder; return the path of the page.

    As `write_report` does it. Raises `InputError` where a folder holds no sweep.
    """
    summaries = [summarize(sweep) for sweep in sweeps]
    chart_library()
    from sweep_platform.report.comparison.outline import comparison

    return _write(comparison(summaries, written=time.time()), out, COMPARISON)


def _write(report: Outline, folder: Path, stem: str) -> Path:
    contents = _contents(report, stem)
    page = f"{stem}.html"  # first, for it alone marks a folder as that of a comparison
    for name in (page, *contents):
        write_file(folder / name, contents[name])
    _remove_former(folder, set(contents), stem)
    return folder / page


def _remove_former(folder: Path, written: set[str], stem: str) -> None:
    """Remove charts and tables of a former page that this one has none of."""
    own = re.compile(_OWN[stem])
    for pattern in ("*.png", "*.pdf", "tables/*.csv", "tables/*.parquet"):
        for path in folder.glob(pattern):
            if path.relative_to(folder).as_posix() not in written and own.fullmatch(path.stem):
                path.unlink(missing_ok=True)


def _contents(report: Outline, stem: str) -> dict[str, bytes]:
    _require_own_names(report)
    vl_convert = chart_library()
    drawings = {one.name: vl_convert.vegalite_to_svg(one.spec) for one in report.figures}
    drawings |= {one.name: one.svg for one in report.drawings}
    contents: dict[str, bytes] = {}
    for name, drawing in drawings.items():
        contents[f"{name}.png"] = vl_convert.svg_to_png(drawing, scale=_PIXELS_PER_POINT)
        contents[f"{name}.pdf"] = vl_convert.svg_to_pdf(drawing)
    for one in report.tables:
        rows = arrow_table(one.data)
        contents[f"tables/{one.name}.csv"] = as_csv(rows)
        contents[f"tables/{one.name}.parquet"] = as_parquet(rows)
    contents[f"{stem}.md"] = report_as_markdown(report).encode()
    pictures = {name: _picture(drawing) for name, drawing in drawings.items()}
    contents[f"{stem}.html"] = report_as_html(report, pictures, _script).encode()
    return contents


def _require_own_names(report: Outline) -> None:
    """Stems of files are ours: none leads out of the folder, none is another's."""
    pictures = [one.name for one in report.figures] + [one.name for one in report.drawings]
    for names in (pictures, [one.name for one in report.tables]):
        assert all(re.fullmatch(r"\w[\w.-]*", name) for name in names), f"{names} are no names"
        assert len(set(names)) == len(names), f"one of {names} comes twice"


def _picture(drawing: str) -> str:
    """An address that holds a chart, for readers without scripts: as SVG, or PNG if large."""
    if len(drawing) <= _LARGEST_DRAWING:
        return f"data:image/svg+xml;base64,{b64encode(drawing.encode()).decode()}"
    picture = chart_library().svg_to_png(drawing, scale=1.0)
    return f"data:image/png;base64,{b64encode(picture).decode()}"


@cache
def _script() -> str:
    """JavaScript that draws the charts, with its libraries: seconds of work, always the same."""
    script: str = chart_library().javascript_bundle(DRAWING)
    return script
