"""The command line of a sweep: arguments, and nothing else. Ray, torch and MLflow load later."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from puzzle_datasets.common.command_line import Parser, path
from puzzle_datasets.common.exit_status import DONE, FAILED, guarded, say
from puzzle_datasets.common.page import printable
from puzzle_datasets.common.text import shown, suggest
from sweep_platform.common.errors import InputError

PROGRAM = "hrm-sweep"


def parser() -> Parser:
    """The options of `sweeps/run.py`."""
    made = Parser(
        description="Sweep hierarchical reasoning models over a space; ends with a report.",
        usage="%(prog)s --space FILE [options]\n       %(prog)s solve MODEL PUZZLE [options]\n"
        "       %(prog)s submission MODEL --tasks FOLDER --out FILE [options]\n"
        "       %(prog)s export FOLDER [--csv DIR] [--parquet DIR]\n"
        "       %(prog)s compare FOLDER FOLDER ... [--out DIR]\n"
        "       %(prog)s status FOLDER [--json]\n"
        "       %(prog)s watch FOLDER\n"
        "       %(prog)s stop TRIAL FOLDER | promote TRIAL FOLDER\n"
        "       %(prog)s add KNOB=VALUE ... FOLDER\n"
        "       %(prog)s extend [--trials N] [--minutes N] [--flops N] ... FOLDER\n"
        "       %(prog)s pause FOLDER | resume FOLDER\n"
        "       %(prog)s doctor [--address HOST:PORT] [options]",
        epilog="Exit status: 0 done, 1 failed, 2 bad input, 3 incomplete, 130 interrupted.",
    )
    add = made.add_argument
    add("--space", type=path, required=True, metavar="FILE", help="what to search, a YAML file")
    add("--scale", default="auto", help="one of the file's scales (default: by what Ray sees)")
    add("--trials", metavar="N", help="how many trials; short for --set budget.trials=N")
    add("--seed", metavar="N", help="of search and training; short for --set seed=N")
    add("--out", type=path, metavar="FOLDER", help="the sweep's folder (default: runs/<name>)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting")
    text = "go on with a sweep that was interrupted; with a URL, from its mirror there"
    add("--resume", nargs="?", const=True, default=False, metavar="URL", help=text)
    text = "start the sweep, or go on with it where it was begun: for jobs that are queued again"
    add("--start-or-resume", action="store_true", help=text)
    text = "begin a new sweep with the complete trials of another that has them in common"
    add("--fork", type=path, metavar="FOLDER", help=text)
    add("--retry-failed", action="store_true", help="with --resume: run failed trials again")
    add("--dry-run", action="store_true", help="print the plan and its cost, start nothing")
    add("--verbose", action="store_true", help="with --dry-run: print every setting as YAML")
    add("--tracking-uri", metavar="URI", help="MLflow's store (default: sqlite:///mlflow.db)")
    add("--address", metavar="HOST:PORT", help="a running Ray cluster (default: start one here)")
    add("--data", metavar="FOLDER", help="where puzzles are kept, a path or URL (default: data)")
    add("--storage", metavar="URL", help="for hosts without a common folder; see docs/spaces.md")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and not words[0].startswith("-"):
        return guarded(PROGRAM, lambda: _verb(words[0])(words[1:]), _named)
    return guarded(PROGRAM, lambda: _run(parser().parse_args(words)), _in_space)


def _verb(word: str) -> Callable[[Sequence[str]], int]:
    """What a first word asks for. Raises `InputError` where that is no verb."""
    if word not in _VERBS:
        raise InputError(None, word, suggest(word, _VERBS), problem=f"{shown(word)} is no verb")
    return _VERBS[word]


def _in_space(field: str) -> str:
    """What a space calls a field of a trial's training that follows from another key."""
    return {"training_flops": "budget.flops_per_trial"}.get(field, field)


def solve_parser() -> Parser:
    """The words of `hrm-sweep solve`."""
    made = Parser(prog=f"{PROGRAM} solve", description="Answer a puzzle with a trained model.")
    add = _add_model(made)
    text = "the puzzle or a file of it (- for standard input): digits, rows of a maze, ARC's JSON"
    add("puzzle", metavar="PUZZLE", help=text)
    add("--out", type=path, metavar="FILE", help="draw the answer there, as .png or .svg")
    return made


def submission_parser() -> Parser:
    """The words of `hrm-sweep submission`."""
    text = "Answer ARC tasks with a trained model: two attempts at each test input."
    made = Parser(prog=f"{PROGRAM} submission", description=text)
    add = _add_model(made)
    text = "JSON files, one a task or all in one, as ARC and Kaggle have them"
    add("--tasks", type=path, required=True, metavar="FOLDER", help=text)
    add("--out", type=path, required=True, metavar="FILE", help="such as submission.json")
    return made


