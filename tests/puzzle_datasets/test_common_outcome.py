"""How a program ends: a status and one sentence, orderly at the first signal."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.common import text
from puzzle_datasets.common.command_line import Parser
from puzzle_datasets.common.errors import DatasetError, RunError, UserError
from puzzle_datasets.common.exit_status import (
    BAD_INPUT,
    DONE,
    FAILED,
    INTERRUPTED,
    LastingStream,
    guarded,
    outcome,
    say,
    sigterm_as_interrupt,
    stop_on_signal,
)
from puzzle_datasets.common.page import html_page, json_in_html, markdown_text, printable

OR_ELSE = " or name another place."


def raising(error: BaseException) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UserError("side", 2, "give 3 or more"), BAD_INPUT, "--side is 2; give 3 or more."),
        (DatasetError.of("a.csv", "is empty", "mend it"), BAD_INPUT, "--a.csv is empty; mend it."),
        (
            UserError(None, None, "did you mean b?", problem="a is none"),
            BAD_INPUT,
            "a is none; did you mean b?",
        ),
        (RunError("the loss is NaN"), FAILED, "the loss is NaN."),
        (
            OSError(errno.ENOSPC, "Full", "f"),
            FAILED,
            "f: Full; make room there or name another place.",
        ),
        (
            OSError(errno.EACCES, "Denied", "f"),
            BAD_INPUT,
            "f: Denied; mend that or name another place.",
        ),
        (OSError("no number"), BAD_INPUT, "no number."),
        (KeyboardInterrupt(), INTERRUPTED, "interrupted."),
        (
            ImportError("libtorch.so: failed to map", name="_C", path="/lib/torch/_C.so"),
            FAILED,
            "a library can't be loaded (libtorch.so: failed to map); have more memory free, or "
            "install it again.",
        ),
        (
            SystemError("initialization of _C failed"),
            FAILED,
            "a library can't be loaded (initialization of _C failed); have more memory free, or "
            "install it again.",
        ),
        (MemoryError(), FAILED, "the memory of this machine does not suffice."),
        (
            RecursionError(),
            BAD_INPUT,
            "something given is nested too deep; give it in fewer levels.",
        ),
        (
            UnicodeEncodeError("utf-8", "o\ud800", 1, 2, "surrogate"),
            BAD_INPUT,
            "'o\\ud800' can't be written as text; give other characters.",
        ),
    ],
)
def test_an_error_becomes_a_status_and_a_sentence(
    error: BaseException, status: int, said: str
) -> None:
    assert outcome(raising(error), lambda field: f"--{field}") == (status, said)


def test_our_own_mistakes_are_not_hidden() -> None:
    with pytest.raises(AssertionError):
        outcome(raising(AssertionError()))


def test_the_program_complains_in_one_printable_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded("tool", raising(UserError("a\x1b[31m", 1, "mend it"))) == BAD_INPUT
    assert capsys.readouterr().err == "tool: a\\x1b[31m is 1; mend it.\n"
    assert guarded("tool", lambda: DONE) == DONE
    assert not capsys.readouterr().err


def test_sigterm_interrupts_and_is_then_what_it_was() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), sigterm_as_interrupt():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def heard() -> Iterator[None]:
    """SIGHUP as a terminal leaves it, also where these tests run under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heard")
def test_processor_time_that_is_spent_is_told_once() -> None:
    before = signal.getsignal(signal.SIGXCPU)

    def work() -> int:
        os.kill(os.getpid(), signal.SIGXCPU)
        pytest.fail("it goes on")

    try:
        said = "its processor time is spent; raise the limit, as by `ulimit -St unlimited`."
        assert outcome(work) == (FAILED, said)
        os.kill(os.getpid(), signal.SIGXCPU)  # as a second later
    finally:
        signal.signal(signal.SIGXCPU, before)
    assert outcome(lambda: DONE) == (DONE, "")
    assert signal.getsignal(signal.SIGXCPU) is before


