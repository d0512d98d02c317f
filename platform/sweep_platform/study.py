"""The bridge between a sweep's folder and an Optuna study: what to try next, what came of it.

Optuna proposes and remembers; the folder is the truth. A trial is created in the study first and
in the folder second; it ends in the folder first and in the study second. So whatever line the
driver dies at, `recover` can tell which step is missing and make it up.
"""

import hashlib
import json
import math
import time
from collections import deque
from dataclasses import asdict
from typing import Any

import optuna

from hrm.flops import inference_flops, parameter_count, step_flops, total_steps
from hrm.progress import Progress
from sweep_platform import space
from sweep_platform.records import Outcome, SweepFolder, TrialFolder, TrialRecord, TrialState
from sweep_platform.rungs import Rungs, Values
from sweep_platform.sampling import derived_seed, distribution, sampler
from sweep_platform.spec import Scalar, SearchSpec, SweepSpec
from sweep_platform.study_store import open_study

DRAWS = 5
"""Draws of configurations tried before, until the untried one nearest to them is taken."""

_OPTUNA_STATES = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.STOPPED: optuna.trial.TrialState.PRUNED,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}


class SweepStudy:
    """One sweep's search. One process at a time may hold it; no method is thread-safe.

    Attributes:
        folder: the sweep's folder.
        spec: what the sweep is asked to do.
    """

    def __init__(
        self, folder: SweepFolder, spec: SweepSpec, shape: space.Shape, fingerprint: str
    ) -> None:
        self.folder = folder
        self.spec = spec
        self._shape = shape
        self._fingerprint = fingerprint
        self._rungs = Rungs(spec.rungs, spec.objectives)
        self._distributions = {name: distribution(knob) for name, knob in spec.space.items()}
        self._study = open_study(folder, spec)
        records = [trial.record() for trial in folder.trials()]
        self._signatures = {record.signature for record in records}
        self._newest = max((record.study_number for record in records), default=-1)
        self._unfinished = deque(self._recover())
        self._seconds = [_seconds(trial) for trial in folder.trials() if _is_complete(trial)]

    def propose(self) -> TrialFolder | None:
        """The next trial to run: one that was interrupted, else a new one, None when all are out.

        A signature is never proposed twice in a sweep.
        """
        if self._unfinished:
            return self._unfinished.popleft()
        if len(self._signatures) >= self.spec.budget.trials:
            return None
        drawn = self._draw()
        if drawn is None:
            return None
        trial, record = drawn
        trial.set_user_attr("signature", record.signature)
        return self._create(record)

    def put_back(self, trial: TrialFolder) -> None:
        """Propose a trial again that could not end."""
        self._unfinished.append(trial)

    def unfinished(self) -> list[TrialFolder]:
        """Trials that were interrupted before this session and not proposed again yet."""
        return list(self._unfinished)

    def goes_on(self, trial: TrialFolder, progress: Progress) -> bool:
        """Note a trial's values where it reaches a rung, and whether it goes on from there."""
        rung = self._rungs.at(progress.step, progress.total_steps)
        if rung is None or progress.curve is None or progress.step >= progress.total_steps:
            return True
        record, table = trial.record(), self.rung_table(rung)
        values = table.pop(record.study_number, None)
        if values is None:
            values = self._values(record, progress)
            self._note_rung(record.study_number, rung, values, progress.step)
        return self._rungs.goes_on(values, list(table.values()))

    def rung_table(self, rung: float) -> dict[int, Values]:
        """Values of every trial that reached a rung, by study number, as the study has them."""
        reached = {t.number: t.user_attrs.get("rungs", {}).get(str(rung)) for t in self._trials()}
        return {number: tuple(values) for number, values in reached.items() if values}

    def trial_seconds(self) -> list[float]:
        """Device-seconds of every complete trial."""
        return self._seconds

    def end(self, trial: TrialFolder, state: TrialState, reason: str) -> Outcome:
        """Write how a trial ended, in the folder and then in the study."""
        outcome = Outcome(state=state, reason=reason, ended=time.time())
        trial.end(outcome)
        self._tell(trial, outcome)
        if state is TrialState.COMPLETE:
            self._seconds.append(_seconds(trial))
        return outcome

    def _create(self, record: TrialRecord) -> TrialFolder:
        created = self.folder.trial(record.number, record.signature)
        created.create(record)
        self._signatures.add(record.signature)
        self._newest = record.study_number
        return created

    def _draw(self) -> tuple[optuna.Trial, TrialRecord] | None:
        while len(rejected := self._rejected()) < DRAWS:
            trial, record = self._ask(self.spec.search)
            if record.signature not in self._signatures:
                return trial, record
            trial.set_user_attr("duplicate", True)
            self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if math.isinf(space.size(self.spec)):
            return self._ask(SearchSpec(sampler="random"))
        untried = self._nearest_untried(space.as_written(self.spec, rejected[-1].params))
        if untried is None:
            return None
        self._study.enqueue_trial(untried, skip_if_exists=True)
        return self._ask(self.spec.search)

    def _rejected(self) -> list[optuna.trial.FrozenTrial]:
        """Draws since the last one that was new."""
        return [t for t in self._trials() if t.number > self._newest and self._is_drawn(t)]

    def _ask(self, search: SearchSpec) -> tuple[optuna.Trial, TrialRecord]:
        """Ask with a sampler seeded by (seed, draws so far): a restart changes no draw."""
        drawn = [trial for trial in self._trials() if self._is_drawn(trial)]
        self._study.sampler = sampler(search, derived_seed(self.spec.seed, len(drawn)))
        trial = self._study.ask(self._distributions)
        return trial, self._record(trial.number, trial.params)

    def _is_drawn(self, trial: optuna.trial.FrozenTrial) -> bool:
        """Whether every knob was drawn before the driver died."""
        return trial.params.keys() == self._distributions.keys()

    def _nearest_untried(self, drawn: dict[str, Scalar]) -> dict[str, Scalar] | None:
        """The untried configuration that shares most knobs with `drawn`, None if all are tried."""
        every = space.by_likeness(self.spec, drawn)
        untried = (p for p in every if self._record(0, p).signature not in self._signatures)
        return next(untried, None)

    def _record(self, study_number: int, drawn: dict[str, Any]) -> TrialRecord:
        parameters = space.as_written(self.spec, drawn)
        model = space.model_config(self.spec, self._shape, parameters)
        training = space.training_config(self.spec, parameters)
        settings = {"model": asdict(model), "training": asdict(training)}
        return TrialRecord(
            number=len(self._signatures),
            study_number=study_number,
            signature=_signature({**settings, "data": self._fingerprint}),
            parameters=parameters,
            parameter_count=parameter_count(model),
            training_flops=total_steps(model, training) * step_flops(model, training),
            inference_flops=inference_flops(model, model.M_max),
            **settings,
        )

    def _recover(self) -> list[TrialFolder]:
        """Bring study and folder to the same state; returns the trials that have to go on."""
        folders = {folder.record().study_number: folder for folder in self.folder.trials()}
        unfinished = []
        for trial in self._trials():
            if trial.state is not optuna.trial.TrialState.RUNNING:
                continue
            folder = folders.get(trial.number) or self._made_up(trial)
            if folder is None:
                self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            elif outcome := folder.outcome():
                self._tell(folder, outcome)
            else:
                unfinished.append(folder)
        return unfinished

    def _made_up(self, trial: optuna.trial.FrozenTrial) -> TrialFolder | None:
        """The folder that a draw was still to get; None if it was half drawn, or a duplicate."""
        if not self._is_drawn(trial):
            return None
        record = self._record(trial.number, trial.params)
        return None if record.signature in self._signatures else self._create(record)

    def _tell(self, trial: TrialFolder, outcome: Outcome) -> None:
        record = trial.record()
        values = None
        if outcome.state is TrialState.COMPLETE:
            values = self._values(record, _last_evaluation(trial))
        self._study.tell(record.study_number, values, state=_OPTUNA_STATES[outcome.state])

    def _values(self, record: TrialRecord, progress: Progress) -> Values:
        assert progress.curve is not None, "values need an evaluation"
        known = {
            "exact_accuracy": progress.curve.exact_accuracy[-1],
            "inference_flops": float(record.inference_flops),
            "parameter_count": float(record.parameter_count),
            "device_seconds": progress.device_seconds,
        }
        return tuple(known[name] for name in self.spec.objectives)

    def _note_rung(self, number: int, rung: float, values: Values, step: int) -> None:
        stored = next(t for t in self._trials() if t.number == number)
        trial = optuna.Trial(self._study, stored._trial_id)
        trial.set_user_attr("rungs", {**stored.user_attrs.get("rungs", {}), str(rung): values})
        if len(values) == 1:
            trial.report(values[0], step)

    def _trials(self) -> list[optuna.trial.FrozenTrial]:
        return self._study.get_trials(deepcopy=False)


def _last_evaluation(trial: TrialFolder) -> Progress:
    return [m.progress for m in trial.measurements() if m.progress.curve][-1]


def _seconds(trial: TrialFolder) -> float:
    return _last_evaluation(trial).device_seconds


def _is_complete(trial: TrialFolder) -> bool:
    outcome = trial.outcome()
    return outcome is not None and outcome.state is TrialState.COMPLETE


def _signature(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
