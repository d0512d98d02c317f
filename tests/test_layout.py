"""The layout hides no other package, and arrows point one way: between packages and rooms."""

import ast
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTAINERS = ("platform", "datasets", "sweeps")
LIGHT = {
    "puzzle_datasets": {"torch", "numpy", "pyarrow", "puzzle_datasets"},
    "hrm": {"torch", "numpy", "pyarrow", "puzzle_datasets", "hrm"},
}
"""What may be imported at module level on a bare GPU node."""

PICTURE = runpy.run_path(str(ROOT / "docs" / "architecture.py"))
FOLDERS, ROOMS = PICTURE["FOLDERS"], PICTURE["ROOMS"]
MOST_FILES = 10
"""Of a room of sweep_platform, besides `__init__`."""


@pytest.mark.parametrize("folder", CONTAINERS)
def test_containers_are_no_packages(folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert not (ROOT / folder / "__init__.py").exists()


def test_no_packages_below_tests() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_standard_platform_stays_visible() -> None:
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    command = [sys.executable, "-c", "import platform; print(platform.system())"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.strip()


def test_no_script_hides_the_standard_library() -> None:
    assert not {p.stem for p in (ROOT / "sweeps").glob("*.py")} & sys.stdlib_module_names


def _module_level_imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(LIGHT))
def test_light_imports(package: str) -> None:
    sources = sorted(FOLDERS[package].rglob("*.py"))
    assert sources
    for path in sources:
        foreign = _module_level_imports(path) - LIGHT[package] - set(sys.stdlib_module_names)
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"


@pytest.mark.parametrize("package", sorted(LIGHT))
def test_no_hidden_arrow(package: str) -> None:
    """Imports inside functions keep to the arrows too."""
    forbidden = {"sweep_platform", "ray", "optuna", "mlflow", "pydantic", "yaml"}
    if package == "puzzle_datasets":
        forbidden.add("hrm")
    if package == "hrm":
        forbidden.remove("yaml")  # published checkpoints are described in it
    for path in FOLDERS[package].rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not {a.name.split(".")[0] for a in node.names} & forbidden, path
            elif isinstance(node, ast.ImportFrom) and node.module:
                assert node.module.split(".")[0] not in forbidden, path


COMPUTED = {
    "puzzle_datasets/common/lazy.py": "for the `__init__` of packages, above all rooms",
    "puzzle_datasets/kinds/kind.py": "of its own room, whose folders are the kinds",
    "sweep_platform/execution/private.py": "of Ray alone",
    "sweep_platform/space/rules/foreign.py": "of samplers that users bring",
}
"""Files that import modules by names that they put together, and which these are."""


def test_modules_imported_late_are_named() -> None:
    """So that the picture has them, as it has those of import statements."""
    for package in ROOMS:
        for path in _sources(package):
            names = map(PICTURE["imported_late"], ast.walk(ast.parse(path.read_text())))
            computed = [name for name in names if name and name.startswith("(")]
            assert not computed or str(path.relative_to(FOLDERS[package].parent)) in COMPUTED
            if path.name != "__init__.py":
                assert "common.lazy import" not in path.read_text(), path


@pytest.mark.parametrize("package", sorted(ROOMS))
def test_every_room_has_its_floor(package: str) -> None:
    rooms = {PICTURE["room_of"](p.relative_to(FOLDERS[package])) for p in _sources(package)}
    assert rooms - {""} == set(ROOMS[package])


@pytest.mark.parametrize("package", sorted(ROOMS))
def test_arrows_between_rooms_point_down(package: str) -> None:
    floor = {room: index for index, room in enumerate(ROOMS[package])}
    upwards = [
        f"{package}.{room} imports {package}.{other}"
        for one, room, another, other in PICTURE["arrows"]()
        if one == another == package and room and other and floor[room] >= floor[other]
    ]
    assert upwards == []


def test_rooms_of_the_platform_are_small() -> None:
    for folder in {path.parent for path in _sources("sweep_platform")}:
        files = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(files) <= MOST_FILES, folder


def test_the_picture_is_that_of_the_code() -> None:
    assert PICTURE["main"](["--check"]) == 0, "run `python docs/architecture.py`"


def _sources(package: str) -> list[Path]:
    return sorted(FOLDERS[package].rglob("*.py"))
