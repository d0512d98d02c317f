"""`python -m hrm.dynamics CHECKPOINT... --dataset DIR --out DIR`: show why models work.

Exit status 2 where the user can mend what went wrong.
"""

import argparse
import sys
from pathlib import Path

from hrm.charts import altair
from hrm.commands.options import Parser, add_dataset, add_machine
from hrm.commands.outcome import DONE, guarded, machine, say
from hrm.dynamics.report import Wishes, write_report

PROGRAM = "hrm.dynamics"


def parser() -> Parser:
    """What the command takes."""
    top = Parser(prog=f"python -m {PROGRAM}", description="Show how trained models work.")
    top.add_argument(
        "checkpoints",
        nargs="+",
        type=Path,
        metavar="CHECKPOINT",
        help="a checkpoint, a run's or trial's folder, or a published one; one panel each",
    )
    add_dataset(top)
    top.add_argument("--out", type=Path, required=True, metavar="DIR", help="where files go")
    counts = {
        "puzzles": (3, "puzzles drawn segment by segment, of each model"),
        "limit": (100, "test puzzles measured"),
        "batch-size": (10, "puzzles at a time, and between two points of participation"),
    }
    for name, (default, text) in counts.items():
        described = f"{text} (default: {default})"
        top.add_argument(f"--{name}", type=int, default=default, metavar="INT", help=described)
    top.add_argument(
        "--segments", type=int, metavar="M", help="segments to run (default: each model's M_max)"
    )
    add_machine(top)
    return top


def main(words: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    return guarded(PROGRAM, lambda: run(parser().parse_args(words)))


def run(arguments: argparse.Namespace) -> int:
    """Measure every checkpoint and write what came out."""
    altair()
    wishes = Wishes(
        puzzles=arguments.puzzles,
        limit=arguments.limit,
        batch_size=arguments.batch_size,
        segments=arguments.segments,
    )
    device = machine(arguments)
    write_report(arguments.checkpoints, arguments.dataset, arguments.out, wishes, device, say)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
