"""What Ray says of lost workers reaches the sweep as something it can go on from."""

import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import OutOfMemoryError

from hrm.progress import Progress
from sweep_platform.execution import ray_tune as bridge
from sweep_platform.execution.ray_tune import TuneScheduler, WorkersLost, run_trials
from sweep_platform.spec.schema import ResourceSpec
from sweep_platform.store.trial import TrialState


class FakeTuner:
    """Ends as Ray's does when its memory monitor killed a worker, or with another error."""

    cause: Exception | None = None

    def __init__(self, trainable: Any, **settings: Any) -> None:
        self.storage = Path(settings["run_config"].storage_path)

    def fit(self) -> None:
        self.storage.mkdir()
        raise RuntimeError("Caught unexpected exception") from self.cause


def run(monkeypatch: pytest.MonkeyPatch, storage: Path, cause: Exception | None) -> None:
    monkeypatch.setattr(bridge.tune, "Tuner", FakeTuner)
    monkeypatch.setattr(FakeTuner, "cause", cause)
    monkeypatch.delenv("TUNE_MAX_PENDING_TRIALS_PG", raising=False)
    run_trials(None, dict, ResourceSpec(), places=2, storage=storage)  # type: ignore[arg-type]


def test_workers_killed_for_memory_are_lost_workers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cause = OutOfMemoryError("2 worker(s) were killed.\nTop 10 memory users")
    with pytest.raises(WorkersLost, match=r"^2 worker\(s\) were killed$"):
        run(monkeypatch, tmp_path / "ray", cause)
    assert not (tmp_path / "ray").exists()


def test_other_errors_are_our_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="unexpected") as caught:
        run(monkeypatch, tmp_path / "ray", ValueError("a bug"))
    assert not isinstance(caught.value, WorkersLost)


class FakeConductor:
    """Keeps the warnings that it is passed."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def warned(self, text: str) -> None:
        self.heard.append(text)

    def goes_on(self, key: str, progress: Progress) -> bool:
        return True


def test_a_warning_comes_beside_a_report(make_sweep: Any) -> None:
    [measured, *_] = make_sweep(TrialState.COMPLETE).trials()[0].measurements()
    conductor = FakeConductor()
    scheduler = TuneScheduler(conductor)  # type: ignore[arg-type]
    trial = SimpleNamespace(trial_id="a")
    report = {"progress": json.dumps(asdict(measured.progress))}
    for result in ({**report, "warned": "no compiler"}, report):
        assert scheduler.on_trial_result(None, trial, result) == TuneScheduler.CONTINUE
    assert conductor.heard == ["no compiler"]
