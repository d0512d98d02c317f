"""A training of an earlier sweep stands for an equal one: by settings, seed and puzzles."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from s3_server import Gate
from sweep_builders import TOTAL, first, measurement

from hrm.checkpoints import checkpoint
from sweep_platform.plan.spending import Spending, spending_of
from sweep_platform.search.earlier.reuse import Reuse
from sweep_platform.search.stages.live import Job
from sweep_platform.store.checkpoints import FolderCheckpoints
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.storage.checkpoints import ObjectCheckpoints
from sweep_platform.store.storage.objects import open_objects
from sweep_platform.store.trained import checkpoints_in
from sweep_platform.store.trial import Reused, TrialFolder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of the trials of another sweep."""
    return tmp_path / "other" / "trials"


def job_like(sweep: SweepFolder, number: int, place: Path, **changes: Any) -> Job:
    """A job of another sweep, of the same training as the first of an earlier trial but for
    some changes of its record."""
    trial = sweep.trials()[number]
    record = trial.record()
    record = replace(record, number=7, study_number=9, **changes)
    [first, *_] = trial.replicates()
    return Job(trial=TrialFolder(place / "0007-abc"), record=record, replicate=first.replicate())


def take(sweep: SweepFolder, job: Job, place: Path) -> Reused | None:
    return Reuse([sweep.root], lambda: FolderCheckpoints(place)).take(job)


def test_an_equal_training_is_taken_over_with_its_checkpoint(
    swept: SweepFolder, place: Path
) -> None:
    job = job_like(swept, 1, place)
    found = take(swept, job, place)
    source = swept.trials()[1].replicates()[0]
    *_, last = source.measurements()
    assert found == Reused(
        sweep=str(swept.root),
        trial=1,
        training_flops=last.progress.training_flops,
        device_seconds=last.progress.device_seconds,
    )
    assert job.folder.checkpoint.read_bytes() == source.checkpoint.read_bytes()
    job.folder.create(job.record, job.replicate, found)
    assert job.folder.reused() == found


def test_one_without_its_energy_is_none_where_that_is_needed(
    swept: SweepFolder, place: Path
) -> None:
    job = job_like(swept, 1, place)
    stores = lambda: FolderCheckpoints(place)  # noqa: E731
    assert Reuse([swept.root], stores, energy=True).take(job) is None
    [source] = swept.trials()[1].replicates()
    lines = source.metrics.read_text().replace('"energy_joules": null', '"energy_joules": 5.0')
    source.metrics.write_text(lines)
    found = Reuse([swept.root], stores, energy=True).take(job)
    assert found is not None
    assert found.energy_joules == 5.0


@pytest.mark.parametrize("differs", ["seed", "puzzles", "settings", "signature", "checkpoint"])
def test_any_other_training_is_not(swept: SweepFolder, place: Path, differs: str) -> None:
    job = job_like(swept, 0 if differs == "checkpoint" else 1, place)
    record = job.record
    if differs == "seed":
        job = replace(job, replicate=replace(job.replicate, seed=job.replicate.seed + 1))
    elif differs == "puzzles":
        changed = {**record.dataset, "fingerprint": "another"}
        job = replace(job, record=replace(record, dataset=changed))
    elif differs == "settings":
        changed = {**record.training, "evaluate_at": [1.0, 0.3]}
        job = replace(job, record=replace(record, training=changed))
    elif differs == "signature":
        job = replace(job, record=replace(record, signature="another"))
    assert take(swept, job, place) is None
    assert not job.folder.checkpoint.exists()


def test_a_training_that_is_damaged_or_unfinished_is_none(swept: SweepFolder, place: Path) -> None:
    job = job_like(swept, 1, place)
    trial = swept.trials()[1]
    (trial.replicates()[0].root / "outcome.json").unlink()
    assert take(swept, job, place) is None
    job = job_like(swept, 2, place)
    (swept.trials()[2].replicates()[0].root / "run.json").write_text("{}")
    assert take(swept, job, place) is None


