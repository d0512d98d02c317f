"""The verbs by which a sweep is steered: what they leave, what they say, and what they refuse."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sweep_platform import cli
from sweep_platform.api import Sweep
from sweep_platform.commands.status import in_words, status
from sweep_platform.commands.steering import steer as command
from sweep_platform.commands.steering.watch import watch
from sweep_platform.common.errors import InputError
from sweep_platform.store.folder import SessionEnd, SweepFolder, owned
from sweep_platform.store.steering.messages import Answer, Verb
from sweep_platform.store.trial import TrialState

MakeSweep = Callable[..., SweepFolder]


@contextmanager
def driver(folder: SweepFolder, *, accepts: bool) -> Iterator[None]:
    """A driver that answers all messages alike."""
    over = threading.Event()

    def answer() -> None:
        while not over.wait(0.01):
            for number in folder.messages.waiting():
                text = "trial 0 ends" if accepts else "trial 0 is over"
                given = Answer(
                    accepted=accepts, text=text, remedy="leave it", answered=time.time()
                )
                folder.messages.give(number, given)

    thread = threading.Thread(target=answer)
    with owned(folder):
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def ended(folder: SweepFolder) -> SweepFolder:
    folder.session_ended(SessionEnd.INTERRUPTED)
    return folder


def run(*words: str) -> int:
    try:
        return cli.main(words)
    except SystemExit as left:
        return int(left.code or 0)


def test_what_the_driver_says_is_printed(
    make_sweep: MakeSweep, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_sweep(None)
    with driver(folder, accepts=True):
        assert run("stop", "0", str(folder.root)) == 0
    assert capsys.readouterr().out == "trial 0 ends.\n"
    with driver(folder, accepts=False):
        assert run("stop", "0", str(folder.root)) == 2
    assert capsys.readouterr().err == "hrm-sweep: trial 0 is over; leave it.\n"
    messages = [one.message for one in folder.messages.history()]
    assert [one.verb for one in messages] == [Verb.STOP, Verb.STOP]
    assert [one.arguments for one in messages] == [{"trial": 0}] * 2
    assert all("@" in one.sender for one in messages)


@pytest.mark.parametrize(
    ("words", "verb", "arguments"),
    [
        (["add", "N=3", "T=4"], Verb.ADD, {"N": 3, "T": 4}),
        (["extend", "--trials", "+5"], Verb.EXTEND, {"trials": "+5"}),
        (["promote", "1"], Verb.PROMOTE, {"trial": 1}),
        (["pause"], Verb.PAUSE, {}),
        (["resume"], Verb.RESUME, {}),
    ],
)
def test_without_a_driver_a_message_waits(
    make_sweep: MakeSweep,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    verb: Verb,
    arguments: dict[str, object],
) -> None:
    folder = ended(make_sweep(TrialState.COMPLETE, TrialState.STOPPED))
    assert run(*words, str(folder.root)) == 0
    assert "--resume" in capsys.readouterr().out
    [exchange] = folder.messages.history()
    assert (exchange.message.verb, exchange.message.arguments) == (verb, arguments)
    assert exchange.answer is None


@pytest.mark.parametrize(
    "words",
    [
        ["stop", "7"],
        ["stop", "-1"],
        ["stop", "three"],
        ["promote", "7"],
        ["add", "depth=3"],
        ["add", "N=9"],
        ["add", "N"],
        ["add", "N=1", "N=2"],
        ["add", "N=[1, 2]"],
        ["extend"],
        ["extend", "--trials", "1"],
        ["extend", "--minutes", "9"],
        ["pause", "now"],
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_nothing(
    make_sweep: MakeSweep, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    folder = ended(make_sweep(TrialState.COMPLETE, TrialState.STOPPED))
    assert run(*words, str(folder.root)) == 2
    error = capsys.readouterr().err
    assert error.startswith("hrm-sweep: ")
    assert error.count("\n") == 1
    assert folder.messages.history() == []


@pytest.mark.parametrize("verb", ["pause", "resume", "watch"])
def test_a_sweep_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert run(verb, str(tmp_path)) == 2
    assert "holds no sweep.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_driver_that_does_not_answer_is_not_waited_for_long(
    make_sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "ANSWER_SECONDS", 0.0)
    folder = make_sweep(None)
    with owned(folder):
        assert run("pause", str(folder.root)) == 0
    assert "has not answered" in capsys.readouterr().out


def test_a_full_disk_is_told(
    make_sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ended(make_sweep(TrialState.COMPLETE))

    def full(path: Path, content: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("sweep_platform.store.steering.messages.write_json", full)
    assert run("pause", str(folder.root)) == 1
    assert "No space left" in capsys.readouterr().err
    assert folder.messages.history() == []


def test_status_tells_of_messages_and_of_a_pause(make_sweep: MakeSweep) -> None:
    folder = make_sweep(None)
    folder.session_started()
    asked = [
        folder.messages.send(Verb.PAUSE, {}),
        folder.messages.send(Verb.EXTEND, {"trials": 9}),
    ]
    with owned(folder):
        assert status(folder).state == "running"
        folder.messages.give(asked[0].number, Answer(accepted=True, text="ok", answered=1.0))
        found = status(folder)
        assert found.state == "paused"
        assert [one.state for one in found.messages] == ["done", "waits"]
        text = in_words(found)
        settled = Answer(accepted=True, text="ok", answered=1.0, settled={"trials": 9})
        folder.messages.give(asked[1].number, settled)
        assert status(folder).planned == 9
    assert asked[0].sender in text
    assert "extend --trials 9" in text
    assert found.plain()["messages"][0]["message"]["verb"] == "pause"


def test_watch_says_what_changes_until_the_driver_ends(make_sweep: MakeSweep) -> None:
    folder, out, looks = make_sweep(None), io.StringIO(), 0
    folder.session_started()

    with owned(folder):

        def sleep(seconds: float) -> None:
            nonlocal looks
            looks += 1
            if looks == 2:
                message = folder.messages.send(Verb.PAUSE, {})
                given = Answer(accepted=True, text="ok", answered=1.0)
                folder.messages.give(message.number, given)
            if looks == 4:
                raise StopIteration

        with pytest.raises(StopIteration):
            watch(folder, out, sleep)
    folder.session_ended(SessionEnd.INTERRUPTED)
    assert watch(folder, out, sleep).driver is None
    states = [line.partition(",")[0] for line in out.getvalue().splitlines()]
    assert states == ["toy: running", "toy: paused", "toy: interrupted"]


def test_a_sweep_is_steered_from_python(make_sweep: MakeSweep) -> None:
    sweep = Sweep.open(ended(make_sweep(TrialState.COMPLETE)).root)
    assert "--resume" in sweep.steer("extend", trials="+2")
    for verb, arguments in (("explode", {}), ("stop", {}), ("pause", {"trial": 1})):
        with pytest.raises(InputError):
            sweep.steer(verb, **arguments)
