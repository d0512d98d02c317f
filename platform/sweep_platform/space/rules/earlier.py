"""Earlier sweeps that a space names, by folder or by a pattern such as `runs/arc-*`."""

from pathlib import Path

from puzzle_datasets.common.errors import UserError
from sweep_platform.common.errors import InputError
from sweep_platform.spec.yaml_source import Source
from sweep_platform.store.folder import SweepFolder


def earlier_sweeps(field: str, patterns: tuple[str, ...], source: Source) -> tuple[str, ...]:
    """The absolute paths of the folders that a field names, each once.

    Raises `InputError`, with file and line: a pattern leads to no sweep.
    """
    found: dict[str, None] = {}
    for index, pattern in enumerate(patterns):
        whole = Path(pattern).absolute()
        paths = sorted(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))))
        sweeps = [str(one) for one in paths if _holds_a_sweep(one)]
        if not sweeps:
            raise InputError(
                f"{field}.{index}",
                pattern,
                "name the folder of a sweep, such as runs/arc, or a pattern of several",
                problem=f"is {pattern}, where no sweep is",
                place=source.location((field, index)),
            )
        found |= dict.fromkeys(sweeps)
    return tuple(found)


def _holds_a_sweep(path: Path) -> bool:
    try:
        return SweepFolder(path).exists()
    except (OSError, UserError):
        return False
