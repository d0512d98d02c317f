"""Messages to the driver of a sweep, from any other process that can write to the folder.

    steering/000001.json          what somebody asks for; written whole, never changed
    steering/000001.answer.json   what the driver said to it; missing until it did

A message that is accepted is carried out once, whenever the driver dies: what it did is told by
the sweep's records, and made up for by the next session. Messages count in the order of their
numbers, not of their times: clocks jump.
"""

import getpass
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from puzzle_datasets.common.bounded import Moment, Positive
from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.files import exclusive_once, write_json
from puzzle_datasets.common.reading import Reader
from sweep_platform.common.errors import InputError
from sweep_platform.spec.schema import Scalar
from sweep_platform.store.trial import Setting

_REMEDY = "restore it"


class Verb(StrEnum):
    """What may be asked for."""

    STOP = "stop"
    PROMOTE = "promote"
    ADD = "add"
    EXTEND = "extend"
    PAUSE = "pause"
    RESUME = "resume"


@dataclass(frozen=True, kw_only=True)
class Message:
    """What somebody asks for: a verb with its arguments, sent at a time (Unix seconds) by whom.

    Arguments are `trial` of stop and promote, knobs of add, and settings of the budget of extend,
    where a text such as "+50" adds to what there is.
    """

    number: Positive
    verb: Verb
    arguments: dict[str, Setting] = field(default_factory=dict)
    sent: Moment
    sender: str

    @property
    def words(self) -> str:
        """The message as it is given on the command line: "add N=3 T=6"."""
        given = self.arguments
        if self.verb is Verb.EXTEND:
            return " ".join([self.verb, *(f"--{name} {value}" for name, value in given.items())])
        if self.verb is Verb.ADD:
            return " ".join([self.verb, *(f"{name}={value}" for name, value in given.items())])
        return " ".join([self.verb, *map(str, given.values())])


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the driver said to a message: whether it is carried out, in a sentence, and when.

    One that is refused has a `remedy`. `settled` has what the arguments came to, such as the
    budget's new trials.
    """

    accepted: bool
    text: str
    answered: Moment
    remedy: str = ""
    settled: dict[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A message and its answer, if there is one."""

    message: Message
    answer: Answer | None = None

    @property
    def accepted(self) -> bool:
        """Whether it is carried out."""
        return self.answer is not None and self.answer.accepted

    @property
    def state(self) -> str:
        """What became of it, in a word."""
        if self.answer is None:
            return "waits"
        return "done" if self.answer.accepted else "refused"


class Messages:
    """The messages to one sweep, in a folder that is made with the first.

    Anybody may send; the driver alone answers.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._answered = 0

    def send(self, verb: Verb, arguments: Mapping[str, Scalar]) -> Message:
        """Leave a message. Raises `OSError`: the folder can't be written, or the disk is full."""
        self._root.mkdir(exist_ok=True)
        with exclusive_once(self._root / ".lock"):
            message = Message(
                number=max(self._numbers(), default=0) + 1,
                verb=verb,
                arguments=dict(arguments),
                sent=time.time(),
                sender=sender(),
            )
            write_json(self._message(message.number), asdict(message))
        return message

    def waiting(self) -> list[int]:
        """Numbers of the messages without an answer, the oldest first. The driver calls."""
        found = [one for one in self._numbers() if one > self._answered]
        open_ = [one for one in found if not self._answer(one).exists()]
        self._answered = open_[0] - 1 if open_ else max(found, default=self._answered)
        return open_

    def message(self, number: int) -> Message:
        """A message. Raises `InputError`: it is damaged."""
        return Reader(self._message(number), InputError, _REMEDY).record(Message)

    def answer(self, number: int) -> Answer | None:
        """The answer to a message, None while there is none. Raises `InputError`: damaged."""
        path = self._answer(number)
        return Reader(path, InputError, _REMEDY).record(Answer) if path.exists() else None

    def give(self, number: int, answer: Answer) -> None:
        """Answer a message. Raises `OSError`."""
        write_json(self._answer(number), asdict(answer))

    def history(self) -> list[Exchange]:
        """All messages with their answers, the oldest first.

        Raises `InputError` where one is damaged, unless it was refused for that.
        """
        return list(self._exchanges())

    def _exchanges(self) -> Iterator[Exchange]:
        for number in self._numbers():
            answer = self.answer(number)
            try:
                yield Exchange(message=self.message(number), answer=answer)
            except UserError:
                if answer is None or answer.accepted:
                    raise

    def _numbers(self) -> list[int]:
        names = (path.name for path in self._root.glob("*.json"))
        stems = (name.removesuffix(".json") for name in names)
        return sorted(int(stem) for stem in stems if stem.isdecimal() and int(stem))

    def _message(self, number: int) -> Path:
        return self._root / f"{number:06d}.json"

    def _answer(self, number: int) -> Path:
        return self._root / f"{number:06d}.answer.json"


def sender() -> str:
    """Who sends from this process: "user@host"."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # the system has no name for this user
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
