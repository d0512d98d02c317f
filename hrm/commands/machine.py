"""Options of every command (a puzzle set, a device, threads) and the names of options."""

import os
from argparse import Namespace
from collections.abc import Callable
from functools import partial

import torch

from hrm.config import ConfigError
from hrm.model.devices import device_named
from puzzle_datasets.common.command_line import Parser, flag, parsed, path

MOST_THREADS = 1024


def add_dataset(into: Parser, required: bool = True) -> None:
    """Add --dataset, a folder that `python -m puzzle_datasets build` made."""
    text = "a puzzle set, as `python -m puzzle_datasets build` makes it"
    into.add_argument("--dataset", type=path, required=required, metavar="DIR", help=text)


def add_machine(into: Parser) -> None:
    """Add --device and --threads, which `machine` obeys."""
    group = into.add_argument_group("machine")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:NUMBER")
    whole = partial(parsed, hint=int)
    text = (
        "of the CPU, which wait without spinning (default: OMP_NUM_THREADS where it is set, else "
        "1: more gain little for small models and lose much on a busy machine)"
    )
    group.add_argument("--threads", type=whole, metavar="INT", help=text)


def machine(arguments: Namespace) -> torch.device:
    """Set the number of threads, 1 where none is asked for; return the device that --device names.

    Raises `ConfigError` where there is no such device, or no such number.
    """
    threads = arguments.threads
    if threads is None and not os.environ.get("OMP_NUM_THREADS"):
        threads = 1
    if threads is not None:
        if not 1 <= threads <= MOST_THREADS:
            raise ConfigError("threads", threads, f"give a whole number from 1 to {MOST_THREADS}")
        torch.set_num_threads(threads)
    return device_named(arguments.device)


def option_names(parser: Parser) -> Callable[[str], str]:
    """Return what a user of the command calls the field of an error: its option, if it has one."""

    def name(field: str) -> str:
        option = flag(field)
        return option if option in parser._option_string_actions else field

    return name
