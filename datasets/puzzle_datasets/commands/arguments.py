"""The words of ``python -m puzzle_datasets`` and what they mean."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from puzzle_datasets.commands.pictures import Sample
from puzzle_datasets.commands.registry import PUZZLE_SETS, puzzle_set
from puzzle_datasets.common.command_line import Parser, add_settings, flag, given
from puzzle_datasets.storage.schema import Split
from puzzle_datasets.storage.writer import Report

SUMMARY = "Puzzle sets as Parquet shards."
DEFAULT_DATA = Path("data")
Command = Callable[[argparse.Namespace], None]


def parser(*, build: Command, inspect: Command, verify: Command, export: Command) -> Parser:
    """Return the parser of all commands; each leaves its function as ``run``."""
    top = Parser(prog="python -m puzzle_datasets", description=SUMMARY)
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    _add_build(commands.add_parser("build", help="build a puzzle set"), build)

    looking = commands.add_parser("inspect", help="summarise a puzzle set and draw some puzzles")
    looking.add_argument("folder", type=Path, metavar="DIR", help="the puzzle set")
    looking.add_argument("--out", type=Path, help="name of the pictures, without an ending")
    add_settings(looking, Sample)
    looking.set_defaults(run=inspect)

    checking = commands.add_parser("verify", help="check every hash and every invariant")
    checking.add_argument("folder", type=Path, metavar="DIR", help="the puzzle set")
    checking.set_defaults(run=verify)

    writing = commands.add_parser("export", help="write a puzzle set in the published layout")
    writing.add_argument("folder", type=Path, metavar="DIR", help="the puzzle set")
    writing.add_argument("out", type=Path, metavar="OUT", help="the folder to make")
    writing.add_argument("--style", choices=("hrm", "trm"), default="hrm", help="whose layout")
    writing.set_defaults(run=export)
    return top


def settings_of(arguments: argparse.Namespace) -> Any:
    """Return the settings of the set that ``build`` is asked for.

    Raises:
        DatasetError: a setting is missing or impossible.
    """
    chosen = puzzle_set(arguments.name)
    return chosen.settings_from(given(arguments, chosen.settings))


def option_of(field: str) -> str:
    """Return how the command line calls the field of an error: a setting's option, or itself."""
    settings: list[type[Any]] = [Sample, *(chosen.settings for chosen in PUZZLE_SETS.values())]
    options = {item.name for one in settings for item in fields(one)}
    return flag(field) if field in options else field


@contextmanager
def build_progress() -> Iterator[Report | None]:
    """Show how many pairs are written, on one line of a terminal that is wiped at the end."""
    if not sys.stderr.isatty():
        yield None
        return

    def report(split: Split, pairs: int) -> None:
        print(f"\r{split}: {pairs:,} pairs ", end="", file=sys.stderr, flush=True)

    print("building ...", end="", file=sys.stderr, flush=True)
    try:
        yield report
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _add_build(into: argparse.ArgumentParser, run: Command) -> None:
    names = into.add_subparsers(
        dest="name", metavar="NAME", required=True, parser_class=Parser, title="puzzle sets"
    )
    for name, chosen in PUZZLE_SETS.items():
        own = names.add_parser(name, help=chosen.summary, description=chosen.summary)
        place = own.add_mutually_exclusive_group()
        place.add_argument("--out", type=Path, help="the folder to make")
        place.add_argument(
            "--data",
            type=Path,
            default=DEFAULT_DATA,
            help="where sweeps look: the set gets a folder there, named by its settings "
            f"(default: {DEFAULT_DATA})",
        )
        add_settings(own, chosen.settings)
        own.set_defaults(run=run)
