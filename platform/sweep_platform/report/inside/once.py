"""Look inside a sweep's models once: what was measured is kept, and asked for first."""

from pathlib import Path

from puzzle_datasets.common.errors import UserError
from sweep_platform.common.text import in_short
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.evidence import kept
from sweep_platform.report.inside.record import Inside, read_inside, write_inside
from sweep_platform.report.inside.subject import NOT_TOLD, subject_of
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.summary import SweepSummary


def inside_of(sweep: SweepSummary) -> Inside | Unknown:
    """What was measured of a sweep that has ended, now or before, or why there is nothing."""
    return kept(sweep, _inside)


def _inside(sweep: SweepSummary) -> Inside | Unknown:
    subject = subject_of(sweep)
    if isinstance(subject, Unknown):
        return subject
    report = SweepFolder(Path(sweep.folder)).report
    if before := read_inside(report, subject.key):
        return before
    from sweep_platform.report.inside import look  # torch loads for seconds

    try:
        found = look.look(subject)
    except UserError as error:
        return Unknown(f"{NOT_TOLD}: {in_short(str(error))}")
    if not isinstance(found, Unknown):
        write_inside(report, found)
    return found
