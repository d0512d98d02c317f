"""`python -m hrm.dynamics CHECKPOINT... --dataset DIR --out DIR`: show why models work."""

import sys
from argparse import Namespace

import puzzle_datasets.common.start  # noqa: F401
from hrm.charts import lacking
from hrm.commands.machine import option_names
from hrm.commands.output import require_own_folder
from hrm.commands.trained_model import add_trained_model, load_several
from hrm.dynamics.report import NUMBERS, ReportOptions, write_report
from hrm.model.devices import gpu_memory
from puzzle_datasets.common.command_line import Parser, path
from puzzle_datasets.common.exit_status import DONE, complain, guarded, say

PROGRAM = "hrm.dynamics"


def main(words: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = Parser(prog=f"python -m {PROGRAM}", description="Show how trained models work.")
    # Participation is noted after each batch, so that batches are small.
    add_trained_model(parser, several=True, batch_size=10, limit=100)
    parser.add_argument("--out", type=path, required=True, metavar="DIR", help="where files go")
    text = "puzzles drawn segment by segment, of each model (3)"
    parser.add_argument("--puzzles", type=int, default=3, metavar="INT", help=text)
    text = "segments to run (each model's M_max)"
    parser.add_argument("--segments", type=int, metavar="INT", help=text)
    return guarded(PROGRAM, lambda: _run(parser.parse_args(words)), option_names(parser))


def _run(arguments: Namespace) -> int:
    require_own_folder(arguments.out, NUMBERS)
    options = ReportOptions(
        puzzles=arguments.puzzles,
        limit=arguments.limit,
        batch_size=arguments.batch_size,
        segments=arguments.segments,
    )
    models, dataset = load_several(arguments, arguments.checkpoint)
    if missing := lacking():
        complain(PROGRAM, f"going without pictures: {missing}")
    with gpu_memory("--batch-size"):
        write_report(models, dataset, arguments.out, options, say, pictures=not missing)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
