import pytest
import torch

from hrm.distributed import SINGLE, ProcessGroup
from hrm.training.watch import Watch

CPU = torch.device("cpu")


class Clock:
    """Stands for the monotonic clock; a test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("hrm.training.watch.time", made)
    return made


class Counted(ProcessGroup):
    """A group of two, of which the other process says nothing; counts what is sent."""

    sent = 0

    def sum_(self, tensor: torch.Tensor) -> torch.Tensor:
        type(self).sent += 1
        return tensor


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[Counted]:
    monkeypatch.setattr(Counted, "sent", 0)
    return Counted


def test_a_process_alone_polls_before_every_step(clock: Clock) -> None:
    asked = []
    watch = Watch(SINGLE, CPU, 10.0, lambda: bool(asked.append(0)))
    assert watch.poll() == (False, False)
    clock.now += 10.5
    assert watch.poll() == (True, False)
    watch.saved(clock.now)
    assert watch.poll() == (False, False)
    assert len(asked) == 3
    assert Watch(SINGLE, CPU, 10.0, lambda: True).poll() == (False, True)


def test_writing_takes_a_small_share_of_the_time(clock: Clock) -> None:
    watch = Watch(SINGLE, CPU, 10.0, lambda: False)
    began = clock.now
    clock.now += 2.0
    watch.saved(began)
    clock.now = began + 39.0
    assert not watch.poll()[0]
    clock.now = began + 41.0
    assert watch.poll()[0]


def test_zero_seconds_save_at_every_step(clock: Clock, counted: type[Counted]) -> None:
    for group in (SINGLE, counted(0, 2)):
        watch = Watch(group, CPU, 0.0, lambda: False)
        for _ in range(5):
            clock.now += 1.0
            assert watch.poll() == (True, False)
            watch.saved(clock.now)
    assert counted.sent == 5


def test_several_processes_ask_each_other_once_a_second(
    clock: Clock, counted: type[Counted]
) -> None:
    watch = Watch(counted(0, 2), CPU, 1000.0, lambda: False)
    for _ in range(10_000):  # of a millisecond each
        clock.now += 0.001
        watch.poll()
    assert 15 <= counted.sent <= 25  # ten for the seconds, ten while the stride grows


def test_slow_steps_are_polled_at_each(clock: Clock, counted: type[Counted]) -> None:
    watch = Watch(counted(0, 2), CPU, 1000.0, lambda: clock.now > 120.0)
    for count in range(1, 9):
        clock.now += 2.0
        assert watch.poll() == (False, False)
        assert counted.sent == count
    clock.now += 5.0
    assert watch.poll() == (False, True)
