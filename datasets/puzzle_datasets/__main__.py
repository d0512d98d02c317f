"""``python -m puzzle_datasets``: build, inspect, verify and export puzzle sets."""

import argparse
import sys

from puzzle_datasets.commands.arguments import build_progress, option_of, parser, settings_of
from puzzle_datasets.commands.prepare import build_at, folder_name
from puzzle_datasets.common.command_line import given
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.exit_status import DONE, guarded
from puzzle_datasets.common.options import make
from puzzle_datasets.storage.shards import read_manifest


def main(words: list[str] | None = None) -> int:
    """Run one command; return the exit status: 2 where the user can mend what went wrong."""
    return guarded("puzzle_datasets", lambda: _run(words), option_of)


def _run(words: list[str] | None) -> int:
    commands = parser(build=build, inspect=inspect, verify=verify, export=export)
    arguments = commands.parse_args(words)
    arguments.run(arguments)
    return DONE


def build(arguments: argparse.Namespace) -> None:
    """Build a puzzle set unless it is there, and say what it holds."""
    from puzzle_datasets.commands.summary import summary

    settings = settings_of(arguments)
    folder = arguments.out or arguments.data / folder_name(arguments.name, settings)
    with build_progress() as report:
        build_at(arguments.name, settings, folder, report)
    print(summary(read_manifest(folder), folder))


def inspect(arguments: argparse.Namespace) -> None:
    """Say what a puzzle set holds and draw some of its puzzles."""
    from puzzle_datasets.commands.pictures import Sample, draw
    from puzzle_datasets.commands.summary import summary

    sample = make(Sample, given(arguments, Sample), DatasetError)
    print(summary(read_manifest(arguments.folder), arguments.folder))
    folder = arguments.folder.resolve()
    into = arguments.out or folder.with_name(f"{folder.name}-puzzles")
    for file in draw(arguments.folder, into, sample):
        print(file)


def verify(arguments: argparse.Namespace) -> None:
    """Check every hash and every invariant of a puzzle set."""
    from puzzle_datasets.commands.verify import verify_all

    for line in verify_all(arguments.folder):
        print(line)


def export(arguments: argparse.Namespace) -> None:
    """Write a puzzle set in the published layout."""
    from puzzle_datasets.published.export import export as write

    write(arguments.folder, arguments.out, arguments.style)
    print(arguments.out)


if __name__ == "__main__":
    sys.exit(main())
