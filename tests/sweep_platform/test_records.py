"""A sweep's folder reads back what was written, also after a death in mid-line."""

from pathlib import Path

import pytest

from puzzle_datasets.common.files import append_json_line, read_json_lines, write_json
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
    curves = [m.progress.curve for m in trials[0].measurements() if m.progress.curve]
    assert len(curves) == 3
    assert len(curves[-1].exact_accuracy) == trials[0].record().parameters["M_max"]
    assert sweep.record().name == "toy"


def test_a_resumed_trial_does_not_tell_a_step_twice(make_sweep) -> None:
    trial = make_sweep(TrialState.COMPLETE).trials()[0]
    told = list(trial.measurements())
    trial.append(told[1].progress)
    assert list(trial.measurements()) == told


def test_torn_line_is_neither_read_nor_kept(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    append_json_line(path, {"a": 1})
    path.write_bytes(path.read_bytes() + b'{"a": 2, "b')
    assert list(read_json_lines(path)) == [{"a": 1}]
    append_json_line(path, {"a": 3})
    assert list(read_json_lines(path)) == [{"a": 1}, {"a": 3}]


def test_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"good": True})
    with pytest.raises(TypeError):
        write_json(path, {"bad": object()})
    assert path.read_text() == '{\n  "good": true\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_an_outcome_is_final(make_sweep) -> None:
    trial = make_sweep(TrialState.COMPLETE).trials()[0]
    with pytest.raises(AssertionError):
        trial.end(Outcome(state=TrialState.FAILED, reason="again", ended=0.0))


def test_sessions(make_sweep) -> None:
    sweep = make_sweep()
    sweep.session_started()
    sweep.session_ended("interrupted")
    killed, ended = sweep.sessions()
    assert killed.ended is None
    assert ended.how == "interrupted"
