"""`python -m hrm.train`: train one model, alone or under torchrun; see `--help`."""

import math
import sys
from argparse import ArgumentTypeError, Namespace

import puzzle_datasets.common.start  # noqa: F401
from hrm.commands.machine import add_dataset, add_machine, machine, option_names
from hrm.config import DATASET_FIELDS, ConfigError, ModelConfig, TrainingConfig
from hrm.runs.processes import Processes
from hrm.runs.run import SingleRun
from hrm.runs.settings import DEFAULT_STEPS, Request
from hrm.training.trainer import CHECKPOINT_SECONDS
from puzzle_datasets.common.command_line import Parser, add_settings, given, path
from puzzle_datasets.common.exit_status import BAD_INPUT, complain, outcome

PROGRAM = "hrm.train"
EPILOGUE = """With several processes: torchrun --nproc-per-node 2 -m hrm.train ...; the result is
that of one process. Exit status: 0 done, 1 failed, 2 bad input, 130 interrupted;
under torchrun an interrupted or failed run ends with torchrun's own words and status 1."""


def main(words: list[str] | None = None) -> int:
    """Do what the command line asks; return the exit status."""
    try:
        processes = Processes.found()
    except ConfigError as error:
        complain(PROGRAM, str(error))
        return BAD_INPUT
    options = parser()
    status, complaint = outcome(
        lambda: _train(options.parse_args(words), processes), option_names(options)
    )
    if complaint:
        processes.report(PROGRAM, complaint)
    processes.leave(status)
    return status


def parser() -> Parser:
    """The command's options."""
    summary = "Train one model on one puzzle set, in a folder of its own."
    made = Parser(prog=f"python -m {PROGRAM}", description=summary, epilog=EPILOGUE)
    out = "the run's folder: run.json, metrics.jsonl, checkpoint.pt and more"
    add_dataset(made, required=False)
    made.add_argument("--out", type=path, required=True, metavar="DIR", help=out)
    made.add_argument("--resume", action="store_true", help="go on with the run in --out, if any")
    text = f"budget (default: {DEFAULT_STEPS})"
    made.add_argument("--steps", type=int, metavar="INT", help=text)
    made.add_argument(
        "--checkpoint-seconds",
        type=_seconds,
        default=CHECKPOINT_SECONDS,
        metavar="NUMBER",
        help="between two checkpoints, 0 for one a step (default: %(default)s)",
    )
    add_machine(made)
    made.add_argument("--head-dim", type=int, metavar="INT", help="in place of --num-heads")
    add_settings(made.add_argument_group("model"), ModelConfig, without=DATASET_FIELDS)
    add_settings(made.add_argument_group("training"), TrainingConfig)
    return made


def _seconds(text: str) -> float:
    try:
        span = float(text)
    except ValueError:
        span = math.nan
    if not 0 <= span < math.inf:
        raise ArgumentTypeError(f"{text!r} is no span of time; give seconds")
    return span


def _train(arguments: Namespace, processes: Processes) -> int:
    arguments.device = processes.device_name(arguments.device)
    device = machine(arguments)
    request = Request(
        out=arguments.out,
        resume=arguments.resume,
        dataset=arguments.dataset,
        model=given(arguments, ModelConfig),
        training=given(arguments, TrainingConfig),
        head_dim=arguments.head_dim,
        steps=arguments.steps,
    )
    with SingleRun(request, device, processes.connect(device)) as run:
        return run.train(arguments.checkpoint_seconds)


if __name__ == "__main__":
    sys.exit(main())
