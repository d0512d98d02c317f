"""`python -m puzzle_datasets`: build, inspect, verify and export puzzle sets.

The commands that need torch import it themselves, so that help comes at once.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import MISSING, fields
from pathlib import Path
from threading import Event, Thread
from typing import Any

import puzzle_datasets.common.start  # noqa: F401
from puzzle_datasets.commands.prepare import build_at, folder_name, puzzle_set, puzzle_sets
from puzzle_datasets.common.command_line import Parser, add_settings, flag, given, path
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.exit_status import DONE, OutputError, guarded, say
from puzzle_datasets.common.options import make
from puzzle_datasets.drawing.picture import Sample
from puzzle_datasets.storage.schema import Split
from puzzle_datasets.storage.shards import read_manifest
from puzzle_datasets.storage.writer import Report

DEFAULT_DATA = Path("data")

SECONDS = 30.0
"""Between two lines of progress where there is no terminal."""


def main(words: list[str] | None = None) -> int:
    """Run one command; return the exit status: 2 where the user can mend what went wrong."""

    def run() -> int:
        arguments = _parser().parse_args(words)
        arguments.run(arguments)
        return DONE

    return guarded("puzzle_datasets", run, _option_of)


def build(arguments: argparse.Namespace) -> None:
    """Build a puzzle set unless it is there, and say what it holds."""
    from puzzle_datasets.commands.summary import summary

    chosen = puzzle_set(arguments.name)
    settings = chosen.settings_from(given(arguments, chosen.settings))
    folder = arguments.out or arguments.data / folder_name(arguments.name, settings)
    with _progress("building") as report:
        build_at(arguments.name, settings, folder, report)
    say(summary(read_manifest(folder), folder))


def inspect(arguments: argparse.Namespace) -> None:
    """Say what a puzzle set holds, with its floors, and draw some of its puzzles."""
    from puzzle_datasets.commands.floors import kept_floors
    from puzzle_datasets.commands.pictures import draw
    from puzzle_datasets.commands.summary import summary

    sample = make(Sample, given(arguments, Sample), DatasetError)
    manifest, floors = read_manifest(arguments.folder), kept_floors(arguments.folder)
    say(summary(manifest, arguments.folder, floors))
    folder = arguments.folder.resolve()
    into = arguments.out or folder.with_name(f"{folder.name}-puzzles")
    for file in draw(arguments.folder, into, sample):
        say(str(file))


def verify(arguments: argparse.Namespace) -> None:
    """Check every hash and every invariant of a puzzle set."""
    from puzzle_datasets.commands.prepare import verify_all

    for line in verify_all(arguments.folder):
        say(line)


def export(arguments: argparse.Namespace) -> None:
    """Write a puzzle set in the published layout."""
    from puzzle_datasets.published.export import export as write

    with _progress("exporting") as report:
        write(arguments.folder, arguments.out, arguments.style, report)
    say(str(arguments.out))


def _parser() -> Parser:
    top = Parser(prog="python -m puzzle_datasets", description="Puzzle sets as Parquet shards.")
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    _add_build(commands.add_parser("build", help="build a puzzle set"))

    helps = {
        inspect: "summarise a puzzle set and draw some puzzles",
        verify: "check every hash and every invariant",
        export: "write a puzzle set in the published layout",
    }
    parsers = {run: commands.add_parser(run.__name__, help=text) for run, text in helps.items()}
    for run, parser in parsers.items():
        parser.add_argument("folder", type=path, metavar="DIR", help="the puzzle set")
        parser.set_defaults(run=run)
    parsers[inspect].add_argument(
        "--out", type=path, help="name of the pictures, without an ending"
    )
    add_settings(parsers[inspect], Sample)
    parsers[export].add_argument("out", type=path, metavar="OUT", help="the folder to make")
    parsers[export].add_argument(
        "--style", choices=("hrm", "trm"), default="hrm", help="whose layout"
    )
    return top


def _add_build(into: argparse.ArgumentParser) -> None:
    names = into.add_subparsers(
        dest="name", metavar="NAME", required=True, parser_class=Parser, title="puzzle sets"
    )
    for name, chosen in puzzle_sets().items():
        own = names.add_parser(name, help=chosen.summary, description=chosen.summary)
        where = own.add_mutually_exclusive_group()
        where.add_argument("--out", type=path, help="the folder to make")
        where.add_argument(
            "--data",
            type=path,
            default=DEFAULT_DATA,
            help="where sweeps look: the set gets a folder there, named by its settings "
            f"(default: {DEFAULT_DATA})",
        )
        add_settings(own, chosen.settings)
        own.set_defaults(run=build)


def _option_of(field: str) -> str:
    """Return how the command line calls the field of an error: a setting's option, or itself."""
    settings: list[type[Any]] = [Sample, *(chosen.settings for chosen in puzzle_sets().values())]
    items = (item for one in settings for item in fields(one) if item.default is not MISSING)
    return flag(field) if field in {item.name for item in items} else field


@contextmanager
def _progress(what: str) -> Iterator[Report]:
    """Show how many pairs are written, on one line of a terminal that is wiped at the end.

    Elsewhere a line comes every half minute.
    """
    if not sys.stderr.isatty():
        with _told_now_and_then(what) as quiet:
            yield quiet
        return

    def report(split: Split, pairs: int) -> None:
        print(f"\r{split}: {pairs:,} pairs ", end="", file=sys.stderr, flush=True)

    print(f"{what} ...", end="", file=sys.stderr, flush=True)
    try:
        yield report
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@contextmanager
def _told_now_and_then(what: str) -> Iterator[Report]:
    """Print every `SECONDS` how many pairs are written, also while none is added."""
    done, known = Event(), ["no pair is written yet"]

    def report(split: Split, pairs: int) -> None:
        known[0] = f"{pairs:,} {split} pairs are written"

    def tell() -> None:
        with suppress(OutputError):
            while not done.wait(SECONDS):
                print(f"{what}: {known[0]}", file=sys.stderr, flush=True)

    thread = Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield report
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
