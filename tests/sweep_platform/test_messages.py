"""Driver and worker understand each other, or say that they do not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_builders import answers, measurement

from sweep_platform.common.notice import Notice
from sweep_platform.execution.decisions import BEAT_SECONDS, LOOK_SECONDS, DecisionWatch, Pulse
from sweep_platform.store.messages import (
    Decision,
    Failure,
    MessageError,
    TrialJob,
    TrialReport,
)
from sweep_platform.store.replicate import Purpose, Replicate

TEXT = st.text(max_size=20)
REPLICATE = st.builds(
    Replicate,
    purpose=st.sampled_from(Purpose),
    number=st.integers(0, 9),
    seed=st.integers(0, 2**31 - 1),
)


@given(
    trial=st.integers(0, 10**6),
    settings=st.dictionaries(TEXT, st.none() | st.booleans() | st.integers() | TEXT, max_size=3),
    replicates=st.lists(REPLICATE),
    text=TEXT,
)
def test_a_job_reads_back(
    trial: int, settings: dict[str, Any], replicates: list[Replicate], text: str
) -> None:
    job = TrialJob(
        trial=trial,
        model=settings,
        training=settings,
        replicates=tuple(replicates),
        dataset={"folder": text, "fingerprint": text},
        device="cpu",
        threads=1,
        checkpoints=text,
        key=text,
        channel=text,
    )
    assert TrialJob.from_text(job.to_text()) == job


@given(
    replicate=REPLICATE,
    steps=st.lists(st.integers(1, 100), max_size=3),
    accuracy=st.none() | st.floats(0, 1),
    solved=st.lists(st.lists(st.booleans(), max_size=9), max_size=2),
    warnings=st.lists(TEXT, max_size=2),
    failure=st.none() | st.builds(Failure, reason=TEXT, traceback=st.none() | TEXT),
)
def test_a_report_reads_back(
    replicate: Replicate,
    steps: list[int],
    accuracy: float | None,
    solved: list[list[bool]],
    warnings: list[str],
    failure: Failure | None,
) -> None:
    report = TrialReport(
        trial=1,
        replicate=replicate.label,
        measurements=tuple(measurement(step, accuracy) for step in steps),
        answers=tuple(answers(step, one) for step, one in enumerate(solved)),
        warnings=tuple(Notice(one, about) for one in warnings for about in ("", one[:1])),
        failure=failure,
    )
    assert TrialReport.from_text(report.to_text()) == report


@pytest.mark.parametrize("kind", [TrialJob, TrialReport])
@pytest.mark.parametrize("version", [0, 99, None])
def test_another_version_is_named(kind: Any, version: int | None) -> None:
    text = json.dumps({"version": version, "anything": 1})
    with pytest.raises(MessageError, match="install the same version on every host"):
        kind.from_text(text)


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_watch_looks_seldom_and_remembers() -> None:
    decisions = [Decision.CONTINUE, Decision.PAUSE]
    looks: list[Decision] = []
    clock = FakeClock()

    def read() -> Decision:
        looks.append(decisions[len(looks)])
        return looks[-1]

    watch = DecisionWatch(read, clock)
    assert not watch()
    assert not watch()
    assert len(looks) == 1
    clock.now += LOOK_SECONDS
    assert watch()
    clock.now += LOOK_SECONDS
    assert watch()
    assert len(looks) == 2, "what was decided stays"


def test_a_watch_looks_at_once_when_it_is_told_to() -> None:
    decision = Decision.CONTINUE
    watch = DecisionWatch(lambda: decision, FakeClock())
    assert not watch()
    decision = Decision.STOP
    assert not watch()
    watch.look()
    assert watch()


def test_a_pulse_beats_seldom_and_never_twice_alike() -> None:
    clock, beats = FakeClock(), list[int]()
    pulse = Pulse(beats.append, clock)
    for _ in range(10):
        pulse()
    assert beats == []
    for _ in range(3):
        clock.now += BEAT_SECONDS
        pulse()
        pulse()
    assert beats == [1, 2, 3]
