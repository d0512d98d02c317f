"""Which objectives a sweep may have: those that each of its trials will report."""

from puzzle_datasets.common.text import suggest
from sweep_platform.common.errors import InputError
from sweep_platform.spec.curves import AREA, AT
from sweep_platform.spec.metrics import OBJECTIVES
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.spec.yaml_source import Source

MOST = 3
"""Objectives: with more, nearly every trial is on the front."""


def check_objectives(spec: SweepSpec, source: Source) -> None:
    """Raise `InputError` where there are too many, or no trial would report one of them."""
    if len(spec.objectives) > MOST:
        place, many = source.location(("objectives",)), f"lists {len(spec.objectives)}"
        raise InputError.of("objectives", many, f"keep {MOST} at most", place=place)
    for index, name in enumerate(spec.objectives):
        if fault := _fault(spec, name):
            problem, remedy = fault
            place = source.location(("objectives", index))
            raise InputError(f"objectives.{index}", name, remedy, problem=problem, place=place)


def _fault(spec: SweepSpec, name: str) -> tuple[str | None, str] | None:
    """What is wrong with an objective, and the remedy; None where trials report it."""
    if name not in OBJECTIVES:
        return None, suggest(name, OBJECTIVES)
    if name == "flops_to_target" and not spec.targets:
        return "is flops_to_target, which needs a target", "add `targets: [0.5]`, say"
    if name == "training_flops" and name not in spec.space:
        problem = "is training_flops, of which all trials spend the same"
        return problem, "leave it out, or make it a knob in `space`"
    if name in (AT, AREA) and spec.evaluation.at_flops is None:
        remedy = "add `evaluation: {at_flops: 2e9}`, say: the inference FLOPs that count"
        return f"is {name}, which needs evaluation.at_flops", remedy
    return None
