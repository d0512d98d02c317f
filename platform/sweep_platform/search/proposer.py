"""Proposes trials and makes them: in the study, then in the folder."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import optuna

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from hrm.model.flops import costs
from puzzle_datasets.common.exit_status import say
from puzzle_datasets.common.files import make_folder
from puzzle_datasets.common.options import make
from sweep_platform.common.errors import InputError
from sweep_platform.common.text import knobs as named
from sweep_platform.search.inheritance.ancestors import Ancestors
from sweep_platform.search.samplers import derived_seed, fixing, sampler
from sweep_platform.search.sampling.preferred import preferred
from sweep_platform.search.stages.tuning import Point, point_of
from sweep_platform.search.studies.study import ADDED, Study, weigh
from sweep_platform.space.configuration import Configuration, configured, inactive_knobs
from sweep_platform.space.design import nuisance_points, planned_points
from sweep_platform.space.knobs import (
    Parameters,
    Shape,
    as_written,
    at_share,
    nearest_first,
    size,
)
from sweep_platform.space.rules.conditions import active, lacking
from sweep_platform.space.rules.constraints import is_feasible, violations
from sweep_platform.space.rules.feasible import MOST_LISTED as MOST_NEAR
from sweep_platform.space.rules.feasible import feasible_points
from sweep_platform.spec.schema import SearchSpec, SweepSpec
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.storage.objects import StorageError
from sweep_platform.store.trial import TrialFolder, TrialRecord

DRAWS = 5
"""Draws of configurations tried before, until the untried one nearest to them is taken."""

DRAWS_TO_ADD = 20
"""Draws of the knobs that a point that is added leaves open; after `DRAWS` they are random."""

MOST_DRAWS = 200
"""Draws of them in an endless space, where none is nearest: after `DRAWS` they are random."""


class TrialFactory:
    """Makes the trials of one sweep; knows which signatures there are.

    Attributes:
        signatures: of the configuration of every trial that was created, whoever it inherits from.
        points: their records, by the point that they are of, in the order of proposal.
        places: of these points in that order.
        newest: the study's number of the trial created last, -1 before the first.
        lag: how many points before it one is proposed without; None where all may be known.
    """

    def __init__(
        self,
        folder: SweepFolder,
        spec: SweepSpec,
        shape: Shape,
        dataset: Mapping[str, str],
        ancestors: Ancestors | None = None,
        lag: int | None = None,
    ) -> None:
        self._folder, self._spec, self._ancestors, self.lag = folder, spec, ancestors, lag
        self._shape, self._dataset = shape, dict(dataset)
        self._fingerprint = dataset["fingerprint"]
        self.points: dict[Point, list[TrialRecord]] = {}
        self.places: dict[Point, int] = {}
        self.signatures: set[str] = set()
        self.newest = -1
        for trial in folder.trials():
            self._remember(trial.record())

    def signature(self, parameters: Parameters) -> str:
        """Hash of all that changes the result of a point but the seed."""
        point = as_written(self._spec, parameters)
        return configured(self._spec, self._shape, point).signature(self._fingerprint)

    def allows(self, point: Parameters) -> bool:
        """Whether a point, as it was drawn, breaks no constraint and can be built."""
        return is_feasible(self._spec, self._shape, as_written(self._spec, point))

    def violations(self, point: Parameters) -> dict[str, float]:
        """How far a point, as it was drawn, is from each constraint."""
        return violations(self._spec, self._shape, as_written(self._spec, point))

    def random_points(self, seed: int) -> Iterator[Parameters]:
        """Feasible points without nuisance values, as many as are found among random ones."""
        return feasible_points(self._spec.scientific, self._shape, seed)

    def record(self, study_number: int, drawn: Mapping[str, Any]) -> TrialRecord:
        """The record of a point as it was drawn, numbered as the next trial."""
        parameters = active(self._spec, as_written(self._spec, drawn))
        configuration = configured(self._spec, self._shape, parameters)
        model, training = configuration.model, configuration.training
        cost: dict[str, Any] = {**costs(model, training)}
        return TrialRecord(
            number=len(self.signatures),
            study_number=study_number,
            signature=configuration.signature(self._fingerprint),
            parameters=parameters,
            inactive=inactive_knobs(self._spec, self._shape, parameters),
            model=asdict(model),
            training={k: v for k, v in asdict(training).items() if k != "seed"},
            dataset=self._dataset,
            **cost,
        )

    def heir(self, record: TrialRecord) -> TrialRecord:
        """The same trial, which begins with the weights of another one where that is possible.

        Those that it may know of are those that its point may be proposed by. While a storage is
        away no checkpoint is found there, and no search waits for that.
        """
        if self._ancestors is None:
            return record
        place = self.places.get(point_of(record, self._spec), len(self.points))
        known = self.of_points(0, self.known_at(place))
        try:
            ancestor = self._ancestors.choose(record, known)
        except StorageError as error:
            why = f"{error.filename} can't be read ({error.strerror})"
            say(f"warning: trial {record.number} inherits nothing, for {why}")
            return record
        if ancestor is None:
            return record
        heir = _configuration(record).signature(self._fingerprint, ancestor.signature)
        return replace(record, ancestor=ancestor, signature=heir)

    def known_at(self, place: int) -> int:
        """How many points, the first ones, the one at a place may be proposed by."""
        return place if self.lag is None else max(0, place - self.lag)

    def of_points(self, first: int, end: int | None) -> Iterator[TrialRecord]:
        """The trials of some points, in the order of their proposal."""
        return chain.from_iterable(islice(self.points.values(), first, end))

    def create(self, trial: optuna.Trial, record: TrialRecord) -> TrialFolder:
        """Write a trial to the study and then to the folder."""
        weigh(trial, self.violations(record.parameters))
        trial.set_user_attr("signature", record.signature)
        created = self._folder.trial(record.number, record.signature)
        created.create(record)
        self._remember(record)
        return created

    def adopt(
        self, trial: optuna.Trial, record: TrialRecord, fill: Callable[[Path], object]
    ) -> TrialFolder:
        """Write a trial to the study, and have its folder filled, whole or not at all."""
        weigh(trial, self.violations(record.parameters))
        trial.set_user_attr("signature", record.signature)
        folder = self._folder.trial(record.number, record.signature)
        make_folder(folder.root, fill)
        self._remember(record)
        return folder

    def renumber(self, record: TrialRecord) -> None:
        """Take note that a trial has another number in the study."""
        of_point = self.points[point_of(record, self._spec)]
        of_point[[one.number for one in of_point].index(record.number)] = record
        self.newest = max(self.newest, record.study_number)

    def _remember(self, record: TrialRecord) -> None:
        point = point_of(record, self._spec)
        self.places.setdefault(point, len(self.places))
        self.points.setdefault(point, []).append(record)
        own = record.signature
        if record.ancestor is not None:
            own = _configuration(record).signature(self._fingerprint)
        self.signatures.add(own)
        self.newest = max(self.newest, record.study_number)


def _configuration(record: TrialRecord) -> Configuration:
    """What a trial trains, whoever it inherits from."""
    return Configuration(
        model=make(ModelConfig, record.model, ConfigError),
        training=make(TrainingConfig, record.training, ConfigError),
    )


class Proposer:
    """Proposes the points of one sweep, each as a trial or several; no signature twice.

    They are those of the sweep's design; or its base, what it is to try, and what is drawn. With
    a `lag` of the factory, a point is proposed without what came of so many points before it. Not
    thread-safe.
    """

    def __init__(self, study: Study, factory: TrialFactory, spec: SweepSpec) -> None:
        self._study, self._factory, self._spec = study, factory, spec
        self._nuisance = nuisance_points(spec)
        random = SearchSpec(sampler="random")
        self._random = spec.model_copy(update={"search": random})
        self._given = planned_points(spec)
        if self._given is None:
            self._given = iter([*([spec.base] if spec.base else ()), *spec.first])

    def propose(self) -> list[TrialFolder]:
        """A new point: its trials, one for each of its nuisance values; none when all are out."""
        drawn = self._given_next() or (None if self._spec.ablation else self._draw())
        if drawn is None:
            return []
        first = self._factory.create(*drawn)
        return [first, *self.complete(drawn[1].parameters)]

    def known(self) -> list[TrialRecord]:
        """The trials whose outcome the next point may be proposed by."""
        factory = self._factory
        return list(factory.of_points(0, factory.known_at(len(factory.points))))

    @property
    def points(self) -> Collection[list[TrialRecord]]:
        """The trials of each point, in the order of their proposal."""
        return self._factory.points.values()

    def of_point(self, record: TrialRecord) -> list[TrialRecord]:
        """The trials of the point that one belongs to: those of all its nuisance values."""
        return self._factory.points[point_of(record, self._spec)]

    def peers(self, record: TrialRecord) -> set[int] | None:
        """Study numbers of the trials that one may be compared with; None for all."""
        factory = self._factory
        if factory.lag is None:
            return None
        place = factory.places[point_of(record, self._spec)]
        return {one.study_number for one in factory.of_points(0, factory.known_at(place))}

    def add(self, point: Parameters, message: int) -> list[TrialFolder]:
        """The trials of a point that a person gives; the knobs that it does not name are drawn.

        They are marked by the `message` that they come from. Raises `InputError`: no such point is
        feasible and untried.
        """
        given = as_written(self._spec, {**point, **self._nuisance[0]})
        broken, whole = "", not lacking(self._spec, given)
        for draw in range(1 if whole else DRAWS_TO_ADD):
            if whole and (broken := self._unfit(given)):
                break
            search = self._spec if draw < DRAWS else self._random
            trial = self._ask(search, {**point, **self._nuisance[0]}, {ADDED: message})
            if not (broken := self._unfit(trial.params, point)):
                first = self._factory.create(*self._recorded(trial))
                return [first, *self.complete(first.record().parameters)]
            reason = f"no trial: as one that was added it {broken}"
            self._study.tell(trial.number, optuna.trial.TrialState.FAIL, reason=reason)
        raise InputError.of(named(point), broken, "give other values, or name more knobs")

    def _unfit(self, drawn: Parameters, point: Parameters | None = None) -> str:
        """Why a point, as it was drawn with these values, makes no new trial; empty if it does."""
        for name in point or {}:
            if name not in drawn:
                return f"draws no {name}, whose condition is not met"
        if not self._factory.allows(drawn):
            found = (one for one, value in self._factory.violations(drawn).items() if value > 0)
            return f"breaks {broken}" if (broken := next(found, "")) else "can't be built"
        tried = self._factory.signature(drawn) in self._factory.signatures
        return "has been tried before" if tried else ""

    def renumber(self, record: TrialRecord) -> None:
        """Take note that a trial has another number in the study."""
        self._factory.renumber(record)

    def complete(self, point: Parameters) -> list[TrialFolder]:
        """The trials that a point lacks, created: a driver may have died before it made them."""
        knobs = [{**point, **values} for values in self._nuisance]
        return [self._factory.create(*found) for one in knobs if (found := self._at(one))]

    def _at(self, point: Parameters) -> tuple[optuna.Trial, TrialRecord] | None:
        """This very point; None where it has been tried, or is not feasible."""
        if not self._factory.allows(point):
            return None
        if self._factory.signature(point) in self._factory.signatures:
            return None
        return self._recorded(self._ask(self._spec, point))

    def _given_next(self) -> tuple[optuna.Trial, TrialRecord] | None:
        """The next point that the spec gives, None after the last."""
        assert self._given is not None
        every = ({**point, **self._nuisance[0]} for point in self._given)
        return next(filter(None, map(self._at, every)), None)

    def _draw(self) -> tuple[optuna.Trial, TrialRecord] | None:
        endless = math.isinf(size(self._spec.scientific))
        newest = self._factory.newest
        while len(since := self._study.drawn(newest)) < (MOST_DRAWS if endless else DRAWS):
            insists = len(since) >= DRAWS
            search = self._random if insists else self._spec
            trial = self._ask(search, {**self._preferred(insists), **self._nuisance[0]})
            if not self._factory.allows(trial.params):
                self._study.reject(trial, self._factory.violations(trial.params))
            elif self._factory.signature(trial.params) not in self._factory.signatures:
                return self._recorded(trial)
            else:
                trial.set_user_attr("duplicate", True)
                reason = "no trial: the configuration had been drawn before"
                self._study.tell(trial.number, optuna.trial.TrialState.FAIL, reason=reason)
            if self._spec.constraints and insists:
                break
        near = None if endless else self._take_untried(since[-1].params)
        return near or self._take_random()

    def _preferred(self, insists: bool) -> Parameters:
        """Values near the preferred ones, for some of the draws before one insists."""
        seed = derived_seed(self._spec.seed, -1 - self._study.draws)
        return {} if insists else preferred(self._spec, seed, len(self._factory.points))

    def _take_untried(self, drawn: Parameters) -> tuple[optuna.Trial, TrialRecord] | None:
        """The untried configuration that shares most knobs with `drawn`; None if all are tried."""
        spec = self._spec.scientific
        near = {name: value for name, value in drawn.items() if name in spec.space}
        points = islice(nearest_first(spec, at_share(spec, 0) | as_written(spec, near)), MOST_NEAR)
        every = ({**point, **self._nuisance[0]} for point in points)
        return next(filter(None, map(self._at, every)), None)

    def _take_random(self) -> tuple[optuna.Trial, TrialRecord] | None:
        """An untried random point of a space that is constrained, and too large to be listed."""
        if not self._spec.constraints or size(self._spec.scientific) <= MOST_NEAR:
            return None
        points = self._factory.random_points(derived_seed(self._spec.seed, self._study.draws))
        every = ({**point, **self._nuisance[0]} for point in points)
        return next(filter(None, map(self._at, every)), None)

    def _recorded(self, trial: optuna.Trial) -> tuple[optuna.Trial, TrialRecord]:
        return trial, self._factory.heir(self._factory.record(trial.number, trial.params))

    def _ask(
        self, spec: SweepSpec, fixed: Parameters, marks: Mapping[str, Any] | None = None
    ) -> optuna.Trial:
        """Ask with a sampler seeded by (seed, draws so far): a restart changes no draw."""
        others = sampler(spec, self._study.draws)
        known = self._factory.known_at(len(self._factory.points))
        hidden = {one.study_number for one in self._factory.of_points(known, None)}
        return self._study.ask(fixing(fixed, others) if fixed else others, hidden, marks)
