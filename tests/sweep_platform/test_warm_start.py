"""A study begins with the results of earlier sweeps that fit, and says what it leaves out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sweep_builders import OpenedSearch, begun, measurement, opened

from sweep_platform.common.errors import InputError
from sweep_platform.space.rules.sampling import chosen_sampler
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import TrialState

MakeSpec = Callable[..., SweepSpec]


def run(search: OpenedSearch, most: int = 100) -> list[dict[str, Any]]:
    found = []
    while len(found) < most and (trial := search.propose()):
        begun(trial).append([measurement(100, trial.record().model["N"] / 10)])
        search.end(trial, TrialState.COMPLETE)
        found.append(dict(trial.record().parameters))
    return found


@pytest.fixture
def earlier(tmp_path: Path, make_spec: MakeSpec) -> Path:
    """A sweep of N of 1 and 2 and T of 1 to 3: five complete trials, and one that goes on."""
    spec = make_spec(budget={"trials": 6, "flops_per_trial": 1e8})
    assert len(run(opened(tmp_path / "earlier", spec), most=5)) == 5
    assert opened(tmp_path / "earlier", spec).propose()
    return tmp_path / "earlier"


def test_results_that_fit_are_learned_and_the_rest_is_named(
    earlier: Path, tmp_path: Path, make_spec: MakeSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_spec(
        space={"N": {"choices": [1, 2, 4]}, "T": {"low": 1, "high": 2}},
        constraints=["N * T <= 8"],
        learn_from=[str(earlier)],
        budget={"trials": 3, "flops_per_trial": 1e8},
        training={"batch_size": 4, "warmup_steps": 2},
    )
    search = opened(tmp_path / "toy", spec)
    learned = [one for one in search.study.trials if "learned" in one.user_attrs]
    assert search.study.trials == learned
    assert search.folder.trials() == []
    for one in learned:
        assert one.state.name == "COMPLETE"
        assert one.params["T"] <= 2
        assert one.values[0] == pytest.approx(one.params["N"] / 10)
        assert one.constraints["N * T <= 8"] <= 0
    said = capsys.readouterr().out
    assert f"Learned from {len(learned)} trials" in said
    assert "differ in batch_size" in said
    assert "outside space.T" in said
    assert "not complete" in said
    tried = run(search)
    assert len(tried) == 3
    assert [one.record().number for one in search.folder.trials()] == [0, 1, 2]


def test_a_restart_learns_no_more_and_changes_no_draw(
    earlier: Path, tmp_path: Path, make_spec: MakeSpec
) -> None:
    spec = make_spec(
        space={"N": {"choices": [1, 2, 4]}, "T": {"low": 1, "high": 9}},
        learn_from=[str(earlier)],
        budget={"trials": 4, "flops_per_trial": 1e8},
        search={"startup_trials": 2},
    )
    at_once = run(opened(tmp_path / "one", spec))
    found = []
    for _ in range(4):
        found += run(opened(tmp_path / "many", spec), most=1)
    assert found == at_once
    again = opened(tmp_path / "many", spec)
    assert sum("learned" in one.user_attrs for one in again.study.trials) == 5


def test_heirs_teach_a_sweep_whose_trials_inherit_alone(
    tmp_path: Path, make_spec: MakeSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {"budget": {"trials": 3, "flops_per_trial": 1e8}}
    search = opened(tmp_path / "earlier", make_spec(inherit=True, **few))
    for _ in range(3):
        trial = search.propose()
        assert trial
        begun(trial).append([measurement(100)])
        begun(trial).checkpoint.write_bytes(b"weights")
        search.end(trial, TrialState.COMPLETE)
    assert sum(t.record().ancestor is not None for t in search.folder.trials()) == 2
    source = {"learn_from": [str(tmp_path / "earlier")], **few}
    for name, inherit, count in (("scratch", False, 1), ("heirs", True, 3)):
        opened(tmp_path / name, make_spec(inherit=inherit, **source))
        said = capsys.readouterr().out
        assert f"Learned from {count} trial" in said
        assert ("with weights of another trial" in said) == (count == 1)


@pytest.mark.parametrize(
    ("changes", "data", "reason"),
    [
        ({"budget": {"trials": 3, "flops_per_trial": 2e8}}, "data", "flops_per_trial"),
        ({}, "other data", "of other puzzles"),
        ({"constraints": ["N * T >= 99 or N > 8"]}, "data", "against the constraints"),
        ({"targets": [0.5], "objectives": ["pass_1"]}, "data", "pass_1 was not measured"),
    ],
)
def test_what_does_not_fit_is_left_out(
    earlier: Path,
    tmp_path: Path,
    make_spec: MakeSpec,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    data: str,
    reason: str,
) -> None:
    spec = make_spec(learn_from=[str(earlier)], **changes)
    search = opened(tmp_path / "toy", spec, data)
    assert search.study.trials == []
    said = capsys.readouterr().out
    assert "Learned from 0 trials" in said
    assert reason in said


def test_a_sweep_does_not_learn_from_itself(earlier: Path, make_spec: MakeSpec) -> None:
    spec = make_spec(learn_from=[str(earlier)])
    assert not any("learned" in one.user_attrs for one in opened(earlier, spec).study.trials)


def test_a_folder_without_a_sweep_is_refused(earlier: Path, tmp_path: Path) -> None:
    content = {
        "name": "toy",
        "dataset": {"name": "sudoku", "side": 4, "train": 10, "test": 10},
        "space": {"N": {"choices": [1, 2]}},
        "budget": {"trials": 2, "flops_per_trial": 1e9},
    }
    found = SpaceFile.of({**content, "learn_from": [str(tmp_path / "ear*")]}).resolve(None)
    assert found.learn_from == (str(earlier),)
    with pytest.raises(InputError) as caught:
        SpaceFile.of({**content, "learn_from": [str(tmp_path / "none")]}).resolve(None)
    assert caught.value.field == "learn_from.0"
    assert caught.value.remedy


def test_the_record_keeps_what_proposed_and_what_was_learned(
    earlier: Path, tmp_path: Path, make_spec: MakeSpec
) -> None:
    home = tmp_path / "toy"
    spec = make_spec(learn_from=[str(earlier)], search={"sampler": "auto"})
    run(opened(home, spec))
    kept = SweepFolder(home).record()
    assert kept.samplers == (str(chosen_sampler(spec)),)
    assert len(kept.learned) == 1
    assert opened(home, spec)
    assert SweepFolder(home).record() == kept
    fewer = make_spec(
        learn_from=[str(earlier)],
        search={"sampler": "auto"},
        budget={"trials": 4, "flops_per_trial": 1e8},
    )
    assert opened(home, fewer)
    assert SweepFolder(home).record().samplers == (*kept.samplers, str(chosen_sampler(fewer)))
    assert SweepFolder(home).record().learned == kept.learned
