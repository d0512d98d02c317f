"""Whether a sweep that is resumed has anything left to do; answered in a moment, from its folder.

So neither Ray nor MLflow, torch or what draws charts is loaded where nothing would come of it.
"""

from pathlib import Path

from sweep_platform.common.databases import database_file
from sweep_platform.driver.moved import was_moved
from sweep_platform.driver.request import Request, ResolvedSweep
from sweep_platform.store.folder import SessionEnd, SweepFolder


def nothing_left(sweep: ResolvedSweep, request: Request) -> bool:
    """Whether a sweep is done as it is asked for, reported, and whole in MLflow and in its mirror.

    Whoever names a tracking store wants it to be looked at, and whoever moved the folder its
    record renewed: that is work.
    """
    folder, asked = sweep.folder, request.retry_failed or request.tracking_uri is not None
    if asked or not request.resume or was_moved(folder) or folder.messages.waiting():
        return False
    record, sessions = folder.record(), folder.sessions()
    if not sessions or sessions[-1].end is not SessionEnd.DONE or not sessions[-1].told:
        return False
    storage = sweep.spec.storage
    if storage is not None and storage.mirror and not sessions[-1].mirrored:
        return False
    store = database_file(record.tracking_uri or "")
    kept = store is None or store.exists()
    return kept and sweep.spec.public() == record.spec and _ended_and_reported(folder)


def _ended_and_reported(folder: SweepFolder) -> bool:
    """Whether every trial has ended, and the report is younger than all that it tells of."""
    page, trials = folder.report / "report.html", folder.trials()
    outcomes = [trial.outcome() for trial in trials]
    if not page.exists() or not all(end and end.state.is_final for end in outcomes):
        return False
    told = (folder.root / "sweep.json", *(path for one in trials for path in one.root.rglob("*")))
    return max(map(_changed, told)) <= _changed(page)


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns
