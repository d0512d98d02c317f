"""Settings that follow from others, such as `num_heads: hidden_size / 64`."""

from collections.abc import Mapping
from functools import cache
from graphlib import TopologicalSorter
from typing import Any, get_type_hints

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from puzzle_datasets.common.options import alternatives
from sweep_platform.space.expressions.computing import NoNumberError, compute
from sweep_platform.space.expressions.parsing import parse_number
from sweep_platform.space.expressions.tree import names
from sweep_platform.spec.schema import Scalar, SweepSpec


def derived_order(spec: SweepSpec) -> list[str]:
    """The derived settings, each behind those that it follows from.

    Raises `graphlib.CycleError`: one follows from itself.
    """
    sources = {
        name: sorted(names(parse_number(text)) & spec.derive.keys())
        for name, text in spec.derive.items()
    }
    return list(TopologicalSorter(sources).static_order())


def with_derived(spec: SweepSpec, settings: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The settings, and those that follow from them.

    Raises `ConfigError`: an expression comes to no number, or to a broken one where a whole one
    is needed.
    """
    found = dict(settings)
    for name in derived_order(spec) if spec.derive else ():
        text = spec.derive[name]
        try:
            value = compute(parse_number(text), found)
        except NoNumberError as error:
            problem = f"is `{text}`, which {error.problem}"
            raise ConfigError.of(name, problem, error.remedy) from None
        found[name] = _of_its_kind(name, text, value)
    return found


def _of_its_kind(name: str, text: str, value: Scalar) -> Scalar:
    """A whole number as such: 512 / 64 is the 8 of a setting that counts."""
    if not isinstance(value, int | float) or _takes_fractions(name):
        return value
    if value != int(value):
        problem = f"comes to {value:g} by `{text}`"
        remedy = "let it be whole, by // or by a constraint such as hidden_size % 64 == 0"
        raise ConfigError.of(name, problem, remedy, value)
    return int(value)


@cache
def _takes_fractions(name: str) -> bool:
    hints: dict[str, Any] = {**get_type_hints(ModelConfig), **get_type_hints(TrainingConfig)}
    return float in alternatives(hints[name])
