"""Which sampler a search has, and why, where the space leaves that to `auto`."""

from typing import NamedTuple

from sweep_platform.common.errors import InputError
from sweep_platform.space import knobs
from sweep_platform.space.rules.conditions import conditional
from sweep_platform.spec.schema import Range, SweepSpec
from sweep_platform.spec.yaml_source import KeyPath, Source, dotted

MOST_MODELLED = 100
"""Trials up to which a Gaussian process, which takes half a second a proposal, is worth it."""

MANY = 1_000
"""Trials from which on a population learns at less cost than a model of all of them."""


class ChosenSampler(NamedTuple):
    """The name of a sampler, and why it was chosen; no reason where the space names it."""

    name: str
    reason: str | None = None

    def __str__(self) -> str:
        return self.name if self.reason is None else f"{self.name}, as {self.reason}"


def chosen_sampler(spec: SweepSpec) -> ChosenSampler:
    """The sampler of a search, by its budget and its space."""
    if spec.search.sampler != "auto":
        return ChosenSampler(spec.search.sampler)
    trials, ranges = spec.trials, _moves_freely(spec)
    if knobs.size(spec.scientific) <= trials:
        return ChosenSampler("grid", "the budget pays for every point of the space")
    if trials <= spec.search.startup_trials:
        return ChosenSampler("quasi-random", "so few trials teach no sampler anything")
    if conditional(spec):
        return ChosenSampler("tpe", "some knobs have conditions, which it learns group by group")
    if ranges and trials <= MOST_MODELLED:
        return ChosenSampler("gp", "all knobs are ranges, and the trials few enough to model each")
    if trials >= MANY and len(spec.objectives) > 1:
        return ChosenSampler("nsga2", "there are many trials, and several objectives")
    if trials >= MANY and ranges:
        return ChosenSampler("cma-es", "there are many trials, and all knobs are ranges")
    return ChosenSampler("tpe", "it learns from any kind of knob")


def _moves_freely(spec: SweepSpec) -> bool:
    """Whether there are several knobs, all of them ranges of numbers."""
    return len(spec.space) > 1 and all(isinstance(one, Range) for one in spec.space.values())


def check_sampler(spec: SweepSpec, source: Source) -> None:
    """Raise `InputError` where a sampler can't draw from a space."""
    search, path = spec.search, ("search", "sampler")
    if ":" in search.sampler:
        _check_foreign(spec, source)
    elif search.arguments:
        problem = f"goes with a sampler by import path, and not with {search.sampler}"
        raise _fault(("search", "arguments"), problem, "leave it out", source)
    if search.sampler == "grid":
        for name, knob in spec.scientific.space.items():
            if knobs.values(knob) is None:
                problem = "has no end of values, which no grid can list"
                remedy = "give a step or choices, or choose another search.sampler"
                raise _fault(("space", name), problem, remedy, source)
    if search.sampler == "cma-es" and len(spec.objectives) > 1:
        problem = f"is cma-es, which takes one objective, not {len(spec.objectives)}"
        raise _fault(path, problem, "choose tpe, gp or nsga2, or leave one objective", source)
    if search.sampler == "cma-es" and sum(map(_is_range, spec.space.values())) < 2:
        problem = "is cma-es, which moves in ranges, of which this space has fewer than two"
        remedy = "write {low: .., high: ..} in place of choices, or choose tpe"
        raise _fault(path, problem, remedy, source)


def _is_range(knob: object) -> bool:
    return isinstance(knob, Range)


def _check_foreign(spec: SweepSpec, source: Source) -> None:
    # Optuna takes a second to load, which no other space has to wait for.
    from sweep_platform.space.rules.foreign import foreign_sampler

    try:
        foreign_sampler(spec.search, seed=0)
    except InputError as error:
        path: KeyPath = tuple((error.field or "search.sampler").split("."))
        raise _fault(path, error.problem, error.remedy, source) from None


def _fault(path: KeyPath, problem: str, remedy: str, source: Source) -> InputError:
    place = source.location(path)
    return InputError.of(dotted(path), problem, remedy, place=place)
