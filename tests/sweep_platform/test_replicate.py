"""Replicates of a sweep: the same for all its trials, and others for all else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.common.records import MisfitError, record_from
from sweep_platform.store.replicate import Purpose, Replicate, replicates

SEED = st.integers(0, 2**32)


@given(seed=SEED, purpose=st.sampled_from(Purpose), few=st.integers(0, 9), more=st.integers(0, 9))
def test_more_replicates_begin_with_those_that_there_were(
    seed: int, purpose: Purpose, few: int, more: int
) -> None:
    assert replicates(seed, purpose, few + more)[:few] == replicates(seed, purpose, few)


@given(seeds=st.sets(SEED, min_size=1, max_size=5))
def test_seeds_differ_over_purposes_numbers_and_sweeps(seeds: set[int]) -> None:
    own = [purpose for purpose in Purpose if purpose is not Purpose.CONTROL]
    made = [one for seed in seeds for purpose in own for one in replicates(seed, purpose, 5)]
    assert len({one.seed for one in made}) == len(made) == len(seeds) * len(own) * 5
    assert all(0 <= one.seed < 2**31 for one in made)
    assert {one.label for one in made} == {f"{p}-{n}" for p in own for n in range(5)}


@given(seed=SEED)
def test_a_control_has_the_seed_of_what_it_is_paired_with(seed: int) -> None:
    controls, measured = (replicates(seed, of, 5) for of in (Purpose.CONTROL, Purpose.MEASURE))
    assert [one.seed for one in controls] == [one.seed for one in measured]
    assert not {one.label for one in controls} & {one.label for one in measured}


def test_all_trials_of_a_sweep_have_the_same(drive) -> None:
    driver = drive(capacity=4, replicates=2, seed=7)
    jobs = [driver.start(key) for key in "abcd"]
    assert [job.record.number for job in jobs] == [0, 0, 1, 1]
    assert [job.replicate for job in jobs] == [*replicates(7, Purpose.MEASURE, 2)] * 2
    assert [job.folder.replicate() for job in jobs] == [job.replicate for job in jobs]


def test_a_replicate_has_a_number_from_0() -> None:
    with pytest.raises(MisfitError, match="has -1 as number"):
        record_from({"purpose": "measure", "number": -1, "seed": 0}, Replicate)
