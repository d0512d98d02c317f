"""What runs next, who goes on, when all is over: the driver's decisions without Ray."""

from pathlib import Path
from typing import Any

import pytest

from hrm.progress import Curve, Progress
from sweep_platform.search.scheduler import WORKER_RETRIES, TrialScheduler
from sweep_platform.search.study import SweepStudy
from sweep_platform.space.knobs import Shape
from sweep_platform.store.folder import SweepFolder, SweepRecord
from sweep_platform.store.trial import Outcome, TrialFolder, TrialRecord, TrialState

TOTAL = 100
MANY = {"trials": 9, "flops_per_trial": 1e8}
SHAPE = Shape(vocab_size=12, seq_len=9, num_puzzle_identifiers=5)


def progress(step: int, accuracy: float, seconds: float = 1.0) -> Progress:
    curve = Curve(
        exact_accuracy=(accuracy,), token_accuracy=(0.5,), inference_flops=(9,), puzzles=4
    )
    return Progress(
        step=step,
        total_steps=TOTAL,
        training_flops=step,
        loss=1.0,
        lm_loss=1.0,
        train_exact_accuracy=0.0,
        mean_segments=1.0,
        learning_rate=1e-3,
        examples=step,
        device_seconds=seconds,
        examples_per_second=1.0,
        peak_memory_bytes=1,
        curve=curve,
    )


class FakeDisplay:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def trial_started(self, record: TrialRecord, resumed: bool = False) -> None:
        self.events.append(("started", record.number, resumed))

    def trial_measured(self, record: TrialRecord, progress: Progress) -> None:
        self.events.append(("measured", record.number, progress.step))

    def trial_ended(self, record: TrialRecord, outcome: Outcome) -> None:
        self.events.append(("ended", record.number, outcome.state))

    def note(self, text: str) -> None:
        self.events.append(("note", text))


class Driver:
    """One session on a sweep's folder; trials report when the test says so."""

    def __init__(self, root: Path, spec: Any, seconds_left: float | None, capacity: int) -> None:
        self.folder = SweepFolder(root)
        if not self.folder.exists():
            empty: dict[str, Any] = {}
            self.folder.create(
                SweepRecord(
                    id="a1",
                    name="toy",
                    created=0.0,
                    space_file="toy.yaml",
                    scale="none",
                    spec=empty,
                    dataset=empty,
                    environment=empty,
                )
            )
        self.study = SweepStudy(self.folder, spec, SHAPE, "data")
        self.display = FakeDisplay()
        self.capacity = capacity
        self.conductor = TrialScheduler(
            self.study, self.display, lambda: self.capacity, seconds_left
        )
        self.running: dict[str, TrialFolder] = {}

    def start(self, key: str) -> TrialFolder | None:
        trial = self.conductor.start(key)
        if trial is not None:
            self.running[key] = trial
        return trial

    def report(self, key: str, told: Progress) -> bool:
        self.running[key].append(told)
        return self.conductor.goes_on(key, told)

    def finish(self, key: str, accuracy: float = 0.5, seconds: float = 1.0) -> None:
        self.report(key, progress(TOTAL, accuracy, seconds))
        self.conductor.ended(key, lost=False)

    def states(self) -> list[str | None]:
        outcomes = [trial.outcome() for trial in self.folder.trials()]
        return [outcome and str(outcome.state) for outcome in outcomes]


@pytest.fixture
def drive(tmp_path: Path, make_spec):
    def make(seconds_left: float | None = None, capacity: int = 2, **changes: Any) -> Driver:
        return Driver(tmp_path / "toy", make_spec(**changes), seconds_left, capacity)

    return make


def test_capacity_is_kept_as_it_changes(drive) -> None:
    driver = drive(capacity=2)
    assert driver.start("a")
    assert driver.start("b")
    assert driver.start("c") is None
    assert not driver.conductor.exhausted
    driver.capacity = 3
    assert driver.start("c")
    assert driver.start("d") is None
    driver.finish("a")
    assert driver.start("d")
    driver.capacity = 0
    assert driver.start("e") is None
    assert not driver.conductor.exhausted


def test_a_sweep_to_its_end(drive) -> None:
    driver = drive(budget={"trials": 3, "flops_per_trial": 1e8})
    for key in "abc":
        driver.start(key)
        driver.finish(key)
    assert driver.start("d") is None
    assert driver.conductor.exhausted
    assert not driver.conductor.should_end()
    driver.conductor.close()
    assert driver.states() == ["complete"] * 3
    assert driver.display.events[:3] == [
        ("started", 0, False),
        ("measured", 0, TOTAL),
        ("ended", 0, TrialState.COMPLETE),
    ]


def test_the_beaten_stop_at_a_rung(drive) -> None:
    driver = drive(
        objectives=["exact_accuracy"], rungs={"at": [0.5], "minimum": 2, "keep": 0.5}, capacity=3
    )
    for key in "abc":
        driver.start(key)
    assert driver.report("a", progress(50, 0.5))
    assert not driver.report("b", progress(50, 0.25))
    driver.conductor.ended("b", lost=False)
    stopped = driver.folder.trials()[1].outcome()
    assert stopped.state is TrialState.STOPPED
    assert stopped.reason == "beaten at the rung at 50% of the training budget"
    assert driver.report("c", progress(50, 0.75))
    driver.finish("a")
    driver.finish("c")
    assert driver.states() == ["complete", "stopped", "complete"]


