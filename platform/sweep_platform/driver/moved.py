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


def was_moved(folder: SweepFolder) -> bool:
    """Whether the sweep's folder was moved or copied since its last session."""
    before = folder.record().root
    return before is not None and Path(before) != folder.root.absolute()


def store_now(
    folder: SweepFolder,
    kept: Path,
    store: str = "MLflow store",
    option: str = "--tracking-uri",
) -> Path:
    """Where the file of one of the sweep's stores is, see `place_now`; `option` names another.

    Raises `InputError`: a copy would write over the records of the other one, or it is gone.
    """
    now, before = place_now(folder, kept), folder.record().root
    alone = now.exists() and (now != kept or not Path(before or "").exists())
    if alone or not was_moved(folder):
        return now
    what = f"is a copy that shares its {store} with" if kept.exists() else "was moved from"
    raise InputError.of(
        folder.root, f"{what} {before}, and no {store} lies beside it", f"name one by {option}"
    )
