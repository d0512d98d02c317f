"""Answers the messages to a sweep, and has them carried out."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.text import counted, exact
from sweep_platform.common.errors import InputError
from sweep_platform.common.text import knobs
from sweep_platform.plan.budget import Budget, Limit
from sweep_platform.search.search import Search
from sweep_platform.search.steering.interventions import (
    Interventions,
    lost_checkpoint,
    stopped_replicates,
)
from sweep_platform.search.steering.points import point_given
from sweep_platform.search.studies.study import ADDED, PROMOTED, TAKEN_UP
from sweep_platform.spec.schema import Scalar
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.steering.course import course_of, reason, trial_of
from sweep_platform.store.steering.messages import Answer, Message, Verb
from sweep_platform.store.trial import TrialFolder, TrialState

LOOK_SECONDS = 0.5
"""Between two looks for messages."""


@dataclass(frozen=True)
class Plan:
    """What is done about a message: its answer, what the arguments came to, and the deed."""

    text: str
    do: Callable[[], object]
    settled: Mapping[str, Scalar] = field(default_factory=dict)


class Steering:
    """Takes the messages to one session, from the driver's one thread.

    Each is answered first and carried out then; `begin` makes up for what a former driver answered
    and did not come to. A configuration that is added alone is made before the answer: the mark of
    its trial tells where that was done.

    `extend` says what an extension comes to, and raises `InputError` where it can't be; `extended`
    takes over those that were accepted. `kept` tells whether the checkpoint of a job, by its key,
    is kept; `goes_on` hears of trials that were promoted after they had ended; `say` tells a
    person a sentence.
    """

    def __init__(
        self,
        search: Search,
        budget: Budget,
        interventions: Interventions,
        say: Callable[[str], None],
        *,
        extend: Callable[[Mapping[str, Scalar]], Mapping[str, Scalar]],
        extended: Callable[[], object],
        kept: Callable[[str], bool],
        goes_on: Callable[[TrialFolder], object] = lambda trial: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._search, self._budget, self._do, self._say = search, budget, interventions, say
        self._extend, self._extended, self._kept = extend, extended, kept
        self._goes_on, self._clock = goes_on, clock
        self._messages, self._next = search.folder.messages, 0.0
        self._plans: dict[Verb, Callable[[Message], Plan]] = {
            Verb.STOP: self._stop,
            Verb.PROMOTE: self._promote,
            Verb.ADD: self._add,
            Verb.EXTEND: self._of_extension,
            Verb.PAUSE: self._pause,
            Verb.RESUME: self._resume,
        }

    def begin(self, goes_on: str | None = None) -> None:
        """Take up the course that the sweep was on; a pause ends where `goes_on` says why."""
        self._extended()
        course = course_of(self._messages.history())
        if course.paused is not None:
            self._do.pause(reason(course.paused))
        for number, message in course.promoted.items():
            trial = self._trial(number)
            end, taken = trial.outcome(), self._number_in(trial, TAKEN_UP) >= message.number
            if end is None:
                self._search.jobs.favour(number)
            if not taken and end is None and self._promoted(trial) >= message.number:
                self._do.taken_up(trial, message.number)
            elif not taken and (end is None or end.state is TrialState.STOPPED):
                self._carry_on(trial, message.number)
        self.look()
        if self._do.paused and goes_on is not None:
            self._answer(self._messages.send(Verb.RESUME, {}).number, goes_on)
        elif self._do.paused:
            self._say(f"the sweep is {self._do.paused}; hrm-sweep resume lets it go on")

    def look(self) -> None:
        """Take the messages that have come. Raises `OSError`: they can't be answered."""
        if self._clock() < self._next:
            return
        self._next = self._clock() + LOOK_SECONDS
        for number in self._messages.waiting():
            self._answer(number)

    def _answer(self, number: int, why: str | None = None) -> None:
        """Answer a message, and carry it out where that can be."""
        try:
            message = self._messages.message(number)
            plan = self._plans[message.verb](message)
        except UserError as error:
            self._messages.give(number, _refused(error))
            self._say(f"message {number} is refused: {error}")
            return
        text = plan.text if why is None else f"{plan.text} {why}"
        answer = Answer(accepted=True, text=text, answered=time.time(), settled=dict(plan.settled))
        self._messages.give(number, answer)
        self._say(f"{message.words}, from {message.sender}: {text}")
        plan.do()

    def _stop(self, message: Message) -> Plan:
        trial, number = self._open(message), trial_of(message)
        if number in self._search.withdrawn:
            raise _refusal(number, "is being stopped already", "wait for its checkpoint")
        text = f"trial {number} ends; what runs of it saves a checkpoint"
        return Plan(text, lambda: self._do.stop(trial, reason(message)))

    def _promote(self, message: Message) -> Plan:
        trial, number = self._trial(trial_of(message)), trial_of(message)
        end = trial.outcome()
        stops = number in self._search.withdrawn or self._search.rungs.stopped(trial.record())
        if end is None and stops:
            raise _refusal(number, "is being stopped", "promote it when it has ended")
        if end is None and self._promoted(trial):
            raise _refusal(number, "is promoted already", "leave it as it is")
        if end is not None:
            self._require_promotable(trial, number, end.state)
        text = f"trial {number} goes on to its full budget, and no rung stops it"
        return Plan(text, lambda: self._carry_on(trial, message.number))

    def _require_promotable(self, trial: TrialFolder, number: int, state: TrialState) -> None:
        if state is TrialState.FAILED:
            remedy = "run failed trials again by --resume --retry-failed"
            raise _refusal(number, "has failed", remedy)
        if state is not TrialState.STOPPED:
            raise _refusal(number, f"is {state}", "leave it as it is")
        if self._search.spec.nuisance and not trial.replicates(Purpose.MEASURE):
            problem = "was stopped before its point was tuned"
            raise _refusal(number, problem, "add its point again in another sweep")
        if (limit := self._do.forbids(new=False)) is not None:
            option = limit.partition(".")[2].replace("_", "-")
            raise _refusal(number, f"can't go on, as {limit.words}", f"extend --{option} first")
        if (lost := lost_checkpoint(trial, self._kept)) is not None:
            problem = f"can't go on: the checkpoint of {lost.name} is not kept any more"
            raise _refusal(number, problem, "put it back, or train it anew in another sweep")

    def _carry_on(self, trial: TrialFolder, message: int) -> None:
        had_ended = trial.outcome() is not None
        before = stopped_replicates(trial)
        self._do.promote(trial, message)
        if had_ended or before:
            self._goes_on(trial)

    def _add(self, message: Message) -> Plan:
        spec = self._search.spec
        if (made := self._added(message.number)) is not None:
            number = made.record().number
            return Plan(_added(made), lambda: self._search.jobs.favour(number))
        if spec.ablation is not None:
            raise InputError.of("an ablation", "tries its design alone", "start another sweep")
        given = point_given(spec, message.arguments)
        limit = self._do.forbids(new=True)
        if limit is not None:
            told = {Limit.TRIALS: ("no trial is left of the budget", "extend --trials +1 first")}
            problem, remedy = told.get(limit, ("the budget is spent", "extend it first"))
            raise InputError(None, knobs(given), remedy, problem=problem)
        point = self._search.proposer.add(given, message.number)
        return Plan(_added(point[0]), lambda: self._do.begin(point))

    def _of_extension(self, message: Message) -> Plan:
        settled = self._extend(message.arguments)
        numbers = {name: v for name, v in settled.items() if isinstance(v, int | float)}
        text = ", ".join(f"budget.{name} is {exact(v)} now" for name, v in numbers.items())

        def extended() -> None:
            self._extended()
            self._do.reconsider()

        return Plan(text, extended, settled)

    def _pause(self, message: Message) -> Plan:
        if self._do.paused:
            raise InputError.of("the sweep", f"is {self._do.paused} already", "resume it first")
        text = "the sweep is paused; what runs saves a checkpoint and rests"
        return Plan(text, lambda: self._do.pause(reason(message)))

    def _resume(self, message: Message) -> Plan:
        course = course_of(self._messages.history())
        if course.paused is None:
            raise InputError.of("the sweep", "is not paused", "leave it as it is")
        return Plan("the sweep goes on", self._do.go_on)

    def _trial(self, number: int) -> TrialFolder:
        trials = self._search.folder.trials()
        if not 0 <= number < len(trials):
            there = f"there are {counted(len(trials), 'trial')}, numbered from 0"
            raise _refusal(number, "does not exist", there)
        return trials[number]

    def _open(self, message: Message) -> TrialFolder:
        """A trial that has not ended. Raises `InputError`."""
        trial = self._trial(trial_of(message))
        if (end := trial.outcome()) is not None:
            problem = f"is over: {end.state} ({end.reason})"
            raise _refusal(trial_of(message), problem, "leave it as it is")
        return trial

    def _promoted(self, trial: TrialFolder) -> int:
        """The number of the message that promoted a trial, 0 where none did."""
        return self._number_in(trial, PROMOTED)

    def _number_in(self, trial: TrialFolder, mark: str) -> int:
        number: int = self._search.study.attribute(trial.record().study_number, mark, 0)
        return number

    def _added(self, message: int) -> TrialFolder | None:
        """The trial that a former driver made of a message which it did not come to answer."""
        marked = {
            t.number for t in self._search.study.trials() if t.user_attrs.get(ADDED) == message
        }
        found = (one for one in self._search.folder.trials() if marked)
        return next((one for one in found if one.record().study_number in marked), None)


def _refused(error: UserError) -> Answer:
    text = error.problem if error.field is None else f"{error.field} {error.problem}"
    return Answer(accepted=False, text=text, remedy=error.remedy, answered=time.time())


def _added(trial: TrialFolder) -> str:
    record = trial.record()
    return f"trial {record.number} is next: {knobs(record.knobs)}"


def _refusal(number: int, problem: str, remedy: str) -> InputError:
    return InputError.of(f"trial {number}", problem, remedy)
