"""Each space that shows a feature is run once, at a tiny budget."""

import subprocess
import sys
from pathlib import Path

import pytest

from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import TrialState

ROOT = Path(__file__).parents[3]
TINY = ("budget.trials=2", "budget.flops_per_trial=1e9", "training.warmup_steps=0")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["constraints", "priors", "samplers"])
def test_a_space_that_shows_a_feature_runs_to_its_report(
    name: str, tmp_path: Path, mlflow_uri: str
) -> None:
    command = [sys.executable, ROOT / "sweeps" / "run.py", "--scale", "laptop"]
    command += ["--space", ROOT / "sweeps" / f"{name}.yaml", "--out", tmp_path / name]
    command += ["--data", tmp_path / "data", "--tracking-uri", mlflow_uri]
    settings = [word for one in TINY for word in ("--set", one)]
    done = subprocess.run([*command, *settings], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = [trial.outcome() for trial in SweepFolder(tmp_path / name).trials()]
    assert [one.state for one in outcomes if one] == [TrialState.COMPLETE] * 2
    assert (tmp_path / name / "report" / "report.html").exists()
