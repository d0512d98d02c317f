"""Draw the rooms of the three packages and the imports between them.

`python docs/architecture.py` writes docs/architecture.svg. With `--check` nothing
is written; exit status 1 where the picture is out of date. `ROOMS` is the order that
`tests/test_layout.py` holds the code to.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "architecture.svg"

FOLDERS = {
    "sweep_platform": ROOT / "platform" / "sweep_platform",
    "hrm": ROOT / "hrm",
    "puzzle_datasets": ROOT / "datasets" / "puzzle_datasets",
}
ROOMS: dict[str, tuple[str, ...]] = {
    "sweep_platform": (
        "cli",
        "api",
        "commands",
        "driver",
        "execution",
        "search",
        "tracking",
        "report",
        "plan",
        "space",
        "store",
        "spec",
        "common",
    ),
    "hrm": (
        "train",
        "evaluate",
        "dynamics",
        "grid",
        "commands",
        "runs",
        "training",
        "evaluation",
        "checkpoints",
        "model",
        "charts",
        "distributed",
        "progress",
        "canonical",
        "recurrence",
        "config",
        "models",
    ),
    "puzzle_datasets": (
        "__main__",
        "commands",
        "published",
        "loader",
        "kinds",
        "csv_files",
        "checks",
        "drawing",
        "loading",
        "storage",
        "common",
    ),
}
"""From the top down: a room imports from rooms below it alone."""

Arrow = tuple[str, str, str, str]
"""Package and room that import, package and room that are imported."""


def arrows() -> Counter[Arrow]:
    """Every import from one room into another, and how many modules make it."""
    found: Counter[Arrow] = Counter()
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            here = package, room_of(path.relative_to(folder))
            for there in {room for room in _imported(path) if room != here}:
                found[(*here, *there)] += 1
    return found


def room_of(path: Path) -> str:
    """The room of a file by its path in the package; empty for the package's own `__init__`."""
    first = path.parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def _imported(path: Path) -> Iterator[tuple[str, str]]:
    """The rooms that a file imports from, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if name := imported_late(node):
            yield from _room(name.split("."))
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _room(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                yield from _room([*node.module.split("."), alias.name])


def imported_late(node: ast.AST) -> str | None:
    """The module that a call of `import_module` names; code in parentheses where it is no text."""
    if not isinstance(node, ast.Call) or not node.args:
        return None
    called = ast.unparse(node.func).rpartition(".")[2]
    if called not in ("import_module", "__import__"):
        return None
    [first, *_] = node.args
    return str(first.value) if isinstance(first, ast.Constant) else f"({ast.unparse(first)})"


def _room(parts: list[str]) -> Iterator[tuple[str, str]]:
    package = parts[0]
    if package in FOLDERS and len(parts) > 1:
        room = parts[1]
        folder = FOLDERS[package]
        if (folder / room).is_dir() or (folder / f"{room}.py").exists():
            yield package, room


WIDTH, HEIGHT, STEP = 150, 30, 46
COLUMN, LEFT, TOP = 330, 170, 64


def picture() -> str:
    """The rooms as boxes, a column a package, and an arc for each import downwards."""
    found = arrows()
    lines = [
        f'<text x="{LEFT + index * COLUMN + WIDTH / 2}" y="34" text-anchor="middle" '
        f'font-size="16" font-weight="bold">{package}</text>'
        for index, package in enumerate(ROOMS)
    ]
    for index, (package, rooms) in enumerate(ROOMS.items()):
        own = {(a, b) for p, a, q, b in found if p == q == package and a and b}
        lines += [_arc(index, rooms.index(a), rooms.index(b)) for a, b in sorted(own)]
        lines += [_box(index, floor, room) for floor, room in enumerate(rooms)]
    lines += _bridges(found)
    height = TOP + STEP * max(map(len, ROOMS.values())) + 56
    width = LEFT + COLUMN * (len(ROOMS) - 1) + WIDTH + 30
    body = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _box(column: int, floor: int, room: str) -> str:
    x, y = LEFT + column * COLUMN, TOP + floor * STEP
    return (
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="5" fill="#eaf2f8" '
        f'stroke="#5b7f9b"/>\n<text x="{x + WIDTH / 2}" y="{y + 20}" text-anchor="middle" '
        f'font-size="13">{escape(room)}</text>'
    )


def _arc(column: int, upper: int, lower: int) -> str:
    """A curve on the left from a room down to one that it imports from."""
    x = LEFT + column * COLUMN
    start, end = (TOP + floor * STEP + HEIGHT / 2 for floor in (upper, lower))
    reach = 18 + 10 * abs(lower - upper)
    return (
        f'<path d="M{x},{start + 5} C{x - reach},{start + 5} {x - reach},{end - 5} {x},{end - 5}" '
        'fill="none" stroke="#9aa9b5" stroke-width="1"/>'
        f'<circle cx="{x}" cy="{end - 5}" r="2.5" fill="#5b7f9b"/>'
    )


def _bridges(found: Counter[Arrow]) -> list[str]:
    """One line a pair of packages, with the number of files that import."""
    pairs: Counter[tuple[str, str]] = Counter()
    for (package, _, other, _), files in found.items():
        if package != other:
            pairs[package, other] += files
    columns, y = list(ROOMS), TOP + STEP * max(map(len, ROOMS.values())) + 12
    lines = []
    for rank, ((package, other), files) in enumerate(sorted(pairs.items())):
        start, end = (
            LEFT + columns.index(name) * COLUMN + WIDTH / 2 + 12 * (rank - 1)
            for name in (package, other)
        )
        depth = y - 8 + 18 * rank
        lines.append(
            f'<path d="M{start},{depth} H{end}" stroke="#b35a00" stroke-width="1.5"/>'
            f'<circle cx="{end}" cy="{depth}" r="3.5" fill="#b35a00"/>'
            f'<text x="{(start + end) / 2}" y="{depth - 3}" text-anchor="middle" font-size="11" '
            f'fill="#b35a00">{package} imports {other}: {files} files</text>'
        )
    return lines


def main(words: list[str]) -> int:
    """Write the picture, or with `--check` compare it; returns the exit status."""
    drawn = picture()
    if words == ["--check"]:
        fresh = PICTURE.exists() and PICTURE.read_text(encoding="utf-8") == drawn
        return 0 if fresh else 1
    PICTURE.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
