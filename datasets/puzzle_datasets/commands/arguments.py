"""The words of ``python -m puzzle_datasets`` and what they mean."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

from puzzle_datasets.commands.registry import PUZZLE_SETS, PuzzleSet, puzzle_set
from puzzle_datasets.common.settings import described, is_folder, make_settings, parse
from puzzle_datasets.storage.schema import Split
from puzzle_datasets.storage.writer import Report

SUMMARY = "Puzzle sets as Parquet shards."
DEFAULT_DATA = Path("data")
Command = Callable[[argparse.Namespace], None]


class Parser(argparse.ArgumentParser):
    """A parser that refuses in one sentence, and takes no abbreviations."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end with status 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help.\n")


def parser(*, build: Command, inspect: Command, verify: Command, export: Command) -> Parser:
    """Return the parser of all commands; each leaves its function as ``run``."""
    top = Parser(prog="python -m puzzle_datasets", description=SUMMARY)
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    _add_build(commands.add_parser("build", help="build a puzzle set"), build)

    looking = commands.add_parser("inspect", help="summarise a puzzle set and draw some puzzles")
    looking.add_argument("folder", type=Path, metavar="DIR", help="the puzzle set")
    looking.add_argument("--out", type=Path, help="name of the pictures, without an ending")
    looking.add_argument("--puzzles", type=int, default=3, help="how many puzzles (default: 3)")
    looking.add_argument("--seed", type=int, default=0, help="which puzzles (default: 0)")
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
    chosen = puzzle_set(arguments.name).settings
    given = vars(arguments)
    names = [item.name for item in fields(chosen)]
    return make_settings(chosen, {name: given[name] for name in names if name in given})


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
        _add_settings(own, chosen)
        own.set_defaults(run=run)


def _add_settings(into: argparse.ArgumentParser, chosen: PuzzleSet) -> None:
    hints = get_type_hints(chosen.settings)
    for item in fields(chosen.settings):
        hint = hints[item.name]
        flag = item.name if item.default is MISSING else f"--{item.name.replace('_', '-')}"
        into.add_argument(
            flag,
            metavar="DIR" if is_folder(item) else item.name.upper(),
            type=partial(parse, hint=hint),
            default=argparse.SUPPRESS,
            help=_help(item, hint),
        )


def _help(item: Field[Any], hint: Any) -> str:
    text = str(item.metadata["help"]).replace("%", "%%")
    if item.default is MISSING:
        return text
    default = "none" if item.default is None else item.default
    return f"{text} ({described(hint)}; default: {default})"
