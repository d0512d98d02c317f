"""`python -m hrm.evaluate`: how well a trained model does; see `--help`."""

import sys
from argparse import Namespace
from dataclasses import asdict
from typing import Any

import puzzle_datasets.common.start  # noqa: F401
from hrm.commands.machine import option_names
from hrm.commands.output import require_own_file
from hrm.commands.trained_model import (
    ProgressLine,
    add_trained_model,
    description_of,
    introduction,
    load_trained,
)
from hrm.evaluation import result
from hrm.evaluation.evaluation import EvaluationOptions, resolved, run_evaluation
from hrm.model.devices import gpu_memory
from puzzle_datasets.commands.floors import kept_floors
from puzzle_datasets.common.command_line import Parser, path
from puzzle_datasets.common.exit_status import DONE, guarded, say
from puzzle_datasets.common.files import write_json
from puzzle_datasets.kinds.floors import best_floor

PROGRAM = "hrm.evaluate"
RECORD = ("checkpoint", "dataset", "evaluated", "options", "result")
"""Keys by which a file of results, which may be replaced, is told from others."""


def main(words: list[str] | None = None) -> int:
    """Do what the command line asks; return the exit status."""
    text = "Evaluate a trained model on the test puzzles."
    parser = Parser(prog=f"python -m {PROGRAM}", description=text)
    add_trained_model(parser)
    number: dict[str, Any] = {"type": int, "metavar": "INT"}
    parser.add_argument("--segments", help="of a puzzle, at most (as trained)", **number)
    parser.add_argument("--N", help="cycles of a segment (as trained)", **number)
    parser.add_argument("--T", help="low-level steps of a cycle (as trained)", **number)
    halting = "fixed: all segments for all; act: a puzzle leaves the batch when it halts"
    parser.add_argument("--halting", choices=("fixed", "act"), default="fixed", help=halting)
    voting = (
        "ARC: views that vote, of every test input, also with --limit; 0: no vote (1001, or 0 "
        "with --limit)"
    )
    parser.add_argument("--voting", help=voting, **number)
    parser.add_argument("--json", type=path, metavar="FILE", help="write the numbers there")
    return guarded(PROGRAM, lambda: _evaluate(parser.parse_args(words)), option_names(parser))


def _evaluate(arguments: Namespace) -> int:
    if arguments.json is not None:
        require_own_file(arguments.json, RECORD)
    options = EvaluationOptions(
        segments=arguments.segments,
        halting=arguments.halting,
        batch_size=arguments.batch_size,
        limit=arguments.limit,
        voting=arguments.voting,
    )
    loaded, dataset = load_trained(arguments, arguments.N, arguments.T)
    options = resolved(loaded, dataset, options)
    config = loaded.model.config
    steps = {"N": config.N, "T": config.T, "M": options.segments}
    say(introduction(loaded, dataset))
    say(f"Evaluated with {', '.join(f'{name} {value}' for name, value in steps.items())}.")
    line = ProgressLine()
    with gpu_memory("--batch-size"):
        found = run_evaluation(loaded, dataset, options, line)
    line.clear()
    say(f"\n{result.text(found)}")
    floors = kept_floors(arguments.dataset)
    if (floor := best_floor(floors)) is not None:
        say(f"\n{result.floor_text(floor)}")
    if arguments.json is not None:
        record = description_of(loaded, dataset) | {
            "evaluated": steps,
            "options": asdict(options),
            "result": asdict(found),
            "floors": [asdict(one) for one in floors],
        }
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(arguments.json, record)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
