"""How configurations are drawn: knobs as Optuna distributions, samplers, and their seeds."""

import hashlib
from collections.abc import Callable

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from sweep_platform.space.knobs import numbers
from sweep_platform.spec.schema import Choices, Knob, SearchSpec


def distribution(knob: Knob) -> BaseDistribution:
    """Where a knob's values are drawn from."""
    if isinstance(knob, Choices):
        return CategoricalDistribution(knob.choices)
    listed = numbers(knob)
    high = knob.high if listed is None else float(listed[-1])
    if knob.whole:
        return IntDistribution(int(knob.low), int(high), log=knob.log, step=int(knob.step or 1))
    return FloatDistribution(knob.low, high, log=knob.log, step=knob.step)


def sampler(search: SearchSpec, seed: int) -> BaseSampler:
    """The sampler that is asked for, without any state of its own but the seed."""
    startup = search.startup_trials
    makers: dict[str, Callable[[], BaseSampler]] = {
        "tpe": lambda: TPESampler(seed=seed, n_startup_trials=startup),
        "random": lambda: RandomSampler(seed=seed),
        "nsga2": lambda: NSGAIISampler(seed=seed, population_size=max(2, startup)),
        "gp": lambda: GPSampler(seed=seed, n_startup_trials=startup),
    }
    return makers[search.sampler]()


def derived_seed(seed: int, count: int) -> int:
    """A seed for the draw after `count` others; the same in every process."""
    digest = hashlib.sha256(f"{seed}/{count}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