def test_a_closed_terminal_is_as_sigterm_unless_nohup_has_it_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
    with pytest.raises(KeyboardInterrupt), sigterm_as_interrupt():
        os.kill(os.getpid(), signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with sigterm_as_interrupt():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


PRINTS = """
import sys
from pathlib import Path
from puzzle_datasets.common.exit_status import guarded

def work():
    for number in range(20_000):
        print("line", number)
        print("line", number, file=sys.stderr)
    print(sys.argv[2])
    Path(sys.argv[1]).write_text("done")
    return 0

sys.exit(guarded("tool", work))
"""


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_work_goes_on_where_nobody_reads(closed: str, tmp_path: Path) -> None:
    done = tmp_path / "done"
    with python(PRINTS, done, "end", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
        lost, read = tool.stdout, tool.stderr
        if closed == "stderr":
            lost, read = read, lost
        assert lost and read
        lost.readline()
        lost.close()
        assert read.read().count(b"line") == 20_000
    assert (tool.returncode, done.read_text()) == (DONE, "done")


def test_text_is_printed_escaped_where_it_can_not_be_encoded(tmp_path: Path) -> None:
    with python(
        PRINTS, tmp_path / "done", b"caf\xc3\xa9 \xff", stdout=subprocess.PIPE, encoding="ascii"
    ) as tool:
        assert tool.stdout
        said = tool.stdout.read()
    assert said.endswith(b"caf\\xe9 \\udcff\n")
    assert tool.returncode == DONE


def test_a_full_disk_under_stdout_is_a_sentence(tmp_path: Path) -> None:
    with (
        Path("/dev/full").open("wb") as full,
        python(PRINTS, tmp_path / "done", "end", stdout=full, stderr=subprocess.PIPE) as tool,
    ):
        assert tool.stderr
        assert tool.stderr.read().endswith(
            b"tool: the output can't be written (No space left on device); "
            b"make room there, or send the output elsewhere.\n"
        )
    assert tool.returncode == FAILED


def test_what_ended_the_work_is_told_before_a_full_disk() -> None:
    work = raising(UserError("side", 2, "give 3 or more"))
    with Path("/dev/full").open("w") as full, redirect_stdout(full):

        def printed() -> int:
            print("begun")
            return work()

        assert outcome(printed) == (BAD_INPUT, "side is 2; give 3 or more.")


def test_a_complaint_that_can_not_be_written_is_dropped() -> None:
    with Path("/dev/full").open("w") as full, redirect_stderr(full):
        assert guarded("tool", raising(UserError("side", 2, "give 3 or more"))) == BAD_INPUT


def python(
    code: str, *words: object, encoding: str = "utf-8", **options: Any
) -> "subprocess.Popen[bytes]":
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    environment |= {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"}
    command = [sys.executable, "-c", code, *words]
    options = {"stderr": subprocess.DEVNULL, **options}
    return subprocess.Popen(command, env=environment, **options)


@pytest.mark.parametrize("closed", [1, 2])
def test_work_goes_on_where_an_output_was_closed_before(closed: int, tmp_path: Path) -> None:
    done = tmp_path / "done"
    with python(PRINTS, done, "end", preexec_fn=lambda: os.close(closed)) as tool:
        assert tool.wait() == 0
    assert done.read_text() == "done"


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_asks_and_the_second_interrupts(number: signal.Signals) -> None:
    before, notes = signal.getsignal(number), list[str]()
    with pytest.raises(KeyboardInterrupt), stop_on_signal(lambda: notes.append("once")) as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        assert notes == ["once"]
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_no_secret_is_complained_of_and_no_text_steers_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = "postgresql://me:geheim@host/db"
    parser = Parser(prog="tool")
    parser.add_argument("--folder")
    assert guarded("tool", lambda: bool(parser.parse_args(["--url", address]))) == BAD_INPUT
    assert guarded("tool", raising(UserError("url", address, "mend it"))) == BAD_INPUT
    with pytest.raises(UserError) as caught:
        parser.parse_args(["x" * 600 + address])
    say("a\x1b]0;owned\x07")
    printed = capsys.readouterr()
    assert "***@host" in printed.err
    assert "geheim" not in printed.err + str(caught.value)
    assert printed.out == "a\\x1b]0;owned\\x07\n"


def test_a_lost_reader_costs_no_descriptor() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as stream:
            lasting = LastingStream(stream)
            lasting.write("x")
            lasting.flush()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


class Words(HTMLParser):
    """Collects the text of a page, by the tag it stands in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._tag = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._tag = tag

    def handle_data(self, data: str) -> None:
        self.found.append((self._tag, data))


@given(st.text())
def test_no_text_leaves_its_place(content: str) -> None:
    page = html_page(content, f"<script>{json_in_html([content])}</script>", policy="none")
    words = Words(page)
    title = "".join(data for tag, data in words.found if tag == "title").removesuffix("\n")
    assert title.split() == printable(content).split()
    assert page.count("</script>") == 1
    assert "|" not in markdown_text(content).replace("\\|", "")
    assert "\n" not in markdown_text(content)
    printable(content).encode()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (text.flops(1.2e9), "1.2 GFLOP"),
        (text.flops(0), "0 FLOP"),
        (text.byte_size(999_600), "1 MB"),
        (text.percent(0.125), "12.5 %"),
        (text.seconds(3.21), "3.2 s"),
        (text.seconds(200), "3 min 20 s"),
        (text.seconds(90_000), "1 d 1 h"),
    ],
)
def test_numbers_as_people_read_them(said: str, words: str) -> None:
    assert said == words


GONE = "the working folder is gone (No such file or directory); change to another one."


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "hrm.train", "--out", "x"],
        ["-m", "puzzle_datasets", "verify", "x"],
        ["-c", "import sys; from sweep_platform.cli import main; sys.exit(main([]))"],
    ],
)
def test_a_working_folder_that_was_removed_is_a_sentence(
    command: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IN_NO_FOLDER, *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == BAD_INPUT
    assert done.stderr.partition(": ")[2] == f"{GONE}\n"


_IN_NO_FOLDER = """
import os, sys
os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.parametrize("module", ["hrm.train", "puzzle_datasets"])
def test_memory_that_does_not_suffice_for_the_imports_is_a_sentence(module: str) -> None:
    """The limit is far below what any machine's imports take, and above what Python does."""
    done = subprocess.run(
        [sys.executable, "-m", module, *(["verify", "."] if module == "puzzle_datasets" else [])],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (150_000_000, 150_000_000)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == FAILED
    assert done.stderr.startswith(f"{module}: ")
    assert done.stderr.count("\n") == 1
