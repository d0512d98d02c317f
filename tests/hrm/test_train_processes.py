"""`hrm.train` as several processes, with the environment that torchrun gives, and under it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hrm.checkpoints import checkpoint
from hrm.config import ConfigError
from hrm.distributed import LostProcess
from hrm.runs.processes import Processes

pytestmark = pytest.mark.slow

TINY = [
    *("--hidden-size", "32", "--head-dim", "16", "--H-layers", "1", "--L-layers", "1"),
    *("--N", "1", "--T", "1", "--M-max", "3", "--batch-size", "8", "--threads", "1"),
    *("--evaluate-at", "1", "--device", "cpu"),
]
Process = subprocess.Popen[str]
Start = Callable[..., Process]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python with some arguments and variables; kills what a test leaves running."""
    started: list[Process] = []

    def begin(*arguments: str, **variables: str) -> Process:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "OMP_NUM_THREADS": "1",
            **variables,
        }
        started.append(
            subprocess.Popen(
                [sys.executable, *arguments],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def start_two(start: Start) -> Callable[..., list[Process]]:
    """Starts two processes of one run; words may differ by process."""

    def begin(*words_of_each: list[str]) -> list[Process]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        return [
            start(
                *("-m", "hrm.train"),
                *words,
                RANK=str(rank),
                LOCAL_RANK=str(rank),
                WORLD_SIZE="2",
                MASTER_ADDR="127.0.0.1",
                MASTER_PORT=port,
            )
            for rank, words in enumerate(words_of_each)
        ]

    return begin


@pytest.fixture
def words(arc_folder: Path, tmp_path: Path) -> Callable[..., list[str]]:
    def make(*further: str) -> list[str]:
        return ["--dataset", str(arc_folder), "--out", str(tmp_path / "run"), *TINY, *further]

    return make


def until_line(process: Process, start: str) -> None:
    """Read what it prints up to the first line that starts so."""
    assert process.stdout is not None
    assert process.stderr is not None
    if not any(line.startswith(start) for line in process.stdout):
        raise AssertionError(process.stderr.read())


def ends(processes: list[Process]) -> list[tuple[int, str, str]]:
    """Exit status, output and errors of each."""
    said = [process.communicate(timeout=100) for process in processes]
    return [(p.returncode, *texts) for p, texts in zip(processes, said, strict=True)]


def test_an_error_of_all_is_told_by_the_first(
    start_two: Callable[..., list[Process]], words: Callable[..., list[str]], tmp_path: Path
) -> None:
    first, second = ends(start_two(*[words("--batch-size", "7")] * 2))
    sentence = (
        "hrm.train: --batch-size is 7, which can't be divided among 2 processes; "
        "give a multiple of 2.\n"
    )
    assert first == (2, "", sentence)
    assert second == (2, "", "")
    assert not (tmp_path / "run").exists()


def test_an_error_of_the_first_alone_ends_all(
    start_two: Callable[..., list[Process]], words: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Only the first looks at the folder; what it finds, all are told."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("words")
    first, second = ends(start_two(words(), words()))
    assert first[0] == second[0] == 2
    assert first[2].endswith("holds other files; give another folder.\n")
    assert second[2] == ""


def test_an_error_of_another_is_told_by_it(
    start_two: Callable[..., list[Process]], words: Callable[..., list[str]], tmp_path: Path
) -> None:
    first, second = ends(start_two(words(), words("--dataset", str(tmp_path / "absent"))))
    assert second[0] == 2
    assert second[2].startswith("hrm.train (process 1): ")
    assert second[2].count("\n") == 1
    assert "absent" in second[2]
    # PyTorch's own threads now and then abort a process that has lost the other, as it ends.
    assert first[0] in (1, -signal.SIGABRT)
    assert "hrm.train: another process has ended or no longer answers (" in first[2]


def test_a_process_that_dies_does_not_hang_the_other(
    start_two: Callable[..., list[Process]], words: Callable[..., list[str]]
) -> None:
    both = start_two(*[words("--steps", "20000")] * 2)
    until_line(both[0], "Training")
    both[1].send_signal(signal.SIGKILL)
    (status, _, errors), _ = ends(both)
    # PyTorch's own threads now and then abort a process that has lost the other, as it ends.
    assert status in (1, -signal.SIGABRT)
    assert "hrm.train: another process has ended or no longer answers (" in errors
    assert status != 1 or errors.count("\n") == 1


def test_torchrun_trains_and_stops_in_good_order(
    start: Start, words: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Ctrl-C reaches torchrun, which passes it on to its processes."""
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    run = start(*torchrun, "-m", "hrm.train", *words("--steps", "20000"))
    until_line(run, "Training")
    run.send_signal(signal.SIGINT)
    rest, _ = run.communicate(timeout=100)
    path = tmp_path / "run" / "checkpoint.pt"
    state = checkpoint.load(path)["state"]
    step = state["learner"]["steps"]
    told = f"Interrupted after step {step:,}; add --resume to go on from {path}."
    assert rest.splitlines()[-1] == told
    assert rest.count("Interrupted") == 1
    assert 0 <= step < 20_000
    assert len(state["learner"]["slots"]["halted"]) == 8


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"WORLD_SIZE": "two"}, "the variable WORLD_SIZE is 'two'; start with torchrun, or unset"),
        ({"WORLD_SIZE": "2", "RANK": "-1"}, "the variable RANK is '-1'"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "the variable RANK is 2 of 2 processes"),
        ({"WORLD_SIZE": "2", "LOCAL_RANK": "3"}, "the variable LOCAL_RANK is 3 of 2 processes"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, r"2 processes could not meet .*MASTER_ADDR.* torchrun"),
    ],
)
def test_a_broken_environment_is_told(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(ConfigError, match=said):
        Processes.found(variables)


def test_processes_that_can_not_connect_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("connection refused.\nstack")

    monkeypatch.setattr(torch.distributed, "init_process_group", fail)
    said = r"2 processes could not connect \(connection refused\)"
    with pytest.raises(LostProcess, match=said):
        Processes(rank=0, size=2).connect(torch.device("cpu"))


def test_each_process_takes_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    third = Processes(rank=6, size=8, local_rank=2)
    assert third.device_name("auto") == third.device_name("cuda") == "cuda:2"
    assert third.device_name("cpu") == "cpu"
    assert Processes().device_name("cuda") == "cuda"
    with pytest.raises(ConfigError, match="device is 'cuda:0' for 8 processes; give cuda"):
        third.connect(torch.device("cuda:0"))
