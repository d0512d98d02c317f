"""A finished sweep's folder, written through the same records that a real sweep writes.

And the specification of a small sweep, for those who start one, and models that were trained.
"""

import secrets
import shutil
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from s3_server import Gate, S3Server, environment
from sweep_builders import (
    TINY_RUN,
    begun,
    model_settings,
    training_settings,
    with_checkpoints,
)
from sweep_driver import Driver
from trackers import MlflowServer

from hrm.progress import Curve, Halting, Measurement, Progress
from hrm.train import main as train
from puzzle_datasets import prepare, puzzle_set
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder, SweepRecord
from sweep_platform.store.trial import Outcome, TrialRecord, TrialState
from sweep_platform.tracking.mlflow_store import open_store


def progress(step: int, total: int, curve: Curve | None = None) -> Progress:
    return Progress(
        step=step,
        total_steps=total,
        training_flops=step * 1_000_000,
        loss=3.0 / step,
        lm_loss=2.0 / step,
        train_exact_accuracy=min(1.0, step / 200),
        mean_segments=2.0,
        learning_rate=1e-3,
        examples=step * 16,
        device_seconds=step * 0.05,
        examples_per_second=640.0,
        peak_memory_bytes=300_000_000,
        curve=curve,
        halting=None if curve is None else halting(curve),
    )


def halting(curve: Curve) -> Halting:
    """Half of the puzzles stop after the first segment, the others after the last."""
    shares = [0.0] * len(curve.exact_accuracy)
    shares[0] += 0.5
    shares[-1] += 0.5
    first, last = curve.inference_flops[0], curve.inference_flops[-1]
    return Halting(
        exact_accuracy=curve.exact_accuracy[-1] / 2,
        segments=tuple(shares),
        inference_flops=(first + last) / 2,
    )


def curve(accuracy: float, segment_flops: int, segments: int) -> Curve:
    return Curve(
        exact_accuracy=tuple(accuracy * (m + 1) / segments for m in range(segments)),
        token_accuracy=tuple(0.5 + accuracy / 2 for _ in range(segments)),
        inference_flops=tuple(segment_flops * (m + 1) for m in range(segments)),
        puzzles=40,
    )


KNOBS = ({"N": 1, "T": 2}, {"N": 2, "T": 2}, {"N": 2, "T": 4}, {"N": 1, "T": 4}, {"N": 3, "T": 1})


