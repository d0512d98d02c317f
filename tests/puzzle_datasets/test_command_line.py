"""The commands as a user types them: what they print, refuse and leave behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import puzzle_datasets.__main__ as command
from puzzle_datasets.__main__ import main
from puzzle_datasets.commands.prepare import puzzle_sets

MAZES = ["maze", "--side", "5", "--train", "6", "--test", "3"]


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that has to be refused; return its one line."""
    try:
        status = main(words)
    except SystemExit as end:
        assert isinstance(end.code, int)
        status = end.code
    printed = capsys.readouterr()
    assert status == 2
    assert not printed.out
    [line] = printed.err.splitlines()
    return line


def test_build_says_what_it_made_and_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", *MAZES, "--data", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    folder = Path(printed.out.splitlines()[0])
    assert folder.parent == tmp_path
    assert (folder / "manifest.json").exists()
    assert "train pairs" in printed.out
    assert not printed.err


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["verify", "~nosuchuser/x"], "DIR"),
        (["export", "x", "a\0b"], "OUT"),
        (["build", "maze", "--data", "~nosuchuser/x"], "--data"),
        (["build", "maze", "--out", "x" * 5000], "--out"),
        (["build", "arc", "--tasks=~nosuchuser/x"], "--tasks"),
    ],
)
def test_what_is_no_path_is_named_by_its_option(
    words: list[str], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(words, capsys)
    assert line.startswith(f"puzzle_datasets: argument {option}: ")
    assert " is no path; " in line


def test_no_text_of_a_set_steers_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine\x1b]0;owned\x07"
    assert main(["build", *MAZES, "--out", str(mine)]) == 0
    file = mine / "manifest.json"
    file.write_text(
        file.read_text().replace('"name": "maze"', '"name": "x\\u001b]0;owned\\u0007"')
    )
    assert main(["inspect", str(mine), "--puzzles", "1"]) == 0
    assert main(["verify", str(mine)]) == 0
    assert main(["export", str(mine), f"{mine}-npy"]) == 0
    printed = capsys.readouterr()
    assert not {"\x1b", "\x07"} & set(printed.out + printed.err)


def test_a_set_is_built_seen_verified_and_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine"
    assert main(["build", *MAZES, "--out", str(mine)]) == 0
    assert main(["inspect", str(mine), "--puzzles", "1"]) == 0
    assert (tmp_path / "mine-puzzles.html").exists()
    assert main(["verify", str(mine)]) == 0
    assert main(["export", str(mine), str(tmp_path / "npy")]) == 0
    assert main(["build", "official", str(tmp_path / "npy"), "--out", str(tmp_path / "back")]) == 0
    assert "maze" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["build", "maze", "--side", "2"], "side is 2"),
        (["build", "maze", "--side", "two"], "'two' is no value; give a whole number"),
        (["build", "maze", "--sid", "5"], "unrecognized arguments: --sid"),
        (["build", "sudoku", "--side", "5"], "'5' is no value; give 4, 6 or 9"),
        (
            ["build", "sudoku", "--side", "4", "--train", "400000000"],
            "--train is 400000000; give at most 3706560 with test, of which there are no more",
        ),
        (
            ["build", "sudoku", "--side", "4", "--clues", "4", "--train", "600000"],
            "give at most 524160 with test",
        ),
        (
            ["build", "maze", "--side", "6", "--train", "900000"],
            "give at most 208896 with test",
        ),
        (
            ["build", "maze", "--side", "4", "--family", "random-walls", "--train", "4000000"],
            "give at most 3932160 with test",
        ),
        (["build", "maze", "--out", "."], ". exists and is no puzzle set"),
        (["build", "maze", "--out", ""], ". exists and is no puzzle set"),
        (["build", "maze", "--out", "/"], "/ exists and is no puzzle set"),
        (["build", "chess"], "invalid choice: 'chess'"),
        (["build", "sudoku-extreme", "--csv", "nowhere"], "nowhere"),
        (["build", "official", "nowhere"], "nowhere"),
        (["build", "official"], "required: DIR"),
        (["inspect", "nowhere"], "nowhere is no puzzle set"),
        (["verify", "."], "is no puzzle set"),
        (["export", ".", "there"], "is no puzzle set"),
        ([], "required: COMMAND"),
    ],
)
def test_what_a_user_gets_wrong_is_said_in_one_line(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(words, capsys)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.timeout(60)
def test_a_long_build_says_now_and_then_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "SECONDS", 0.01)
    said = ""
    with command._progress("building") as report:
        while "building: no pair is written yet\n" not in said:
            said += capsys.readouterr().err
        report("train", 5_000)
        while "building: 5,000 train pairs are written\n" not in said:
            said += capsys.readouterr().err


def test_a_folder_of_the_user_is_never_named_for_deletion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    for words in (["verify", str(tmp_path)], ["build", *MAZES, "--out", str(tmp_path)]):
        assert "delete" not in refused(words, capsys)


@pytest.mark.parametrize("name", sorted(puzzle_sets()))
def test_every_set_has_a_page_of_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["build", name, "--help"])
    assert end.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    for item in puzzle_sets()[name].settings.__dataclass_fields__.values():
        assert " ".join(str(item.metadata["help"]).split()) in printed, item.name


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    main(["build", *MAZES, "--out", str(tmp_path / "set")])
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    command = [sys.executable, "-m", "puzzle_datasets", "verify", str(tmp_path / "set")]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command, env=environment, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert not done.stderr
    assert done.returncode == 0


# A process that a shell starts in the background ignores Ctrl-C; this one does not.
MAIN = """
import signal, sys
from puzzle_datasets.__main__ import main

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_build_that_is_ended_leaves_nothing(ending: signal.Signals, tmp_path: Path) -> None:
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    words = ["build", "maze", "--train", "100000", "--out", str(tmp_path / "set")]
    command = [sys.executable, "-c", MAIN, *words]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while not list(tmp_path.glob(".set.partial/*")) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(ending)
        _, said = process.communicate()
    assert process.returncode == 130
    assert said == "puzzle_datasets: interrupted.\n"
    assert not list(tmp_path.iterdir())
