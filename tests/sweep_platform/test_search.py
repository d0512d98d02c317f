"""The search outlives its driver: what is proposed, what is told, what a restart finds."""

import contextlib
import sqlite3
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_builders import (
    SHAPE,
    TOTAL,
    OpenedSearch,
    begun,
    first,
    measurement,
    opened,
    progress,
    sweep_folder,
)
from sweep_driver import Killed, die_at

from sweep_platform.common.errors import InputError
from sweep_platform.plan.spending import spending_of
from sweep_platform.search import proposer as proposer_module
from sweep_platform.search.proposer import TrialFactory
from sweep_platform.search.rungs.ledger import RungLedger
from sweep_platform.search.search import open_search
from sweep_platform.search.studies.latest import Latest
from sweep_platform.space.rules.counting import size
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.messages import Decision
from sweep_platform.store.trial import Outcome, ReplicateFolder, TrialFolder, TrialState

CONTINUE, STOP = Decision.CONTINUE, Decision.STOP
COMPLETE, PRUNED, FAIL, RUNNING, WAITING = (
    optuna.trial.TrialState[name] for name in ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")
)
OPTUNA_STATES = {
    TrialState.COMPLETE: COMPLETE,
    TrialState.STOPPED: PRUNED,
    TrialState.FAILED: FAIL,
}


Open = Callable[..., OpenedSearch]


@pytest.fixture
def spec(make_spec) -> SweepSpec:
    return make_spec(rungs={"at": [0.5], "minimum": 2})


@pytest.fixture
def restart(tmp_path: Path, spec: SweepSpec) -> Open:
    """Opens the study of one folder anew, as a driver does that knows nothing of the last."""

    def make(
        using: SweepSpec | None = None, root: str = "toy", data: str = "data"
    ) -> OpenedSearch:
        return opened(tmp_path / root, using or spec, data)

    return make


def train(trial: TrialFolder, accuracy: float = 0.5, to: int = TOTAL) -> Any:
    measured = measurement(to, accuracy)
    begun(trial).append([measured])
    return measured.progress


def finish(study: OpenedSearch, trial: TrialFolder, accuracy: float = 0.5) -> None:
    train(trial, accuracy)
    study.end(trial, TrialState.COMPLETE, "the training budget was spent")


def in_study(study: OpenedSearch, trial: TrialFolder) -> optuna.trial.FrozenTrial:
    return study.study.trials[trial.record().study_number]


def run_all(study: OpenedSearch) -> list[TrialFolder]:
    done = []
    while trial := study.propose():
        finish(study, trial, trial.record().model["N"] / 10)
        done.append(trial)
    return done


def parameters(trials: list[TrialFolder]) -> list[dict[str, Any]]:
    return [trial.record().parameters for trial in trials]


def agrees(study: OpenedSearch) -> None:
    """Study and folder say the same of every trial, and no signature is there twice."""
    folders = {trial.record().study_number: trial for trial in study.folder.trials()}
    for one in study.study.trials:
        if one.number in folders:
            outcome = folders[one.number].outcome()
            assert one.state is (OPTUNA_STATES[outcome.state] if outcome else RUNNING)
            assert one.user_attrs["signature"] == folders[one.number].record().signature
        else:
            rejected = one.state is PRUNED and max(one.constraints.values(), default=0) > 0
            assert one.state in (FAIL, WAITING) or rejected
    signatures = [trial.record().signature for trial in folders.values()]
    assert len(set(signatures)) == len(signatures)
    assert sorted(t.record().number for t in folders.values()) == list(range(len(folders)))


def test_a_proposed_trial_is_on_disk_with_its_cost(restart: Open, spec: SweepSpec) -> None:
    study = restart()
    trial = study.propose()
    record = trial.record()
    assert record.number == 0
    assert record.parameters.keys() == spec.space.keys()
    assert record.model["N"] == record.parameters["N"]
    assert record.training["training_flops"] == 1e8
    assert record.training_flops <= 1e8
    assert in_study(study, trial).state is RUNNING
    assert in_study(study, trial).user_attrs["signature"] == record.signature