def write_trial(
    sweep: SweepFolder, number: int, state: TrialState | None, replicates: int
) -> None:
    """A trial with three evaluations (one if it was stopped), failed ones with none.

    Each further replicate solves 2 % more.
    """
    segments, total = (2, 4)[number % 2], 100
    knobs = KNOBS[number % len(KNOBS)]
    segment_flops = 1_000_000 * knobs["N"] * (knobs["T"] + 1)
    folder = sweep.trial(number, f"{number:02d}abcdef0123456789")
    folder.create(
        TrialRecord(
            number=number,
            study_number=number,
            signature=f"{number:02d}abcdef0123456789",
            parameters={**knobs, "hidden_size": 32 * (1 + number % 2), "M_max": segments},
            model=model_settings(**knobs, hidden_size=32 * (1 + number % 2), M_max=segments),
            training=training_settings(batch_size=16),
            dataset={"fingerprint": "5f0c" * 16},
            parameter_count=60_000 * (1 + number),
            total_steps=total,
            training_flops=total * 1_000_000,
            inference_flops=segment_flops * segments,
        )
    )
    evaluations = {TrialState.FAILED: 0, TrialState.STOPPED: 1}.get(state or TrialState.RUNNING, 3)
    for index, replicate in product(range(evaluations), range(replicates)):
        accuracy = 0.1 * (index + 1) * (1 + number % 3) / 2 + 0.02 * replicate
        step = (50, 75, 100)[index]
        reports = [
            progress(step - 5, total),
            progress(step, total, curve(accuracy, segment_flops, segments)),
        ]
        written = (Measurement(time_ms=time.time_ns() // 10**6, progress=p) for p in reports)
        begun(folder, replicate).append(written)
    reasons = {
        TrialState.COMPLETE: "the training budget was spent",
        TrialState.STOPPED: "beaten at the rung at 50% of the training budget",
        TrialState.FAILED: "the loss was nan at step 3",
    }
    if state is not None:
        for one in (*(begun(folder, r) for r in range(replicates)), folder):
            one.end(Outcome(state=state, reason=reasons[state], ended=1_790_000_100.0 + number))


MakeSweep = Callable[..., SweepFolder]


@pytest.fixture
def make_sweep(tmp_path: Path) -> MakeSweep:
    """Writes a sweep whose trials have the given states (None: still running)."""

    def make(*states: TrialState | None, name: str = "toy", replicates: int = 1) -> SweepFolder:
        sweep = SweepFolder(tmp_path / name)
        sweep.create(
            SweepRecord(
                id="b1946ac92492d234",
                name=name,
                created=1_790_000_000.0,
                space_file="sweeps/toy.yaml",
                scale="laptop",
                spec={
                    "name": name,
                    "dataset": {"name": "arc-agi-1"},
                    "space": {"N": {"choices": [1, 2, 3]}, "T": {"low": 1, "high": 4}},
                    "objectives": ["exact_accuracy", "inference_flops"],
                    "training": {"weight_decay": 0.1},
                    "budget": {"trials": max(1, len(states)), "flops_per_trial": 1e8},
                    "seed": 0,
                    "replicates": replicates,
                },
                dataset={
                    "name": "arc-agi-1",
                    "fingerprint": "5f0c" * 16,
                    "counts": {"tasks": 40, "train_pairs": 130, "test_pairs": 40},
                },
                environment={"git_commit": "0" * 40, "versions": {"torch": "2.13.0"}},
            )
        )
        sweep.session_started()
        for number, state in enumerate(states):
            write_trial(sweep, number, state, replicates)
        return sweep

    return make


@pytest.fixture
def make_comparison(make_sweep: MakeSweep) -> MakeSweep:
    """Writes a sweep of complete trials of these models; transformers have no use for N and T."""

    def make(*models: str, name: str = "models") -> SweepFolder:
        sweep = make_sweep(*[TrialState.COMPLETE] * len(models), name=name)
        asked = sweep.record()
        knobs = {"model": {"choices": sorted(set(models))}, **asked.spec["space"]}
        sweep.create(replace(asked, spec={**asked.spec, "space": knobs}))
        for trial, model in zip(sweep.trials(), models, strict=True):
            record = trial.record()
            changed = replace(
                record,
                parameters={"model": model, **record.parameters},
                inactive=("N", "T") if model == "transformer" else (),
                model={**record.model, "model": model, "mode": "exact", "gradient": "native"},
                training={**record.training, "execution": "compiled", "ema": 0.0},
            )
            trial.create(changed)
        return sweep

    return make


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with MLflow's schema, which takes seconds to make; to be copied only."""
    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The ``noload`` loader strategy")
        open_store(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def mlflow_uri(mlflow_database: Path, tmp_path: Path) -> str:
    """Address of a database of the test's own."""
    return f"sqlite:///{shutil.copy(mlflow_database, tmp_path / 'mlflow.db')}"


@pytest.fixture(scope="session")
def mlflow_server(
    tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path
) -> Iterator[MlflowServer]:
    """A running server for all tests that leave it running."""
    server = MlflowServer(tmp_path_factory.mktemp("server"), mlflow_database)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running S3 server for all tests."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.kill()


@pytest.fixture
def s3_gate(s3_server: S3Server) -> Iterator[Gate]:
    """The one way to the S3 server, which a test may close."""
    gate = Gate(s3_server.port)
    yield gate
    gate.close()


@pytest.fixture
def s3(s3_server: S3Server, s3_gate: Gate, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty bucket of the test's own; the environment tells how it is reached."""
    for name, value in environment(s3_gate.port).items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{secrets.token_hex(6)}"
    s3_server.make_bucket(bucket)
    return f"s3://{bucket}"


MakeSpec = Callable[..., SweepSpec]


@pytest.fixture(scope="session")
def make_spec() -> MakeSpec:
    """Makes the specification of a small sweep; whole top-level entries can be changed."""

    def make(**changes: Any) -> SweepSpec:
        return SweepSpec.model_validate(
            {
                "name": "toy",
                "dataset": {"name": "arc-agi-1", "canvas": 3, "tasks": 4, "held_out": "all"},
                "space": {"N": {"choices": [1, 2]}, "T": {"low": 1, "high": 3}},
                "model": {"H_layers": 1, "L_layers": 1, "head_dim": 16, "hidden_size": 32},
                "training": {"batch_size": 8, "warmup_steps": 2},
                "budget": {"trials": 6, "flops_per_trial": 1e8},
                **changes,
            }
        )

    return make


@pytest.fixture
def drive(tmp_path: Path, make_spec: MakeSpec) -> Callable[..., Driver]:
    """Opens a session on the one sweep of a test."""

    def make(
        capacity: int = 2,
        minutes: float | None = None,
        retry_failed: bool = False,
        stores: bool = False,
        **changes: Any,
    ) -> Driver:
        spec = make_spec(**changes)
        budget = spec.budget.model_copy(update={"minutes": minutes})
        spec = spec.model_copy(update={"budget": budget})
        return Driver(tmp_path / "toy", spec, capacity, retry_failed, stores)

    return make


SETS: dict[str, tuple[str, dict[str, Any]]] = {
    "sudoku": ("sudoku", {"side": 4, "train": 8, "test": 4}),
    "maze": ("maze", {"side": 5, "train": 8, "test": 4}),
    "arc": (
        "arc-agi-1",
        {"canvas": 4, "tasks": 6, "augmentations": 8, "held_out": "all"},
    ),
}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of a tiny run on each kind of puzzle."""
    home, found = tmp_path_factory.mktemp("solve"), {}
    for kind, (name, settings) in SETS.items():
        folder = prepare(name, puzzle_set(name).settings_from(settings), home / "data")
        found[kind] = home / kind
        words = ["--dataset", str(folder), "--out", str(found[kind]), *TINY_RUN.split()]
        assert train([*words, "--threads", "1", "--device", "cpu"]) == 0
    return found


@pytest.fixture
def swept(runs: dict[str, Path], make_sweep: Callable[..., SweepFolder]) -> SweepFolder:
    """A sweep whose trials 1 and 2 kept a checkpoint, 2 being the most accurate."""
    sweep = make_sweep(*[TrialState.COMPLETE] * 3, TrialState.STOPPED)
    return with_checkpoints(sweep, runs["maze"], slice(1, 3))
