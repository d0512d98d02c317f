"""The command line of a sweep: arguments, and nothing else. Ray, torch and MLflow load later."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from puzzle_datasets.common.command_line import Parser
from puzzle_datasets.common.exit_status import DONE, guarded, say

PROGRAM = "hrm-sweep"


def parser() -> Parser:
    """The options of `sweeps/run.py`."""
    made = Parser(
        description="Sweep hierarchical reasoning models over a space; ends with a report.",
        epilog="Exit status: 0 done, 1 failed, 2 bad input, 3 incomplete, 130 interrupted.",
    )
    add = made.add_argument
    add("--space", type=Path, required=True, metavar="FILE", help="what to search, a YAML file")
    add("--scale", default="auto", help="one of the file's scales (default: by what Ray sees)")
    add("--trials", metavar="N", help="how many trials; short for --set budget.trials=N")
    add("--seed", metavar="N", help="of search and training; short for --set seed=N")
    add("--out", type=Path, metavar="FOLDER", help="the sweep's folder (default: runs/<name>)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting")
    add("--resume", action="store_true", help="go on with a sweep that was interrupted")
    add("--retry-failed", action="store_true", help="with --resume: run failed trials again")
    add("--dry-run", action="store_true", help="print the plan and its cost, start nothing")
    add("--verbose", action="store_true", help="with --dry-run: print every setting as YAML")
    add("--tracking-uri", metavar="URI", help="MLflow's store (default: sqlite:///mlflow.db)")
    add("--address", metavar="HOST:PORT", help="a running Ray cluster (default: start one here)")
    add("--data", type=Path, metavar="FOLDER", help="where puzzles are kept (default: data)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status."""
    return guarded(PROGRAM, lambda: _run(parser().parse_args(arguments)))


def report(arguments: Sequence[str] | None = None) -> int:
    """Write the report of a sweep's folder, finished or not; returns the exit status."""
    made = Parser(description="Write the report of a sweep, also while it runs.")
    made.add_argument("folder", type=Path, help="the sweep's folder, such as runs/arc")
    return guarded(PROGRAM, lambda: _report(made.parse_args(arguments).folder))


def _report(folder: Path) -> int:
    from sweep_platform.api import Sweep

    say(f"Report: {Sweep.open(folder).report()}")
    return DONE


def _run(options: argparse.Namespace) -> int:
    from sweep_platform import api
    from sweep_platform.space.space_file import Setting

    names = ("scale", "out", "resume", "retry_failed", "tracking_uri", "address", "data")
    wanted = {name: getattr(options, name) for name in names}
    wanted["settings"] = options.set
    for option, key in (("trials", "budget.trials"), ("seed", "seed")):
        if (value := getattr(options, option)) is not None:
            wanted["settings"].append(Setting(f"{key}={value}", f"--{option} {value}"))
    if options.dry_run:
        api.plan_sweep(options.space, verbose=options.verbose, **wanted)
        return DONE
    return api.run_sweep(options.space, **wanted).exit_status
