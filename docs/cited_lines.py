"""Renew the line numbers that docs/model.md cites: `python docs/cited_lines.py`.

A citation is a name or a piece of code in backticks, followed by a link to its line, such as

    `Block.forward` [hrm/model/reasoning_model.py:70](../hrm/model/reasoning_model.py#L70)

The name decides: it is looked up in the file as a class, function, method, attribute or constant,
or else as a piece of code that stands on exactly one line; the numbers follow. With `--check`
nothing is written. Exit status 1 where numbers are out of date, 2 where a name is gone.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "model.md"

CITATION = re.compile(r"`(?P<name>[^`]+)`(?P<gap>\s)\[(?P<file>[\w/.-]+\.py):\d+\]\([^)]*\)")


class CitationError(ValueError):
    """What a page cites is not there; the message names the file and the name."""


def renewed(page: str, root: Path = ROOT) -> str:
    """The page with each citation at the line where its name now stands.

    Raises `CitationError` where a file is missing, or a name is not in it or stands in it twice.
    """
    return CITATION.sub(lambda found: _citation(found, root), page)


def _citation(found: re.Match[str], root: Path) -> str:
    name, gap, file = found["name"], found["gap"], found["file"]
    try:
        source = (root / file).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise CitationError(f"{file} does not exist, but `{name}` is cited from it.") from error
    line = line_of(name, source, file)
    return f"`{name}`{gap}[{file}:{line}](../{file}#L{line})"


def line_of(name: str, source: str, file: str) -> int:
    """The number of the line that defines a dotted name, or the only one that holds this code."""
    defined = dict(_definitions(ast.parse(source)))
    if name in defined:
        return defined[name]
    lines = [number for number, text in enumerate(source.splitlines(), 1) if name in text]
    if len(lines) != 1:
        raise CitationError(f"`{name}` is on {len(lines)} lines of {file}; cite what is on one.")
    return lines[0]


def _definitions(scope: ast.AST, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Yield the dotted names that a module or class defines, and their lines."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield f"{prefix}{node.name}", node.lineno
            if isinstance(node, ast.ClassDef):
                yield from _definitions(node, f"{prefix}{node.name}.")
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    yield f"{prefix}{target.id}", node.lineno


def main(words: list[str]) -> int:
    """Renew the page, or say what is wrong with it."""
    before = PAGE.read_text(encoding="utf-8")
    try:
        after = renewed(before)
    except CitationError as error:
        print(f"docs/model.md: {error}", file=sys.stderr)
        return 2
    if after == before:
        return 0
    if "--check" in words:
        print("docs/model.md cites old lines; run python docs/cited_lines.py.", file=sys.stderr)
        return 1
    temporary = PAGE.with_name(f".{PAGE.name}.partial")
    temporary.write_text(after, encoding="utf-8")
    temporary.replace(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
