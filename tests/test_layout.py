"""The layout hides no other package, and the arrows between ours point one way."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTAINERS = ("platform", "datasets", "sweeps")
ALLOWED = {
    "puzzle_datasets": {"torch", "numpy", "pyarrow", "puzzle_datasets"},
    "hrm": {"torch", "numpy", "pyarrow", "puzzle_datasets", "hrm"},
}
FOLDERS = {"puzzle_datasets": ROOT / "datasets" / "puzzle_datasets", "hrm": ROOT / "hrm"}


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


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_arrows_and_light_imports(package: str) -> None:
    sources = sorted(FOLDERS[package].rglob("*.py"))
    assert sources
    for path in sources:
        foreign = _module_level_imports(path) - ALLOWED[package] - set(sys.stdlib_module_names)
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"


@pytest.mark.parametrize("package", sorted(ALLOWED))
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
