"""What is said last of a session."""

from pathlib import Path
from typing import Any

import pytest

from sweep_platform import cli
from sweep_platform.driver.ending import last_words
from sweep_platform.store.folder import SessionEnd
from sweep_platform.store.trial import TrialState


def test_trials_that_were_stopped_or_failed_are_told_of(make_sweep: Any, make_spec: Any) -> None:
    ends = (TrialState.COMPLETE, TrialState.STOPPED, TrialState.STOPPED, TrialState.FAILED, None)
    said = last_words(make_sweep(*ends), make_spec(), 9, SessionEnd.INCOMPLETE)
    assert (
        "Incomplete: 1 of 9 trials complete, 2 stopped, 1 failed when the sweep's time was up"
        in said
    )


def test_names_do_not_steer_the_terminal(
    make_sweep: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_sweep(TrialState.COMPLETE).root
    odd: Path = folder.rename(folder.with_name("red \x1b[31m"))
    assert cli.report([str(odd)]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "red \\x1b[31m" in said
