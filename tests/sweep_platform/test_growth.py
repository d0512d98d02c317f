"""What a driver does for one trial does not grow with those before, counted, not timed."""

import time
from pathlib import Path
from typing import Any

import pytest
from optuna.search_space import intersection
from optuna.storages import JournalStorage
from sweep_builders import TOTAL, OpenedSearch, begun, first, measurement, opened

from hrm.config import ConfigError
from sweep_platform.search.samplers import sampler
from sweep_platform.search.sampling.common_space import CommonSpace
from sweep_platform.search.studies.latest import Latest
from sweep_platform.store import trial as trial_module
from sweep_platform.store.trial import TrialFolder, TrialState

SPACE: dict[str, Any] = {
    "objectives": ["exact_accuracy"],
    "rungs": {"at": []},
    "space": {"N": {"low": 1, "high": 40}, "T": {"low": 1, "high": 40}},
    "budget": {"trials": 40, "flops_per_trial": 1e8},
}


def finish(sweep: OpenedSearch, accuracy: float, state: TrialState = TrialState.COMPLETE) -> None:
    """Propose a trial, and end it after a report."""
    trial = sweep.propose()
    assert trial is not None
    begun(trial).append([measurement(TOTAL, accuracy)])
    sweep.end(trial, state)


@pytest.mark.parametrize("name", ["nsga2", "gp", "cma-es"])
def test_a_draw_looks_for_common_knobs_among_new_trials_alone(
    tmp_path: Path, make_spec: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    calculate, begun_at = intersection._calculate, []

    def counted(trials: Any, pruned: bool, space: Any, number: int) -> Any:
        begun_at.append(number)
        return calculate(trials, pruned, space, number)

    monkeypatch.setattr(intersection, "_calculate", counted)
    search = {"sampler": name, "startup_trials": 2}
    sweep = opened(tmp_path / "toy", make_spec(**SPACE, search=search))
    for number in range(8):
        finish(sweep, number / 10)
    looked = [begun_at[draw] for draw in range(-3, 0)]
    assert min(looked) >= 4, "it begins where it was before, a trial or two back"


@pytest.mark.parametrize("name", ["nsga2", "tpe"])
def test_draws_are_those_of_samplers_that_look_through_all(
    tmp_path: Path, make_spec: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    drawn = []
    for place in ("lent", "anew"):
        search = {"sampler": name, "startup_trials": 2}
        sweep = opened(tmp_path / place, make_spec(**SPACE, search=search))
        for number in range(12):
            state = TrialState.STOPPED if number % 3 == 1 else TrialState.COMPLETE
            finish(sweep, number % 5 / 5, state)
        drawn.append([trial.record().parameters for trial in sweep.folder.trials()])
        monkeypatch.setattr(CommonSpace, "lend", lambda self, sampler: sampler)
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("name", ["nsga2", "tpe", "cma-es"])
def test_a_draw_reads_the_study_once(
    tmp_path: Path, make_spec: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    search = {"sampler": name, "startup_trials": 2}
    sweep = opened(tmp_path / "toy", make_spec(**SPACE, search=search))
    for number in range(8):
        finish(sweep, number / 10)
    whole, read = JournalStorage.get_all_trials, []

    def counted(storage: Any, study: int, deepcopy: bool = True, states: Any = None) -> Any:
        read.append(states)
        return whole(storage, study, deepcopy, states)

    monkeypatch.setattr(JournalStorage, "get_all_trials", counted)
    study = sweep.search.study
    draws = study.draws
    finish(sweep, 0.9)
    assert read.count(None) <= study.draws - draws + 1


def test_a_look_at_the_study_makes_anew_what_reads_otherwise_alone(
    tmp_path: Path, make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = opened(tmp_path / "toy", make_spec(**SPACE, search={"sampler": "random"}))
    for number in range(6):
        finish(sweep, number / 10)
    seen, read, made = Latest(sweep.study), Latest._read, []
    monkeypatch.setattr(Latest, "_read", lambda self, one: made.append(one) or read(self, one))
    seen.hidden = (2, 4)
    states = [one.state.name for one in seen.get_trials(deepcopy=False)]
    assert states == ["COMPLETE", "COMPLETE", "RUNNING", "COMPLETE", "RUNNING", "COMPLETE"]
    assert len(made) == 2


def test_a_trials_record_is_read_again_only_where_it_changed(
    make_sweep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    [trial] = make_sweep(TrialState.STOPPED).trials()
    read, reads = TrialFolder._read, []
    monkeypatch.setattr(TrialFolder, "_read", lambda self: reads.append(self) or read(self))
    monkeypatch.setattr(trial_module, "_known", {})
    for _ in range(3):
        assert TrialFolder(trial.root).record().study_number == 0
    assert len(reads) == 1
    trial.begin_again(7)
    assert TrialFolder(trial.root).record().study_number == 7
    file = trial.root / "trial.json"
    file.write_text(file.read_text().replace('"study_number": 7', '"study_number": 1234'))
    assert trial.record().study_number == 1234
    assert len(reads) == 3


def test_damage_to_a_record_that_was_read_is_found(make_sweep: Any) -> None:
    [trial] = make_sweep(TrialState.COMPLETE).trials()
    trial.record()
    time.sleep(0.01)
    (trial.root / "trial.json").write_text("{")
    with pytest.raises(ConfigError, match=r"trial\.json"):
        trial.record()


def test_the_purpose_of_a_replicate_is_in_its_label(make_sweep: Any) -> None:
    folder = first(make_sweep(TrialState.COMPLETE).trials()[0])
    assert folder.purpose is folder.replicate().purpose


@pytest.mark.parametrize(("trials", "of_a_generation"), [(40, 10), (400, 20), (10_000, 50)])
def test_a_population_grows_with_the_budget(
    make_spec: Any, trials: int, of_a_generation: int
) -> None:
    budget = {"trials": trials, "flops_per_trial": 1e8}
    spec = make_spec(**{**SPACE, "budget": budget}, search={"sampler": "nsga2"})
    assert getattr(sampler(spec, 0), "population_size", None) == of_a_generation
