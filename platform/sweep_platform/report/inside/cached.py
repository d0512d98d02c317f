"""What is inside a sweep's models: measured once, kept in a file, and drawn from that."""

from pathlib import Path
from typing import TYPE_CHECKING

from puzzle_datasets.common.errors import UserError
from sweep_platform.common.text import in_short
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.evidence import kept
from sweep_platform.report.inside.record import read_inside, write_inside
from sweep_platform.report.inside.subject import NOT_TOLD, subject_of
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.summary import SweepSummary

if TYPE_CHECKING:
    from sweep_platform.report.inside.drawing import InsideCharts


def inside_of(sweep: SweepSummary) -> "InsideCharts | Unknown":
    """What was measured of a sweep that has ended, now or before, or why there is nothing."""
    return kept(sweep, _inside)


def _inside(sweep: SweepSummary) -> "InsideCharts | Unknown":
    try:
        return _found(sweep)
    except (UserError, OSError, RuntimeError) as error:  # torch's, of memory too
        return Unknown(f"{NOT_TOLD}: {in_short(str(error))}")


def _found(sweep: SweepSummary) -> "InsideCharts | Unknown":
    subject = subject_of(sweep)
    if isinstance(subject, Unknown):
        return subject
    report = SweepFolder(Path(sweep.folder)).report
    from sweep_platform.report.inside import drawing, measuring  # torch loads for seconds

    before = read_inside(report)
    if before and before.key == subject.key and drawing.fits(before, subject):
        return drawing.drawn(before, subject)
    found = measuring.measure_inside(subject)
    if isinstance(found, Unknown):
        return found
    write_inside(report, found)
    return drawing.drawn(found, subject)