def _add_model(made: Parser) -> Callable[..., Any]:
    """Add a model and how it answers; return what adds more."""
    add = made.add_argument
    text = "a sweep's folder, a run's folder or checkpoint, or a published checkpoint"
    add("model", type=path, metavar="MODEL", help=text)
    add("--trial", type=int, metavar="N", help="of a sweep (default: the best, confirmed if any)")
    text = "the puzzles that the model was trained on, where it does not tell"
    add("--dataset", type=path, metavar="FOLDER", help=text)
    add("--segments", type=int, metavar="N", help="of a puzzle, at most (default: as trained)")
    text = "fixed: all segments; act: as many as the model asks for (default: fixed)"
    add("--halting", choices=("fixed", "act"), default="fixed", help=text)
    text = "views of an ARC input that vote (default: 32)"
    add("--voting", type=int, default=32, metavar="N", help=text)
    add("--device", default="auto", help="auto, cpu, cuda or cuda:NUMBER")
    return add


def _submission(words: Sequence[str]) -> int:
    options = submission_parser().parse_args(words)
    from sweep_platform.api import write_submission

    say(write_submission(**vars(options)))
    return DONE


def _named(field: str) -> str:
    """What a user of a verb calls a field."""
    options = (
        "csv",
        "parquet",
        "trial",
        "tasks",
        "dataset",
        "out",
        "segments",
        "halting",
        "voting",
        "device",
    )
    return f"--{field}" if field in options else field


def _solve(words: Sequence[str]) -> int:
    options = solve_parser().parse_args(words)
    from sweep_platform.api import solve

    answered = solve(**vars(options))
    say(answered.text)
    print(printable(answered.words), file=sys.stderr)
    return DONE


def export_parser() -> Parser:
    """The words of `hrm-sweep export`."""
    text = "Write a sweep's trials, replicates, curves, measurements and answers as tables."
    made = Parser(prog=f"{PROGRAM} export", description=text)
    made.add_argument("folder", type=path, metavar="FOLDER", help="the sweep's, such as runs/arc")
    for name in ("csv", "parquet"):
        made.add_argument(f"--{name}", type=path, metavar="DIR", help=f"where {name} files go")
    return made


def _export(words: Sequence[str]) -> int:
    options = export_parser().parse_args(words)
    from sweep_platform.api import Sweep

    for written in Sweep.open(options.folder).export(csv=options.csv, parquet=options.parquet):
        say(str(written))
    return DONE


def compare_parser() -> Parser:
    """The words of `hrm-sweep compare`."""
    text = "Set sweeps side by side, each against the first."
    made = Parser(prog=f"{PROGRAM} compare", description=text)
    made.add_argument("sweeps", nargs="+", type=path, metavar="FOLDER", help="of a sweep")
    _add_comparison(made)
    return made


def _add_comparison(made: Parser) -> None:
    text = "where the comparison goes (default: runs/comparison)"
    made.add_argument("--out", type=path, metavar="DIR", help=text)


def _compare(words: Sequence[str]) -> int:
    options = compare_parser().parse_args(words)
    return _compared(options.sweeps, options.out)


def _compared(sweeps: Sequence[Path], out: Path | None) -> int:
    from sweep_platform.api import compare_sweeps

    say(f"Comparison: {compare_sweeps(sweeps, out or Path('runs/comparison'))}")
    return DONE


def doctor_parser() -> Parser:
    """The words of `hrm-sweep doctor`."""
    text = "Look at every host of a cluster, or at this one, and say what would break a sweep."
    epilog = "Exit status: 0 no fault, 1 faults, 2 bad input."
    made = Parser(prog=f"{PROGRAM} doctor", description=text, epilog=epilog)
    add = made.add_argument
    add("--address", metavar="HOST:PORT", help="a running Ray cluster (default: this host alone)")
    text = "where sweeps will lie, which hosts share unless there is a storage (default: runs)"
    add("--folders", nargs="+", type=path, default=[Path("runs")], help=text)
    add(
        "--storage",
        metavar="URL",
        help="where checkpoints and puzzles will go, tried on each host",
    )
    add("--tracking-uri", metavar="URI", help="MLflow's store, to be asked as well")
    return made


def _doctor(words: Sequence[str]) -> int:
    options = doctor_parser().parse_args(words)
    from sweep_platform.commands.doctor import doctor

    return DONE if doctor(**vars(options)) else FAILED


def status_parser() -> Parser:
    """The words of `hrm-sweep status`."""
    text = "Say how a sweep stands, whether a driver is at work on it or not."
    made = Parser(prog=f"{PROGRAM} status", description=text)
    _add_folder(made)
    made.add_argument("--json", action="store_true", help="as JSON, for other programs")
    return made


def _status(words: Sequence[str]) -> int:
    options = status_parser().parse_args(words)
    from sweep_platform.commands.status import in_words, status
    from sweep_platform.store.folder import SweepFolder

    found = status(SweepFolder(options.folder))
    say(json.dumps(found.plain(), indent=2) if options.json else in_words(found))
    return DONE


