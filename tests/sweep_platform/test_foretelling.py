"""By what trials are compared at rungs, learnt from those that have ended."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_builders import TOTAL, measurement

from sweep_platform.common.errors import InputError
from sweep_platform.search.rungs.entries import EARLY, OBJECTIVES, Entry
from sweep_platform.search.rungs.foretelling import (
    AUTO,
    LEAST,
    Judge,
    fitted,
)
from sweep_platform.store.messages import Decision
from sweep_platform.store.pruning.told import (
    EXTRAPOLATION,
    MEASURES,
    Compared,
    Rungs,
    read_rungs,
    write_rungs,
)
from sweep_platform.store.steering.messages import Verb
from sweep_platform.store.trial import TrialState

ONE = {"objectives": ["exact_accuracy"]}
FEATURES = (0.1, 0.5, 1.0, 1e6, 100.0)
MANY = {"space": {"N": {"low": 1, "high": 60}}, "budget": {"trials": 60, "flops_per_trial": 1e8}}


def trials(count: int, seed: int = 0) -> list[tuple[tuple[float, ...], float]]:
    """Trials that solve nothing at a rung; what tokens they have right foretells their ends."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        tokens, cost = generator.uniform(0.2, 0.8), generator.uniform(1e6, 1e8)
        end = float(np.clip(tokens + generator.normal(0, 0.02), 0, 1))
        loss = float(generator.uniform(0.5, 2.0))
        found.append(((0.0, float(tokens), loss, float(cost), 100.0), end))
    return found


def test_auto_takes_what_has_foretold_the_end_best() -> None:
    judge = Judge(AUTO)
    assert not judge.learn(trials(LEAST - 1))
    assert judge.by == OBJECTIVES, "nothing is known yet"
    assert judge.value((0.0, 0.5, 1.0, 1e6, 100.0)) is None
    assert judge.learn(trials(30))
    assert judge.by == "token_accuracy"
    assert judge.value((0.0, 0.5, 1.0, 1e6, 100.0)) == 0.5
    assert judge.foretold["exact_accuracy"] == 0, "which never varied"
    assert judge.foretold["token_accuracy"] > 0.8 > abs(judge.foretold["loss"])


def test_extrapolation_foretells_what_no_single_value_does() -> None:
    """Dearer configurations lag behind: at equal values they end higher."""
    generator = np.random.default_rng(1)
    ended = []
    for _ in range(60):
        tokens, power = generator.uniform(0.2, 0.6), generator.uniform(6, 8)
        end = float(tokens + 0.3 * (power - 7) + generator.normal(0, 0.01))
        ended.append(((0.0, float(tokens), 1.0, float(10**power), 100.0), end))
    judge = Judge(AUTO)
    judge.learn(ended)
    assert judge.by == EXTRAPOLATION
    assert judge.foretold[EXTRAPOLATION] > 0.9 > judge.foretold["token_accuracy"]
    cheap, dear = (0.0, 0.4, 1.0, 1e6, 100.0), (0.0, 0.4, 1.0, 1e8, 100.0)
    assert judge.value(dear) > judge.value(cheap) + 0.4  # type: ignore[operator]


@given(st.integers(LEAST, 30), st.integers(0, 100))
def test_expected_ends_are_foretold_by_the_others_alone(count: int, seed: int) -> None:
    ended = trials(count, seed)
    expected = fitted(ended).expected
    for number in (0, count - 1):
        others = fitted([one for n, one in enumerate(ended) if n != number])
        changed = [*ended]
        changed[number] = (ended[number][0], 99.0)
        assert fitted(changed).expected[number] == pytest.approx(expected[number], abs=1e-6)
        # The scale of the features differs by the one that is left out, and the ridge with it.
        assert others(ended[number][0]) == pytest.approx(expected[number], abs=0.1)


@pytest.mark.parametrize("name", MEASURES[:-1])
def test_a_measure_that_was_chosen_stays(name: str) -> None:
    judge = Judge(name)
    assert not judge.learn(trials(30))
    assert judge.by == name
    value = judge.value((0.1, 0.5, 2.0, 1e6, 100.0))
    assert value == {"exact_accuracy": 0.1, "token_accuracy": 0.5, "loss": -2.0}[name]


