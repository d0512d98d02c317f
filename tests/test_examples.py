"""The examples in docstrings do what they say."""

import dataclasses
import doctest
import importlib
import inspect
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = (
    ROOT / "hrm",
    ROOT / "datasets" / "puzzle_datasets",
    ROOT / "platform" / "sweep_platform",
)


def _modules() -> list[str]:
    """Modules whose docstrings hold an example."""
    found = []
    for folder in FOLDERS:
        for path in sorted(folder.rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                parts = path.relative_to(folder.parent).with_suffix("").parts
                found.append(".".join(part for part in parts if part != "__init__"))
    return found


def _called(package: str) -> list[str]:
    """Public functions and classes of a package that its users call; not errors, nor records."""
    module = importlib.import_module(package)
    public = {name: getattr(module, name) for name in module.__all__}
    return [
        name
        for name, value in public.items()
        if not (inspect.isclass(value) and issubclass(value, Exception))
        and (name == "PuzzleDataset" or not dataclasses.is_dataclass(value))
    ]


def _examples(docstring: str | None) -> str:
    return "".join(one.source for one in doctest.DocTestParser().get_examples(docstring or ""))


@pytest.mark.parametrize("package", [folder.name for folder in FOLDERS])
def test_whatever_users_call_is_in_an_example(package: str) -> None:
    module = importlib.import_module(package)
    shown = _examples(module.__doc__)
    lacking = [
        name
        for name in _called(package)
        if f"{name}(" not in shown
        and f"{name}." not in shown
        and name not in _examples(getattr(module, name).__doc__)
    ]
    assert not lacking


SLOW = pytest.mark.slow  # it runs a sweep
RUN = """
import doctest, importlib, sys

flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
result = doctest.testmod(importlib.import_module(sys.argv[1]), optionflags=flags)
sys.exit(0 if result.attempted and not result.failed else 1)
"""


@pytest.mark.parametrize(
    "module",
    [pytest.param(one, marks=SLOW if one == "sweep_platform" else ()) for one in _modules()],
)
def test_examples(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if module == "sweep_platform":  # it starts Ray, which wants a process of its own, as users do
        process = subprocess.run(
            [sys.executable, "-c", RUN, module], capture_output=True, text=True, timeout=600
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # libraries may warn while they are first imported
        result = doctest.testmod(importlib.import_module(module), optionflags=flags)
    assert result.attempted > 0
    assert result.failed == 0
