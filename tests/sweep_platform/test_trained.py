"""The checkpoint that a replicate keeps: a regular file, written by its own training."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from s3_server import Gate
from sweep_builders import first

from hrm.checkpoints import checkpoint
from hrm.checkpoints.checkpoint import CheckpointError
from hrm.checkpoints.loading import step_of
from sweep_platform import cli
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.storage.checkpoints import ObjectCheckpoints
from sweep_platform.store.storage.objects import open_objects
from sweep_platform.store.summary import summarize
from sweep_platform.store.trained import Trained, checkpoints_in, trained

PUZZLE = "S    \n# # #\n     \n# # #\n    G"


def kept(sweep: SweepFolder, number: int) -> Trained | None:
    summary = summarize(sweep)
    return trained(summary, summary.trials[number])


@pytest.mark.parametrize(
    "put",
    [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")],
    ids=["pipe", "folder", "device"],
)
def test_what_is_no_regular_file_is_no_checkpoint(
    swept: SweepFolder, put: Callable[[Path], object]
) -> None:
    path = first(swept.trials()[1]).checkpoint
    path.unlink()
    put(path)
    assert kept(swept, 1) is None
    assert kept(swept, 2) is not None


def test_the_checkpoint_of_another_trial_is_refused(
    swept: SweepFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (first(trial).checkpoint for trial in swept.trials()[1:3])
    shutil.copy(one, two)
    found = kept(swept, 2)
    assert found
    with pytest.raises(CheckpointError, match=f"M_max .*{two}"):
        found.require_own()
    assert cli.main(["solve", str(swept.root), PUZZLE, "--trial", "2"]) == 2
    assert str(two) in capsys.readouterr().err
    assert cli.main(["solve", str(swept.root), PUZZLE, "--trial", "1"]) == 0


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("training setting", "seed", 5),
        ("training setting", "evaluate_at", (0.5,)),
        ("dataset", "fingerprint", "5f0c"),
    ],
)
def test_another_seed_training_or_puzzle_set_is_refused(
    swept: SweepFolder, section: str, name: str, value: object
) -> None:
    found = kept(swept, 2)
    assert found
    found.require_own()
    content = checkpoint.load(found.checkpoint)
    content["settings"][section][name] = value
    checkpoint.save(found.checkpoint, content)
    with pytest.raises(CheckpointError) as caught:
        found.require_own()
    assert caught.value.field == name


@pytest.fixture
def stored(swept: SweepFolder, s3: str, tmp_path: Path) -> SweepFolder:
    """A sweep whose checkpoints lie in a storage alone."""
    record = swept.record()
    swept.create(replace(record, spec={**record.spec, "storage": {"url": s3}}))
    store = ObjectCheckpoints(open_objects(checkpoints_in(s3, record.name)), scratch=tmp_path)
    for trial in swept.trials()[1:3]:
        key = f"{trial.root.name}/{first(trial).label}"
        with store.hold(key) as path:
            shutil.move(first(trial).checkpoint, path)
            store.publish(key, trial.record().total_steps)
    return swept


def test_a_checkpoint_is_fetched_from_the_storage_for_whoever_reads_it(
    stored: SweepFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = first(stored.trials()[2])
    before = folder.root.stat().st_mtime_ns
    assert cli.main(["solve", str(stored.root), PUZZLE]) == 0
    assert folder.checkpoint.is_file()
    assert folder.root.stat().st_mtime_ns == folder.checkpoint.stat().st_mtime_ns == before
    found = kept(stored, 2)
    assert found
    found.require_own()


def half_train(checkpoint_of_a_trial: Path) -> None:
    """Leave the checkpoint of an earlier step, as a worker does that is lost at its end."""
    content = checkpoint.load(checkpoint_of_a_trial)
    content["state"]["learner"]["steps"] //= 2
    checkpoint.save(checkpoint_of_a_trial, content)


def test_a_half_trained_checkpoint_answers_for_no_complete_replicate(
    swept: SweepFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    half_train(first(swept.trials()[2]).checkpoint)
    assert kept(swept, 2) is None
    assert kept(swept, 1) is not None
    assert cli.main(["solve", str(swept.root), PUZZLE, "--trial", "2"]) == 2
    assert "keeps no checkpoint" in capsys.readouterr().err


def test_a_half_trained_checkpoint_stays_in_the_storage(
    stored: SweepFolder, s3: str, tmp_path: Path
) -> None:
    whole, early = stored.trials()[1:3]
    objects = open_objects(checkpoints_in(s3, stored.record().name))
    here = objects.below(f"{early.root.name}/{first(early).label}")
    [one] = here.list()
    here.get(one.name, tmp_path / "checkpoint.pt")
    here.put(f"{1:012d}{one.name[12:]}", tmp_path / "checkpoint.pt")
    here.delete(one.name)
    assert kept(stored, 2) is None
    assert not first(early).checkpoint.exists()
    assert kept(stored, 1) is not None
    half_train(first(whole).checkpoint)
    found = kept(stored, 1)
    assert found
    assert step_of(found.checkpoint) == whole.record().total_steps, "it was fetched again"


def test_a_storage_that_is_away_is_named(
    stored: SweepFolder, s3: str, s3_gate: Gate, capsys: pytest.CaptureFixture[str]
) -> None:
    s3_gate.close()
    assert kept(stored, 2) is None
    assert cli.main(["solve", str(stored.root), PUZZLE]) == 2
    assert s3 in capsys.readouterr().err
