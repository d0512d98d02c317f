"""Refuse rules of a space that can't be kept: unknown names, circles, what no knob can be."""

from collections.abc import Callable, Collection
from graphlib import CycleError
from typing import Any

from puzzle_datasets.common.text import suggest
from sweep_platform.common.errors import InputError
from sweep_platform.space.expressions.parsing import parse_number, parse_statement
from sweep_platform.space.expressions.tree import Tree, names
from sweep_platform.space.knobs import HEAD_DIM, holds
from sweep_platform.space.rules.conditions import in_order
from sweep_platform.space.rules.constraints import COSTS
from sweep_platform.space.rules.derived import derived_order
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.spec.settings import MODEL_SETTINGS, TRAINING_SETTINGS
from sweep_platform.spec.yaml_source import KeyPath, Source, dotted

_SETTINGS = (*MODEL_SETTINGS, *TRAINING_SETTINGS)


def check_rules(spec: SweepSpec, source: Source) -> None:
    """Raise `InputError`, with file, line, key and remedy, where a rule can't be kept."""
    _check_conditions(spec, source)
    _check_derived(spec, source)
    for index, text in enumerate(spec.constraints):
        path: KeyPath = ("constraints", index)
        tree = _parsed(parse_statement, text, path, source)
        _check_names(tree, (*_SETTINGS, *_head_dim(spec), *COSTS), path, source)
        if tuned := sorted(names(tree) & {*spec.nuisance}):
            problem = f"names {tuned[0]}, a nuisance knob, which is tuned at each point"
            raise _fault(path, problem, "name other knobs", source)
        if not names(tree):
            raise _fault(path, "names no knob", "compare a knob or a cost", source)


def _check_conditions(spec: SweepSpec, source: Source) -> None:
    for name, knob in spec.space.items():
        for other, admitted in knob.when.items():
            path: KeyPath = ("space", name, "when", other)
            if other not in _SETTINGS:
                raise _fault(path, "is no known setting", suggest(other, _SETTINGS), source)
            if other in spec.derive or other in spec.nuisance:
                what = "is derived" if other in spec.derive else "is a nuisance knob"
                raise _fault(path, what, "name a knob that is neither, or a setting", source)
            parent = spec.space.get(other)
            for value in admitted if parent else ():
                if parent and not holds(parent, value):
                    problem = f"is {value!r}, which lies outside space.{other}"
                    raise _fault(path, problem, "give one of its values", source)
    _refuse_circle(in_order, spec, ("space",), "conditions are circular", source)


def _check_derived(spec: SweepSpec, source: Source) -> None:
    for name, text in spec.derive.items():
        path: KeyPath = ("derive", name)
        if name not in _SETTINGS:
            raise _fault(path, "is no known setting", suggest(name, _SETTINGS), source)
        for section in ("space", "model", "training"):
            if name in getattr(spec, section):
                raise _fault(path, f"is also in `{section}`", "keep one of the two", source)
        if name == "num_heads" and HEAD_DIM in spec.model:
            raise _fault(path, "is derived, and `model.head_dim` is given", "keep one", source)
        tree = _parsed(parse_number, text, path, source)
        _check_names(tree, (*_SETTINGS, *_head_dim(spec)), path, source)
    _refuse_circle(derived_order, spec, ("derive",), "is circular", source)


def _head_dim(spec: SweepSpec) -> tuple[str, ...]:
    return (HEAD_DIM,) if HEAD_DIM in spec.model else ()


def _parsed(parse: Callable[[str], Any], text: str, path: KeyPath, source: Source) -> Any:
    try:
        return parse(text)
    except InputError as error:
        raise _fault(path, error.problem, error.remedy, source, text) from None


def _check_names(tree: Tree, known: Collection[str], path: KeyPath, source: Source) -> None:
    for name in sorted(names(tree) - {*known}):
        raise _fault(path, f"names {name}, which is unknown", suggest(name, known), source, name)


def _refuse_circle(
    ordered: Callable[[SweepSpec], object],
    spec: SweepSpec,
    section: KeyPath,
    problem: str,
    source: Source,
) -> None:
    try:
        ordered(spec)
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        path = (*section, circle[0])
        said = f"{problem}: {' needs '.join(circle)}"
        raise _fault(path, said, "leave one of these out", source) from None


def _fault(
    path: KeyPath, problem: str, remedy: str, source: Source, value: object = None
) -> InputError:
    place = source.location(path)
    return InputError.of(dotted(path), problem, remedy, value, place=place)
