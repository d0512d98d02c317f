"""A sweep that tunes, repeats and confirms: killed and resumed, it ends like one left alone."""

import json
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sweep_survival import reported
from trackers import replicates_of

from hrm.config import ModelConfig, TrainingConfig
from hrm.evaluation.answer_file import AnswerFile
from hrm.train import main as train
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.trial import ReplicateFolder, TrialState

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]

SPACE = """\
name: staged
dataset: {name: arc-agi-1, canvas: 3, tasks: 4, augmentations: 2, held_out: all}
space: {N: {choices: [1, 2]}, learning_rate: {choices: [1e-3, 1e-2]}}
nuisance: [learning_rate]
model: {hidden_size: 32, H_layers: 1, L_layers: 1, head_dim: 32, T: 1, M_max: 2}
training: {batch_size: 8, warmup_steps: 0}
evaluation: {at: [0.5], confirm_share: 0.4}
budget: {trials: 1, flops_per_trial: 4e9}
replicates: 2
confirm: {top: 1, replicates: 2}
seed: 5
"""


def results(sweep: SweepFolder) -> dict[str, Any]:
    """What came of every replicate, and of the trials; fails if an evaluation is there twice."""
    found: dict[str, Any] = {}
    for trial in sweep.trials():
        outcome, signature = trial.outcome(), trial.record().signature
        found[signature] = (outcome and outcome.state, outcome and outcome.reason)
        found[f"{signature}/answers"] = answers(trial.answers)
    for name, folder in replicates_of(sweep).items():
        end = folder.outcome()
        found[name] = (folder.replicate(), end and end.state, reported(folder))
    return found


def answers(path: Path) -> list[dict[str, Any]]:
    table: pa.Table = AnswerFile(path).read()
    rows: list[dict[str, Any]] = table.to_pylist()
    keys = [(r["purpose"], r["replicate"], r["step"], r["puzzle"], r["view"]) for r in rows]
    assert len(keys) == len(set(keys))
    return [row for _, row in sorted(zip(keys, rows, strict=True), key=lambda pair: pair[0])]


def confirming(sweep: SweepFolder) -> list[ReplicateFolder]:
    return [one for trial in sweep.trials() for one in trial.replicates(Purpose.CONFIRM)]


@pytest.mark.chaos
def test_killed_in_mid_confirmation_it_ends_like_one_left_alone(
    place: Any, start: Callable[..., Any], cluster: str, mlflow_of: Any, tmp_path: Path
) -> None:
    space = place.root / "staged.yaml"
    space.write_text(SPACE)
    given = ("--space", str(space), "--address", cluster)
    alone, killed = (SweepFolder(place.root / "runs" / name) for name in ("alone", "resumed"))
    undisturbed = start(*given, "--out", str(alone.root))
    assert undisturbed.wait() == 0, undisturbed.said()

    driver = start(*given, "--out", str(killed.root))
    driver.wait_until(lambda: any(one.last_step for one in confirming(killed)))
    driver.kill()
    assert not all(one.outcome() for one in confirming(killed)), "it was at work"
    last = start(*given, "--out", str(killed.root), "--resume")
    assert last.wait() == 0, last.said()

    assert [session.end for session in killed.sessions()] == [None, SessionEnd.DONE]
    assert results(killed) == results(alone)
    runs = mlflow_of(killed).by_replicate()
    assert set(runs) == set(replicates_of(killed))
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert "fresh seeds" in (killed.report / "report.md").read_text()
    require_as_planned(alone)
    for one in (*confirming(alone)[:1], *alone.trials()[0].replicates(Purpose.TUNE)[:1]):
        require_as_trained_alone(one, tmp_path / one.label)


def require_as_planned(sweep: SweepFolder) -> None:
    """One point of two values: both tried once, then the better measured and confirmed."""
    assert [trial.outcome().state for trial in sweep.trials()] == [TrialState.COMPLETE] * 2
    labels = sorted(name.partition("/")[2] for name in replicates_of(sweep))
    own = (f"{part}-{number}" for part in (Purpose.MEASURE, Purpose.CONFIRM) for number in (0, 1))
    assert labels == sorted(["tune-0", "tune-0", *own])
    searched, confirmed = (
        {row["task"] for trial in sweep.trials() for row in answers(trial.answers) if of(row)}
        for of in (
            lambda row: row["purpose"] != "confirm",
            lambda row: row["purpose"] == "confirm",
        )
    )
    assert searched and confirmed and not searched & confirmed, "other puzzles confirm"


def require_as_trained_alone(one: ReplicateFolder, out: Path) -> None:
    """A run of `hrm.train` with a replicate's settings and seed reports the same, to the bit."""
    run = json.loads((one.root / "run.json").read_text())
    words = ["--dataset", run["dataset"]["folder"], "--out", str(out), "--threads", "1"]
    settings = {**run["model"], **run["training"]}
    words += ["--training-flops", str(run["training"]["training_flops"])]
    for setting in (*fields(ModelConfig), *fields(TrainingConfig)):
        name, value = setting.name, settings.get(setting.name)
        listed = value if isinstance(value, list) else [value]
        if setting.default is not MISSING and value not in (None, setting.default):
            words += [f"--{name.replace('_', '-')}", *map(str, listed)]
    assert train([*words, "--device", "cpu"]) == 0
    assert reported(ReplicateFolder(out)) == reported(one)
