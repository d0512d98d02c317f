"""Options of every command (a puzzle set, a device, threads) and the names of options."""

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from hrm.config import require_least
from hrm.model.devices import device_named
from puzzle_datasets.common.command_line import Parser, flag, parsed


def add_dataset(into: Parser, required: bool = True) -> None:
    """Add --dataset, a folder that `python -m puzzle_datasets build` made."""
    text = "a puzzle set, as `python -m puzzle_datasets build` makes it"
    into.add_argument("--dataset", type=Path, required=required, metavar="DIR", help=text)


def add_machine(into: Parser) -> None:
    """Add --device and --threads, which `machine` obeys."""
    group = into.add_argument_group("machine")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:NUMBER")
    whole = partial(parsed, hint=int)
    group.add_argument("--threads", type=whole, metavar="INT", help="of the CPU (default: all)")


def machine(arguments: Namespace) -> torch.device:
    """Set the number of threads that --threads asks for; return the device that --device names.

    Raises `ConfigError` where there is no such device, or no such number.
    """
    require_least(1, threads=arguments.threads)
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    return device_named(arguments.device)


def option_names(parser: Parser) -> Callable[[str], str]:
    """Return what a user of the command calls the field of an error: its option, if it has one."""

    def name(field: str) -> str:
        option = flag(field)
        return option if option in parser._option_string_actions else field

    return name
