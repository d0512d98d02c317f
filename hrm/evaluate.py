"""`python -m hrm.evaluate`: how well a trained model does; see `--help`."""

import json
import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hrm.commands.options import Parser
from hrm.commands.outcome import DONE, guarded, say
from hrm.commands.trained_model import (
    ProgressLine,
    add_trained_model,
    described,
    introduced,
    open_trained,
)
from hrm.evaluation import findings
from hrm.evaluation.examine import Examination, examine, settled
from hrm.files import write_file

PROGRAM = "hrm.evaluate"


def main(words: list[str] | None = None) -> int:
    """Do what the command line asks; return the exit status."""
    return guarded(PROGRAM, lambda: _evaluate(_parser().parse_args(words)))


def _parser() -> Parser:
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
        "ARC: guises that vote, of every test input, also with --limit; 0: no vote (1001, or 0 "
        "with --limit)"
    )
    parser.add_argument("--voting", help=voting, **number)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    return parser


def _evaluate(arguments: Namespace) -> int:
    asked = Examination(
        segments=arguments.segments,
        halting=arguments.halting,
        batch_size=arguments.batch_size,
        limit=arguments.limit,
        voting=arguments.voting,
    )
    opened, dataset = open_trained(arguments, arguments.N, arguments.T)
    asked = settled(opened, dataset, asked)
    config = opened.model.config
    steps = {"N": config.N, "T": config.T, "M": asked.segments}
    say(introduced(opened, dataset))
    say(f"Evaluated with {', '.join(f'{name} {value}' for name, value in steps.items())}.")
    line = ProgressLine()
    found = examine(opened, dataset, asked, line)
    line.clear()
    say(f"\n{findings.text(found)}")
    if arguments.json is not None:
        record = described(opened, dataset) | {
            "evaluated": steps,
            "asked": asdict(asked),
            "found": found.record(),
        }
        write_file(arguments.json, (json.dumps(record, indent=2) + "\n").encode())
    return DONE


if __name__ == "__main__":
    sys.exit(main())
