"""A sweep's folder reads back what was written, also after a death in mid-line."""

import json
from pathlib import Path

import pytest
from sweep_builders import first

from sweep_platform.common.errors import InputError
from sweep_platform.store.folder import SessionEnd, SweepFolder, owned
from sweep_platform.store.trial import Outcome, TrialState


def test_round_trip(make_sweep) -> None:
    sweep = make_sweep(TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED, None)
    trials = sweep.trials()
    assert [t.record().number for t in trials] == [0, 1, 2, 3]
    assert [t.outcome() and t.outcome().state for t in trials] == [
        TrialState.COMPLETE,
        TrialState.STOPPED,
        TrialState.FAILED,
        None,
    ]
    curves = [m.progress.curve for m in first(trials[0]).measurements() if m.progress.curve]
    assert len(curves) == 3
    assert len(curves[-1].exact_accuracy) == trials[0].record().parameters["M_max"]
    assert sweep.record().name == "toy"


def test_a_step_is_recorded_once(make_sweep) -> None:
    trial = first(make_sweep(TrialState.COMPLETE).trials()[0])
    measured = list(trial.measurements())
    assert trial.append([measured[1]]) == []
    assert list(trial.measurements()) == measured


def test_an_outcome_is_final(make_sweep) -> None:
    trial = make_sweep(TrialState.COMPLETE).trials()[0]
    for one in (first(trial), trial):
        with pytest.raises(AssertionError):
            one.end(Outcome(state=TrialState.FAILED, reason="again", ended=0.0))


def test_sessions(make_sweep) -> None:
    sweep = make_sweep()
    sweep.session_started()
    sweep.session_ended(SessionEnd.INTERRUPTED)
    killed, ended = sweep.sessions()
    assert killed.end is killed.ended is None
    assert ended.end is SessionEnd.INTERRUPTED


def test_a_folder_that_was_moved_away_is_not_made_anew(make_sweep, tmp_path: Path) -> None:
    sweep = make_sweep(TrialState.COMPLETE, None)
    trial = sweep.trials()[1]
    record = trial.record()
    sweep.root.rename(tmp_path / "elsewhere")
    for write in (
        lambda: sweep.session_ended(SessionEnd.DONE),
        sweep.session_told,
        lambda: trial.create(record),
        lambda: trial.replicate("measure-0").write_error("a traceback"),
    ):
        with pytest.raises((OSError, InputError), match=sweep.root.name):
            write()
    assert not sweep.root.exists()


def test_a_paused_replicate_may_go_on(make_sweep) -> None:
    trial = first(make_sweep(None).trials()[0])
    trial.end(Outcome(state=TrialState.PAUSED, reason="interrupted", ended=0.0))
    assert trial.outcome().state is TrialState.PAUSED
    trial.resume()
    assert trial.outcome() is None
    for state in (TrialState.PAUSED, TrialState.COMPLETE):
        trial.end(Outcome(state=state, reason="it ended", ended=0.0))
    with pytest.raises(AssertionError):
        trial.resume()


def test_a_sweep_of_the_old_format_is_refused(make_sweep) -> None:
    sweep = make_sweep()
    record = sweep.root / "sweep.json"
    fields = json.loads(record.read_text())
    del fields["format"]
    record.write_text(json.dumps(fields))
    with pytest.raises(InputError, match="is of format 1, and this version reads") as caught:
        sweep.record()
    assert caught.value.field == str(record)


@pytest.mark.parametrize("sessions", [None, b""])
def test_a_sweep_that_lost_its_sessions_is_kept_where_a_resume_fails(
    make_sweep, sessions: bytes | None
) -> None:
    sweep = make_sweep(TrialState.COMPLETE)
    sweep.journal.touch()
    (sweep.root / "sessions.jsonl").unlink()
    if sessions is not None:
        (sweep.root / "sessions.jsonl").write_bytes(sessions)
    with pytest.raises(InputError, match="refused"), owned(sweep):
        raise InputError.of("seed", "was refused", "give another")
    assert sweep.record().name == "toy"
    assert sweep.journal.exists()


def test_a_start_that_fails_leaves_a_folder_to_another_that_came_into_it(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "runs" / "toy")
    with pytest.raises(InputError, match="refused"), owned(folder):
        (tmp_path / "runs" / "other").mkdir()
        raise InputError.of("seed", "was refused", "give another")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["other"]
