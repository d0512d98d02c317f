"""A sweep whose folder was moved or copied goes on with what lies beside it now."""

import os
from pathlib import Path

from sweep_platform.common.errors import InputError
from sweep_platform.store.folder import SweepFolder


def place_now(folder: SweepFolder, kept: Path) -> Path:
    """Where a file or folder is that the sweep's record names by an absolute path.

    If the sweep's folder was moved or copied, it is what lies at the same place as seen from
    there, or else the former one.
    """
    before, now = folder.record().root, folder.root.absolute()
    if before is None or Path(before) == now:
        return kept
    along = Path(os.path.normpath(now / os.path.relpath(kept, before)))
    return along if along.exists() or not kept.exists() else kept


def store_now(folder: SweepFolder, kept: Path) -> Path:
    """Where the file of the sweep's MLflow store is, see `place_now`.

    Raises `InputError`: a copy would write over the runs of the other one, or it is gone.
    """
    now, before = place_now(folder, kept), folder.record().root
    moved = before is not None and Path(before) != folder.root.absolute()
    if not moved or (now.exists() and (now != kept or not Path(before or "").exists())):
        return now
    what = "is a copy that shares its MLflow store with" if kept.exists() else "was moved from"
    raise InputError.of(
        folder.root,
        f"{what} {before}, and no store lies beside it",
        "name one by --tracking-uri",
    )
