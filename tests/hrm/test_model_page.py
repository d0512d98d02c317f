"""docs/model.md cites lines of code; they are there and hold what is named beside them."""

import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "cited_lines.py"
LIBRARY: dict[str, Any] = runpy.run_path(str(SCRIPT))
renewed: Callable[..., str] = LIBRARY["renewed"]

SOURCE = '''"""A module."""

RATE = 0.5


class Thing:
    size: int = 3

    def grow(self) -> None:
        self.size += 1
        print(self.size)
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "hrm").mkdir()
    (tmp_path / "hrm" / "thing.py").write_text(SOURCE)
    return tmp_path


def cited(name: str, line: int) -> str:
    return f"See `{name}` [hrm/thing.py:{line}](../hrm/thing.py#L{line})."


@pytest.mark.parametrize(
    ("name", "line"),
    [("RATE", 3), ("Thing", 6), ("Thing.size", 7), ("Thing.grow", 9), ("self.size += 1", 10)],
)
def test_a_citation_follows_its_name(root: Path, name: str, line: int) -> None:
    assert renewed(cited(name, 999), root) == cited(name, line)
    moved = f"# a line more\n{SOURCE}"
    (root / "hrm" / "thing.py").write_text(moved)
    assert renewed(cited(name, line), root) == cited(name, line + 1)


@pytest.mark.parametrize("name", ["Thing.shrink", "self.size"])
def test_a_name_that_is_gone_or_ambiguous_is_an_error(root: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` is on [02] lines of hrm/thing.py"):
        renewed(cited(name, 1), root)


def test_a_missing_file_is_an_error(root: Path) -> None:
    (root / "hrm" / "thing.py").unlink()
    with pytest.raises(ValueError, match=r"hrm/thing\.py does not exist"):
        renewed(cited("Thing", 6), root)


def test_the_page_cites_every_part_of_the_model() -> None:
    files = set(LIBRARY["CITATION"].findall((ROOT / "docs" / "model.md").read_text()))
    assert {"hrm/model/reasoning_model.py", "hrm/model/act.py", "hrm/training/optim.py"} <= {
        file for _, _, file in files
    }
    assert len(files) > 40


def test_every_link_to_a_line_is_kept_up_to_date() -> None:
    page = (ROOT / "docs" / "model.md").read_text()
    links = re.findall(r"\]\(\.\./hrm/[^)]*#L\d*\)", page)
    kept = [found[0] for found in LIBRARY["CITATION"].finditer(page)]
    assert links
    assert [link for link in links if not any(one.endswith(link) for one in kept)] == []
    assert len(kept) == len(links)


def test_the_page_cites_lines_as_they_are() -> None:
    command = [sys.executable, str(SCRIPT), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_pictures_of_the_page_are_there() -> None:
    page = (ROOT / "docs" / "model.md").read_text()
    names = [part.split(")")[0] for part in page.split("](model/")[1:]]
    assert names
    assert [name for name in names if not (ROOT / "docs" / "model" / name).is_file()] == []
