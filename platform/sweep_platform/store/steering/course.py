"""What all accepted messages to a sweep come to: its course."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from sweep_platform.store.folder import SweepFolder, SweepRecord
from sweep_platform.store.steering.messages import Exchange, Message, Verb


@dataclass(frozen=True)
class Course:
    """Where a sweep was steered to.

    Attributes:
        paused: the message that paused it; None where it goes on.
        stopped: why trials were stopped that were not promoted since, by number.
        promoted: the messages that let trials go on that were not stopped since, by number.
    """

    paused: Message | None = None
    stopped: Mapping[int, str] = field(default_factory=dict)
    promoted: Mapping[int, Message] = field(default_factory=dict)


def course_of(history: Iterable[Exchange]) -> Course:
    """The course that messages come to, in their order."""
    paused: Message | None = None
    stopped, promoted = dict[int, str](), dict[int, Message]()
    for message in (one.message for one in history if one.accepted):
        if message.verb is Verb.PAUSE:
            paused = message
        elif message.verb is Verb.RESUME:
            paused = None
        elif message.verb is Verb.STOP:
            stopped[trial_of(message)] = reason(message)
            promoted.pop(trial_of(message), None)
        elif message.verb is Verb.PROMOTE:
            promoted[trial_of(message)] = message
            stopped.pop(trial_of(message), None)
    return Course(paused, stopped, promoted)


def rests(history: Iterable[Exchange]) -> list[tuple[float, float]]:
    """When a sweep was paused, from and until Unix seconds; the last may have no end yet."""
    found: list[tuple[float, float]] = []
    for one in history:
        if one.accepted and one.answer and one.message.verb is Verb.PAUSE:
            found.append((one.answer.answered, inf))
        elif one.accepted and one.answer and one.message.verb is Verb.RESUME and found:
            found[-1] = found[-1][0], one.answer.answered
    return found


def trial_of(message: Message) -> int:
    """The number of the trial that a message is about; -1 where it names none."""
    number = message.arguments.get("trial")
    return number if type(number) is int else -1


def reason(message: Message) -> str:
    """Why something ends or rests by a message: "stopped by me@here"."""
    done = {Verb.STOP: "stopped", Verb.PAUSE: "paused"}.get(message.verb, str(message.verb))
    return f"{done} by {message.sender}"


def extended(record: SweepRecord, history: Iterable[Exchange]) -> SweepRecord:
    """A sweep's record with its budget as it was extended since that was written last."""
    budget, last = dict(record.spec["budget"]), record.steered
    for number, settled in _extensions(history):
        if number > record.steered:
            budget, last = {**budget, **settled}, number
    return replace(record, spec={**record.spec, "budget": budget}, steered=last)


def _extensions(history: Iterable[Exchange]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for one in history:
        if one.accepted and one.answer and one.message.verb is Verb.EXTEND:
            yield one.message.number, one.answer.settled


def record_now(folder: SweepFolder) -> SweepRecord:
    """A sweep's record, with its budget as it was extended. Raises `InputError`."""
    record = folder.record()
    return extended(record, folder.messages.history())
