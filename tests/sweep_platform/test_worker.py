"""What a worker does with a job, without Ray: one process, one job after another."""

import errno
import json
import os
import socket
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ray import tune
from s3_server import Gate
from sweep_builders import begun, sweep_folder

from hrm.config import MODELS
from hrm.evaluation.per_puzzle import PuzzleAnswers
from hrm.model import compiled
from hrm.progress import Progress
from hrm.train import main
from hrm.training import learner
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.storage.dataset import PuzzleDataset
from sweep_platform.execution.faults import failure_of
from sweep_platform.execution.host import at_hand
from sweep_platform.execution.worker import run_job, train
from sweep_platform.search.search import open_search
from sweep_platform.space import dataset as puzzles
from sweep_platform.store.messages import Fault, TrialJob, TrialReport
from sweep_platform.store.trial import Outcome, ReplicateFolder, TrialFolder, TrialState

Reports = list[TrialReport]
MakeJobs = Callable[..., list[TrialJob]]


@pytest.fixture
def jobs(tmp_path: Path, make_spec: Any) -> MakeJobs:
    """Makes the jobs of a small sweep, one for each of its trials of one replicate."""

    def make(root: str = "toy", **changes: Any) -> list[TrialJob]:
        spec = make_spec(**changes)
        folder = puzzles.prepare(spec.dataset, tmp_path / "data")
        manifest = PuzzleDataset.open(folder).manifest
        address = puzzles.DatasetAddress(
            folder=str(folder), name=manifest.name, fingerprint=manifest.fingerprint
        )
        sweep = sweep_folder(tmp_path / root)
        shape = puzzles.built_shape(manifest)
        proposer = open_search(sweep, spec, shape, asdict(address)).proposer
        made = []
        while len(made) < spec.budget.trials and (point := proposer.propose()):
            made.append(job(point[0], asdict(address), sweep.checkpoints))
        return made

    return make


def job(trial: TrialFolder, dataset: dict[str, str], checkpoints: str) -> TrialJob:
    record = trial.record()
    replicate = begun(trial).replicate()
    return TrialJob(
        trial=record.number,
        model=record.model,
        training=record.training,
        replicates=(replicate,),
        dataset=dataset,
        device="cpu",
        threads=1,
        checkpoints=checkpoints,
        key=trial.root.name,
        channel="test",
    )


def folder_of(one: TrialJob) -> Path:
    """Where the checkpoint of a job's replicate is kept."""
    return Path(one.checkpoints, one.key, one.replicates[0].label)


def run(made: list[TrialJob]) -> Reports:
    """Each job as a worker gets it, with the settings as JSON has them."""
    return [report for one in made for report in train(TrialJob.from_text(one.to_text()))]


def progress_of(reports: Reports) -> list[Progress]:
    assert [report.failure for report in reports if report.failure] == []
    return [m.progress for report in reports for m in report.measurements]


def warnings_of(reports: Reports) -> list[str]:
    return [warning.text for report in reports for warning in report.warnings]


SMALL = {
    "model": {"H_layers": 1, "L_layers": 1, "num_heads": 2, "hidden_size": 16, "M_max": 2},
    "budget": {"trials": 9, "flops_per_trial": 3e8},
}
ONE = {**SMALL, "space": {"N": {"choices": [1]}}}
TRAINING = {"batch_size": 8, "warmup_steps": 2}
CLOCK = (
    "device_seconds",
    "examples_per_second",
    "peak_memory_bytes",
    "device_busy",
    "energy_joules",
)


def numbers(progress: Progress) -> dict[str, Any]:
    return {k: v for k, v in asdict(progress).items() if k not in CLOCK}


def test_every_model_runs_and_says_what_halting_makes_of_it(jobs: MakeJobs) -> None:
    made = jobs(**SMALL, space={"model": {"choices": list(MODELS)}, "T": {"choices": [1, 2]}})
    assert len(made) == 2 * (len(MODELS) - 1) + 1, "a transformer has no T"
    for one in made:
        last = progress_of(run([one]))[-1]
        assert last.step == last.total_steps > 1
        assert last.curve
        assert last.halting
        assert len(last.halting.segments) == len(last.curve.exact_accuracy)


