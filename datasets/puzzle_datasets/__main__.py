"""``python -m puzzle_datasets``: build, inspect, verify and export puzzle sets."""

import argparse
import os
import signal
import sys
from typing import NoReturn

from puzzle_datasets.commands.arguments import build_progress, parser, settings_of
from puzzle_datasets.commands.prepare import build_at, folder_name
from puzzle_datasets.storage.schema import DatasetError
from puzzle_datasets.storage.shards import read_manifest


def main(words: list[str] | None = None) -> int:
    """Run one command; return the exit status: 2 where the user can mend what went wrong."""
    # As schedulers end a process: what is half-built is cleared away, as after Ctrl-C.
    signal.signal(signal.SIGTERM, _end)
    arguments = parser(build=build, inspect=inspect, verify=verify, export=export).parse_args(
        words
    )
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except DatasetError as error:
        print(f"puzzle_datasets: {error}.", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read the output has enough of it; what is left of it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("puzzle_datasets: interrupted; nothing half-built was left.", file=sys.stderr)
        return 130
    return 0


def _end(*_: object) -> NoReturn:
    raise KeyboardInterrupt


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
    from puzzle_datasets.commands.pictures import draw
    from puzzle_datasets.commands.summary import summary

    print(summary(read_manifest(arguments.folder), arguments.folder))
    folder = arguments.folder.resolve()
    into = arguments.out or folder.with_name(f"{folder.name}-puzzles")
    for file in draw(arguments.folder, into, arguments.puzzles, arguments.seed):
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
