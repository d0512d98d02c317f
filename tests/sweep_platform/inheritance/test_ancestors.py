"""Whose weights a trial begins with, and when that is decided."""

import errno
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweep_builders import SHAPE, TOTAL, begun, measurement, trial_record
from sweep_driver import Driver, Killed, die_at

from hrm.config import ConfigError, ModelConfig
from hrm.model.reasoning_model import weight_shapes
from puzzle_datasets.common.options import make
from sweep_platform.search.inheritance.ancestors import Candidate, nearest
from sweep_platform.search.proposer import TrialFactory
from sweep_platform.space.knobs import distance
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.checkpoints import FolderCheckpoints
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.replicate import Purpose, nth_replicate
from sweep_platform.store.storage.objects import StorageError
from sweep_platform.store.trial import TrialRecord

SPACE = {
    "N": {"choices": [1, 2, 4]},
    "T": {"low": 1, "high": 5},
    "hidden_size": {"choices": [16, 32]},
    "mode": {"choices": ["exact", "lean"]},
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
}
SMALL = {"N": {"choices": [1, 2]}, "T": {"low": 1, "high": 3}}


def of_point(number: int, point: dict[str, Any]) -> TrialRecord:
    record = trial_record(number, parameters=point)
    own = {name: value for name, value in point.items() if name in record.model}
    return replace(record, model={**record.model, "num_heads": 1, **own})


def points() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "N": st.sampled_from([1, 2, 4]),
            "T": st.integers(1, 5),
            "hidden_size": st.sampled_from([16, 32]),
            "mode": st.sampled_from(["exact", "lean"]),
            "learning_rate": st.sampled_from([1e-4, 1e-3, 1e-2]),
        }
    )


@settings(max_examples=60, deadline=None)
@given(
    heir=points(),
    others=st.lists(st.tuples(points(), st.sampled_from([0.0, 0.5, 1.0])), max_size=8),
    spread=st.randoms(use_true_random=False),
)
def test_the_nearest_that_fits_comes_first(
    make_spec: Any, heir: dict[str, Any], others: list[Any], spread: Any
) -> None:
    spec = make_spec(space=SPACE, model={"H_layers": 1, "L_layers": 1})
    new = of_point(len(others), heir)
    candidates = [
        Candidate(record=of_point(number, point), accuracy=accuracy)
        for number, (point, accuracy) in enumerate(others)
    ]
    spread.shuffle(candidates)
    found = nearest(spec, new, candidates)
    width = {number for number, (point, _) in enumerate(others) if _width(point) == _width(heir)}
    assert {one.record.number for one in found} == width, "only width changes a shape here"
    ranks = [
        (distance(spec, heir, one.record.parameters), -one.accuracy, one.record.number)
        for one in found
    ]
    assert ranks == sorted(ranks)


def _width(point: dict[str, Any]) -> Any:
    return point["hidden_size"]


@settings(max_examples=60, deadline=None)
@given(a=points(), b=points(), c=points())
def test_distance_is_one(make_spec: Any, a: Any, b: Any, c: Any) -> None:
    spec = make_spec(space=SPACE, model={"H_layers": 1, "L_layers": 1})
    assert distance(spec, a, a) == 0
    assert distance(spec, a, b) == pytest.approx(distance(spec, b, a))
    assert distance(spec, a, c) <= distance(spec, a, b) + distance(spec, b, c) + 1e-9
    assert (distance(spec, a, b) == 0) == (a == b)
    without = {name: value for name, value in a.items() if name != "T"}
    assert distance(spec, a, without) == 1, "a knob that one does not have is as far as two ends"


def test_numbers_stand_on_the_way_of_their_knob(make_spec: Any) -> None:
    spec = make_spec(space=SPACE, model={"H_layers": 1, "L_layers": 1})
    one = {"N": 1, "T": 1, "learning_rate": 1e-4, "mode": "exact"}
    for name, value, apart in (
        ("N", 2, 1 / 2),
        ("N", 4, 1),
        ("T", 2, 1 / 4),
        ("learning_rate", 1e-3, 1 / 2),
        ("mode", "lean", 1),
    ):
        assert distance(spec, one, {**one, name: value}) == pytest.approx(apart)


@pytest.mark.parametrize("changes", [{"N": 7}, {"T": 9}, {"M_max": 3}])
def test_cycles_and_segments_change_no_shape(changes: dict[str, Any]) -> None:
    of = [
        make(ModelConfig, {**trial_record().model, **more}, ConfigError) for more in ({}, changes)
    ]
    assert weight_shapes(of[0]) == weight_shapes(of[1])


