"""Constraints: what holds in every configuration of a space, between its settings and costs."""

from collections.abc import Mapping
from functools import cache

from hrm.config import ConfigError
from hrm.model.flops import costs
from hrm.model.memory import training_memory
from puzzle_datasets.common.memory import memory
from sweep_platform.space.configuration import Configuration, configured
from sweep_platform.space.expressions.computing import NoNumberError, Value, is_true, violation
from sweep_platform.space.expressions.parsing import parse_statement
from sweep_platform.space.expressions.tree import Statement, names
from sweep_platform.space.knobs import HEAD_DIM, Parameters, Shape, settings_at
from sweep_platform.space.rules.conditions import active, fixed_settings
from sweep_platform.spec.schema import ResourceSpec, SweepSpec

COSTS = ("parameters", "inference_flops", "training_flops", "total_steps", "memory", "device")
"""Names beside the settings: weights, FLOPs of an answer and of a training, its steps, the bytes
that it needs on its device, and those that the device has."""


def broken(spec: SweepSpec, shape: Shape | None, point: Parameters) -> list[str]:
    """The constraints that a point breaks: those between knobs if there are any, else of costs.

    Without a shape, none is told of costs.
    Raises `ConfigError`: it breaks none of the former, and can't be built; `NoNumberError`.
    """
    if not spec.constraints:
        return []
    plain = {**fixed_settings(spec), **active(spec, point)}
    found = [text for text, one in _plain(spec).items() if not is_true(one, plain)]
    if found or len(_plain(spec)) == len(spec.constraints):
        return found
    values = _all_values(spec, shape, point)
    return [
        text
        for text in spec.constraints
        if names(one := parse_statement(text)) <= values.keys() and not is_true(one, values)
    ]


def feasible(spec: SweepSpec, shape: Shape, point: Parameters) -> Configuration | None:
    """The configuration of a point; None where it breaks a constraint, or can't be built."""
    try:
        return None if broken(spec, shape, point) else configured(spec, shape, point)
    except (ConfigError, NoNumberError):
        return None


def is_feasible(spec: SweepSpec, shape: Shape, point: Parameters) -> bool:
    """Whether a point breaks no constraint, and can be built.

    Without constraints and derived settings every point can, which the check of a space sees to.
    """
    ruled = spec.constraints or spec.derive
    return not ruled or feasible(spec, shape, point) is not None


def violations(spec: SweepSpec, shape: Shape, point: Parameters) -> dict[str, float]:
    """How far a point is from each constraint: above zero where it breaks it, see `violation`.

    One that can't be told there is broken by 1, and so are all where the point can't be built.
    """
    if not spec.constraints:
        return {}
    plain = {**fixed_settings(spec), **active(spec, point)}
    try:
        values = _all_values(spec, shape, point)
    except ConfigError:
        values = {}
    return {
        text: _violation(_plain(spec).get(text), plain, text, values) for text in spec.constraints
    }


def _violation(
    known: Statement | None, plain: Mapping[str, Value], text: str, values: Mapping[str, Value]
) -> float:
    try:
        if known is not None and (values or not is_true(known, plain)):
            return violation(known, plain)
        return violation(parse_statement(text), values) if values else 1.0
    except NoNumberError:
        return 1.0


def in_order_of_cost(spec: SweepSpec) -> list[str]:
    """The constraints in the order in which they are asked of a point: of costs last."""
    return sorted(spec.constraints, key=lambda text: text not in _plain(spec))


def _plain(spec: SweepSpec) -> dict[str, Statement]:
    """The constraints that name neither costs nor what follows from other settings."""
    later = {*COSTS, *spec.derive, *(("num_heads",) if HEAD_DIM in spec.model else ())}
    every = {text: parse_statement(text) for text in spec.constraints}
    return {text: one for text, one in every.items() if names(one).isdisjoint(later)}


def _all_values(spec: SweepSpec, shape: Shape | None, point: Parameters) -> dict[str, Value]:
    """All that a constraint may name at a point; costs only with a shape, where one names them.

    Raises `ConfigError`: the settings do not go together.
    """
    values = settings_at(spec, point)
    named = [names(parse_statement(text)) for text in spec.constraints]
    if shape is None or all(one.isdisjoint(COSTS) for one in named):
        return values
    found = configured(spec, shape, point)
    together = spec.resources.together
    cost = costs(found.model, found.training)
    need = training_memory(found.model, found.training, together)
    return {
        **values,
        "parameters": cost["parameter_count"],
        **{name: cost[name] for name in ("inference_flops", "training_flops", "total_steps")},
        "memory": need if spec.resources.gpus else together * need,
        "device": device_memory(spec.resources),
    }


def device_memory(resources: ResourceSpec) -> float:
    """Bytes of what a trial trains on: this machine's, or its part of a GPU's; inf if unseen."""
    if not resources.gpus:
        return memory()
    return min(1.0, resources.gpus) * _gpu_memory()


@cache
def _gpu_memory() -> float:
    """Bytes of the smallest GPU that this process sees."""
    import torch

    found = [
        torch.cuda.get_device_properties(index).total_memory
        for index in range(torch.cuda.device_count())
    ]
    return min(found, default=float("inf"))