def test_outcomes_reach_the_study(restart: Open) -> None:
    study = restart()
    complete, stopped, failed = (study.propose() for _ in range(3))
    finish(study, complete, 0.25)
    assert study.decide(stopped, train(stopped, 0.125, to=50)) is CONTINUE
    study.end(stopped, TrialState.STOPPED, "beaten")
    study.end(failed, TrialState.FAILED, "the loss was nan")
    values = [0.25, float(complete.record().inference_flops)]
    assert in_study(study, complete).state is COMPLETE
    assert in_study(study, complete).values == values
    assert in_study(study, stopped).state is PRUNED
    noted = in_study(study, stopped).user_attrs["rungs"]["0.5"]
    assert noted == {
        "replicates": {"measure-0": [0.125, float(stopped.record().inference_flops)]},
        "decision": "continue",
        "early": {"measure-0": [0.125, 0.5, 1.0, float(stopped.record().inference_flops), 1.0]},
        "by": "objectives",
        "audited": False,
        "paused": False,
        "trial": stopped.record().number,
    }
    assert in_study(study, failed).state is FAIL
    assert in_study(study, failed).values is None
    assert stopped.outcome().reason == "beaten"
    agrees(study)


@pytest.mark.parametrize("name", ["exact_accuracy", "parameter_count", "device_seconds"])
def test_a_single_objective(restart: Open, make_spec, name: str) -> None:
    study = restart(make_spec(objectives=[name], rungs={"at": [0.5]}))
    complete, stopped = study.propose(), study.propose()
    finish(study, complete, 0.25)
    study.decide(stopped, train(stopped, 0.125, to=50))
    study.decide(stopped, progress(50, 0.125))
    study.end(stopped, TrialState.STOPPED, "beaten")
    known = {"exact_accuracy": 0.25, "device_seconds": 10.0}
    expected = known.get(name, complete.record().parameter_count)
    assert in_study(study, complete).value == expected
    assert in_study(study, stopped).state is PRUNED
    assert list(in_study(study, stopped).intermediate_values) == [50]


def test_rungs_compare_with_those_before(restart: Open, make_spec) -> None:
    spec = make_spec(objectives=["exact_accuracy"], rungs={"at": [0.5], "minimum": 2})
    study = restart(spec)
    trials = [study.propose() for _ in range(4)]
    decisions = [
        study.decide(trial, train(trial, accuracy, to=50))
        for trial, accuracy in zip(trials, (0.5, 0.4, 0.3, 0.0), strict=True)
    ]
    table = study.search.rungs.table(0.5)
    assert [table[t.record().study_number][0] for t in trials] == [0.5, 0.4, 0.3, 0.0]
    assert decisions == [CONTINUE, STOP, STOP, STOP]
    assert restart(spec).search.rungs.table(0.5) == table
    assert study.decide(trials[3], progress(75, 0.0)) is CONTINUE, "no rung lies there"
    assert study.decide(trials[3], progress(TOTAL, 0.0)) is CONTINUE, "it is done anyway"


def test_a_decision_outlives_those_who_come_later(restart: Open, make_spec) -> None:
    spec = make_spec(objectives=["exact_accuracy"], rungs={"at": [0.5], "minimum": 2})
    study = restart(spec)
    trials = [study.propose() for _ in range(4)]
    told = [progress(50, accuracy) for accuracy in (0.25, 0.1, 0.5, 0.75)]
    decisions = [study.decide(one, at) for one, at in zip(trials, told, strict=True)]
    assert decisions == [CONTINUE, STOP, CONTINUE, CONTINUE]
    for again in (study, restart(spec)):
        assert [again.decide(one, at) for one, at in zip(trials, told, strict=True)] == decisions


def test_a_trial_meets_its_rung_again_with_the_values_it_had(restart: Open) -> None:
    study = restart()
    first, second = study.propose(), study.propose()
    study.decide(first, progress(50, 0.5))
    before = study.decide(second, progress(50, 0.25))
    again = restart()
    assert again.decide(second, progress(50, 0.25)) == before
    assert len(again.search.rungs.table(0.5)) == 2


