"""What a summary makes of a trial's replicates: means, states, and which of them count."""

import pytest
from sweep_builders import begun, measurement, sweep_folder, trial_record

from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.replicate import Purpose, nth_replicate
from sweep_platform.store.summary import TrialSummary, summarize
from sweep_platform.store.trial import Outcome, TrialFolder, TrialState

COMPLETE, STOPPED, FAILED, PAUSED, RUNNING = (
    TrialState[name] for name in ("COMPLETE", "STOPPED", "FAILED", "PAUSED", "RUNNING")
)


@pytest.fixture
def sweep(tmp_path) -> SweepFolder:
    folder = sweep_folder(tmp_path / "toy")
    folder.session_started()
    return folder


@pytest.fixture
def trial(sweep: SweepFolder) -> TrialFolder:
    folder = sweep.trial(0, trial_record().signature)
    folder.create(trial_record())
    return folder


def ended(state: TrialState) -> Outcome:
    return Outcome(state=state, reason=f"it is {state}", ended=1.79e9)


def told(
    trial: TrialFolder, number: int, *reports: tuple[int, float], state: TrialState | None = None
) -> None:
    """What a replicate reported, by step, and how it ended."""
    folder = begun(trial, number)
    folder.append(measurement(*report) for report in reports)
    if state is not None:
        folder.end(ended(state))


def only(sweep: SweepFolder) -> TrialSummary:
    [found] = summarize(sweep).trials
    return found


def test_each_evaluation_is_a_mean_of_those_that_came_so_far(sweep, trial) -> None:
    told(trial, 0, (50, 0.0), (75, 0.5), (100, 1.0))
    told(trial, 1, (50, 0.5), (75, 1.0))
    told(trial, 2, (50, 1.0))
    found = only(sweep)
    assert [one.training_flops for one in found.evaluations] == [50, 75, 100]
    assert [one.exact_accuracy for one in found.evaluations] == [0.5, 0.75, 1.0]
    assert found.accuracies == (1.0,), "one alone came to the last"
    assert found.final == found.evaluations[-1].curve
    assert found.last.step == 100


def test_of_a_complete_trial_the_complete_replicates_count(sweep, trial) -> None:
    told(trial, 0, (50, 0.0), (100, 0.25), state=COMPLETE)
    told(trial, 1, (50, 1.0), state=FAILED)
    told(trial, 2, (50, 0.5), (100, 0.75), state=COMPLETE)
    trial.end(ended(COMPLETE))
    found = only(sweep)
    assert [one.replicate.number for one in found.measured] == [0, 2]
    assert [one.exact_accuracy for one in found.evaluations] == [0.25, 0.5]
    assert found.accuracies == (0.25, 0.75)
    assert found.training_flops == 100 + 50 + 100, "all of them were trained"
    assert found.device_seconds == pytest.approx(25.0)
    assert [one.state for one in found.replicates] == [COMPLETE, FAILED, COMPLETE]


def test_replicates_of_another_purpose_measure_nothing(sweep, trial) -> None:
    told(trial, 0, (100, 0.25), state=COMPLETE)
    confirming = nth_replicate(0, Purpose.CONFIRM, 0)
    folder = trial.replicate(confirming.label)
    folder.create(trial.record(), confirming)
    folder.append([measurement(100, 1.0)])
    folder.end(ended(COMPLETE))
    trial.end(ended(COMPLETE))
    found = only(sweep)
    assert [one.replicate.label for one in found.replicates] == ["measure-0", "confirm-0"]
    assert found.accuracies == (0.25,)
    assert found.training_flops == 200


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((), RUNNING),
        ((None, None), RUNNING),
        ((PAUSED, None), RUNNING),
        ((PAUSED, PAUSED), PAUSED),
        ((COMPLETE, PAUSED), PAUSED),
        ((COMPLETE, FAILED), RUNNING),
    ],
)
def test_a_trial_without_an_end_stands_as_its_replicates_do(
    sweep, trial, states: tuple[TrialState | None, ...], expected: TrialState
) -> None:
    for number, state in enumerate(states):
        told(trial, number, (100 if state is COMPLETE else 10, 0.0), state=state)
    assert only(sweep).state is expected
    assert only(sweep).ended is None


def test_an_end_says_how_a_trial_stands(sweep, trial) -> None:
    told(trial, 0, (50, 0.0), state=STOPPED)
    trial.end(ended(STOPPED))
    found = only(sweep)
    assert (found.state, found.reason, found.ended) == (STOPPED, "it is stopped", 1.79e9)
    assert [one.reason for one in found.replicates] == ["it is stopped"]
    assert found.evaluations, "it is shown what it came to"


def test_a_trial_that_nobody_evaluated_has_no_curve(sweep, trial) -> None:
    begun(trial).append([measurement(50, None)])
    found = only(sweep)
    assert (found.evaluations, found.accuracies, found.final, found.halting) == (
        (),
        (),
        None,
        None,
    )
    assert found.last.step == 50
