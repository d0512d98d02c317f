"""Messages to a sweep: kept whole and in order, by whoever sends them, and answered once."""

import threading
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.common.errors import UserError
from sweep_platform.store.folder import Session
from sweep_platform.store.steering.course import Course, course_of, rests
from sweep_platform.store.steering.messages import Answer, Exchange, Message, Messages, Verb
from sweep_platform.store.summary import wall_seconds

YES = Answer(accepted=True, text="it is done", answered=2.0)
NO = Answer(accepted=False, text="it can't be", answered=2.0)


def test_messages_are_numbered_and_answered(tmp_path: Path) -> None:
    messages = Messages(tmp_path / "steering")
    assert messages.waiting() == []
    sent = [messages.send(Verb.PAUSE, {}), messages.send(Verb.ADD, {"N": 3, "T": 6})]
    assert [one.number for one in sent] == messages.waiting() == [1, 2]
    assert messages.message(2) == sent[1]
    messages.give(1, YES)
    assert messages.waiting() == [2]
    messages.give(2, NO)
    assert messages.waiting() == []
    assert Messages(tmp_path / "steering").waiting() == []
    assert [one.state for one in messages.history()] == ["done", "refused"]
    assert messages.send(Verb.RESUME, {}).number == 3
    assert messages.waiting() == [3]


def test_no_message_is_lost_where_many_send(tmp_path: Path) -> None:
    messages = Messages(tmp_path / "steering")
    senders = [
        threading.Thread(target=lambda: messages.send(Verb.EXTEND, {"trials": "+1"}))
        for _ in range(8)
    ]
    for one in senders:
        one.start()
    for one in senders:
        one.join()
    assert messages.waiting() == list(range(1, 9))


def test_words_are_those_of_the_command_line() -> None:
    def words(verb: Verb, **arguments: object) -> str:
        return Message(number=1, verb=verb, arguments=arguments, sent=0.0, sender="me").words

    assert words(Verb.STOP, trial=3) == "stop 3"
    assert words(Verb.ADD, N=3, T=6) == "add N=3 T=6"
    assert words(Verb.EXTEND, trials="+5") == "extend --trials +5"
    assert words(Verb.PAUSE) == "pause"


def test_a_damaged_message_is_an_error_until_it_is_refused(tmp_path: Path) -> None:
    messages = Messages(tmp_path / "steering")
    messages.send(Verb.PAUSE, {})
    (tmp_path / "steering" / "000001.json").write_text('{"number": 1}')
    with pytest.raises(UserError, match="lacks the key"):
        messages.history()
    messages.give(1, NO)
    assert messages.history() == []


VERBS = st.sampled_from([Verb.STOP, Verb.PROMOTE, Verb.PAUSE, Verb.RESUME])
HISTORIES = st.lists(st.tuples(VERBS, st.integers(0, 2), st.sampled_from([YES, NO, None])))


def exchanges(history: list[tuple[Verb, int, Answer | None]]) -> list[Exchange]:
    return [
        Exchange(
            message=Message(
                number=number,
                verb=verb,
                arguments={"trial": trial} if verb in (Verb.STOP, Verb.PROMOTE) else {},
                sent=0.0,
                sender="me@here",
            ),
            answer=answer,
        )
        for number, (verb, trial, answer) in enumerate(history, start=1)
    ]


@given(HISTORIES)
def test_the_last_accepted_message_decides(history: list[tuple[Verb, int, Answer | None]]) -> None:
    course = course_of(exchanges(history))
    accepted = [(verb, trial) for verb, trial, answer in history if answer is YES]
    last: dict[int, Verb] = {t: v for v, t in accepted if v in (Verb.STOP, Verb.PROMOTE)}
    assert set(course.stopped) == {t for t, verb in last.items() if verb is Verb.STOP}
    assert set(course.promoted) == {t for t, verb in last.items() if verb is Verb.PROMOTE}
    rests = [verb for verb, _ in accepted if verb in (Verb.PAUSE, Verb.RESUME)]
    assert (course.paused is not None) == (rests[-1:] == [Verb.PAUSE])


@given(
    st.lists(st.floats(0, 100), min_size=2, max_size=8, unique=True).map(sorted),
    st.lists(st.floats(0, 100), min_size=2, max_size=6, unique=True).map(sorted),
)
def test_rests_are_no_time_of_a_sweep(times: list[float], ends: list[float]) -> None:
    spans = list(zip(times[::2], times[1::2], strict=False))
    verbs = [(Verb.PAUSE, Verb.RESUME)[index % 2] for index in range(2 * len(spans))]
    history = [
        replace(one, answer=replace(YES, answered=time))
        for one, time in zip(exchanges([(v, 0, YES) for v in verbs]), times, strict=False)
    ]
    assert rests(history) == spans
    sessions = [Session(started=a, ended=b) for a, b in zip(ends[::2], ends[1::2], strict=False)]
    found, whole = wall_seconds(sessions, [], spans), wall_seconds(sessions, [])
    overlap = sum(
        max(0.0, min(b, s.ended or 0.0) - max(a, s.started)) for a, b in spans for s in sessions
    )
    assert found == pytest.approx(whole - overlap, abs=1e-9)
    assert rests(history[:1]) == [(times[0], inf)]


def test_without_messages_there_is_no_course(tmp_path: Path) -> None:
    assert course_of(Messages(tmp_path).history()) == Course()
