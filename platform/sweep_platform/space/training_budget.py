"""The training budget of a trial: the same for all, or each its own where it is a knob.

The knob is called `training_flops`. With it, evaluations and rungs lie at shares of each trial's
own budget, and the training FLOPs are an objective, unless the space names its objectives.
"""

import math
from collections.abc import Mapping

from sweep_platform.common.errors import InputError
from sweep_platform.space.knobs import is_named, values
from sweep_platform.spec.schema import Choices, Knob, Scalar, SweepSpec
from sweep_platform.spec.settings import BUDGET_KNOB
from sweep_platform.spec.yaml_source import KeyPath, Source, dotted

_BUDGET = "budget.flops_per_trial"


def source_of(spec: SweepSpec) -> str:
    """The key of a space that says how much a training may spend."""
    return f"space.{BUDGET_KNOB}" if BUDGET_KNOB in spec.space else _BUDGET


def flops_at(spec: SweepSpec, parameters: Mapping[str, Scalar]) -> float:
    """Training FLOPs that a replicate of a point may spend."""
    return _number(parameters.get(BUDGET_KNOB, spec.budget.flops_per_trial))


def expected_flops(spec: SweepSpec) -> float:
    """Training FLOPs of a replicate, with a knob the mean of what is drawn at random."""
    knob = spec.space.get(BUDGET_KNOB)
    return flops_at(spec, {}) if knob is None else _mean(knob)


def least_flops(spec: SweepSpec) -> float:
    """Training FLOPs of a replicate with the smallest budget."""
    return _ends(spec)[0]


def most_flops(spec: SweepSpec) -> float:
    """Training FLOPs of a replicate with the largest budget."""
    return _ends(spec)[1]


def _ends(spec: SweepSpec) -> tuple[float, float]:
    knob = spec.space.get(BUDGET_KNOB)
    if knob is None:
        return flops_at(spec, {}), flops_at(spec, {})
    if isinstance(knob, Choices):
        listed = [_number(one) for one in knob.choices]
        return min(listed), max(listed)
    return float(knob.low), float(knob.high)


def _mean(knob: Knob) -> float:
    listed = values(knob)
    if isinstance(knob, Choices) or (listed is not None and not knob.log):
        every = [_number(one) for one in listed or ()]
        return sum(every) / len(every)
    if knob.log and knob.low < knob.high:
        return (knob.high - knob.low) / math.log(knob.high / knob.low)
    return (knob.low + knob.high) / 2


def _number(value: Scalar) -> float:
    assert isinstance(value, int | float), "a resolved sweep has a budget for each training"
    return float(value)


def with_own_objectives(spec: SweepSpec) -> SweepSpec:
    """A spec whose objectives, where none are named, are accuracy and what its knob varies."""
    if BUDGET_KNOB not in spec.space or "objectives" in spec.model_fields_set:
        return spec
    return spec.model_copy(update={"objectives": ("exact_accuracy", BUDGET_KNOB)})


def check_training_budget(spec: SweepSpec, source: Source) -> None:
    """Raise `InputError`, with key and remedy, unless every trial has one budget above zero."""
    if BUDGET_KNOB not in spec.space:
        if spec.budget.flops_per_trial is None:
            empty = "flops_per_trial" in source.tree.get("budget", {})
            problem, remedy = ("is empty", "write a number") if empty else ("is missing", "add it")
            raise _fault(tuple(_BUDGET.split(".")), problem, remedy, source)
        return
    knob, path = spec.space[BUDGET_KNOB], ("space", BUDGET_KNOB)
    if spec.budget.flops_per_trial is not None:
        problem = f"is given, and `space.{BUDGET_KNOB}` is searched"
        raise _fault(("budget", "flops_per_trial"), problem, "keep one of the two", source)
    if knob.when:
        problem = "has a condition, and every training has a budget"
        raise _fault(path, problem, "leave `when` out", source)
    if BUDGET_KNOB in spec.nuisance:
        problem = f"names {BUDGET_KNOB}, at the best of which all others would be the dearest"
        raise _fault(("nuisance",), problem, "leave it out", source)
    if is_named(knob) or least_flops(spec) <= 0:
        raise _fault(path, "holds what is no budget", "give FLOPs above 0", source)
    if spec.rungs.at and BUDGET_KNOB not in spec.objectives:
        problem = f"compares trials of different `space.{BUDGET_KNOB}` as if they cost the same"
        remedy = f"add {BUDGET_KNOB} to `objectives`, or leave `rungs.at` out"
        raise _fault(("rungs", "at"), problem, remedy, source)


def _fault(path: KeyPath, problem: str, remedy: str, source: Source) -> InputError:
    return InputError.of(dotted(path), problem, remedy, place=source.location(path))
