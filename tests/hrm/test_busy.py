"""How busy a device is told to be, by clocks that a test moves."""

import time

import pytest
import torch

from hrm.training.busy import Busy


class Clocks:
    """The time that passed, and the time that threads of this process ran."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passed = self.ran = 100.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.passed)
        monkeypatch.setattr(time, "process_time", lambda: self.ran)
        monkeypatch.setattr(torch, "get_num_threads", lambda: 2)


def test_of_a_cpu_it_is_the_time_that_threads_ran_since_the_last_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = Clocks(monkeypatch)
    busy = Busy(torch.device("cpu"))
    clocks.passed, clocks.ran = 110.0, 115.0
    assert busy.share() == pytest.approx(0.75)
    clocks.passed = 120.0
    assert busy.share() == 0.0
    clocks.passed, clocks.ran = 121.0, 999.0
    assert busy.share() == 1.0, "threads of others count too"
    assert busy.share() == 0.0, "no time has passed"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to ask")
def test_of_a_gpu_that_can_not_be_asked_it_is_unknown() -> None:
    assert Busy(torch.device("cuda")).share() is None
