"""What a worker does with a trial, without Ray: one process, one trial after another."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from ray import tune

from hrm.model import compiled
from hrm.models import MODELS
from hrm.progress import Progress, progress_from
from puzzle_datasets.storage.dataset import PuzzleDataset
from sweep_platform.execution.trial import run_trial
from sweep_platform.search.study import SweepStudy
from sweep_platform.space import dataset as puzzles
from sweep_platform.store.folder import SweepFolder, SweepRecord, TrialFolder

Reports = list[dict[str, Any]]
Run = Callable[..., Reports]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def run(tmp_path: Path, make_spec: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs every trial of a small sweep in this process; returns what they report."""

    def make(root: str = "toy", **changes: Any) -> Reports:
        spec = make_spec(**changes)
        folder = puzzles.prepare(spec.dataset, tmp_path / "data")
        manifest = PuzzleDataset.open(folder).manifest
        address = puzzles.DatasetAddress(folder=str(folder), fingerprint=manifest.fingerprint)
        sweep = SweepFolder(tmp_path / root)
        sweep.create(an_empty_record())
        study = SweepStudy(sweep, spec, puzzles.built_shape(manifest), manifest.fingerprint)
        reports: Reports = []
        monkeypatch.setattr(tune, "report", reports.append)
        while (trial := study.propose()) is not None:
            run_trial(
                {
                    "folder": str(trial.root),
                    "dataset": asdict(address),
                    "threads": 1,
                    "device": "cpu",
                }
            )
        return reports

    return make


def an_empty_record() -> SweepRecord:
    return SweepRecord(
        id="a1",
        name="toy",
        created=0.0,
        space_file="toy.yaml",
        scale="none",
        spec={},
        dataset={},
        environment={},
    )


def progress_of(reports: Reports) -> list[Progress]:
    assert [report["failed"] for report in reports if "failed" in report] == []
    return [progress_from(json.loads(report["progress"])) for report in reports]


def trials_of(root: Path) -> list[TrialFolder]:
    return SweepFolder(root).trials()


SMALL = {
    "model": {"H_layers": 1, "L_layers": 1, "num_heads": 2, "hidden_size": 16, "M_max": 2},
    "budget": {"trials": 9, "flops_per_trial": 3e8},
}


def test_every_model_runs_and_says_what_halting_makes_of_it(run: Run, tmp_path: Path) -> None:
    knobs = {"model": {"choices": list(MODELS)}, "T": {"choices": [1, 2]}}
    progress_of(run(**SMALL, space=knobs))
    trials = trials_of(tmp_path / "toy")
    assert len(trials) == 2 * (len(MODELS) - 1) + 1, "a transformer has no T"
    for trial in trials:
        record, last = trial.record(), [m.progress for m in trial.measurements()][-1]
        assert last.step == last.total_steps > 1
        assert last.training_flops == record.training_flops
        assert last.curve
        assert last.curve.inference_flops[-1] == record.inference_flops
        assert last.halting
        assert len(last.halting.segments) == record.model["M_max"]
        assert ("T" in record.knobs) == (record.model["model"] != "transformer")


# Tracing asks every tensor for its gradient.
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
def test_compiled_trials_of_several_widths_share_a_worker(run: Run) -> None:
    spec = {
        **SMALL,
        "space": {"hidden_size": {"choices": [16, 32]}, "N": {"choices": [1, 2]}},
        "budget": {"trials": 4, "flops_per_trial": 1e8},
    }
    plain = progress_of(run("plain", **spec))
    reports = run("compiled", **spec, training={**TRAINING, "execution": "compiled"})
    assert not [report for report in reports if "warned" in report]
    told = progress_of(reports)
    assert [p.step for p in told] == [p.step for p in plain]
    assert [p.loss for p in told] == pytest.approx([p.loss for p in plain], rel=1e-3)


TRAINING = {"batch_size": 8, "warmup_steps": 2}


def test_without_a_compiler_trials_go_on_and_each_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(compiled, "_warned", set())
    spec = {**SMALL, "space": {"N": {"choices": [1, 2]}}}
    plain = progress_of(run("plain", **spec))
    with pytest.warns(UserWarning, match="without compilation"):
        reports = run("eager", **spec, training={**TRAINING, "execution": "compiled"})
    reason, note = [report["warned"] for report in reports if "warned" in report]
    assert "no-such-compiler" in reason
    assert "execution is compiled, but on a CPU trials run eager" in note
    assert [p.loss for p in progress_of(reports)] == [p.loss for p in plain]


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
def test_cuda_graphs_on_a_cpu_are_told_of(run: Run) -> None:
    knobs = {**SMALL, "space": {"N": {"choices": [1]}}}
    reports = run(**knobs, training={**TRAINING, "execution": "cuda_graphs"})
    progress_of(reports)
    [said] = [report["warned"] for report in reports if "warned" in report]
    assert "execution is cuda_graphs, but on a CPU trials run compiled" in said


def test_a_trial_that_breaks_says_why(run: Run, tmp_path: Path) -> None:
    # Each step multiplies the weights by 1 - 1e9.
    knobs = {"learning_rate": {"choices": [1e3]}, "weight_decay": {"choices": [1e6]}}
    reports = run(**SMALL, space=knobs, training={**TRAINING, "warmup_steps": 0})
    assert reports[-1]["failed"].startswith("The loss is ")
    [trial] = trials_of(tmp_path / "toy")
    assert not trial.error.exists()