def test_the_broken_fail(drive) -> None:
    driver = drive()
    driver.start("a")
    driver.conductor.failed("a", "the loss was nan at step 3")
    driver.conductor.ended("a", lost=False)
    outcome = driver.folder.trials()[0].outcome()
    assert outcome.state is TrialState.FAILED
    assert outcome.reason == "the loss was nan at step 3"
    assert driver.study.propose().record().number == 1


def test_the_lost_go_on_but_not_for_ever(drive) -> None:
    driver = drive(capacity=1)
    for _ in range(WORKER_RETRIES):
        assert driver.start("a").record().number == 0
        driver.conductor.ended("a", lost=True)
    assert driver.states() == [None]
    assert driver.start("a").record().number == 0
    driver.conductor.ended("a", lost=True)
    outcome = driver.folder.trials()[0].outcome()
    assert outcome.state is TrialState.FAILED
    assert outcome.reason == "its worker was lost, 4 times over"


def test_the_last_trial_may_still_be_lost(drive) -> None:
    """No session is over while a trial runs: its worker may die, and it has to go on."""
    driver = drive(capacity=9)
    keys = [str(number) for number in range(9)]
    started = [key for key in keys if driver.start(key) is not None]
    assert driver.start("x") is None
    assert not driver.conductor.exhausted
    driver.conductor.ended(started[-1], lost=True)
    assert driver.start("again").record().number == len(started) - 1


def test_interrupted_trials_keep_open_and_go_first_next_time(drive) -> None:
    driver = drive()
    driver.start("a")
    driver.start("b")
    driver.report("b", progress(10, 0.0))
    driver.conductor.interrupt()
    assert driver.conductor.should_end()
    assert driver.start("c") is None
    driver.conductor.close()
    assert driver.states() == [None, None]
    again = drive()
    assert again.start("a").record().number == 0
    assert again.start("b").record().number == 1
    assert again.display.events == [("started", 0, False), ("started", 1, True)]


def test_an_interruption_outweighs_the_clock(drive) -> None:
    driver = drive(seconds_left=1e6)
    driver.start("a")
    driver.conductor.interrupt()
    driver.conductor.out_of_time = True
    driver.conductor.close()
    assert driver.states() == [None]


def test_the_clock_stops_what_runs(drive) -> None:
    driver = drive(seconds_left=1e6)
    driver.start("a")
    assert not driver.conductor.should_end()
    driver.conductor._deadline = 0.0
    assert driver.conductor.should_end()
    assert driver.conductor.out_of_time
    assert driver.start("b") is None
    driver.conductor.close()
    outcome = driver.folder.trials()[0].outcome()
    assert (outcome.state, outcome.reason) == (TrialState.STOPPED, "the sweep's time was up")
    assert driver.display.events[-1] == ("ended", 0, TrialState.STOPPED)


def test_no_trial_starts_that_would_not_end_in_time(drive) -> None:
    driver = drive(seconds_left=1000.0, space={"N": {"low": 1, "high": 9}}, budget=MANY)
    for key, seconds in zip("abcde", (10.0, 10.0, 10.0, 2000.0, 2000.0), strict=True):
        assert driver.start(key)
        driver.finish(key, seconds=seconds)
    assert driver.start("f"), "the usual trial takes 10 s"
    driver.finish("f", seconds=2000.0)
    assert driver.start("g") is None, "the usual trial takes 1005 s"
    assert driver.conductor.exhausted


def test_what_waits_when_no_time_is_left_ends_too(drive) -> None:
    driver = drive()
    driver.start("a")
    driver.finish("a", seconds=2000.0)
    driver.start("b")
    driver.conductor.interrupt()
    driver.conductor.close()
    again = drive(seconds_left=1000.0)
    assert again.start("b") is None
    assert again.conductor.exhausted
    again.conductor.close()
    assert again.states() == ["complete", "stopped"]
    assert not drive().study.unfinished()


def test_no_time_at_all_starts_nothing(drive) -> None:
    driver = drive(seconds_left=0.0)
    assert driver.start("a") is None
    assert driver.conductor.exhausted
    assert driver.folder.trials() == []


def test_trials_whose_workers_are_all_gone_go_on(drive) -> None:
    driver = drive(capacity=1)
    for _ in range(WORKER_RETRIES):
        assert driver.start("a").record().number == 0
        driver.conductor.all_lost("Ray ran out of memory.")
    assert driver.states() == [None]
    driver.start("a")
    driver.conductor.all_lost("Ray ran out of memory.")
    assert driver.states() == ["failed"]
    assert driver.start("b").record().number == 1


def test_what_every_trial_warns_of_is_said_once(drive) -> None:
    driver = drive()
    for text in ("there is no compiler", "there is no compiler"):
        driver.conductor.warned(text)
    assert driver.display.events == [("note", "there is no compiler")]
