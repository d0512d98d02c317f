"""Options of a command line that stand for the fields of a configuration, one for each.

`--hidden-size 128` is `ModelConfig.hidden_size`. A field that was not given is left out of what
`given` returns, so that a command can tell the default from a wish.
"""

import argparse
from collections.abc import Collection
from dataclasses import MISSING, Field, fields
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from hrm.config import ConfigError, ModelConfig, TrainingConfig

FROM_DATASET = ("vocab_size", "seq_len", "num_puzzle_identifiers")
"""Fields of `ModelConfig` that follow from the puzzles."""

Configuration = type[ModelConfig] | type[TrainingConfig]

HELP = {
    "model": "HRM or one of its baselines",
    "mode": "exact learns Q-halt and Q-continue; lean halts on Q-halt, without a second forward",
    "gradient": "which updates at the end of a segment keep their gradient",
    "gradient_steps": "updates, of z_L and z_H together, that --gradient last_k keeps",
    "mixing": "how positions see each other",
    "N": "high-level cycles of a segment",
    "T": "low-level steps of a cycle",
    "H_layers": "blocks of the high-level module",
    "L_layers": "blocks of the low-level module",
    "hidden_size": "width of the states",
    "num_heads": "attention heads",
    "expansion": "inner width of SwiGLU over two thirds of the hidden size",
    "M_max": "most segments of a puzzle",
    "halt_exploration": "share of segments that draw how long a puzzle must go on",
    "positions": "how positions are told apart",
    "rope_theta": "base of the rotary frequencies",
    "norm_eps": "added to the mean square in a norm",
    "training_flops": "budget: floating-point operations of training",
    "batch_size": "puzzles at work at a time, over all processes",
    "micro_batch": "puzzles that pass through the model at a time",
    "loss": "token loss",
    "learning_rate": "of the weights",
    "puzzle_learning_rate": "of the puzzle embeddings",
    "weight_decay": "of the weights",
    "puzzle_weight_decay": "of the puzzle embeddings",
    "beta1": "of Adam-atan2",
    "beta2": "of Adam-atan2",
    "warmup_steps": "steps in which the learning rates rise",
    "lr_min_ratio": "share of the learning rates that the cosine ends at; 1 keeps them",
    "evaluate_at": "when to evaluate, as fractions of the budget",
    "eval_puzzles": "how many test puzzles to evaluate; none takes all",
    "eval_batch_size": "puzzles evaluated at a time, in each process; none takes the batch size",
    "seed": "of weights, puzzles and exploration",
    "precision": "what modules compute in",
    "execution": "how blocks run; cuda_graphs is compiled on a CPU",
    "ema": "decay of the average of the weights that is evaluated; none as published",
}
"""What each field means, in a line."""


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations and raises `ConfigError` where it can't parse."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong, for `hrm.commands.outcome.guarded` to tell."""
        raise ConfigError(f"{message}; see {self.prog} --help.")


def flag(field: str) -> str:
    """The option of a field: `hidden_size` is --hidden-size, `M_max` is --M-max."""
    return f"--{field.replace('_', '-')}"


def add_fields(
    into: Parser, configuration: Configuration, title: str, without: Collection[str] = ()
) -> None:
    """Add an option for each field of a configuration but those `without`."""
    group, hints = into.add_argument_group(title), get_type_hints(configuration)
    for field in fields(configuration):
        if field.name in without:
            continue
        hint = hints[field.name]
        several = get_origin(hint) is tuple
        group.add_argument(
            flag(field.name),
            dest=field.name,
            nargs="*" if several else None,
            metavar=_placeholder(hint),
            type=partial(_parsed, hint=get_args(hint)[0] if several else hint),
            default=argparse.SUPPRESS,
            help=f"{HELP[field.name]}{_default(field)}",
        )


def add_machine(into: Parser) -> None:
    """Add --device and --threads, which `hrm.commands.outcome.machine` obeys."""
    group = into.add_argument_group("machine")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:NUMBER")
    whole = partial(_parsed, hint=int)
    group.add_argument("--threads", type=whole, metavar="INT", help="of the CPU (default: all)")


def add_dataset(into: Parser, required: bool = True) -> None:
    """Add --dataset, a folder that `python -m puzzle_datasets build` made."""
    text = "a puzzle set, as `python -m puzzle_datasets build` makes it"
    into.add_argument("--dataset", type=Path, required=required, metavar="DIR", help=text)


def given(arguments: argparse.Namespace, configuration: Configuration) -> dict[str, Any]:
    """The fields of a configuration that were given on the command line."""
    values = vars(arguments)
    names = [field.name for field in fields(configuration) if field.name in values]
    return {n: tuple(v) if isinstance(v := values[n], list) else v for n in names}


def _parsed(text: str, hint: Any) -> Any:
    """The value of a word; raises `ArgumentTypeError` where the type has no such value."""
    admitted = _alternatives(hint)
    if text in admitted:
        return text
    if NoneType in admitted and text == "none":
        return None
    for number in (kind for kind in (int, float) if kind in admitted):
        try:
            return number(text)
        except ValueError:
            continue
    raise argparse.ArgumentTypeError(f"{text!r} is no value; give {_described(admitted)}")


def _described(admitted: tuple[Any, ...]) -> str:
    words = {int: "a whole number", float: "a number", NoneType: "none"}
    return " or ".join(words.get(part, str(part)) for part in admitted)


def _placeholder(hint: Any) -> str:
    """How help writes a value of the type."""
    words = {int: "INT", float: "NUMBER"}
    inner = get_args(hint)[0] if get_origin(hint) is tuple else hint
    alternatives = [part for part in _alternatives(inner) if part is not NoneType]
    if alternatives[0] in words:
        return words[alternatives[0]]
    return "{" + ",".join(alternatives) + "}"


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The types and literal values that a hint admits."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(part for inner in get_args(hint) for part in _alternatives(inner))
    if get_origin(hint) is Literal:
        return get_args(hint)
    return (hint,)


def _default(field: "Field[Any]") -> str:
    value = field.default
    if value is MISSING:
        return ""
    if isinstance(value, tuple):
        value = " ".join(map(str, value))
    return f" (default: {'none' if value is None else value})"
