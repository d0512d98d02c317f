"""Tell a sweep something while it runs, or before it is taken up again."""

import time
from collections.abc import Mapping, Sequence
from math import inf

from puzzle_datasets.common.text import suggest
from sweep_platform.commands.status import owner
from sweep_platform.common.errors import InputError
from sweep_platform.common.text import in_short
from sweep_platform.search.steering.extending import extension
from sweep_platform.search.steering.points import point_given
from sweep_platform.space.space_file import overridden
from sweep_platform.spec.schema import Scalar
from sweep_platform.spec.yaml_source import parse_scalar
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.steering.course import record_now
from sweep_platform.store.steering.messages import Answer, Message, Verb

ANSWER_SECONDS = 10.0
"""Time for the driver to answer, which looks twice a second unless it is busy."""


def steer(folder: SweepFolder, verb: Verb, arguments: Mapping[str, Scalar]) -> str:
    """Leave a message in a sweep's folder and wait for the answer; returns what came of it.

    Without a driver it waits for the next session, unless it can be seen that it will be refused.
    Raises `InputError`: there is no sweep, or the message is refused; `OSError`: it can't be left.
    """
    folder.record()
    if owner(folder.lock) is None:
        _require_possible(folder, verb, arguments)
    message = folder.messages.send(verb, arguments)
    answer = _answer(folder, message)
    if answer is None:
        return _unanswered(folder, message)
    if not answer.accepted:
        raise InputError(None, message.words, answer.remedy, problem=answer.text)
    return f"{answer.text}."


_ARGUMENTS = {Verb.STOP: {"trial"}, Verb.PROMOTE: {"trial"}, Verb.PAUSE: set(), Verb.RESUME: set()}


def verb_of(name: str, arguments: Mapping[str, object]) -> Verb:
    """The verb of a name, with these arguments. Raises `InputError`: it is none, or has others."""
    if name not in set(Verb):
        raise InputError("verb", name, suggest(name, list(Verb)), problem=f"{name!r:.40} is none")
    verb, known = Verb(name), _ARGUMENTS.get(Verb(name), arguments.keys())
    if arguments.keys() != known:
        wanted = ", ".join(known) or "no arguments"
        raise InputError(verb, list(arguments), f"give {wanted}", problem="has other arguments")
    return verb


def knobs_of(texts: Sequence[str]) -> dict[str, Scalar]:
    """The knobs in texts such as "N=3". Raises `InputError`."""
    found: dict[str, Scalar] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in found:
            problem = "is given twice" if name in found else "is not KNOB=VALUE"
            raise InputError(None, text, "write N=3", problem=f"{in_short(text)} {problem}")
        found[name] = parse_scalar(value, name)
        if isinstance(found[name], list | dict):
            raise InputError(name, in_short(value), "give one value")
    return found


def _answer(folder: SweepFolder, message: Message) -> Answer | None:
    """The driver's answer; None where there is no driver, or it takes too long."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while (answer := folder.messages.answer(message.number)) is None:
        if time.monotonic() > deadline or not _may_be_at_work(folder):
            break
        time.sleep(0.1)
    return answer


def _may_be_at_work(folder: SweepFolder) -> bool:
    """Whether a driver holds the folder here, or may do so on another host."""
    if owner(folder.lock) is not None:
        return True
    sessions = folder.sessions()
    return bool(sessions) and sessions[-1].ended is None


def _unanswered(folder: SweepFolder, message: Message) -> str:
    if owner(folder.lock) is None:
        where = "no driver runs this sweep here"
        return f"message {message.number} waits: {where}; the next --resume takes it up."
    late = f"the driver has not answered within {ANSWER_SECONDS:g} s"
    return f"message {message.number} waits: {late}; hrm-sweep status tells what became of it."


def _require_possible(folder: SweepFolder, verb: Verb, arguments: Mapping[str, Scalar]) -> None:
    """Raise `InputError` where a message would be refused whatever happens until it is read."""
    spec = overridden(record_now(folder).spec, f"{folder.root}/sweep.json", ())
    if verb is Verb.ADD:
        point_given(spec, arguments)
    elif verb is Verb.EXTEND:
        extension(spec, inf, arguments)
    elif verb in (Verb.STOP, Verb.PROMOTE):
        count, number = len(folder.trials()), arguments["trial"]
        if not isinstance(number, int) or not 0 <= number < count:
            there = f"give one of the {count}, which are numbered from 0"
            raise InputError.of(f"trial {number}", "does not exist", there)