def complete(driver: Driver, key: str, accuracy: float = 0.5, keeps: bool = True) -> None:
    """Let a job end, with a checkpoint of its own if it `keeps` one."""
    job = driver.running[key]
    if keeps:
        job.folder.checkpoint.write_bytes(f"weights of {job.key}".encode())
    driver.finish(key, accuracy)


def record(driver: Driver, number: int) -> TrialRecord:
    return driver.folder.trials()[number].record()


def inheriting(drive: Callable[..., Driver], **changes: Any) -> Driver:
    return drive(**{"capacity": 1, "inherit": True, "space": SMALL, **changes})


def test_the_first_begins_from_scratch_and_the_next_with_its_weights(
    drive: Callable[..., Driver],
) -> None:
    driver = inheriting(drive)
    driver.start("a")
    complete(driver, "a")
    job = driver.start("b")
    assert job
    assert record(driver, 0).ancestor is None
    heir, source = record(driver, 1), driver.first(0)
    assert heir.ancestor
    [inherited] = heir.ancestor.replicates
    assert inherited.sha256 == hashlib.sha256(source.checkpoint.read_bytes()).hexdigest()
    assert (inherited.trial, inherited.replicate, inherited.key) == (0, "measure-0", source.key)
    assert inherited.sweep == "toy"
    assert job.folder.inherited() == inherited
    assert heir.lineage_flops == heir.training_flops + inherited.lineage_flops
    for purpose in (Purpose.CONFIRM, Purpose.CONTROL):
        assert heir.inherited(nth_replicate(0, purpose, 0)) is None, "they are from scratch"


def test_what_its_ancestor_had_inherited_counts_as_well(drive: Callable[..., Driver]) -> None:
    driver = inheriting(drive)
    driver.start("a")
    complete(driver, "a")
    driver.start("b")
    made = measurement(TOTAL)
    driver.report("b", replace(made, progress=replace(made.progress, inherited_flops=1000)))
    driver.running["b"].folder.checkpoint.write_bytes(b"weights")
    driver.scheduler.ended("b")
    driver.first(0).checkpoint.unlink()
    driver.start("c")
    ancestor = record(driver, 2).ancestor
    assert ancestor
    assert (ancestor.trial, ancestor.lineage_flops) == (1, TOTAL + 1000)


