"""Proposes trials: those that were interrupted, else configurations never tried before."""

import math
from collections import deque
from collections.abc import Iterable

import optuna

from sweep_platform.search.samplers import derived_seed, sampler
from sweep_platform.search.study import Study
from sweep_platform.search.trial_factory import TrialFactory
from sweep_platform.space.knobs import as_written, nearest_first, size
from sweep_platform.spec.schema import Scalar, SearchSpec, SweepSpec
from sweep_platform.store.trial import TrialFolder, TrialRecord

DRAWS = 5
"""Draws of configurations tried before, until the untried one nearest to them is taken."""

MOST_DRAWS = 200
"""Draws of them in an endless space, where none is nearest: after `DRAWS` they are random."""


class Proposer:
    """Proposes trials of one sweep; never the same signature twice. Not thread-safe.

    Args:
        study: what was drawn before.
        factory: makes trials.
        spec: of the sweep.
        unfinished: trials that go first, in this order.
    """

    def __init__(
        self,
        study: Study,
        factory: TrialFactory,
        spec: SweepSpec,
        unfinished: Iterable[TrialFolder] = (),
    ) -> None:
        self._study, self._factory, self._spec = study, factory, spec
        self._unfinished = deque(unfinished)

    @property
    def unfinished(self) -> tuple[TrialFolder, ...]:
        """Trials that wait to go on."""
        return tuple(self._unfinished)

    def resume(self) -> TrialFolder:
        """The next of the trials that wait to go on."""
        return self._unfinished.popleft()

    def requeue(self, trial: TrialFolder) -> None:
        """Let a trial wait to go on."""
        self._unfinished.append(trial)

    def propose(self) -> TrialFolder | None:
        """A new trial, created; None when the space has no more."""
        drawn = self._draw()
        return None if drawn is None else self._factory.create(*drawn)

    def _draw(self) -> tuple[optuna.Trial, TrialRecord] | None:
        endless = math.isinf(size(self._spec))
        while len(rejected := self._rejected()) < (MOST_DRAWS if endless else DRAWS):
            insists = len(rejected) >= DRAWS
            drawn = self._ask(SearchSpec(sampler="random") if insists else self._spec.search)
            if drawn[1].signature not in self._factory.signatures:
                return drawn
            drawn[0].set_user_attr("duplicate", True)
            self._study.tell(drawn[0].number, optuna.trial.TrialState.FAIL)
        return None if endless else self._take_untried(rejected[-1])

    def _take_untried(
        self, rejected: optuna.trial.FrozenTrial
    ) -> tuple[optuna.Trial, TrialRecord] | None:
        untried = self._nearest_untried(as_written(self._spec, rejected.params))
        if untried is None:
            return None
        self._study.enqueue(untried)
        return self._ask(self._spec.search)

    def _rejected(self) -> list[optuna.trial.FrozenTrial]:
        """Draws since the last one that was new."""
        return [trial for trial in self._study.drawn() if trial.number > self._factory.newest]

    def _ask(self, search: SearchSpec) -> tuple[optuna.Trial, TrialRecord]:
        """Ask with a sampler seeded by (seed, draws so far): a restart changes no draw."""
        seed = derived_seed(self._spec.seed, len(self._study.drawn()))
        trial = self._study.ask(sampler(search, seed))
        return trial, self._factory.record(trial.number, trial.params)

    def _nearest_untried(self, drawn: dict[str, Scalar]) -> dict[str, Scalar] | None:
        """The untried configuration that shares most knobs with `drawn`, None if all are tried."""
        tried, signature = self._factory.signatures, self._factory.signature
        every = nearest_first(self._spec, drawn)
        return next((point for point in every if signature(point) not in tried), None)