def test_a_job_that_is_stopped_saves_and_goes_on_to_the_same_numbers(jobs: MakeJobs) -> None:
    [whole], [cut] = jobs("whole", **ONE), jobs("cut", **ONE)
    undisturbed = run([whole])
    expected = [numbers(p) for p in progress_of(undisturbed)]
    steps = 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps > 7

    before = progress_of(list(train(cut, stop)))
    assert 0 < len(before) < len(expected)
    first, *rest = train(cut)
    assert [numbers(m.progress) for m in first.measurements] == [numbers(p) for p in before]
    assert [numbers(p) for p in progress_of([first, *rest])] == expected
    assert answers_of([first, *rest]) == answers_of(undisturbed)
    evaluated = [p.step for p in progress_of(undisturbed) if p.curve]
    assert [one.step for one in answers_of(undisturbed)] == evaluated


def answers_of(reports: Reports) -> list[PuzzleAnswers]:
    return [answers for report in reports for answers in report.answers]


def test_a_trial_leaves_the_files_of_a_single_run(jobs: MakeJobs, tmp_path: Path) -> None:
    """The driver records what a worker sends, as `hrm.train` records its own run."""
    [made] = jobs(**ONE)
    trial = ReplicateFolder(folder_of(made))
    for report in run([made]):
        if report.session is not None:
            trial.begin_session(report.session)
        trial.append(report.measurements)
    trial.end(Outcome(state=TrialState.COMPLETE, reason="it ended", ended=0.0))
    arguments = ["--dataset", made.dataset["folder"], "--out", str(tmp_path / "single")]
    settings = ["--steps", "3", "--hidden-size", "16", "--num-heads", "2", "--M-max", "2"]
    assert main([*arguments, *settings, "--batch-size", "4", "--warmup-steps", "1"]) == 0
    names = {path.name for path in (tmp_path / "single").iterdir()}
    names.remove("answers.parquet")  # the answers of all replicates are one file of the trial
    assert {path.name for path in trial.root.iterdir()} == names
    single, trials = (
        json.loads((root / "run.json").read_text()) for root in (tmp_path / "single", trial.root)
    )
    assert trials.keys() - {"trial"} == single.keys()
    assert trials["dataset"].keys() == single["dataset"].keys()


def test_a_worker_writes_nothing_but_its_checkpoint(jobs: MakeJobs) -> None:
    [made] = jobs(**ONE)
    trial, folder = Path(made.checkpoints, made.key), folder_of(made)
    before = set(trial.rglob("*"))
    run([made])
    assert set(trial.rglob("*")) - before == {folder / "checkpoint.pt", folder / "lock"}


# Tracing asks every tensor for its gradient.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
def test_compiled_trials_of_several_widths_share_a_worker(jobs: MakeJobs) -> None:
    spec = {
        **SMALL,
        "space": {"hidden_size": {"choices": [16, 32]}, "N": {"choices": [1, 2]}},
        "budget": {"trials": 4, "flops_per_trial": 1e8},
    }
    plain = progress_of(run(jobs("plain", **spec)))
    reports = run(jobs("compiled", **spec, training={**TRAINING, "execution": "compiled"}))
    assert not warnings_of(reports)
    measured = progress_of(reports)
    assert [p.step for p in measured] == [p.step for p in plain]
    assert [p.loss for p in measured] == pytest.approx([p.loss for p in plain], rel=1e-3)


