"""The bridge between a sweep's folder and an Optuna study: what to try next, what came of it.

Optuna proposes and remembers; the folder is the truth. A trial is created in the study first and
in the folder second; it ends in the folder first and in the study second. So whatever line the
driver dies at, `recover` can tell which step is missing and make it up.
"""

import math
import time
from collections import deque
from dataclasses import asdict
from typing import Any

import optuna

from hrm.model.flops import inference_flops, parameter_count, step_flops, total_steps
from hrm.progress import Progress
from sweep_platform.common.errors import InputError
from sweep_platform.search.rungs import Rungs, Values
from sweep_platform.search.samplers import derived_seed, distribution, sampler
from sweep_platform.search.storage import open_study
from sweep_platform.space import knobs as space
from sweep_platform.space.configuration import configured, inactive_knobs
from sweep_platform.space.knobs import Parameters
from sweep_platform.spec.schema import Scalar, SearchSpec, SweepSpec
from sweep_platform.store.folder import Outcome, SweepFolder, TrialFolder, TrialRecord, TrialState

DRAWS = 5
"""Draws of configurations tried before, until the untried one nearest to them is taken."""

MOST_DRAWS = 200
"""The same where a space is endless: first the sampler is left out, at last the search ends."""

_OPTUNA_STATES = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.STOPPED: optuna.trial.TrialState.PRUNED,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}


