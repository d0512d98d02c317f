"""`python -m hrm.train`: train one model, alone or under torchrun; see `--help`."""

import sys
from argparse import Namespace

from hrm.commands.machine import machine, option_names
from hrm.commands.train_options import PROGRAM, parser, request
from hrm.config import ConfigError
from hrm.runs.processes import Processes
from hrm.runs.run import SingleRun
from puzzle_datasets.common.exit_status import BAD_INPUT, complain, outcome


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


def _train(arguments: Namespace, processes: Processes) -> int:
    arguments.device = processes.device_name(arguments.device)
    device = machine(arguments)
    group = processes.connect(device)
    with SingleRun(request(arguments), device, group) as run:
        return run.train(arguments.checkpoint_seconds)


if __name__ == "__main__":
    sys.exit(main())