def _add_folder(made: Parser) -> None:
    made.add_argument("folder", type=path, metavar="FOLDER", help="the sweep's, such as runs/arc")


def _watch(words: Sequence[str]) -> int:
    text = "Show how a sweep stands, again and again, until its driver ends."
    made = Parser(prog=f"{PROGRAM} watch", description=text)
    _add_folder(made)
    options = made.parse_args(words)
    from sweep_platform.commands.steering.watch import watch
    from sweep_platform.store.folder import SweepFolder

    watch(SweepFolder(options.folder))
    return DONE


_STEERING = {
    "stop": "End a trial; what runs of it saves a checkpoint, and may be promoted later.",
    "promote": "Let a trial that was stopped go on to its full budget; no rung stops it any more.",
    "add": "Try a configuration next; knobs that are not named are drawn.",
    "extend": "Raise the budget: to a number, or by one, as in --trials +50.",
    "pause": "Let running trials save a checkpoint and rest; nothing begins until resume.",
    "resume": "Let a paused sweep go on.",
}


def steering_parser(verb: str) -> Parser:
    """The words of a verb by which a sweep is steered."""
    made = Parser(prog=f"{PROGRAM} {verb}", description=_STEERING[verb])
    add = made.add_argument
    if verb in ("stop", "promote"):
        add("trial", type=int, metavar="TRIAL", help="its number, as in status, report and MLflow")
    elif verb == "add":
        add("point", nargs="+", metavar="KNOB=VALUE", help="such as N=3 T=6")
    elif verb == "extend":
        add("--trials", metavar="N", help="how many in all, or +N more")
        add("--minutes", metavar="N", help="on the clock in all, or +N more")
        add("--flops", metavar="N", help="of training in all, or +N more")
        add("--device-hours", metavar="N", help="in all, or +N more")
        add("--money", metavar="N", help="in all, or +N more")
        add("--energy-kwh", metavar="N", help="in all, or +N more")
    _add_folder(made)
    return made


def _steer(verb: str, words: Sequence[str]) -> int:
    given = vars(steering_parser(verb).parse_args(words))
    folder = given.pop("folder")
    from sweep_platform.commands.steering.steer import knobs_of, steer
    from sweep_platform.store.folder import SweepFolder
    from sweep_platform.store.steering.messages import Verb

    asked = {name: value for name, value in given.items() if value is not None}
    arguments = knobs_of(asked["point"]) if verb == "add" else asked
    say(steer(SweepFolder(folder), Verb(verb), arguments))
    return DONE


_VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "solve": _solve,
    "submission": _submission,
    "export": _export,
    "compare": _compare,
    "doctor": _doctor,
    "status": _status,
    "watch": _watch,
    **{verb: partial(_steer, verb) for verb in _STEERING},
}


def report_parser() -> Parser:
    """The options of `sweeps/report.py`."""
    made = Parser(
        description="Write the report of a sweep, also while it runs.",
        usage="%(prog)s FOLDER\n       %(prog)s --compare FOLDER FOLDER ... [--out DIR]",
    )
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("folder", nargs="?", type=path, help="the sweep's, such as runs/arc")
    text = "set these sweeps side by side instead"
    what.add_argument("--compare", nargs="+", type=path, metavar="FOLDER", help=text)
    _add_comparison(made)
    return made


def report(arguments: Sequence[str] | None = None) -> int:
    """Write the report of a sweep's folder, finished or not; returns the exit status."""
    return guarded(PROGRAM, lambda: _report(report_parser().parse_args(arguments)), _named)


def _report(options: argparse.Namespace) -> int:
    if options.compare:
        return _compared(options.compare, options.out)
    if options.out is not None:
        raise InputError("out", str(options.out), "give it with --compare only")
    from sweep_platform.api import Sweep

    say(f"Report: {Sweep.open(options.folder).report()}")
    return DONE


_SWITCHES = ("resume", "start_or_resume", "retry_failed")
_GIVEN_ON = ("scale", "out", *_SWITCHES, "tracking_uri", "address", "data", "fork")
"""Options of `sweeps/run.py` that are those of `run_sweep`."""

_SHORT = {"trials": "budget.trials", "seed": "seed", "storage": "storage.url"}
"""Settings that have an option of their own."""


def _run(options: argparse.Namespace) -> int:
    from sweep_platform import api
    from sweep_platform.space.space_file import Setting

    wanted = {name: getattr(options, name) for name in _GIVEN_ON}
    wanted["settings"] = options.set
    for option, key in _SHORT.items():
        if (value := getattr(options, option)) is not None:
            wanted["settings"].append(Setting(f"{key}={value}", f"--{option} {value}"))
    if options.dry_run:
        api.plan_sweep(options.space, verbose=options.verbose, **wanted)
        return DONE
    return api.run_sweep(options.space, **wanted).exit_status
