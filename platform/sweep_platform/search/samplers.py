"""Samplers: knobs as Optuna distributions, and the samplers that draw from them.

A sampler is an `optuna.samplers.BaseSampler`. The proposer makes a new one for each draw, from the
driver's one thread, and asks it once. It must keep no state but its seed and what the study holds:
after a restart, the same study with the same seed gives the same draw. It has to take running,
pruned and failed trials in the study, with one or more objectives, and may draw a point twice: the
proposer asks again. To add one, give it a row in `SAMPLERS` and its name in
`SAMPLER_NAMES` of `sweep_platform.spec.schema`; `SamplerConformance` in the tests then tries it.
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
    BruteForceSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIISampler,
    PartialFixedSampler,
    RandomSampler,
    TPESampler,
)

from sweep_platform.search.sampling.front import FrontSampler
from sweep_platform.search.sampling.quasi_random import QuasiRandomSampler
from sweep_platform.space.knobs import Parameters, numbers
from sweep_platform.space.rules.conditions import conditional
from sweep_platform.space.rules.foreign import foreign_sampler
from sweep_platform.space.rules.sampling import chosen_sampler
from sweep_platform.spec.schema import SAMPLER_NAMES, Choices, Knob, SweepSpec

SAMPLERS: Mapping[str, Callable[[SweepSpec, int], BaseSampler]] = {
    "tpe": lambda spec, number: TPESampler(
        seed=derived_seed(spec.seed, number),
        n_startup_trials=spec.search.startup_trials,
        # Knobs that are drawn together are learnt together, where not all of them always are.
        multivariate=True if conditional(spec) else None,
        group=conditional(spec),
    ),
    "random": lambda spec, number: RandomSampler(seed=derived_seed(spec.seed, number)),
    "nsga2": lambda spec, number: NSGAIISampler(
        seed=derived_seed(spec.seed, number),
        population_size=population(spec),
    ),
    "gp": lambda spec, number: GPSampler(
        seed=derived_seed(spec.seed, number),
        n_startup_trials=spec.search.startup_trials,
        warn_independent_sampling=False,
    ),
    "cma-es": lambda spec, number: CmaEsSampler(
        seed=derived_seed(spec.seed, number),
        n_startup_trials=max(1, spec.search.startup_trials),
        warn_independent_sampling=False,
    ),
    "grid": lambda spec, number: BruteForceSampler(seed=derived_seed(spec.seed, number)),
    "quasi-random": lambda spec, number: QuasiRandomSampler(
        spec.space, derived_seed(spec.seed, 0), number
    ),
    "front": lambda spec, number: FrontSampler(
        spec,
        derived_seed(spec.seed, number),
        QuasiRandomSampler(spec.space, derived_seed(spec.seed, 0), number),
    ),
}
assert (*SAMPLERS, "auto") == SAMPLER_NAMES, "every name of the schema has its sampler"


POPULATION, GENERATIONS = 50, 20
"""The largest population, Optuna's own, and the generations that a budget is to pay for."""


def population(spec: SweepSpec) -> int:
    """Trials of a generation of `nsga2`, at least those that it begins with.

    A small one of many generations draws again and again what has been tried.
    """
    least = max(2, spec.search.startup_trials)
    return max(least, min(POPULATION, spec.trials // GENERATIONS))


def sampler(spec: SweepSpec, number: int) -> BaseSampler:
    """The sampler of a sweep's draw of this number, which follows from the sweep's seed and it."""
    name = chosen_sampler(spec).name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if name in SAMPLERS:
            return SAMPLERS[name](spec, number)
        return foreign_sampler(spec.search, derived_seed(spec.seed, number))


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