def test_a_checkpoint_is_read_once_for_all_heirs(
    drive: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, digest = [], FolderCheckpoints.digest

    def counted(store: FolderCheckpoints, key: str) -> str | None:
        read.append(key)
        return digest(store, key)

    monkeypatch.setattr(FolderCheckpoints, "digest", counted)
    driver = inheriting(drive, capacity=9)
    driver.start("a")
    complete(driver, "a")
    for key in "bcd":
        driver.start(key)
    source = driver.first(0)
    assert read == [source.key]
    source.checkpoint.write_bytes(b"other weights than before")
    driver.start("e")
    assert read == [source.key] * 2
    found = [record(driver, number).ancestor for number in (1, 2, 3, 4)]
    assert all(found)
    digests = [one.replicates[0].sha256 for one in found if one]
    assert digests[0] == digests[1] == digests[2] != digests[3]


def test_a_trial_whose_checkpoint_is_gone_is_passed_over(drive: Callable[..., Driver]) -> None:
    driver = inheriting(drive)
    driver.start("a")
    complete(driver, "a", keeps=False)
    driver.start("b")
    assert record(driver, 1).ancestor is None


def test_no_search_waits_for_a_storage_that_is_away(
    drive: Callable[..., Driver],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    driver = inheriting(drive)
    driver.start("a")
    complete(driver, "a")

    def away(store: FolderCheckpoints, key: str) -> str:
        raise StorageError(errno.EIO, "no route", "s3://bucket/sweep")

    monkeypatch.setattr(FolderCheckpoints, "digest", away)
    assert driver.start("b")
    assert not driver.scheduler.ending
    assert record(driver, 1).ancestor is None
    assert "s3://bucket/sweep" in capsys.readouterr().out


def test_one_that_did_not_come_to_its_end_is_none(drive: Callable[..., Driver]) -> None:
    driver = inheriting(drive, capacity=3)
    for key in "ab":
        driver.start(key)
    driver.first(0).checkpoint.write_bytes(b"weights")
    driver.report("a", measurement(TOTAL // 2))
    driver.start("c")
    assert [record(driver, number).ancestor for number in range(3)] == [None] * 3


def test_replicates_inherit_in_pairs_of_one_seed(drive: Callable[..., Driver]) -> None:
    driver = inheriting(drive, replicates=2)
    for key in "ab":
        driver.start(key)
        complete(driver, key)
    jobs = [driver.start("c")]
    complete(driver, "c")
    jobs.append(driver.start("d"))
    for number, job in enumerate(jobs):
        assert job
        found, ancestor = job.folder.inherited(), driver.folder.trials()[0]
        assert found
        source = ancestor.replicate(found.replicate).replicate()
        assert (found.replicate, source.seed) == (f"measure-{number}", job.replicate.seed)


def test_an_ancestor_lacks_no_replicate(drive: Callable[..., Driver]) -> None:
    driver = inheriting(drive, replicates=2)
    for key in "ab":
        driver.start(key)
        complete(driver, key, keeps=key == "a")
    driver.start("c")
    assert record(driver, 1).ancestor is None


def test_it_is_never_chosen_anew(drive: Callable[..., Driver]) -> None:
    """Also where the ancestor is gone by the time that the heir goes on."""
    driver = inheriting(drive, capacity=2)
    driver.start("a")
    complete(driver, "a")
    driver.start("b")
    before = record(driver, 1)
    driver.scheduler.interrupt()
    driver.scheduler.ended("b")
    driver.first(0).checkpoint.unlink()
    resumed = inheriting(drive, capacity=2)
    job = resumed.start("b")
    assert job
    assert record(resumed, 1) == before == job.record
    assert job.record.ancestor


def test_a_configuration_is_tried_once_whoever_it_inherits_from(
    drive: Callable[..., Driver],
) -> None:
    driver = inheriting(drive, budget={"trials": 20, "flops_per_trial": 1e8})
    while driver.start("a"):
        complete(driver, "a")
    records = [trial.record() for trial in driver.folder.trials()]
    assert len(records) == 6, "as many as the space has"
    assert len({json.dumps(one.parameters) for one in records}) == 6
    assert len({one.signature for one in records}) == 6
    assert all(one.ancestor for one in records[1:])
    again = inheriting(drive, budget={"trials": 20, "flops_per_trial": 1e8})
    assert again.start("a") is None


def test_without_inherit_nothing_is_otherwise(drive: Callable[..., Driver]) -> None:
    driver = inheriting(drive, inherit=False)
    for _ in range(3):
        driver.start("a")
        complete(driver, "a")
    for trial in driver.folder.trials():
        content = json.loads((trial.root / "trial.json").read_text())
        assert "ancestor" not in content
        assert "inherited" not in json.loads((begun(trial).root / "run.json").read_text())


def test_an_heir_and_a_training_from_scratch_have_other_signatures(
    drive: Callable[..., Driver], tmp_path: Any
) -> None:
    driver = inheriting(drive)
    for key in "ab":
        driver.start(key)
        complete(driver, key)
    heir = record(driver, 1)
    known = {"fingerprint": "data"}
    own = TrialFactory(SweepFolder(tmp_path / "x"), driver.search.spec, SHAPE, known)
    assert own.signature(heir.parameters) != heir.signature
    scratch = replace(heir, ancestor=None)
    folder, replicate = driver.first(1), driver.first(1).replicate()
    assert folder.equals(heir, replicate)
    assert not folder.equals(scratch, replicate), "reuse takes neither for the other"
    assert not driver.first(0).equals(
        replace(record(driver, 0), ancestor=heir.ancestor), replicate
    )


def test_a_driver_that_dies_before_the_folder_is_written_chooses_then(
    drive: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = inheriting(drive)
    driver.start("a")
    complete(driver, "a")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        die_at(patch, TrialFactory, "create", "before", 1)
        driver.start("b")
    resumed = inheriting(drive)
    resumed.start("b")
    ancestor = record(resumed, 1).ancestor
    assert ancestor
    assert ancestor.trial == 0


def test_a_deterministic_search_inherits_of_what_it_may_know(
    drive: Callable[..., Driver],
) -> None:
    """With two jobs at a time, a trial is made without what came of the one before it."""
    driver = inheriting(drive, capacity=2, search={"deterministic": True})
    driver.start("a")
    driver.start("b")
    complete(driver, "a")
    driver.start("c")
    complete(driver, "b")
    complete(driver, "c", accuracy=0.9)
    driver.start("d")
    found = [record(driver, number).ancestor for number in range(4)]
    assert [one and one.trial for one in found[:3]] == [None, None, 0]
    assert found[3]
    assert found[3].trial in (0, 1), "and not 2, though that has ended"


@pytest.mark.parametrize(
    ("given", "expected"),
    [(True, 0.25), (False, None), (None, None), ({"control": 1.0}, 1.0), ({}, 0.25)],
)
def test_it_is_asked_for_in_a_word_or_with_settings(
    make_spec: Any, given: Any, expected: float | None
) -> None:
    spec = make_spec(inherit=given)
    assert (spec.inherit and spec.inherit.control) == expected
    assert SweepSpec.model_validate(spec.public()).inherit == spec.inherit
