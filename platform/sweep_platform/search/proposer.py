"""Proposes trials, interrupted ones first, and makes them: in the study, then in the folder."""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import optuna

from hrm.model.flops import costs
from sweep_platform.search.samplers import derived_seed, sampler
from sweep_platform.search.study import Study
from sweep_platform.space.configuration import configured, inactive_knobs
from sweep_platform.space.knobs import Parameters, Shape, as_written, nearest_first, size
from sweep_platform.spec.schema import SearchSpec, SweepSpec
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import TrialFolder, TrialRecord

DRAWS = 5
"""Draws of configurations tried before, until the untried one nearest to them is taken."""

MOST_DRAWS = 200
"""Draws of them in an endless space, where none is nearest: after `DRAWS` they are random."""


class TrialFactory:
    """Makes the trials of one sweep; knows which signatures there are.

    Attributes:
        signatures: of every trial that was created.
        newest: the study's number of the trial created last, -1 before the first.
    """

    def __init__(
        self, folder: SweepFolder, spec: SweepSpec, shape: Shape, dataset: Mapping[str, str]
    ) -> None:
        self._folder, self._spec = folder, spec
        self._shape, self._dataset = shape, dict(dataset)
        self._fingerprint = dataset["fingerprint"]
        records = [trial.record() for trial in folder.trials()]
        self.signatures = {record.signature for record in records}
        self.newest = max((record.study_number for record in records), default=-1)

    def signature(self, parameters: Parameters) -> str:
        """Hash of all that changes the result of a point."""
        return configured(self._spec, self._shape, parameters).signature(self._fingerprint)

    def record(self, study_number: int, drawn: Mapping[str, Any]) -> TrialRecord:
        """The record of a point as it was drawn, numbered as the next trial."""
        parameters = as_written(self._spec, drawn)
        configuration = configured(self._spec, self._shape, parameters)
        model, training = configuration.model, configuration.training
        return TrialRecord(
            number=len(self.signatures),
            study_number=study_number,
            signature=configuration.signature(self._fingerprint),
            parameters=parameters,
            inactive=inactive_knobs(self._spec, self._shape, parameters),
            model=asdict(model),
            training=asdict(training),
            dataset=self._dataset,
            **costs(model, training),
        )

    def create(self, trial: optuna.Trial, record: TrialRecord) -> TrialFolder:
        """Write a trial to the study and then to the folder."""
        trial.set_user_attr("signature", record.signature)
        created = self._folder.trial(record.number, record.signature)
        created.create(record)
        self.signatures.add(record.signature)
        self.newest = record.study_number
        return created


class Proposer:
    """Proposes trials of one sweep, `unfinished` ones first in their order. Not thread-safe.

    No signature is proposed twice.
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
        newest = self._factory.newest
        while len(since := self._study.drawn(newest)) < (MOST_DRAWS if endless else DRAWS):
            insists = len(since) >= DRAWS
            drawn = self._ask(SearchSpec(sampler="random") if insists else self._spec.search)
            if drawn[1].signature not in self._factory.signatures:
                return drawn
            drawn[0].set_user_attr("duplicate", True)
            self._study.tell(drawn[0].number, optuna.trial.TrialState.FAIL)
        return None if endless else self._take_untried(since[-1].params)

    def _take_untried(self, drawn: Parameters) -> tuple[optuna.Trial, TrialRecord] | None:
        """The untried configuration that shares most knobs with `drawn`; None if all are tried."""
        tried, signature = self._factory.signatures, self._factory.signature
        for point in nearest_first(self._spec, as_written(self._spec, drawn)):
            if signature(point) not in tried:
                self._study.enqueue(point)
                return self._ask(self._spec.search)
        return None

    def _ask(self, search: SearchSpec) -> tuple[optuna.Trial, TrialRecord]:
        """Ask with a sampler seeded by (seed, draws so far): a restart changes no draw."""
        seed = derived_seed(self._spec.seed, len(self._study.drawn()))
        trial = self._study.ask(sampler(search, seed))
        return trial, self._factory.record(trial.number, trial.params)