def test_a_trial_stands_at_a_rung_by_the_mean_of_its_replicates(restart: Open, make_spec) -> None:
    spec = make_spec(objectives=["exact_accuracy"], rungs={"at": [0.5], "minimum": 2})
    study = restart(spec)
    rival, trial = study.propose(), study.propose()
    number = trial.record().study_number
    study.decide(rival, progress(50, 0.5))
    means = []
    for label, accuracy in (("measure-0", 1.0), ("measure-1", 0.5), ("measure-2", 0.0)):
        assert study.decide(trial, progress(50, accuracy), label) is CONTINUE
        means.append(study.search.rungs.table(0.5)[number])
    assert means == [(1.0,), (0.75,), (0.5,)]
    assert len(study.search.rungs.table(0.5)) == 2, "it counts once"
    assert restart(spec).search.rungs.table(0.5) == study.search.rungs.table(0.5)


def test_a_replicate_that_repeats_its_report_changes_nothing(restart: Open, make_spec) -> None:
    spec = make_spec(objectives=["exact_accuracy"], rungs={"at": [0.5], "minimum": 2})
    study = restart(spec)
    rival, trial = study.propose(), study.propose()
    study.decide(rival, progress(50, 0.5))
    study.decide(trial, progress(50, 0.75))
    table = study.search.rungs.table(0.5)
    for again in (study, restart(spec)):
        assert again.decide(trial, progress(50, 0.25)) is CONTINUE
        assert again.search.rungs.table(0.5) == table


def test_one_replicate_that_pulls_the_mean_down_stops_them_all(restart: Open, make_spec) -> None:
    spec = make_spec(objectives=["exact_accuracy"], rungs={"at": [0.5], "minimum": 2})
    study = restart(spec)
    rival, trial = study.propose(), study.propose()
    study.decide(rival, progress(50, 0.5))
    assert study.decide(trial, progress(50, 0.75)) is CONTINUE
    assert not study.search.rungs.stopped(trial.record())
    assert study.decide(trial, progress(50, 0.0), "measure-1") is STOP
    table = study.search.rungs.table(0.5)
    for again in (study, restart(spec)):
        assert again.search.rungs.stopped(trial.record()), "who opens it anew ends the trial"
        for label in ("measure-0", "measure-1", "measure-2"):
            assert again.decide(trial, progress(50, 1.0), label) is STOP
        assert again.search.rungs.table(0.5) == table


def test_a_space_is_exhausted_without_repeats(restart: Open, make_spec) -> None:
    study = restart(make_spec(budget={"trials": 50, "flops_per_trial": 1e8}))
    done = run_all(study)
    assert len(done) == 6
    assert study.propose() is None
    assert len({tuple(found.items()) for found in parameters(done)}) == 6
    agrees(study)


def test_a_space_of_two_ends_after_two(restart: Open, make_spec) -> None:
    two = make_spec(
        space={"N": {"choices": [1, 2]}}, budget={"trials": 10, "flops_per_trial": 1e8}
    )
    assert len(run_all(restart(two))) == 2
    assert restart(two).propose() is None


def test_duplicates_are_noted_and_drawn_again(restart: Open, make_spec) -> None:
    study = restart(make_spec(budget={"trials": 6, "flops_per_trial": 1e8}))
    run_all(study)
    rejected = [t for t in study.study.trials if t.user_attrs.get("duplicate")]
    assert rejected
    assert all(t.state is FAIL for t in rejected)


def test_the_budget_ends_a_sweep(restart: Open, make_spec) -> None:
    small = make_spec(budget={"trials": 2, "flops_per_trial": 1e8})
    assert len(run_all(restart(small))) == 2
    more = make_spec(budget={"trials": 3, "flops_per_trial": 1e8})
    assert len(run_all(restart(more))) == 1


