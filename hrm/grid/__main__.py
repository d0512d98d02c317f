"""`python -m hrm.grid`: a trained model under other N, T and M; see `--help`."""

import sys
from argparse import Namespace
from pathlib import Path

import puzzle_datasets.common.start  # noqa: F401
from hrm.charts import lacking, save_chart
from hrm.commands.machine import option_names
from hrm.commands.trained_model import add_trained_model, introduction, load_trained
from hrm.grid.cells import GridOptions, begin, fill, whole_numbers
from hrm.grid.page import chart, markdown
from hrm.model.devices import gpu_memory
from puzzle_datasets.common.command_line import Parser, path
from puzzle_datasets.common.exit_status import DONE, complain, guarded, say
from puzzle_datasets.common.files import write_file
from puzzle_datasets.common.text import counted, percent, seconds

PROGRAM = "hrm.grid"


def main(words: list[str] | None = None) -> int:
    """Do what the command line asks; return the exit status."""
    text = "Evaluate a trained model under numbers of cycles, steps and segments of your choice."
    parser = Parser(prog=f"python -m {PROGRAM}", description=text)
    add_trained_model(parser)
    text = "{}, such as 1 2 4 or 1..4"
    for name, meaning in (("N", "cycles of a segment"), ("T", "low-level steps of a cycle")):
        parser.add_argument(f"--{name}", nargs="+", required=True, help=text.format(meaning))
    parser.add_argument("--M", nargs="+", default=["1..16"], help="segments (default: 1..16)")
    text = "where the table and the chart go; a grid that lies there is gone on with"
    parser.add_argument("--out", type=path, required=True, metavar="DIR", help=text)
    return guarded(PROGRAM, lambda: _fill_grid(parser.parse_args(words)), option_names(parser))


def _fill_grid(arguments: Namespace) -> int:
    N, T, M = (whole_numbers(name, getattr(arguments, name)) for name in "NTM")
    options = GridOptions(
        N=N, T=T, segments=max(M), limit=arguments.limit, batch_size=arguments.batch_size
    )
    loaded, dataset = load_trained(arguments)
    cells = options.configs(loaded.model.config)
    out: Path = arguments.out
    grid = begun = begin(loaded, dataset, options, out)
    say(introduction(loaded, dataset))
    say(f"N and T: {counted(len(cells), 'pair')}, {sum(grid.has(c.N, c.T) for c in cells)} done.")
    with gpu_memory("--batch-size"):
        for grid, cell in fill(begun, loaded.model, dataset, options, out):
            write_file(out / "grid.md", markdown(grid, M).encode())
            best = max(cell.curve.exact_accuracy)
            say(f"N {cell.N}, T {cell.T}: {percent(best)} at best, in {seconds(cell.seconds)}")
    write_file(out / "grid.md", markdown(grid, M).encode())
    files = ["grid.md", "grid.json"]
    if missing := lacking():
        complain(PROGRAM, f"going without pictures: {missing}")
    else:
        for name in ("grid.png", "grid.html"):
            save_chart(chart(grid, M), out / name)
            files.append(name)
    say(f"{out}: {', '.join(files)}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
