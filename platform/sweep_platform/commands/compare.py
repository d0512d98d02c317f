"""Set several sweeps side by side."""

from collections.abc import Sequence
from pathlib import Path

from sweep_platform.common.errors import InputError
from sweep_platform.report import write_comparison
from sweep_platform.report.writing import COMPARISON
from sweep_platform.store.folder import SweepFolder


def compare(folders: Sequence[Path], out: Path) -> Path:
    """Write the comparison into `out` and return its page.

    Raises `InputError`: there are fewer than two sweeps or too many, a folder holds none, one is
    named twice, or `out` holds other files.
    """
    from sweep_platform.report.comparison.outline import MOST

    if not 2 <= len(folders) <= MOST:
        raise InputError("sweeps", len(folders), f"name 2 to {MOST} sweeps' folders")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("sweeps", " ".join(map(str, folders)), "name each sweep once")
    if out.exists() and not out.is_dir():
        raise InputError("out", str(out), "name a folder")
    visible = out.is_dir() and any(not path.name.startswith(".") for path in out.iterdir())
    if visible and not (out / f"{COMPARISON}.html").exists():
        raise InputError.of(out, "holds other files", "name another folder by --out")
    return write_comparison([SweepFolder(folder) for folder in folders], out)
