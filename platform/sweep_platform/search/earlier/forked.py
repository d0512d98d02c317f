"""A sweep that begins with the complete trials of another one, as its own.

What has the same signature gives the same numbers, so it is answered from the other one's record:
the trial's files are copied, and the study is told as if it had been trained here.
"""

import os
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.samplers import RandomSampler

from hrm.config import ConfigError
from puzzle_datasets.common.text import counted
from sweep_platform.common.errors import InputError
from sweep_platform.search.outcomes import Outcomes
from sweep_platform.search.proposer import TrialFactory
from sweep_platform.search.rungs.entries import Entries
from sweep_platform.search.rungs.ledger import RungLedger
from sweep_platform.search.rungs.rule import SuccessiveHalving
from sweep_platform.search.samplers import fixing
from sweep_platform.search.studies.study import Study
from sweep_platform.space.knobs import holds
from sweep_platform.space.rules.conditions import active, lacking
from sweep_platform.spec.schema import Scalar, SweepSpec
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.trial import Reused, TrialFolder, TrialRecord, TrialState

FORKED = "forked"
"""Attribute of a trial that was taken over, its signature; and of a study that has them all."""


@dataclass
class TakenOver:
    """What was taken over from a sweep: how many trials, and of others why not."""

    source: str
    taken: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        said = f"Began with {counted(self.taken, 'trial')} of {self.source}"
        why = [f"{counted(n, 'trial')} left out: {reason}" for reason, n in self.left_out.items()]
        return "; ".join([said, *why]) + "."


class Fork:
    """Takes over the trials of a sweep that a new one, with this spec, would train alike."""

    def __init__(
        self,
        spec: SweepSpec,
        study: Study,
        factory: TrialFactory,
        outcomes: Outcomes,
        entries: Entries,
    ) -> None:
        self._spec, self._study, self._factory, self._outcomes = spec, study, factory, outcomes
        self._begun = {
            str(one.user_attrs[FORKED]): one
            for one in study.trials()
            if FORKED in one.user_attrs
            and one.state is optuna.trial.TrialState.RUNNING
            and study.is_drawn(one)
        }
        rule = SuccessiveHalving(spec.rungs)
        self._rungs = RungLedger(
            study,
            rule,
            spec.objectives,
            entries,
            spec.targets,
            spec=spec.rungs,
            at_flops=spec.evaluation.at_flops,
        )

    def take_over(self, source: SweepFolder) -> TakenOver | None:
        """Take over what was not yet; None where a former session has done it all.

        A driver may die in between: what it began is finished, nothing is taken twice.
        Raises `InputError`: the sweep is not there any more.
        """
        if self._study.marked(FORKED):
            return None
        if not source.exists():
            problem = "is not there, with whose trials this sweep begins"
            raise InputError.of(source.root, problem, "put it back")
        found = TakenOver(str(source.root))
        for trial in source.trials():
            if (reason := self._take(trial)) is None:
                found.taken += 1
            else:
                found.left_out[reason] += 1
        self._study.mark(FORKED)
        return found

    def _take(self, trial: TrialFolder) -> str | None:
        """Take over a trial, and return None, or why it is not."""
        record, outcome = trial.record(), trial.outcome()
        if outcome is None or outcome.state is not TrialState.COMPLETE:
            return "not complete"
        if record.signature in self._factory.signatures:
            return None  # a former session did
        point = self._point(record)
        if lacking(self._spec, point) or not self._factory.allows(point):
            return "outside the space"
        if self._signature(point) != record.signature:
            return "trained otherwise"
        try:
            self._outcomes.values(trial)
        except KeyError as error:
            return f"{error.args[0]} was not measured"
        made = self._begun.get(record.signature)
        number = made.number if made else self._ask(point, record.signature)
        own = self._factory.record(number, point)
        self._rungs.promote(own)
        for one in trial.replicates(Purpose.MEASURE):
            for measurement in one.measurements():
                self._rungs.decide(own, one.label, measurement.progress)
        reopened = self._study.reopened(number)
        sweep = str(trial.root.parents[1])
        folder = self._factory.adopt(reopened, own, lambda place: _copy(trial, place, own, sweep))
        self._outcomes.tell(folder, outcome)
        return None

    def _point(self, record: TrialRecord) -> dict[str, Scalar]:
        """The knobs of this sweep as a trial had them, where they hold its value."""
        had = {**record.model, **record.training, **record.parameters}
        space = self._spec.space
        names = (name for name, knob in space.items() if name in had and holds(knob, had[name]))
        return active(self._spec, {name: had[name] for name in names})

    def _signature(self, point: dict[str, Scalar]) -> str | None:
        try:
            return self._factory.signature(point)
        except ConfigError:
            return None

    def _ask(self, point: dict[str, Scalar], signature: str) -> int:
        sampler = fixing(point, RandomSampler(seed=0))
        return self._study.ask(sampler, marks={FORKED: signature}).number


def _copy(trial: TrialFolder, place: Path, record: TrialRecord, sweep: str) -> None:
    """Copy a trial's files to a folder, as those of another record; each tells where it began."""
    made = TrialFolder(place)
    made.create(record)
    for one in trial.replicates():
        own = made.replicate(one.label)
        last = one.last_measurement()
        reused = one.reused() or Reused(
            sweep=sweep,
            trial=trial.record().number,
            training_flops=last.progress.training_flops if last else 0,
            device_seconds=last.progress.device_seconds if last else 0.0,
            energy_joules=last.progress.energy_joules if last else None,
        )
        own.create(record, one.replicate(), reused)
        _copy_files(one.root, own.root)
    _copy_files(trial.root, place)


def _copy_files(source: Path, target: Path) -> None:
    """Copy what a folder has and another lacks, but for folders of replicates, and locks."""
    for path in source.iterdir():
        there = target / path.name
        if path.name.startswith(".") or path.name == "lock" or there.exists():
            continue
        if path.is_dir():
            shutil.copytree(path, there)
        elif path.name == "checkpoint.pt":
            _link(path, there)
        else:
            shutil.copyfile(path, there)


def _link(source: Path, target: Path) -> None:
    """Name a large file, which is replaced and never changed, a second time, or copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
