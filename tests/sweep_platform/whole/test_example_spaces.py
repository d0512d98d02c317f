"""Each space that shows a feature is run to its report, at a tiny budget."""

import subprocess
import sys
from pathlib import Path

import pytest

from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.trial import TrialState

ROOT = Path(__file__).parents[3]
WHOLE = {"ablation", "arc", "baselines", "maze", "sudoku"}
"""Spaces that are experiments, and show no feature alone."""

SHOWN = sorted({path.stem for path in (ROOT / "sweeps").glob("*.yaml")} - WHOLE)
TINY = ("budget.trials=3", "training.warmup_steps=0")
COMPUTE = {"compute": ("space.training_flops={low: 1e9, high: 2e9, log: true}",)}
EACH = ("budget.flops_per_trial=1e9",)
QUICK = {"constraints", "rungs"}
"""Those that are run with every change, for what they combine; the others nightly."""


def spaces() -> list[object]:
    return [
        pytest.param(name, marks=pytest.mark.slow if name in QUICK else pytest.mark.nightly)
        for name in SHOWN
    ]


@pytest.mark.parametrize("name", spaces())
def test_a_space_that_shows_a_feature_runs_to_its_report(
    name: str, tmp_path: Path, mlflow_uri: str
) -> None:
    command = [sys.executable, ROOT / "sweeps" / "run.py", "--scale", "laptop"]
    command += ["--space", ROOT / "sweeps" / f"{name}.yaml", "--out", tmp_path / name]
    command += ["--data", tmp_path / "data", "--tracking-uri", mlflow_uri]
    settings = [word for one in (*TINY, *COMPUTE.get(name, EACH)) for word in ("--set", one)]
    done = subprocess.run([*command, *settings], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    sweep = SweepFolder(tmp_path / name)
    outcomes = [trial.outcome() for trial in sweep.trials()]
    states = [one.state for one in outcomes if one]
    assert set(states) <= {TrialState.COMPLETE, TrialState.STOPPED}
    assert len(states) == len(outcomes)
    assert TrialState.COMPLETE in states
    assert sweep.sessions()[-1].end is SessionEnd.DONE
    assert (sweep.root / "report" / "report.html").exists()
