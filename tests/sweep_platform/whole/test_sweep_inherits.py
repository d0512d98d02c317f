"""A sweep whose trials inherit: killed and resumed, it ends like one left alone."""

from collections.abc import Callable
from typing import Any

import pytest
from sweep_survival import reported
from trackers import replicates_of

from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.trial import TrialFolder, TrialState

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]

PATIENCE = 600.0
SPACE = """\
name: heirs
dataset: {name: arc-agi-1, canvas: 3, tasks: 4, augmentations: 2, held_out: all}
space: {N: {choices: [1, 2]}, T: {choices: [1, 2]}}
inherit: {control: 1.0}
model: {hidden_size: 32, H_layers: 1, L_layers: 1, head_dim: 32, M_max: 2}
training: {batch_size: 8, warmup_steps: 0}
budget: {trials: 3, flops_per_trial: 2e9}
search: {deterministic: true}
replicates: 2
seed: 5
"""


def results(sweep: SweepFolder) -> dict[str, Any]:
    """How trials ended and whose weights they began with, and what their replicates reported."""
    found: dict[str, Any] = {}
    for trial in sweep.trials():
        outcome, ancestor = trial.outcome(), trial.record().ancestor
        found[trial.root.name] = outcome and outcome.state, ancestor and ancestor.signature
    for name, folder in replicates_of(sweep).items():
        found[name] = folder.replicate(), reported(folder)
    return found


def heirs(sweep: SweepFolder) -> list[TrialFolder]:
    return [trial for trial in sweep.trials() if trial.record().ancestor]


def at_work(sweep: SweepFolder) -> bool:
    """Whether an heir has reported and goes on."""
    return any(
        one.last_step and one.outcome() is None
        for trial in heirs(sweep)
        for one in trial.replicates(Purpose.MEASURE)
    )


@pytest.mark.chaos
def test_killed_while_an_heir_trains_it_ends_like_one_left_alone(
    place: Any, start: Callable[..., Any], cluster: str, mlflow_of: Any
) -> None:
    space = place.root / "heirs.yaml"
    space.write_text(SPACE)
    given = ("--space", str(space), "--address", cluster)
    alone, killed = (SweepFolder(place.root / "runs" / name) for name in ("left", "taken-up"))
    undisturbed = start(*given, "--out", str(alone.root))
    assert undisturbed.wait(PATIENCE) == 0, undisturbed.said()
    driver = start(*given, "--out", str(killed.root))
    driver.wait_until(lambda: at_work(killed), PATIENCE)
    driver.kill()
    [before] = [trial.record().ancestor for trial in heirs(killed)]
    last = start(*given, "--out", str(killed.root), "--resume")
    assert last.wait(PATIENCE) == 0, last.said()

    assert [session.end for session in killed.sessions()] == [None, SessionEnd.DONE]
    assert results(killed) == results(alone)
    assert [trial.record().ancestor for trial in heirs(killed)] == [before], "to the digest"
    require_as_inherited(alone)
    runs = mlflow_of(killed).by_replicate()
    assert set(runs) == set(replicates_of(killed))
    report = (killed.report / "report.md").read_text()
    assert "1 of 3 trials began with the weights of the nearest complete trial" in report
    assert "On average over 1 heir inheriting changes accuracy by" in report


def require_as_inherited(sweep: SweepFolder) -> None:
    """What measures an heir began with its ancestor's weights, its controls from scratch."""
    assert [trial.outcome().state for trial in sweep.trials()] == [TrialState.COMPLETE] * 3
    [heir] = heirs(sweep)
    record = heir.record()
    assert record.ancestor
    for one in heir.replicates():
        inherits = one.replicate().purpose is Purpose.MEASURE
        expected = record.ancestor.lineage_flops if inherits else 0
        assert {m.progress.inherited_flops for m in one.measurements()} == {expected}
    labels = [one.label for one in heir.replicates()]
    assert labels == ["measure-0", "measure-1", "control-0", "control-1"]