def test_a_continuous_space_never_runs_out_of_draws(
    restart: Open, make_spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samplers may insist on one point, such as an end of a range."""
    fixed = optuna.samplers.PartialFixedSampler

    def insisting(spec: SweepSpec, number: int) -> optuna.samplers.BaseSampler:
        base = optuna.samplers.RandomSampler(seed=number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return base if spec.search.sampler == "random" else fixed({"beta1": 0.5}, base)

    monkeypatch.setattr(proposer_module, "sampler", insisting)
    wide = make_spec(space={"beta1": {"low": 0.5, "high": 0.9}})
    study = restart(wide)
    finish(study, study.propose())
    drawn = [study.propose() for _ in range(3)]
    assert all(drawn)
    assert len({trial.record().parameters["beta1"] for trial in drawn}) == 3


NAMED = {
    "model": {"choices": ["hrm", "hrm-flat", "transformer"]},
    "N": {"choices": [1, 2]},
    "T": {"choices": [1, 2]},
    "ema": {"choices": [None, 0.9]},
}


@pytest.mark.parametrize("name", ["tpe", "random", "nsga2", "gp"])
def test_configurations_that_come_to_the_same_are_run_once(
    restart: Open, make_spec, name: str
) -> None:
    spec = make_spec(
        space=NAMED,
        budget={"trials": 99, "flops_per_trial": 1e8},
        search={"sampler": name, "startup_trials": 3},
    )
    records = [trial.record() for trial in run_all(restart(spec))]
    counts = Counter(record.model["model"] for record in records)
    assert counts == {"hrm": 2 * 4, "hrm-flat": 2 * 3, "transformer": 2}
    assert len(records) == size(spec, SHAPE).count
    agrees(restart(spec))
    of_transformers = [record for record in records if record.model["model"] == "transformer"]
    for record in of_transformers:
        assert record.inactive == ("N", "T")
        assert record.knobs.keys() == {"model", "ema"}
        assert record.parameters.keys() == spec.space.keys()


def test_an_endless_space_with_idle_knobs_runs_nothing_twice(restart: Open, make_spec) -> None:
    spec = make_spec(
        space={
            "model": {"choices": ["hrm", "transformer"]},
            "halt_exploration": {"low": 0.1, "high": 0.9},
        },
        budget={"trials": 12, "flops_per_trial": 1e8},
        search={"sampler": "random"},
    )
    records = [trial.record() for trial in run_all(restart(spec))]
    assert len({record.signature for record in records}) == len(records) == 12
    models = Counter(record.model["model"] for record in records)
    assert models == {"hrm": 11, "transformer": 1}


def test_stepped_fractions_are_written_as_a_person_would(restart: Open, make_spec) -> None:
    study = restart(make_spec(space={"beta1": {"low": 0.1, "high": 0.7, "step": 0.2}}))
    found = parameters(run_all(study))
    assert sorted(one["beta1"] for one in found) == [0.1, 0.3, 0.5, 0.7]


LEAVES_SOMETHING = [
    (optuna.Study, "ask"),
    (optuna.Trial, "set_user_attr"),
    (TrialFolder, "create"),
    (ReplicateFolder, "end"),
    (TrialFolder, "end"),
    (optuna.Study, "tell"),
]
"""Calls of propose and end that leave something behind; the driver may die before or after."""


@pytest.mark.parametrize(("kind", "method"), LEAVES_SOMETHING)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_at_any_step_is_made_up_for(
    restart: Open,
    make_spec,
    monkeypatch: pytest.MonkeyPatch,
    kind: type,
    method: str,
    when: str,
) -> None:
    """Every trial then ends once, and the draws are those of a sweep that nobody killed."""
    monkeypatch.setattr(proposer_module, "DRAWS", 1)
    spec = make_spec(rungs={"at": [0.5]}, budget={"trials": 50, "flops_per_trial": 1e8})
    untouched = parameters(run_all(restart(spec, root="untouched")))
    with monkeypatch.context() as patch:
        die_at(patch, kind, method, when, nth=2)
        study = restart(spec)
        with pytest.raises(Killed):
            run_all(study)
        del study
    study = restart(spec)
    assert all(trial.outcome() is None for trial in study.unfinished)
    agrees(study)
    run_all(study)
    agrees(restart(spec))
    assert not restart(spec).unfinished
    assert parameters(study.folder.trials()) == untouched


@pytest.mark.parametrize("kept", [1, 2])
def test_a_half_drawn_trial_is_drawn_anew(restart: Open, tmp_path: Path, kept: int) -> None:
    """A death between two knobs leaves a trial in the journal that lacks one."""
    whole = restart(root="whole").propose().record().parameters
    restart().propose()
    journal = tmp_path / "toy" / "study.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    first_knob = next(index for index, line in enumerate(lines) if b"param_name" in line)
    torn = b"".join(lines[: first_knob + kept - 1]) + b'{"op_code": 5, "worker'
    journal.write_bytes(torn)
    for trial in SweepFolder(tmp_path / "toy").trials():
        (trial.root / "trial.json").unlink()
    study = restart()
    assert [t.state for t in study.study.trials] == [FAIL]
    assert study.propose().record().parameters == whole
    agrees(study)


def test_the_unfinished_go_first_in_their_order(restart: Open) -> None:
    study = restart()
    first, second, third = (study.propose() for _ in range(3))
    finish(study, second)
    again = restart()
    assert [trial.root for trial in again.unfinished] == [first.root, third.root]
    assert again.propose().root == first.root
    assert again.propose().root == third.root
    assert again.propose().record().number == 3


def test_an_outcome_that_the_study_missed_is_told_once(restart: Open) -> None:
    study = restart()
    trial = study.propose()
    train(trial, 0.25)
    for folder in (begun(trial), trial):
        folder.end(Outcome(state=TrialState.COMPLETE, reason="done", ended=time.time()))
    for again in (restart(), restart()):
        assert in_study(again, trial).state is COMPLETE
        assert in_study(again, trial).values[0] == 0.25
        assert spending_of(again.folder.trials(), 1.0).seconds_of_a_job == 10.0
        assert not again.unfinished


def test_a_torn_journal_loses_nothing_that_was_whole(restart: Open, tmp_path: Path) -> None:
    finish(restart(), restart().propose())
    journal = tmp_path / "toy" / "study.journal"
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 4, "wor')
    study = restart()
    assert [t.state for t in study.study.trials] == [COMPLETE]
    assert len(run_all(study)) == 5
    agrees(restart())


def test_a_restart_before_every_proposal_changes_no_draw(restart: Open) -> None:
    untouched = parameters(run_all(restart(root="untouched")))
    while trial := (study := restart()).propose():
        finish(study, trial, trial.record().parameters["N"] / 10)
    assert parameters(study.folder.trials()) == untouched


@pytest.mark.parametrize(
    ("sampler", "startup"),
    [
        ("tpe", 0),
        ("tpe", 2),
        ("random", 2),
        ("nsga2", 0),
        ("nsga2", 2),
        ("gp", 2),
        ("quasi-random", 2),
        ("auto", 2),
    ],
)
@pytest.mark.parametrize("objectives", [["exact_accuracy", "inference_flops"], ["exact_accuracy"]])
@pytest.mark.filterwarnings("ignore::DeprecationWarning:scipy|torch")
def test_every_sampler(
    restart: Open, make_spec, sampler: str, startup: int, objectives: list[str]
) -> None:
    spec = make_spec(
        space={"N": {"choices": [1, 2, 3]}, "beta1": {"low": 0.1, "high": 0.9}},
        objectives=objectives,
        rungs={"at": [0.5]},
        search={"sampler": sampler, "startup_trials": startup},
        budget={"trials": 4, "flops_per_trial": 1e8},
    )
    study = restart(spec)
    while trial := study.propose():
        study.decide(trial, train(trial, 0.1, to=50))
        if trial.record().number == 1:
            study.end(trial, TrialState.STOPPED, "beaten")
        else:
            finish(study, trial, trial.record().parameters["beta1"])
    assert len(study.folder.trials()) == 4
    agrees(study)


@pytest.mark.parametrize("sampler", ["cma-es", "optuna.samplers:QMCSampler"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_samplers_of_ranges_go_on_after_a_restart(restart: Open, make_spec, sampler: str) -> None:
    spec = make_spec(
        space={"beta1": {"low": 0.1, "high": 0.9}, "beta2": {"low": 0.1, "high": 0.9}},
        objectives=["exact_accuracy"],
        constraints=["beta1 + beta2 < 1.5"],
        search={"sampler": sampler, "startup_trials": 3},
        budget={"trials": 12, "flops_per_trial": 1e8},
    )
    whole = restart(spec, root="whole")
    while trial := whole.propose():
        finish(whole, trial, trial.record().parameters["beta1"])
    while trial := (study := restart(spec)).propose():
        finish(study, trial, trial.record().parameters["beta1"])
    assert parameters(study.folder.trials()) == parameters(whole.folder.trials())
    assert len(study.folder.trials()) == 12
    assert all(sum(one.values()) < 1.5 for one in parameters(study.folder.trials()))
    agrees(study)


def test_a_database_in_place_of_the_journal(restart: Open, make_spec, tmp_path: Path) -> None:
    spec = make_spec(search={"storage": f"sqlite:///{tmp_path / 'study.db'}"})
    first = restart(spec).propose()
    study = restart(spec)
    assert study.propose().root == first.root
    finish(study, first)
    assert len(run_all(study)) == 5
    agrees(restart(spec))
    assert not study.folder.journal.exists()


@pytest.mark.parametrize(
    "url", ["sqlite:////proc/none/study.db", "nonsense", "nosuch://u:secret@h/d", ""]
)
def test_a_database_that_does_not_open_is_bad_input(restart: Open, make_spec, url: str) -> None:
    with pytest.raises(InputError, match=r"`search\.storage` cannot be opened") as caught:
        restart(make_spec(search={"storage": url}))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_mlflows_own_database_holds_no_study(restart: Open, make_spec, mlflow_uri: str) -> None:
    with pytest.raises(InputError, match=r"`search\.storage` is MLflow's database; make another"):
        restart(make_spec(search={"storage": mlflow_uri}))


def test_a_database_that_takes_no_writes_is_bad_input(
    restart: Open, make_spec, tmp_path: Path
) -> None:
    database = tmp_path / "study.db"
    restart(make_spec(search={"storage": f"sqlite:///{database}"})).propose()
    read_only = make_spec(search={"storage": f"sqlite:///file:{database}?mode=ro&uri=true"})
    with pytest.raises(InputError, match=r"cannot be opened \(.*readonly database\)"):
        restart(read_only)
    with contextlib.closing(sqlite3.connect(database)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(InputError, match=r"cannot be opened \(.*database is locked\)"):
            restart(make_spec(search={"storage": f"sqlite:///{database}?timeout=0"}))


@pytest.mark.parametrize("ended", [True, False])
def test_another_storage_than_the_first_is_bad_input(
    restart: Open, make_spec, tmp_path: Path, ended: bool
) -> None:
    spec = make_spec(search={"storage": f"sqlite:///{tmp_path / 'study.db'}"})
    study = restart(spec)
    trial = study.propose()
    if ended:
        finish(study, trial)
    for _ in range(2):
        with pytest.raises(InputError, match=r"lacks trial 0 of .*toy; .* search\.storage=URL"):
            restart()
    again = restart(spec)
    assert len(again.unfinished) == (0 if ended else 1)
    agrees(again)


def test_a_journal_that_was_deleted_is_bad_input(restart: Open, tmp_path: Path) -> None:
    finish(restart(), restart().propose())
    (tmp_path / "toy" / "study.journal").unlink()
    with pytest.raises(InputError, match=r"the study lacks trial 0 .* put study\.journal back"):
        restart()


CHANGES: dict[str, Any] = {
    "model": {"H_layers": 2, "L_layers": 1, "head_dim": 16, "hidden_size": 32},
    "training": {"batch_size": 8, "warmup_steps": 3},
    "budget": {"trials": 6, "flops_per_trial": 2e8},
    "evaluation": {"puzzles": 3},
}
ELSEWHERE: dict[str, Any] = {
    "name": "other",
    "seed": 1,
    "replicates": 3,
    "budget": {"trials": 9, "flops_per_trial": 1e8, "minutes": 5},
    "resources": {"cpus": 2},
    "search": {"startup_trials": 3},
    "objectives": ["exact_accuracy"],
    "rungs": {"keep": 0.25},
}


def signature(spec: SweepSpec, drawn: dict[str, Any], data: str = "data") -> str:
    """The signature of this configuration, without a folder or a journal."""
    nowhere = SweepFolder(Path("/nowhere"))
    return TrialFactory(nowhere, spec, SHAPE, {"fingerprint": data}).record(0, drawn).signature


@pytest.mark.parametrize("key", CHANGES)
def test_what_changes_the_result_changes_the_signature(make_spec, key: str) -> None:
    drawn = {"N": 1, "T": 1}
    assert signature(make_spec(), drawn) != signature(make_spec(**{key: CHANGES[key]}), drawn)
    assert signature(make_spec(), drawn) != signature(make_spec(), drawn, data="other")


@pytest.mark.parametrize("key", ELSEWHERE)
def test_what_does_not_leaves_it(make_spec, key: str) -> None:
    drawn = {"N": 1, "T": 1}
    assert signature(make_spec(), drawn) == signature(make_spec(**{key: ELSEWHERE[key]}), drawn)


@given(
    one=st.fixed_dictionaries({"N": st.integers(1, 2), "T": st.integers(1, 3)}),
    other=st.fixed_dictionaries({"N": st.integers(1, 2), "T": st.integers(1, 3)}),
)
def test_signatures_tell_configurations_apart(make_spec, one: Any, other: Any) -> None:
    spec = make_spec()
    assert (signature(spec, one) == signature(spec, other)) == (one == other)


def test_a_trial_that_a_rule_paused_passes_its_rung_when_it_goes_on(
    restart: Open, make_spec
) -> None:
    class Pausing:
        def at(self, step: int, total_steps: int) -> float | None:
            return 0.5 if step == 50 else None

        def decide(self, values: Any, earlier: Any) -> Decision:
            return Decision.PAUSE

        def promotes(self, there: Any, last: bool = False) -> int:
            return int(last)

    search = restart(make_spec(objectives=["exact_accuracy"]))
    record = search.propose().record()
    ledger = RungLedger(search.search.proposer._study, Pausing(), ("exact_accuracy",), {})
    assert ledger.decide(record, "measure-0", progress(50, 0.5)) is Decision.PAUSE
    assert ledger.decide(record, "measure-0", progress(50, 0.5)) is Decision.PAUSE
    assert list(ledger.paused.promotable()) == []
    assert list(ledger.paused.promotable(last=True)) == [record.number]
    ledger.end_pause(record, Decision.CONTINUE)
    assert ledger.decide(record, "measure-0", progress(50, 0.5)) is Decision.CONTINUE
    assert list(ledger.paused.promotable(last=True)) == []


def test_of_a_trial_that_runs_again_the_last_attempt_counts(tmp_path: Path, make_spec) -> None:
    spec = make_spec(rungs={"at": [0.5]})
    before = opened(tmp_path / "toy", spec)
    failed = before.propose()
    before.decide(failed, progress(50, 0.9))
    before.end(failed, TrialState.FAILED)
    folder = sweep_folder(tmp_path / "toy")
    search = open_search(folder, spec, SHAPE, {"fingerprint": "data"}, retry_failed=True)
    assert search.rungs.table(0.5) == {}
    again = search.jobs.next(any_trial=True).trial
    search.rungs.decide(again.record(), "measure-0", progress(50, 0.1))
    for rungs in (search.rungs, opened(tmp_path / "toy", spec).search.rungs):
        assert [values[0] for values in rungs.table(0.5).values()] == [0.1]


def test_a_replicate_that_begins_anew_is_at_no_rung_yet(tmp_path: Path, make_spec) -> None:
    spec = make_spec(rungs={"at": [0.5]}, replicates=3)
    before = opened(tmp_path / "toy", spec)
    [trial] = before.search.proposer.propose()
    for number in range(3):
        begun(trial, number).append([measurement(50, 0.25)])
        before.decide(trial, progress(50, 0.25), f"measure-{number}")
        state = TrialState.COMPLETE if number else TrialState.FAILED
        before.search.outcomes.end_replicate(begun(trial, number), state, "it ended")
    before.search.outcomes.end(trial, TrialState.COMPLETE, "it ended")
    search = opened(tmp_path / "toy", spec, retry_failed=True).search
    [entry] = search.study.attribute(trial.record().study_number, "rungs", {}).values()
    assert entry["replicates"].keys() == entry["early"].keys() == {"measure-1", "measure-2"}


def test_a_trial_that_failed_runs_again_when_it_is_asked_for(tmp_path: Path, make_spec) -> None:
    spec = make_spec()
    before = opened(tmp_path / "toy", spec)
    failed, complete = before.propose(), before.propose()
    assert failed and complete
    before.end(failed, TrialState.FAILED)
    finish(before, complete)
    first(failed).write_error("Traceback")
    assert opened(tmp_path / "toy", spec).unfinished == ()

    folder = sweep_folder(tmp_path / "toy")
    search = open_search(folder, spec, SHAPE, {"fingerprint": "data"}, retry_failed=True)
    again = search.jobs.next(any_trial=True).trial
    assert again.root == failed.root
    assert (again.outcome(), first(again).outcome()) == (None, None)
    assert not first(again).error.exists()
    assert again.record().study_number == 2
    assert again.record().signature == failed.record().signature

    later = opened(tmp_path / "toy", spec)
    assert [trial.root for trial in later.unfinished] == [failed.root]
    later.end(failed, TrialState.STOPPED)
    states = [trial.state.name for trial in later.study.trials]
    assert states == ["FAIL", "COMPLETE", "PRUNED"]
    assert later.search.proposer.propose()[0].record().number == 2


@pytest.mark.parametrize("name", ["tpe", "random", "nsga2", "gp"])
@pytest.mark.parametrize("lag", [True, False])
def test_samplers_see_what_was_taken_up_again_once(
    tmp_path: Path, make_spec, name: str, lag: bool
) -> None:
    settings: dict[str, Any] = {
        "objectives": ["exact_accuracy"],
        "search": {"sampler": name, "startup_trials": 2, "deterministic": lag},
        "rungs": {"at": []},
        "space": {"N": {"low": 1, "high": 40}, "T": {"low": 1, "high": 40}},
        "budget": {"trials": 20, "flops_per_trial": 1e8},
    }
    before = opened(tmp_path / "toy", make_spec(**settings), concurrency=3)
    for number in range(6):
        trial = before.propose()
        finish(before, trial, 0.9 - number / 10)
    again = opened(tmp_path / "toy", make_spec(**settings, replicates=2), concurrency=3)
    seen = again.search.proposer._study._seen
    assert [one.state.name for one in seen.get_trials()] == ["FAIL"] * 6 + ["RUNNING"] * 6
    for trial in again.folder.trials():
        again.search.outcomes.end(trial, TrialState.COMPLETE, "it ended")
    assert len(seen.best_trials) == 1
    assert seen.best_trials[0].number >= 6
    for _ in range(5):
        [trial] = again.search.proposer.propose()
        finish(again, trial, 0.5)
    assert Latest(again.study).superseded == set(range(6)), "in another session as well"


def proposed(root: Path, spec: Any, concurrency: int) -> list[Any]:
    """The knobs of eight trials, of which each ends before the next is proposed."""
    search = opened(root, spec, concurrency=concurrency)
    found = []
    for number in range(8):
        trial = search.propose()
        found.append(trial.record().knobs)
        finish(search, trial, ((number * 7) % 5) / 10)
    return found


def test_a_given_lag_proposes_the_same_on_any_hardware(tmp_path: Path, make_spec) -> None:
    settings: dict[str, Any] = {
        "objectives": ["exact_accuracy"],
        "rungs": {"at": []},
        "space": {"N": {"low": 1, "high": 40}, "T": {"low": 1, "high": 40}},
        "budget": {"trials": 20, "flops_per_trial": 1e8},
    }
    search = {"sampler": "tpe", "startup_trials": 2, "deterministic": True}
    free, fixed = (make_spec(**settings, search=search | more) for more in ({}, {"lag": 2}))
    assert proposed(tmp_path / "one", free, 1) != proposed(tmp_path / "four", free, 4)
    alone = proposed(tmp_path / "alone", fixed, 1)
    assert alone == proposed(tmp_path / "beside", fixed, 4)
    assert alone == proposed(tmp_path / "three", free, 3), "two run beside the next one"
