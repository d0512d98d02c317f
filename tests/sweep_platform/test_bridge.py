"""What Ray says of lost workers reaches the sweep as something it can go on from."""

from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import OutOfMemoryError

from sweep_platform import bridge
from sweep_platform.bridge import WorkersLost, run_trials
from sweep_platform.spec import ResourceSpec


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
