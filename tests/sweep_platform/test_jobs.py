"""Which job comes next, and when the last of a trial is over."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import fmean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_builders import progress, trial_record

from sweep_platform.search.stages.jobs import JobQueue, Standings
from sweep_platform.search.stages.live import Job
from sweep_platform.store.replicate import Purpose, replicates
from sweep_platform.store.trial import TrialFolder

THREE = replicates(0, Purpose.MEASURE, 3)


@pytest.fixture
def queue(tmp_path: Path) -> Callable[[int], JobQueue]:
    """A queue of so many trials, each of three replicates."""

    def make(trials: int) -> JobQueue:
        made = JobQueue()
        for number in range(trials):
            folder = TrialFolder(tmp_path / str(number))
            folder.create(trial_record(number))
            made.add(folder, THREE, len(THREE))
        return made

    return make


def place(job: Job | None) -> tuple[int, int] | None:
    """The number of a job's trial, and that of its replicate."""
    return job and (job.record.number, job.replicate.number)


def all_of(queue: JobQueue, *, any_trial: bool = True) -> list[tuple[int, int] | None]:
    """The places of all jobs that come, in their order."""
    found = []
    while job := queue.next(any_trial=any_trial):
        found.append(place(job))
    return found


def taken(queue: JobQueue, number: int) -> Job:
    """The next job of one trial."""
    return next(one for one in queue if one.record.number == number).take()


def test_a_trial_is_begun_whole_before_the_next(queue) -> None:
    jobs = queue(2)
    assert jobs.waiting == 6
    expected = [(trial, replicate) for trial in range(2) for replicate in range(3)]
    assert all_of(jobs, any_trial=False) == expected
    assert jobs.waiting == 0


def test_a_poor_trial_comes_only_where_any_may(queue) -> None:
    jobs = queue(3)
    first = {number: taken(jobs, number) for number in range(3)}
    jobs.measured(first[0], progress(50, 0.5))
    jobs.measured(first[1], progress(50, 0.25))
    assert all_of(jobs, any_trial=False) == [(0, 1), (0, 2), (2, 1), (2, 2)], "2 is not judged"
    assert all_of(jobs) == [(1, 1), (1, 2)]


def test_trials_are_compared_at_shares_that_both_reached(queue) -> None:
    jobs = queue(2)
    ahead, behind = (taken(jobs, number) for number in range(2))
    jobs.measured(ahead, progress(50, 0.25))
    jobs.measured(ahead, progress(75, 0.75))
    jobs.measured(behind, progress(50, 0.25))
    assert all_of(jobs, any_trial=False) == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_a_trial_is_what_its_replicates_are_on_average(queue) -> None:
    jobs = queue(2)
    one, other = taken(jobs, 0), taken(jobs, 0)
    rival = taken(jobs, 1)
    jobs.measured(one, progress(50, 1.0))
    jobs.measured(other, progress(50, 0.0))
    jobs.measured(rival, progress(50, 0.75))
    assert all_of(jobs, any_trial=False) == [(1, 1), (1, 2)]


def test_where_any_may_come_the_longest_does_first(queue) -> None:
    jobs = queue(3)
    jobs.measured(taken(jobs, 0), progress(50, None, seconds=10.0))
    jobs.measured(taken(jobs, 1), progress(25, None, seconds=10.0))
    expected = [(2, 0), (2, 1), (2, 2), (1, 1), (1, 2), (0, 1), (0, 2)]
    assert all_of(jobs) == expected, "of the last one nobody knows how long it takes"


def test_controls_come_after_all_that_confirms_however_long_they_take(queue) -> None:
    jobs = queue(2)
    longer, shorter = (taken(jobs, number) for number in range(2))
    jobs.measured(longer, progress(50, None, seconds=90.0))
    jobs.measured(shorter, progress(50, None, seconds=10.0))
    jobs.set_aside(Purpose.MEASURE)
    for job, purpose in ((longer, Purpose.CONTROL), (shorter, Purpose.CONFIRM)):
        jobs.add(job.trial, replicates(0, purpose, 2), 2)
    found = [jobs.next(any_trial=True, confirms=True) for _ in range(4)]
    purposes = [job and job.replicate.purpose for job in found]
    assert purposes == [Purpose.CONFIRM] * 2 + [Purpose.CONTROL] * 2


def test_a_job_that_was_lost_waits_again_before_others_of_its_trial(queue) -> None:
    jobs = queue(1)
    lost = taken(jobs, 0)
    jobs.requeue(lost)
    assert jobs.waiting == 3
    assert all_of(jobs) == [(0, 0), (0, 1), (0, 2)]


def test_a_trial_is_over_with_its_last_job(queue) -> None:
    jobs = queue(2)
    mine = [taken(jobs, 0) for _ in range(3)]
    assert jobs.ended(mine[1]) is None
    assert jobs.ended(mine[0]) is None
    assert len(jobs) == 2
    over = jobs.ended(mine[2])
    assert over is not None
    assert over.record.number == 0
    assert [one.record.number for one in jobs] == [1]


def test_a_trial_of_which_nothing_more_may_start_is_over_with_what_runs(queue) -> None:
    jobs = queue(1)
    one, other = taken(jobs, 0), taken(jobs, 0)
    jobs.drop_waiting(one)
    assert (jobs.waiting, jobs.next(any_trial=True)) == (0, None)
    assert jobs.ended(one) is None
    assert jobs.ended(other) is not None
    assert len(jobs) == 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), st.integers(0, 2), st.sampled_from([50, 100]), st.floats(0, 1)
        )
    )
)
def test_poor_is_below_the_median_of_the_means(reports: list[tuple[int, int, int, float]]) -> None:
    standings, solved = Standings(), {}
    for number, replicate, step, accuracy in reports:
        job = Job(
            trial=TrialFolder(Path("unused")),
            record=trial_record(number),
            replicate=THREE[replicate],
        )
        standings.measured(job, progress(step, accuracy))
        solved[step, number, replicate] = accuracy
    for number in range(5):
        reached = max((step for step, one, _ in solved if one == number), default=None)
        means = {
            one: fmean(found)
            for one in range(5)
            if (found := [solved[k] for k in product([reached], [one], range(3)) if k in solved])
        }
        poor = reached is not None and means[number] < median(means.values())
        assert standings.poor(number) is poor


def test_where_budgets_differ_a_trial_is_compared_with_those_of_no_larger_one(
    tmp_path: Path,
) -> None:
    equal, own = Standings(), Standings(budgets=True)
    for number, (budget, accuracy) in enumerate([(100, 0.1), (200, 0.5), (200, 0.25), (300, 0.9)]):
        folder = TrialFolder(tmp_path / str(number))
        folder.create(trial_record(number, training_flops=budget))
        job = Job(trial=folder, record=folder.record(), replicate=THREE[0])
        for standings in (equal, own):
            standings.measured(job, progress(50, accuracy))
    assert [equal.poor(number) for number in range(4)] == [True, False, True, False]
    assert [own.poor(number) for number in range(4)] == [False] * 4
