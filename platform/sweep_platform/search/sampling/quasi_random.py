"""Points spread evenly over a space, one after the other, by a scrambled Sobol sequence."""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial
from scipy.stats.qmc import Sobol

from sweep_platform.search.sampling.independent import IndependentSampler
from sweep_platform.space.knobs import share_of, values
from sweep_platform.spec.schema import Knob


class QuasiRandomSampler(IndependentSampler):
    """Draws one point of the sequence.

    Optuna's own leaves out lists of choices, which it draws at random; here they take part.
    """

    def __init__(self, space: Mapping[str, Knob], seed: int, number: int) -> None:
        sequence = Sobol(len(space), seed=seed)
        if number:  # SciPy can't go forward by nothing
            sequence.fast_forward(number)
        shares = sequence.random(1)[0]
        self._space, self._shares = space, dict(zip(space, map(float, shares), strict=True))

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The value of a knob at this point."""
        knob, share = self._space[param_name], self._shares[param_name]
        listed = values(knob)
        return share_of(knob, share) if listed is None else listed[int(share * len(listed))]