def at_rung(driver: Any, key: str, tokens: float, exact: float = 0.0) -> Decision:
    """Let a trial report at its rung; what was decided on it."""
    job = driver.start(key)
    half = measurement(TOTAL // 2, exact)
    curve = replace(half.progress.curve, token_accuracy=(tokens,))
    driver.report(key, replace(half, progress=replace(half.progress, curve=curve)))
    return driver.told(job.record.number)


def test_trials_are_compared_by_the_measure_that_is_asked_for(drive: Any) -> None:
    rungs = {"at": [0.5], "minimum": 2, "compare": "token_accuracy"}
    driver = drive(capacity=9, **ONE, **MANY, rungs=rungs)
    assert at_rung(driver, "a", 0.6) is Decision.CONTINUE
    assert at_rung(driver, "b", 0.7, exact=0.0) is Decision.CONTINUE
    assert at_rung(driver, "c", 0.3, exact=0.9) is Decision.STOP
    driver.scheduler.ended("c")
    assert "by token accuracy" in driver.folder.trials()[2].outcome().reason
    again = drive(capacity=9, **ONE, **MANY, rungs=rungs)
    assert [again.start(key).record.number for key in "ab"] == [0, 1]
    assert at_rung(again, "d", 0.2) is Decision.STOP


def test_the_objectives_cost_counts_beside_the_measure(drive: Any) -> None:
    rungs = {"at": [0.5], "minimum": 2, "compare": "token_accuracy"}
    driver = drive(capacity=9, **MANY, rungs=rungs)
    told = [at_rung(driver, key, 0.9 - number / 10) for number, key in enumerate("abcdefg")]
    costs = [trial.record().inference_flops for trial in driver.folder.trials()]
    assert Decision.STOP in told
    for number, decision in enumerate(told):
        if decision is Decision.STOP:
            assert costs[number] > min(costs[:number]), "better ones that are cheaper beat it"


def test_auto_changes_over_says_so_and_keeps_to_it_after_a_restart(drive: Any) -> None:
    rungs = {"at": [0.5], "minimum": 100, "compare": "auto"}
    driver = drive(capacity=1, **ONE, **MANY, rungs=rungs)
    for number in range(12):
        assert at_rung(driver, "a", 0.1 + number / 40) is Decision.CONTINUE
        driver.finish("a", accuracy=0.2 + number / 40)
    judge = driver.search.rungs.judge(0.5)
    assert judge.by in ("token_accuracy", EXTRAPOLATION)
    [note] = [e[1] for e in driver.display.events if e[0] == "note" and "compared by" in e[1]]
    assert note.startswith("at the rung at 50% trials are compared by")
    [kept] = read_rungs(driver.folder.root).compared
    assert kept.by == judge.by
    assert kept.foretold["token_accuracy"] == pytest.approx(1)
    again = drive(capacity=1, **ONE, **MANY, rungs=rungs)
    assert again.search.rungs.judge(0.5).by == judge.by
    assert again.search.rungs.judge(0.5).foretold["token_accuracy"] == pytest.approx(1)


def test_a_trial_that_ends_costs_the_same_however_many_ended_before(
    drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = drive(capacity=1, **ONE, **MANY, rungs={"at": [0.5], "compare": "auto"})
    asked, costs = Counter[int](), []

    def features(entry: Entry) -> tuple[float, ...]:
        asked[len(costs)] += 1
        return FEATURES

    monkeypatch.setattr(Entry, "features", property(features))
    for number in range(25):
        at_rung(driver, "a", 0.1 + number / 40)
        asked.clear()
        driver.finish("a", accuracy=0.2 + number / 40)
        costs.append(asked.total())
    assert costs.count(1) > 12, "of most that end nothing is learnt as yet"


def test_those_that_are_audited_go_on_though_they_were_to_stop(drive: Any) -> None:
    rungs = {"at": [0.5], "minimum": 2, "compare": "token_accuracy", "audit": 1.0}
    driver = drive(capacity=9, **ONE, **MANY, rungs=rungs)
    told = [at_rung(driver, key, 0.6 - number / 10) for number, key in enumerate("abc")]
    assert told == [Decision.CONTINUE] * 3
    for key in "abc":
        driver.finish(key)
    assert driver.states() == [TrialState.COMPLETE] * 3
    audited = read_rungs(driver.folder.root).audited
    assert [one.trial for one in audited] == [1, 2], "the first had nobody above it"
    assert {one.rung for one in audited} == {0.5}
    (driver.folder.root / "rungs.json").unlink()
    more = drive(capacity=9, **ONE, **MANY, rungs=rungs, replicates=2)
    assert more.folder.trials()[1].record().study_number > 2
    assert read_rungs(more.folder.root).audited == audited, "a new session writes it anew"


def test_an_audit_is_said_once_with_its_rung(drive: Any) -> None:
    rungs = {"at": [0.5], "minimum": 2, "compare": "token_accuracy", "audit": 1.0}
    driver = drive(capacity=9, **ONE, **MANY, rungs=rungs)
    for number, key in enumerate("ab"):
        at_rung(driver, key, 0.6 - number / 10)
    [said] = notes(driver)
    assert "50%" in said
    again = drive(capacity=9, **ONE, **MANY, rungs=rungs)
    for key in "ab":
        again.start(key)
        again.report(key, measurement(TOTAL * 3 // 4, 0.0))
    assert notes(again) == []


def test_those_that_were_stopped_at_a_rung_are_kept_apart_from_others(drive: Any) -> None:
    rungs = {"at": [0.5], "minimum": 2, "compare": "token_accuracy"}
    driver = drive(capacity=9, **ONE, **MANY, rungs=rungs)
    told = [at_rung(driver, key, 0.6 - number / 10) for number, key in enumerate("ab")]
    assert told == [Decision.CONTINUE, Decision.STOP]
    assert read_rungs(driver.folder.root).stopped == (1,)
    driver.start("c")
    assert driver.ask(Verb.STOP, trial=2).accepted
    for key in "bc":
        driver.scheduler.ended(key)
    assert driver.states() == [None, TrialState.STOPPED, TrialState.STOPPED]
    again = drive(capacity=9, **ONE, **MANY, rungs=rungs)
    assert read_rungs(again.folder.root).stopped == (1,)
    assert again.ask(Verb.PROMOTE, trial=1).accepted
    later = drive(capacity=9, **ONE, **MANY, rungs=rungs)
    assert read_rungs(later.folder.root).stopped == (), "no rung stops it any more"


def test_where_an_older_session_kept_no_numbers_nothing_is_told_of_them(drive: Any) -> None:
    driver = drive(capacity=9, **ONE, **MANY, rungs={"at": [0.5], "minimum": 2})
    for key, exact in (("a", 0.5), ("b", 0.25)):
        at_rung(driver, key, 0.5, exact)
    study, number = driver.search.study, driver.folder.trials()[1].record().study_number
    [(rung, entry)] = study.attribute(number, "rungs", {}).items()
    study.note(number, "rungs", {rung: {k: v for k, v in entry.items() if k != "trial"}})
    again = drive(capacity=9, **ONE, **MANY, rungs={"at": [0.5], "minimum": 2})
    assert read_rungs(again.folder.root).stopped is None


def notes(driver: Any) -> list[str]:
    """What was said of audits."""
    return [e[1] for e in driver.display.events if e[0] == "note" and "audited" in e[1]]


def test_a_share_is_audited(drive: Any) -> None:
    rungs = {"at": [0.5], "minimum": 2, "compare": "token_accuracy", "audit": 0.4}
    driver = drive(capacity=99, **ONE, **MANY, rungs=rungs)
    told = [at_rung(driver, str(number), 0.9 - number / 100) for number in range(50)]
    assert 0.2 < told[1:].count(Decision.CONTINUE) / 49 < 0.6


def test_brackets_leave_out_rungs_and_some_of_each_are_spared(drive: Any) -> None:
    rungs = {"at": [0.25, 0.5], "minimum": 2, "brackets": 2, "compare": "token_accuracy"}
    driver = drive(capacity=99, **ONE, **MANY, rungs=rungs)
    stopped_at: dict[str, list[str]] = {"0.25": [], "0.5": []}
    for number in range(40):
        key, job = str(number), driver.start(str(number))
        for rung in stopped_at:
            early = measurement(int(float(rung) * TOTAL), 0.0)
            curve = replace(early.progress.curve, token_accuracy=(0.9 - number / 100,))
            driver.report(key, replace(early, progress=replace(early.progress, curve=curve)))
            if driver.told(job.record.number) is Decision.STOP:
                stopped_at[rung].append(key)
                break
    assert min(map(len, stopped_at.values())) > 8
    assert sum(map(len, stopped_at.values())) == 39


@pytest.mark.parametrize(
    ("rungs", "field"),
    [
        ("{at: [0.5], compare: accuracy}", "rungs.compare"),
        ("{at: [0.5], audit: 2}", "rungs.audit"),
        ("{at: [0.5], brackets: 2}", "rungs"),
    ],
)
def test_what_compares_nothing_is_refused(rungs: str, field: str, as_space: Any) -> None:
    with pytest.raises(InputError) as found:
        as_space(f"rungs: {rungs}")
    assert found.value.field == field


def test_what_is_learnt_from_others_is_no_matter_of_the_seed(as_space: Any) -> None:
    with pytest.raises(InputError) as found:
        as_space("rungs: {at: [0.5], compare: auto}\nsearch: {deterministic: true}")
    assert found.value.field == "rungs.compare"


@pytest.fixture
def as_space() -> Any:
    """Resolves a small space with some lines more."""
    import yaml

    from sweep_platform.space.space_file import SpaceFile

    space = """\
name: toy
dataset: {name: sudoku, side: 4, train: 10, test: 10}
space: {N: {choices: [1, 2]}}
model: {hidden_size: 32, head_dim: 16}
budget: {trials: 4, flops_per_trial: 1.0e+9}
"""
    return lambda more: SpaceFile.of(yaml.safe_load(space + more)).resolve(None)


def test_every_measure_is_there_at_a_rung() -> None:
    assert set(MEASURES[:-1]) < set(EARLY)


def test_what_is_told_of_rungs_is_written_when_it_changes(tmp_path: Path) -> None:
    def told(rungs: Rungs) -> int:
        write_rungs(tmp_path, rungs)
        return (tmp_path / "rungs.json").stat().st_ino

    compared = Compared(rung=1 / 3, by="loss", trials=8, foretold={"loss": 0.1})
    one, other = Rungs(compared=(compared,)), Rungs(compared=(replace(compared, trials=9),))
    first = told(one)
    assert told(one) == first
    assert told(other) != first
    assert read_rungs(tmp_path) == other
    (tmp_path / "rungs.json").write_text("{")
    told(other)
    assert read_rungs(tmp_path) == other