class SweepStudy:
    """One sweep's search. One process at a time may hold it; no method is thread-safe.

    Raises `InputError` where the study cannot be opened, or is not the one of the folder's trials.

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
        self._trial_seconds = [_seconds(trial) for trial in folder.trials() if _is_complete(trial)]

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
        return self._create(*drawn)

    def requeue(self, trial: TrialFolder) -> None:
        """Propose a trial again that could not end."""
        self._unfinished.append(trial)

    def unfinished(self) -> list[TrialFolder]:
        """Trials that were interrupted before this session and not proposed again yet."""
        return list(self._unfinished)

    def goes_on(self, trial: TrialFolder, progress: Progress) -> bool:
        """Whether a trial goes on, judged once at each rung against those who came before it.

        Values and verdict are noted, so one that meets its rung again is told the same.
        """
        rung = self._rungs.at(progress.step, progress.total_steps)
        if rung is None or progress.curve is None or progress.step >= progress.total_steps:
            return True
        record = trial.record()
        noted = self._notes(rung).get(record.study_number)
        if noted is not None:
            return bool(noted["goes_on"])
        values = self._values(record, progress)
        verdict = self._rungs.goes_on(values, list(self.rung_table(rung).values()))
        note = {"values": values, "goes_on": verdict}
        self._note_rung(record.study_number, rung, note, progress.step)
        return verdict

    def rung_table(self, rung: float) -> dict[int, Values]:
        """Values of every trial that reached a rung, by study number, as the study has them."""
        return {number: tuple(note["values"]) for number, note in self._notes(rung).items()}

    def _notes(self, rung: float) -> dict[int, dict[str, Any]]:
        noted = {t.number: t.user_attrs.get("rungs", {}).get(str(rung)) for t in self._trials()}
        return {number: note for number, note in noted.items() if note}

    def trial_seconds(self) -> list[float]:
        """Device-seconds of every complete trial."""
        return self._trial_seconds

    def end(self, trial: TrialFolder, state: TrialState, reason: str) -> Outcome:
        """Write how a trial ended, in the folder and then in the study."""
        outcome = Outcome(state=state, reason=reason, ended=time.time())
        trial.end(outcome)
        self._tell(trial, outcome)
        if state is TrialState.COMPLETE:
            self._trial_seconds.append(_seconds(trial))
        return outcome

    def _create(self, trial: optuna.Trial, record: TrialRecord) -> TrialFolder:
        trial.set_user_attr("signature", record.signature)
        created = self.folder.trial(record.number, record.signature)
        created.create(record)
        self._signatures.add(record.signature)
        self._newest = record.study_number
        return created

    def _draw(self) -> tuple[optuna.Trial, TrialRecord] | None:
        endless = math.isinf(space.size(self.spec))
        while len(rejected := self._rejected()) < (MOST_DRAWS if endless else DRAWS):
            insists = len(rejected) >= DRAWS
            drawn = self._ask(SearchSpec(sampler="random") if insists else self.spec.search)
            if drawn[1].signature not in self._signatures:
                return drawn
            drawn[0].set_user_attr("duplicate", True)
            self._study.tell(drawn[0].number, state=optuna.trial.TrialState.FAIL)
        return None if endless else self._take_untried(rejected[-1])

    def _take_untried(
        self, rejected: optuna.trial.FrozenTrial
    ) -> tuple[optuna.Trial, TrialRecord] | None:
        untried = self._nearest_untried(space.as_written(self.spec, rejected.params))
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
        every = space.nearest_first(self.spec, drawn)
        untried = (p for p in every if self._signature(p) not in self._signatures)
        return next(untried, None)

    def _record(self, study_number: int, drawn: dict[str, Any]) -> TrialRecord:
        parameters = space.as_written(self.spec, drawn)
        configuration = configured(self.spec, self._shape, parameters)
        model, training = configuration.model, configuration.training
        return TrialRecord(
            number=len(self._signatures),
            study_number=study_number,
            signature=configuration.signature(self._fingerprint),
            parameters=parameters,
            inactive=inactive_knobs(self.spec, self._shape, parameters),
            model=asdict(model),
            training=asdict(training),
            parameter_count=parameter_count(model),
            training_flops=total_steps(model, training) * step_flops(model, training),
            inference_flops=inference_flops(model, model.M_max),
        )

    def _signature(self, parameters: Parameters) -> str:
        return configured(self.spec, self._shape, parameters).signature(self._fingerprint)

    def _recover(self) -> list[TrialFolder]:
        """Bring study and folder to the same state; returns the trials that have to go on.

        Raises:
            InputError: the folder has a trial that the study lacks.
        """
        folders = {folder.record().study_number: folder for folder in self.folder.trials()}
        self._refuse_unknown(folders)
        unfinished = []
        for trial in self._trials():
            if trial.state is not optuna.trial.TrialState.RUNNING:
                continue
            folder = folders.get(trial.number) or self._recreate(trial)
            if folder is None:
                self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            elif outcome := folder.outcome():
                self._tell(folder, outcome)
            else:
                unfinished.append(folder)
        return unfinished

    def _refuse_unknown(self, folders: dict[int, TrialFolder]) -> None:
        """A study in another storage would begin anew, and count its trials from 0 again."""
        known = {trial.number for trial in self._trials()}
        for number, folder in folders.items():
            if number not in known:
                raise InputError(
                    f"the study lacks trial {folder.record().number} of {self.folder.root}; give "
                    "the storage that the sweep began with by --set search.storage=URL, or put "
                    f"{self.folder.journal.name} back if it was kept there."
                )

    def _recreate(self, trial: optuna.trial.FrozenTrial) -> TrialFolder | None:
        """The folder that a draw was still to get; None if it was half drawn, or a duplicate."""
        if not self._is_drawn(trial):
            return None
        record = self._record(trial.number, trial.params)
        if record.signature in self._signatures:
            return None
        return self._create(self._reopened(trial), record)

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

    def _note_rung(self, number: int, rung: float, note: dict[str, Any], step: int) -> None:
        stored = next(t for t in self._trials() if t.number == number)
        trial = self._reopened(stored)
        trial.set_user_attr("rungs", {**stored.user_attrs.get("rungs", {}), str(rung): note})
        if len(note["values"]) == 1:
            trial.report(note["values"][0], step)

    def _reopened(self, stored: optuna.trial.FrozenTrial) -> optuna.Trial:
        return optuna.Trial(self._study, stored._trial_id)

    def _trials(self) -> list[optuna.trial.FrozenTrial]:
        return self._study.get_trials(deepcopy=False)


def _last_evaluation(trial: TrialFolder) -> Progress:
    return [m.progress for m in trial.measurements() if m.progress.curve][-1]


def _seconds(trial: TrialFolder) -> float:
    return _last_evaluation(trial).device_seconds


def _is_complete(trial: TrialFolder) -> bool:
    outcome = trial.outcome()
    return outcome is not None and outcome.state is TrialState.COMPLETE
