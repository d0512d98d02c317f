"""Threads: one unless more are asked for, and none that spins while it waits."""

import os
import subprocess
import sys
from argparse import Namespace

import pytest
import torch

from hrm.commands.machine import machine
from hrm.runs.signs import signs_of_life


@pytest.mark.parametrize(
    ("asked", "variable", "threads"),
    [(None, None, 1), (2, None, 2), (None, "2", 3), (2, "1", 2)],
)
def test_a_process_has_one_thread_unless_more_are_asked_for(
    asked: int | None, variable: str | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)  # what torch made of the variable as it was loaded
        machine(Namespace(threads=asked, device="cpu"))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_waiting_threads_do_not_spin() -> None:
    code = "import hrm, sys, os; assert 'torch' not in sys.modules; print(os.environ[sys.argv[1]])"
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    for name in ("OMP_WAIT_POLICY", "KMP_BLOCKTIME"):
        environment.pop(name, None)
    command = [sys.executable, "-c", code, "OMP_WAIT_POLICY"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "PASSIVE"
    environment["OMP_WAIT_POLICY"] = "ACTIVE"
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "ACTIVE"


def test_long_work_gives_signs_of_life_and_short_work_none() -> None:
    lines: list[str] = []
    with signs_of_life(lines.append, lambda: "working", seconds=0.001):
        while len(lines) < 3:
            pass
    assert set(lines) == {"working"}
    lines.clear()
    with signs_of_life(lines.append, lambda: "working", seconds=1000) as signs:
        signs.said()
    assert lines == []
