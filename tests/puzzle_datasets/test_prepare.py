import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from puzzle_datasets.commands.prepare import build_at, folder_name, prepare
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.arc.settings import ArcSettings
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import MANIFEST_FILE
from puzzle_datasets.storage.shards import shard_file

SETTINGS = ArcSettings(canvas=3, augmentations=5, held_out="all")

# Another process that prepares the same set, and notes each build it really does.
PREPARE = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.kinds.arc import SETS
from puzzle_datasets.kinds.arc.settings import ArcSettings

root, die = Path(sys.argv[1]), sys.argv[2] == "die"
known = SETS["arc-agi-1"]

def build(settings, writer):
    with (root / "builds.txt").open("a") as log:
        log.write("build\\n")
    manifest = known.build(settings, writer)
    if die:
        os.kill(os.getpid(), signal.SIGKILL)
    return manifest

SETS["arc-agi-1"] = replace(known, build=build)
settings = ArcSettings(canvas=3, augmentations=5, held_out="all")
print(prepare("arc-agi-1", settings, root))
"""


def in_another_process(root: Path, *, die: bool = False) -> "subprocess.Popen[str]":
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    command = [sys.executable, "-c", PREPARE, str(root), "die" if die else "live"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_seed_changes_identities_and_name_but_no_pair(tmp_path: Path) -> None:
    one = prepare("arc-agi-1", SETTINGS, tmp_path)
    other = prepare("arc-agi-1", replace(SETTINGS, seed=1), tmp_path)
    assert one != other
    first, second = PuzzleDataset.open(one), PuzzleDataset.open(other)
    assert first.manifest.fingerprint != second.manifest.fingerprint
    assert first.train.inputs.equal(second.train.inputs)
    assert not first.identities.colours.equal(second.identities.colours)


def test_a_finished_set_is_used_again(tmp_path: Path) -> None:
    folder = prepare("arc-agi-1", SETTINGS, tmp_path)
    before = (folder / MANIFEST_FILE).stat().st_mtime_ns
    assert prepare("arc-agi-1", SETTINGS, tmp_path) == folder
    assert (folder / MANIFEST_FILE).stat().st_mtime_ns == before


def test_two_processes_at_once_build_once(tmp_path: Path) -> None:
    both = [in_another_process(tmp_path) for _ in range(2)]
    printed = {process.communicate()[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert printed == {f"{tmp_path / folder_name('arc-agi-1', SETTINGS)}\n"}
    assert (tmp_path / "builds.txt").read_text() == "build\n"
    built_here = prepare("arc-agi-1", SETTINGS, tmp_path / "here")
    assert contents(tmp_path / built_here.name) == contents(built_here)


def test_a_killed_build_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    process = in_another_process(tmp_path, die=True)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("arc")]
    folder = prepare("arc-agi-1", SETTINGS, tmp_path)
    PuzzleDataset.open(folder)
    assert not list(tmp_path.glob("*.partial")) + list(tmp_path.glob(".*.partial"))


def test_a_damaged_shard_is_refused_and_kept(tmp_path: Path) -> None:
    folder = prepare("arc-agi-1", SETTINGS, tmp_path)
    shard = folder / shard_file("train")
    damaged = bytearray(shard.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    shard.write_bytes(damaged)
    for use in (
        lambda: prepare("arc-agi-1", SETTINGS, tmp_path),
        lambda: PuzzleDataset.open(folder),
    ):
        with pytest.raises(DatasetError, match=r"train-00000\.parquet is damaged.*delete"):
            use()
    assert shard.read_bytes() == bytes(damaged)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (MANIFEST_FILE, f"is no puzzle set, for it has no {MANIFEST_FILE}; name a folder"),
        (shard_file("test"), f"{shard_file('test')} does not exist; delete"),
    ],
)
def test_a_missing_file_is_refused(name: str, said: str, tmp_path: Path) -> None:
    folder = prepare("arc-agi-1", SETTINGS, tmp_path)
    (folder / name).unlink()
    with pytest.raises(DatasetError, match=said):
        prepare("arc-agi-1", SETTINGS, tmp_path)


def test_a_refused_build_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="16 tasks fit canvas 3"):
        prepare("arc-agi-1", replace(SETTINGS, tasks=99), tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="'arc-agi-9' is no puzzle set; did you mean arc-agi-"):
        prepare("arc-agi-9", SETTINGS, tmp_path)


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        prepare("arc-agi-1", SETTINGS, tmp_path / "file")


def test_a_folder_of_choice_is_used_again_for_the_same_set_only(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    build_at("arc-agi-1", SETTINGS, folder)
    before = contents(folder)
    build_at("arc-agi-1", SETTINGS, folder)
    with pytest.raises(DatasetError, match="holds arc-agi-1 with seed 0, not 1; choose another"):
        build_at("arc-agi-1", replace(SETTINGS, seed=1), folder)
    with pytest.raises(DatasetError, match="holds the set arc-agi-1, not arc-agi-2"):
        build_at("arc-agi-2", SETTINGS, folder)
    assert contents(folder) == before


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    with pytest.raises(DatasetError, match="exists and is no puzzle set; choose another"):
        build_at("arc-agi-1", SETTINGS, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_full_disk_ends_the_build_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("puzzle_datasets.storage.writer.open_shard", full)
    with pytest.raises(OSError, match=r"No space left on device: .*arc-agi-1"):
        prepare("arc-agi-1", SETTINGS, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