@pytest.mark.parametrize("of", ["another training", "an earlier step", "nothing", "no settings"])
def test_a_damaged_checkpoint_is_none(swept: SweepFolder, place: Path, of: str) -> None:
    job, path = job_like(swept, 1, place), first(swept.trials()[1]).checkpoint
    content = checkpoint.load(path)
    if of == "another training":
        shutil.copy(first(swept.trials()[2]).checkpoint, path)
    elif of == "an earlier step":
        content["state"]["learner"]["steps"] -= 1
        checkpoint.save(path, content)
    elif of == "no settings":
        del content["settings"]["training setting"]
        checkpoint.save(path, content)
    else:
        path.write_bytes(path.read_bytes()[:1000])
    assert take(swept, job, place) is None
    assert not list(job.folder.root.glob("checkpoint*"))


@pytest.mark.parametrize("lacks", ["a block", "the trial", "the sweep"])
def test_what_can_not_be_read_is_trained_anew(swept: SweepFolder, place: Path, lacks: str) -> None:
    job, source = job_like(swept, 1, place), swept.trials()[1]
    reuse = Reuse([swept.root], lambda: FolderCheckpoints(place))
    if lacks == "a block":
        first(source).checkpoint.unlink()
        first(source).checkpoint.symlink_to("/proc/self/mem")  # whose first byte can't be read
    else:
        shutil.rmtree(source.root if lacks == "the trial" else swept.root)
    assert reuse.take(job) is None
    assert not list(job.folder.root.glob("checkpoint*"))


def test_a_checkpoint_that_can_not_be_stored_here_is_told(swept: SweepFolder, place: Path) -> None:
    job = job_like(swept, 1, place)
    place.mkdir(parents=True)
    job.trial.root.write_text("in the way")
    with pytest.raises((FileExistsError, NotADirectoryError)):
        take(swept, job, place)


def test_the_storage_of_another_sweep_is_read_and_its_folder_left_alone(
    swept: SweepFolder, place: Path, s3: str, s3_gate: Gate, tmp_path: Path
) -> None:
    job, source, record = job_like(swept, 1, place), swept.trials()[1], swept.record()
    swept.create(replace(record, spec={**record.spec, "storage": {"url": s3}}))
    store = ObjectCheckpoints(open_objects(checkpoints_in(s3, record.name)), scratch=tmp_path)
    with store.hold(first(source).key) as path:
        shutil.move(first(source).checkpoint, path)
        store.publish(first(source).key, source.record().total_steps)
    before = sorted(source.root.rglob("*"))
    s3_gate.close()
    assert take(swept, job, place) is None, "it is away"
    s3_gate.open()
    assert take(swept, job, place)
    assert job.folder.checkpoint.is_file()
    assert sorted(source.root.rglob("*")) == before


def test_what_was_spent_elsewhere_is_not_spent_again() -> None:
    spending, whole = Spending(100.0), measurement(TOTAL, 0.5, seconds=9.0).progress
    before = Reused(sweep="runs/a", trial=0, training_flops=60, device_seconds=5.0)
    spending.began("reused", 100.0, before)
    assert spending.to_come.flops == 40.0
    spending.measured("reused", measurement(30, 0.5, seconds=3.0).progress)
    assert spending.total.flops == spending.total.seconds == 0
    spending.measured("reused", whole)
    assert (spending.total.flops, spending.total.seconds) == (40.0, 4.0)
    spending.ended("reused", complete=True)
    assert spending.seconds_of_a_job == 0, "by it no job is judged"


def test_a_restart_counts_it_alike(swept: SweepFolder, place: Path) -> None:
    job = job_like(swept, 1, place)
    job.trial.root.mkdir(parents=True)
    job.trial.create(job.record)
    job.folder.create(job.record, job.replicate, take(swept, job, place))
    job.folder.append(swept.trials()[1].replicates()[0].measurements())
    assert spending_of([job.trial], 1.0).total.flops == 0
    assert spending_of(swept.trials()[1:2], 1.0).total.flops > 0