def test_without_a_compiler_trials_go_on_and_each_says_so(
    jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(compiled, "_warned", set())
    spec = {**SMALL, "space": {"N": {"choices": [1, 2]}}}
    plain = progress_of(run(jobs("plain", **spec)))
    with pytest.warns(compiled.CompileFallback):
        reports = run(jobs("eager", **spec, training={**TRAINING, "execution": "compiled"}))
    reason, note = warnings_of(reports)
    assert "no-such-compiler" in reason
    assert "execution is compiled, but on a CPU trials run eager" in note
    assert [p.loss for p in progress_of(reports)] == [p.loss for p in plain]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
def test_cuda_graphs_on_a_cpu_are_warned_of(jobs: MakeJobs) -> None:
    reports = run(jobs(**ONE, training={**TRAINING, "execution": "cuda_graphs"}))
    progress_of(reports)
    [warning] = warnings_of(reports)
    assert "execution is cuda_graphs, but on a CPU trials run compiled" in warning


def test_a_trial_that_diverges_says_why(jobs: MakeJobs) -> None:
    # Each step multiplies the weights by 1 - 1e9.
    knobs = {"learning_rate": {"choices": [1e3]}, "weight_decay": {"choices": [1e6]}}
    reports = run(jobs(**SMALL, space=knobs, training={**TRAINING, "warmup_steps": 0}))
    failure = reports[-1].failure
    assert failure
    assert failure.reason.startswith("The loss is ")
    assert failure.traceback is None


def test_a_host_that_lacks_the_puzzles_is_named(jobs: MakeJobs, tmp_path: Path) -> None:
    [made] = jobs(**ONE)
    (tmp_path / "empty").mkdir()
    for folder in ("/nowhere", str(tmp_path / "empty")):
        [report] = train(replace(made, dataset={**made.dataset, "folder": folder}))
        assert report.failure
        assert report.failure.fault is Fault.MACHINE
        assert folder in report.failure.reason
        assert f"host {socket.gethostname()}" in report.failure.reason
        assert report.failure.traceback is None


def test_a_host_without_a_gpu_is_named(jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    [made] = jobs(**ONE)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    [report] = train(replace(made, device="cuda"))
    assert report.failure
    assert report.failure.fault is Fault.MACHINE
    assert f"torch finds no GPU on host {socket.gethostname()}" in report.failure.reason


def test_a_host_that_does_not_measure_energy_is_named(
    jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    [made] = jobs(**ONE)
    monkeypatch.setattr("hrm.training.trainer.counter_of", lambda device: None)
    [report] = train(replace(made, energy=True))
    assert report.failure
    assert report.failure.fault is Fault.MACHINE
    assert f"can't be measured on host {socket.gethostname()}" in report.failure.reason
    reports = progress_of(list(train(made)))
    assert reports[-1].energy_joules is None, "where nobody asks it is trained all the same"


def without_memory() -> None:
    torch.empty(10**15)


def without_gpu_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


def without_room() -> None:
    raise MemoryError


FAULTS = {
    without_memory: Fault.MACHINE,
    without_room: Fault.MACHINE,
    without_gpu_memory: Fault.TRIAL,
}
"""Main memory is shared with others; a GPU is the trial's own."""


@pytest.mark.parametrize("lack", FAULTS)
def test_too_little_memory_is_named(
    jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch, lack: Callable[[], None]
) -> None:
    [made] = jobs(**ONE)
    monkeypatch.setattr("hrm.training.trainer.Trainer.run", lambda *_, **__: lack())
    failure = run([made])[-1].failure
    assert failure
    assert failure.fault is FAULTS[lack]
    assert "memory" in failure.reason
    assert "did not suffice" in failure.reason


def test_a_job_says_how_many_puzzles_at_a_time_had_room(
    jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    [made] = jobs(**ONE)
    train_segment = learner.train_segment

    def short_of_memory(model: Any, slots: Any, *rest: Any) -> Any:
        if len(slots.halted) > 4:
            raise torch.OutOfMemoryError("of the device")
        return train_segment(model, slots, *rest)

    monkeypatch.setattr(learner, "train_segment", short_of_memory)
    assert {p.micro_batch for p in progress_of(run([made]))} == {4}
    [told] = jobs("told", **ONE)
    assert {p.micro_batch for p in progress_of(run([replace(told, micro_batch=2)]))} == {2}


def test_a_trial_keeps_to_its_part_of_a_gpu(
    jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What torch would say of a GPU is given here; the refusal comes before the first step."""
    [made] = jobs(**ONE)
    kept: list[float] = []
    cuda = SimpleNamespace(total_memory=1_000_000)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: cuda)
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda share, device: kept.append(share)
    )
    [report] = train(replace(made, device="cuda", device_share=0.25))
    assert report.failure
    assert report.failure.fault is Fault.TRIAL
    assert "its part of the GPU has 250" in report.failure.reason
    assert kept == [0.25]


def test_a_trial_larger_than_the_machine_has_failed(jobs: MakeJobs) -> None:
    [made] = jobs(**ONE, training={"batch_size": 10**9, "warmup_steps": 2})
    [report] = run([made])
    assert report.failure
    assert report.failure.fault is Fault.TRIAL
    assert report.failure.traceback is None
    assert "batch_size is 1000000000, with which training needs about" in report.failure.reason


def test_puzzles_that_do_not_take_a_setting_fail_the_trial() -> None:
    """The same refusal would meet it on every host, so the session goes on without it."""
    refused = DatasetError.of("batch_size", "is 10, which is too large", "give at most 4", 10)
    assert failure_of(refused).fault is Fault.TRIAL
    lost = DatasetError.of("/data/set", "holds no set", "build it")
    assert failure_of(lost).fault is Fault.MACHINE


def test_a_fault_of_ours_comes_with_its_traceback(
    jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    [made] = jobs(**ONE)
    monkeypatch.setattr("hrm.training.trainer.Trainer.run", broken)
    _, report = train(made)
    assert report.failure
    assert report.failure.reason == "ZeroDivisionError: a bug"
    assert "Traceback" in (report.failure.traceback or "")


def test_a_job_of_other_code_fails_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, str]] = []
    monkeypatch.setattr(tune, "report", sent.append)
    run_job({"job": '{"version": 99}'})
    [report] = [TrialReport.from_text(message["report"]) for message in sent]
    assert report.failure
    assert "install the same version" in report.failure.reason


def test_a_checkpoint_that_was_cut_begins_its_trial_anew_and_says_so(jobs: MakeJobs) -> None:
    [one] = jobs(**ONE)
    whole = [numbers(p) for p in progress_of(run([one]))]
    checkpoint = folder_of(one) / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    again = run([one])
    [said] = warnings_of(again)
    begins = f"trial {one.trial} replicate 0 begins anew"
    assert said.startswith(f"{begins}: {checkpoint} is no whole checkpoint")
    assert [numbers(p) for p in progress_of(again)] == whole


def test_a_checkpoint_that_cannot_be_read_now_is_kept(
    jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    [one] = jobs(**ONE)
    whole = [numbers(p) for p in progress_of(run([one]))]
    checkpoint = folder_of(one) / "checkpoint.pt"
    kept = checkpoint.read_bytes()

    def fails(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(torch, "load", fails)
        [report] = run([one])
    assert report.failure
    assert report.failure.fault is Fault.MACHINE
    assert f"{checkpoint}: {os.strerror(errno.EIO)} on host" in report.failure.reason
    assert checkpoint.read_bytes() == kept
    assert [numbers(p) for p in progress_of(run([one]))] == whole


def test_a_host_that_does_not_see_the_folder_is_named(jobs: MakeJobs, tmp_path: Path) -> None:
    [one] = jobs(**ONE)
    [report] = run([replace(one, checkpoints=str(tmp_path / "elsewhere"))])
    assert report.failure
    assert report.failure.fault is Fault.MACHINE
    assert f"host {socket.gethostname()} does not see {tmp_path}" in report.failure.reason
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.ESTALE])
def test_a_disk_that_fails_is_no_fault_of_the_trial(
    jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    [one] = jobs(**ONE)

    def fails(*arguments: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(torch, "save", fails)
    report = run([one])[-1]
    assert report.failure
    assert report.failure.fault is Fault.MACHINE
    assert f"checkpoint.pt: {os.strerror(number)}" in report.failure.reason


def test_a_storage_takes_the_place_of_a_common_folder(
    jobs: MakeJobs, s3: str, tmp_path: Path
) -> None:
    [whole], [cut] = jobs("whole", **ONE), jobs("cut", **ONE)
    expected = [numbers(p) for p in progress_of(run([whole]))]
    cut = replace(cut, checkpoints=f"{s3}/toy/checkpoints", keep=2)
    steps = iter(range(100))
    before = list(train(cut, lambda: next(steps) > 7))
    assert 0 < len(progress_of(before)) < len(expected)
    assert [numbers(p) for p in progress_of(run([cut]))] == expected
    assert not list(tmp_path.glob("cut/**/checkpoint.pt"))


def test_a_storage_that_is_away_is_waited_for(
    jobs: MakeJobs, s3: str, s3_gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_hand, "AWAY_SECONDS", 0.05)
    [one] = jobs(**ONE)
    one = replace(one, checkpoints=f"{s3}/toy/checkpoints", keep=2)
    s3_gate.close()
    reports = train(one)
    first, second = (one for report in (next(reports), next(reports)) for one in report.warnings)
    assert first.matter == second.matter, "it is said once"
    assert f"can't be read on host {socket.gethostname()}" in first.text
    s3_gate.open()
    whole = progress_of(list(reports))
    assert whole[-1].step == whole[-1].total_steps


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_host_without_room_for_a_checkpoint_is_named(
    jobs: MakeJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not waited for, as a storage is that is away."""
    [one] = jobs(**ONE)
    one = replace(one, checkpoints=str(tmp_path / "store"), keep=2)
    run([one])

    def full(descriptor: int) -> None:
        with open("/dev/full", "wb", buffering=0) as device:  # noqa: PTH123
            device.write(b"1")

    monkeypatch.setattr(os, "fsync", full)
    [report] = run([one])
    assert report.failure
    assert report.failure.fault is Fault.MACHINE
    assert "No space left" in report.failure.reason


def test_a_storage_that_goes_away_is_waited_for_at_the_end(
    jobs: MakeJobs, s3: str, s3_gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_hand, "AWAY_SECONDS", 0.5)
    [one] = jobs(**ONE)
    one = replace(one, checkpoints=f"{s3}/toy/checkpoints", keep=2)
    reports = train(one)
    made = [next(reports)]
    s3_gate.close()
    while not warnings_of(made):
        made.append(next(reports))
    assert "can't be written" in warnings_of(made)[0]
    last = progress_of(made)[-1]
    assert last.step == last.total_steps, "training went on"
    s3_gate.open()
    made += reports
    assert len(warnings_of(made)) == 1
    assert progress_of(run([one]))[-1] == last


def test_a_host_builds_puzzles_that_it_does_not_see(
    jobs: MakeJobs, tmp_path: Path, make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    [one] = jobs(**ONE)
    source = {"dataset": make_spec(**ONE).dataset.model_dump(mode="json")}
    away = replace(one, dataset={**one.dataset, "folder": "/nowhere"}, puzzles=source)
    expected = [numbers(p) for p in progress_of(run([away]))]
    assert list((tmp_path / "cache").rglob("manifest.json"))
    folder_of(one).joinpath("checkpoint.pt").unlink()
    assert [numbers(p) for p in progress_of(run([one]))] == expected


def test_each_step_and_each_evaluated_batch_is_a_sign_of_life(jobs: MakeJobs) -> None:
    [one, *_] = jobs(training={"batch_size": 8, "eval_batch_size": 2})
    signs: list[int] = []
    reports = list(train(one, alive=lambda: signs.append(1)))
    last = reports[-1].measurements[-1].progress
    evaluations = sum(len(report.answers) for report in reports)
    assert last.curve
    assert evaluations
    batches = -(-last.curve.puzzles // 2)
    assert len(signs) == last.total_steps + evaluations * batches


def test_a_session_says_on_which_host_it_runs(jobs: MakeJobs) -> None:
    [one, *_] = jobs()
    session = next(iter(train(one))).session
    assert session
    assert (session["host"], session["gpus"]) == (socket.gethostname(), None)


def test_each_report_says_how_busy_the_device_was(jobs: MakeJobs) -> None:
    [one, *_] = jobs()
    shares = [m.progress.device_busy for report in train(one) for m in report.measurements]
    assert shares
    assert all(share is not None and 0 <= share <= 1 for share in shares)
