"""Samplers: knobs as Optuna distributions, and the samplers that draw from them.

A sampler is an `optuna.samplers.BaseSampler`. The proposer makes a new one for each draw, from the
driver's one thread, and asks it once. It must keep no state but its seed and what the study holds:
after a restart, the same study with the same seed gives the same draw. It has to take running,
pruned and failed trials in the study, with one or more objectives, and may draw a point twice: the
proposer asks again. To add one, give it a row in `SAMPLERS` and its name in
`Sampler` of `sweep_platform.spec.schema`; `SamplerConformance` in the tests then tries it.
"""

import hashlib
import warnings
from collections.abc import Callable, Mapping

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIISampler,
    PartialFixedSampler,
    RandomSampler,
    TPESampler,
)

from sweep_platform.space.knobs import Parameters, numbers
from sweep_platform.spec.schema import SAMPLER_NAMES, Choices, Knob, SearchSpec

SAMPLERS: Mapping[str, Callable[[SearchSpec, int], BaseSampler]] = {
    "tpe": lambda search, seed: TPESampler(seed=seed, n_startup_trials=search.startup_trials),
    "random": lambda search, seed: RandomSampler(seed=seed),
    "nsga2": lambda search, seed: NSGAIISampler(
        seed=seed, population_size=max(2, search.startup_trials)
    ),
    "gp": lambda search, seed: GPSampler(seed=seed, n_startup_trials=search.startup_trials),
}
assert tuple(SAMPLERS) == SAMPLER_NAMES, "every name of the schema has its sampler"


def sampler(search: SearchSpec, seed: int) -> BaseSampler:
    """The sampler of a search, without any state of its own but the seed."""
    return SAMPLERS[search.sampler](search, seed)


def fixing(values: Parameters, others: BaseSampler) -> BaseSampler:
    """A sampler that gives some knobs these values, and draws the others as another sampler does.

    Unlike a point that is enqueued in a study, it leaves nothing behind where the driver dies.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return PartialFixedSampler(dict(values), others)


def distribution(knob: Knob) -> BaseDistribution:
    """The distribution that a knob's values are drawn from."""
    if isinstance(knob, Choices):
        return CategoricalDistribution(knob.choices)
    listed = numbers(knob)
    high = knob.high if listed is None else float(listed[-1])
    if knob.whole:
        return IntDistribution(int(knob.low), int(high), log=knob.log, step=int(knob.step or 1))
    return FloatDistribution(knob.low, high, log=knob.log, step=knob.step)


def derived_seed(seed: int, count: int) -> int:
    """A seed for the draw after `count` others; the same in every process."""
    digest = hashlib.sha256(f"{seed}/{count}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
