"""`python -m hrm.train`: train one model, alone or under torchrun; see `--help`."""

import sys
from argparse import Namespace

from hrm.commands.outcome import BAD_INPUT, complain, machine, outcome, sentence
from hrm.config import ConfigError
from hrm.runs import memory
from hrm.runs.options import PROGRAM, parser, request
from hrm.runs.processes import Processes
from hrm.runs.run import SingleRun


def main(words: list[str] | None = None) -> int:
    """Do what the command line asks; return the exit status."""
    try:
        processes = Processes.found()
    except ConfigError as error:
        complain(PROGRAM, sentence(error))
        return BAD_INPUT
    status, complaint = outcome(lambda: _train(parser().parse_args(words), processes))
    if complaint:
        processes.tell(PROGRAM, complaint)
    processes.leave(status)
    return status


def _train(arguments: Namespace, processes: Processes) -> int:
    arguments.device = processes.device_name(arguments.device)
    device = machine(arguments)
    world = processes.connect(device)
    with memory.of_this_machine():
        run = SingleRun(request(arguments), device, world)
        try:
            return run.train(arguments.checkpoint_seconds)
        finally:
            run.close()


if __name__ == "__main__":
    sys.exit(main())
