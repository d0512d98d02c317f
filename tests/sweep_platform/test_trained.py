"""The checkpoint that a replicate keeps: a regular file, written by its own training."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sweep_builders import first

from hrm.checkpoints import checkpoint
from hrm.checkpoints.checkpoint import CheckpointError
from sweep_platform import cli
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.summary import summarize
from sweep_platform.store.trained import Trained, trained


def kept(sweep: SweepFolder, number: int) -> Trained | None:
    summary = summarize(sweep)
    return trained(summary, summary.trials[number])


@pytest.mark.parametrize(
    "replace",
    [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")],
    ids=["pipe", "folder", "device"],
)
def test_what_is_no_regular_file_is_no_checkpoint(
    swept: SweepFolder, replace: Callable[[Path], object]
) -> None:
    path = first(swept.trials()[1]).checkpoint
    path.unlink()
    replace(path)
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
    puzzle = "S    \n# # #\n     \n# # #\n    G"
    assert cli.main(["solve", str(swept.root), puzzle, "--trial", "2"]) == 2
    assert str(two) in capsys.readouterr().err
    assert cli.main(["solve", str(swept.root), puzzle, "--trial", "1"]) == 0


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
