"""A sweep that begins with the complete trials of another one."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_builders import SHAPE, measurement, sweep_record
from sweep_driver import Driver, Killed

from sweep_platform.common.errors import InputError
from sweep_platform.driver.origin.asked import Change, asked, changes, listed
from sweep_platform.driver.origin.fork import require_forkable
from sweep_platform.driver.request import Request, ResolvedSweep
from sweep_platform.search.search import open_search
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.store.folder import SweepFolder

MakeSpec = Callable[..., Any]
WIDER = {"N": {"choices": [1, 2, 3]}, "T": {"low": 1, "high": 3}}
RUNGS = {"at": [0.5], "minimum": 9}


@pytest.fixture
def source(tmp_path: Path, make_spec: MakeSpec) -> SweepFolder:
    """A sweep of two complete trials, one that failed, and one that was interrupted."""
    driver = Driver(tmp_path / "source", make_spec(rungs=RUNGS), capacity=4)
    for key in "abcd":
        driver.start(key)
    for key, accuracy in (("a", 0.25), ("b", 0.5)):
        driver.report(key, measurement(50, accuracy))
        driver.finish(key, accuracy)
        driver.folder.trials()[0].answers.write_bytes(b"answers")
    driver.report("c", failure=_failure())
    driver.scheduler.ended("c")
    driver.report("d", measurement(50, 0.1))
    driver.first(1).checkpoint.write_bytes(b"weights")
    return driver.folder


def _failure() -> Any:
    from sweep_platform.store.messages import Failure

    return Failure(reason="the loss was nan")


def forked(root: Path, source: SweepFolder) -> SweepFolder:
    folder = SweepFolder(root)
    if not folder.exists():
        folder.create(sweep_record(forked=str(source.root)))
    return folder


def test_complete_trials_are_taken_over_as_its_own(
    tmp_path: Path, make_spec: MakeSpec, source: SweepFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = forked(tmp_path / "fork", source)
    search = open_search(
        folder, make_spec(space=WIDER, rungs=RUNGS), SHAPE, {"fingerprint": "data"}
    )
    assert "Began with 2 trials" in capsys.readouterr().out
    own, theirs = folder.trials(), source.trials()[:2]
    assert [t.record().signature for t in own] == [t.record().signature for t in theirs]
    for mine, other in zip(own, theirs, strict=True):
        [first], [before] = mine.replicates(), other.replicates()
        assert list(first.measurements()) == list(before.measurements())
        assert mine.outcome() == other.outcome()
        assert first.reused().sweep == str(source.root)
    assert own[0].answers.read_bytes() == b"answers"
    assert own[1].replicates()[0].checkpoint.read_bytes() == b"weights"
    told = search.study.trials()
    assert [(one.state.name, one.values) for one in told] == [
        ("COMPLETE", [0.25, own[0].record().inference_flops]),
        ("COMPLETE", [0.5, own[1].record().inference_flops]),
    ]
    assert len(search.rungs.table(0.5)) == 2
    proposed = search.proposer.propose()
    assert proposed[0].record().signature not in {t.record().signature for t in theirs}
    assert proposed[0].record().number == 2


def test_what_another_sweep_would_train_otherwise_is_left_out(
    tmp_path: Path, make_spec: MakeSpec, source: SweepFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    first = source.trials()[0].record().parameters
    narrower = {**WIDER, "N": {"choices": [3 - int(first["N"])]}}
    spec = make_spec(space=narrower)
    folder = forked(tmp_path / "narrow", source)
    open_search(folder, spec, SHAPE, {"fingerprint": "data"})
    assert all(t.record().parameters["N"] != first["N"] for t in folder.trials())
    assert "outside the space" in capsys.readouterr().out
    folder = forked(tmp_path / "other", source)
    trained = {"batch_size": 4, "warmup_steps": 2}
    open_search(folder, make_spec(training=trained), SHAPE, {"fingerprint": "data"})
    assert folder.trials() == []
    assert "trained otherwise" in capsys.readouterr().out


def test_a_driver_that_dies_takes_nothing_twice_and_loses_nothing(
    tmp_path: Path, make_spec: MakeSpec, source: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, real, calls = make_spec(space=WIDER, rungs=RUNGS), os.fsync, 0

    def opened(name: str) -> tuple[Any, ...]:
        folder = forked(tmp_path / name, source)
        search = open_search(folder, spec, SHAPE, {"fingerprint": "data"})
        ended = [one for one in search.study.trials() if one.values]
        return (
            [trial.record().signature for trial in folder.trials()],
            [trial.outcome() for trial in folder.trials()],
            [one.values for one in ended],
            sorted(search.rungs.table(0.5).values()),
        )

    def dying(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == last:
            raise Killed
        real(descriptor)

    last = 0
    expected, writes = opened("whole"), 0
    while writes == 0 or last <= writes:
        last, calls = last + 1, 0
        forked(tmp_path / str(last), source)
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", dying)
            try:
                opened(str(last))
                writes = calls
            except Killed:
                pass
        assert opened(str(last)) == expected, f"killed at write {last}"
        if writes:
            break
    assert last > 10


def test_the_sweep_that_is_forked_has_to_be_there(
    tmp_path: Path, make_spec: MakeSpec, source: SweepFolder
) -> None:
    folder = forked(tmp_path / "fork", SweepFolder(tmp_path / "gone"))
    with pytest.raises(InputError, match="is not there"):
        open_search(folder, make_spec(), SHAPE, {"fingerprint": "data"})


@pytest.mark.parametrize(
    ("options", "seed", "part"),
    [
        ({"resume": True}, 0, "begins a new sweep"),
        ({"fork": "nowhere"}, 0, "holds no sweep to fork"),
        ({}, 3, "is 3, and the trials of"),
    ],
)
def test_a_fork_that_cannot_be_is_refused(
    make_spec: MakeSpec, source: SweepFolder, options: dict[str, Any], seed: int, part: str
) -> None:
    space = SpaceFile.of(make_spec(seed=seed).model_dump(mode="json"))
    request = Request(**{"space": space, "fork": source.root, **options})
    sweep = ResolvedSweep(spec=make_spec(seed=seed), scale="none", folder=SweepFolder(Path("x")))
    with pytest.raises(InputError, match=part):
        require_forkable(request, sweep)
    require_forkable(replace(request, fork=None), sweep)


SAID = {
    "name": "toy",
    "space": {"N": {"choices": [1, 2]}, "T": {"low": 1, "high": 3}},
    "search": {"storage": "postgresql://me:secret@host/x"},
    "scales": {"laptop": {"budget": {"trials": 3}}},
}


def test_what_a_space_says_is_kept_without_secrets(tmp_path: Path) -> None:
    found = asked(SpaceFile.of(SAID), "laptop")
    assert found["space.N"] == {"choices": [1, 2]}
    assert found["budget.trials"] == 3
    assert "secret" not in str(found)
    record = sweep_record(asked=found, scale="laptop")
    assert changes(record, SpaceFile.of(SAID)) == []
    assert changes(sweep_record(), SpaceFile.of(SAID)) == [], "older records do not tell"
    assert changes(record, SpaceFile.read(tmp_path / "gone.yaml")) == []
    space = {"N": {"choices": [1, 2, 3]}, "M_max": {"choices": [4]}}
    found_changes = changes(record, SpaceFile.of({**SAID, "space": space}))
    assert [one.key for one in found_changes] == ["space.N", "space.T", "space.M_max"]
    assert "space.N was" in listed(found_changes)


@given(st.lists(st.text(st.characters(categories=["Ll"]), min_size=1), max_size=9, unique=True))
def test_many_changes_are_counted(keys: list[str]) -> None:
    text = listed([Change(key, 1, 2) for key in keys])
    assert (f"{len(keys) - 5} more" in text) == (len(keys) > 5)
