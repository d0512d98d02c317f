"""A study's database that is away for a while, or for good."""

from pathlib import Path
from typing import Any

import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import OperationalError
from sweep_builders import begun, measurement, opened

from sweep_platform.search.studies import patience
from sweep_platform.search.studies.patience import StudyLostError, patiently
from sweep_platform.store.trial import TrialState


class Away:
    """A database that refuses so many times, as Optuna tells of it."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.naps: list[float] = []

    def refuse(self) -> None:
        if self.times:
            self.times -= 1
            cause = OperationalError("SELECT 1", None, Exception("server closed the connection"))
            raise StorageInternalError("An exception is raised during the commit.") from cause

    def work(self) -> str:
        self.refuse()
        return "done"


def test_it_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    away = Away(6)
    assert patiently(away.work, sleep=away.naps.append) == "done"
    assert away.naps == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0]
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_it_is_given_up() -> None:
    away = Away(10_000)
    with pytest.raises(StudyLostError, match="stays away"):
        patiently(away.work, minutes=5, sleep=away.naps.append)
    assert 300 <= sum(away.naps) < 330


def test_a_person_who_wants_the_end_does_not_wait_for_it(
    tmp_path: Path, make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    found = opened(tmp_path / "toy", make_spec(search={"storage": storage}))
    away = Away(10_000)
    asked = patience._patient(lambda *_, **__: away.refuse())
    monkeypatch.setattr(patience.PatientStorage, "create_new_trial", asked)
    monkeypatch.setattr(patience.PatientStorage, "_create_new_trial", asked)
    found.search.study.hurry()
    with pytest.raises(StudyLostError):
        found.propose()
    assert 10_000 - away.times == 1


def test_it_is_given_up_as_soon_as_a_person_wants_the_end() -> None:
    away = Away(10_000)
    with pytest.raises(StudyLostError):
        patiently(away.work, sleep=away.naps.append, hurried=lambda: len(away.naps) == 2)
    assert away.naps == [0.5, 1.0]


def test_other_errors_are_no_absence() -> None:
    def refuse() -> None:
        raise StorageInternalError("too long a value")

    with pytest.raises(StorageInternalError):
        patiently(refuse, sleep=lambda seconds: pytest.fail("nothing to wait for"))


def test_a_search_whose_database_goes_away_loses_nothing(
    tmp_path: Path, make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked of it fails twice, and answers are lost that were given."""
    spec = make_spec(search={"storage": f"sqlite:///{tmp_path / 'study.db'}"})
    search = opened(tmp_path / "toy", spec)
    away = Away(2)
    commit = RDBStorage.set_trial_state_values

    def lose_answer(*arguments: Any, **options: Any) -> Any:
        answer = commit(*arguments, **options)
        away.refuse()
        return answer

    monkeypatch.setattr(patience.time, "sleep", away.naps.append)
    monkeypatch.setattr(
        patience.PatientStorage, "set_trial_state_values", patience._patient(lose_answer)
    )
    trial = search.propose()
    assert trial
    begun(trial).append([measurement(100)])
    search.end(trial, TrialState.COMPLETE)
    assert opened(tmp_path / "toy", spec).unfinished == ()
    assert [str(one.state.name) for one in search.study.trials] == ["COMPLETE"]
