"""Search around the front of cost and performance, with a model of each.

Points near those of the front are drawn, and few anywhere. Gaussian processes tell what each is
likely to cost and to reach; a point is worth what it is expected to gain over the best that was
reached for no more. One is taken near a level of cost that was tried less than others, so that the
whole front moves, and not its dear end alone. The idea is that of CARBS (arXiv 2306.08055).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from sweep_platform.search.sampling.cube import Cube, Point
from sweep_platform.search.sampling.independent import IndependentSampler
from sweep_platform.search.sampling.quasi_random import QuasiRandomSampler
from sweep_platform.search.sampling.surrogate import Surrogate, expected_gain
from sweep_platform.space.knobs import as_written
from sweep_platform.spec.metrics import QUALITY
from sweep_platform.spec.schema import SweepSpec

Floats = npt.NDArray[np.float64]

FEWEST = 2
"""Complete trials from which on a model is fitted, however few `search.startup_trials` are."""

NEAR, ANYWHERE = 192, 64
"""Points that are drawn near the front, and in the whole space, for one to be chosen."""

MODELLED = 100
"""Complete trials that a model is fitted to: those of the front, and the newest."""

LEVELS = 4
"""Levels of cost that are drawn, of which the one furthest from those of the front is taken."""

WIDTH = 0.15
"""How far a point's cost may lie from it, as a share of all costs in powers of ten."""


class FrontSampler(IndependentSampler):
    """Draws one point, by the trials of a study and a seed.

    The first objective of quality is the performance, or the first one where none is; all others
    are costs. The `number` of the draw says which point of a quasi-random sequence comes before
    there are `startup_trials` to learn from.
    """

    def __init__(self, spec: SweepSpec, seed: int, start: QuasiRandomSampler) -> None:
        self._spec, self._seed, self._start = spec, seed, start
        self._cube = Cube(spec)
        self._drawn: tuple[int, Point | None] | None = None

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The value of a knob at the point that is drawn for a trial."""
        if self._drawn is None or self._drawn[0] != trial.number:
            self._drawn = trial.number, self._point(study, trial)
        point = self._drawn[1] or {}
        if param_name in point:
            return point[param_name]
        # Too few trials, or a knob that another one has brought in which was fixed since.
        return self._start.sample_independent(study, trial, param_name, param_distribution)

    def _point(self, study: Study, trial: FrozenTrial) -> Point | None:
        """The point to try; None while there is too little to learn from."""
        others = [one for one in study.get_trials(deepcopy=False) if one.number != trial.number]
        complete = [one for one in others if one.state is TrialState.COMPLETE]
        if len(complete) < max(FEWEST, self._spec.search.startup_trials):
            return None
        source = np.random.default_rng(self._seed)
        worth, costs = self._seen(study, complete)
        front = on_front(worth, costs)
        tried = {_key(self._written(one)) for one in others if one.state is not TrialState.FAIL}
        points = self._candidates([self._written(complete[at]) for at in front], tried, source)
        if not points:
            return None
        kept = sorted({*front, *range(len(complete))[-MODELLED:]})
        open_states = (TrialState.RUNNING, TrialState.PRUNED)
        unknown = [self._written(one) for one in others if one.state in open_states][-MODELLED:]
        known = self._cube.vectors([self._written(complete[at]) for at in kept])
        return self._best(points, known, unknown, worth[kept], costs[kept], source)

    def _best(
        self,
        points: list[Point],
        known: Floats,
        unknown: list[Point],
        worth: Floats,
        costs: Floats,
        source: np.random.Generator,
    ) -> Point:
        """Of these points the one that is expected to gain most, near some level of cost."""
        at, also = self._cube.vectors(points), self._cube.vectors(unknown)
        models = [Surrogate(known, column, also[:0]) for column in costs.T]
        expected = np.array([one.expect(at)[0] for one in models]).reshape(len(models), len(at))
        best = best_for(expected.T, worth, costs)
        gain = expected_gain(*Surrogate(known, worth, also).expect(at), best)
        if len(models):
            gain = gain * nearness(expected[0], costs[:, 0], source)
        return points[int(np.argmax(gain))]

    def _candidates(
        self, front: list[Point], tried: set[Any], source: np.random.Generator
    ) -> list[Point]:
        """Untried points, most of them near those of the front."""
        near = [self._cube.near(front[source.integers(len(front))], source) for _ in range(NEAR)]
        drawn = [*near, *(self._cube.anywhere(source) for _ in range(ANYWHERE))]
        return list({key: one for one in drawn if (key := _key(one)) not in tried}.values())

    def _seen(self, study: Study, complete: Sequence[FrozenTrial]) -> tuple[Floats, Floats]:
        """What trials reached, the more the better, and in powers of ten what each cost."""
        up = [one is StudyDirection.MAXIMIZE for one in study.directions]
        names = self._spec.objectives[: len(up)]
        first = next((at for at, name in enumerate(names) if name in QUALITY), 0)
        every = np.array([one.values for one in complete], float)
        worth = every[:, first] * (1 if up[first] else -1)
        others = [at for at in range(len(up)) if at != first]
        columns = [_tens(-every[:, at] if up[at] else every[:, at]) for at in others]
        return worth, np.array(columns, float).reshape(len(columns), len(every)).T

    def _written(self, trial: FrozenTrial) -> Point:
        """The point of a trial, in the space's own numbers."""
        known = {k: v for k, v in trial.params.items() if k in self._spec.space}
        return as_written(self._spec, known)


def _tens(costs: Floats) -> Floats:
    """Costs in powers of ten, or as they are where some are none."""
    return np.log10(costs) if np.all(costs > 0) else costs


def _key(point: Point) -> frozenset[tuple[str, Any]]:
    return frozenset(point.items())


def on_front(worth: Floats, costs: Floats) -> list[int]:
    """Which points no other beats: as much for no more, and in one of these better."""
    found = []
    for at in range(len(worth)):
        no_worse = (worth >= worth[at]) & np.all(costs <= costs[at], axis=1)
        better = (worth > worth[at]) | np.any(costs < costs[at], axis=1)
        if not np.any(no_worse & better):
            found.append(at)
    return found


def best_for(expected: Floats, worth: Floats, costs: Floats) -> Floats:
    """The best that was reached for no more than each of these costs; else the least of all."""
    affordable = np.all(costs[None] <= expected[:, None], axis=2)
    return np.asarray(np.where(affordable, worth, worth.min()).max(axis=1), float)


def nearness(expected: Floats, costs: Floats, source: np.random.Generator) -> Floats:
    """How near expected costs are to a level that was tried less than others, from 0 to 1."""
    low, high = float(costs.min()), float(costs.max())
    drawn = source.uniform(low, high, LEVELS)
    apart = np.abs(drawn[:, None] - costs).min(axis=1)
    width = max(1e-9, WIDTH * (high - low))
    distance = (expected - drawn[np.argmax(apart)]) / width
    return np.asarray(np.exp(-0.5 * (distance**2 - (distance**2).min())), float)
