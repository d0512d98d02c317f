"""Files made to cost minutes or the machine's memory are refused for next to nothing.

One process with little memory reads them all; that it ends, and how, is what is proven.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from puzzle_datasets.storage.schema import GROUP_FILE, MANIFEST_FILE
from puzzle_datasets.storage.shards import file_hash

# Says in one word a file how reading it ended, with 500 MB more than the libraries take.
READ = """
import resource, sys
from pathlib import Path
import numpy, pyarrow.csv, pyarrow.parquet, torch
from hrm.checkpoints.loading import load_model
from puzzle_datasets.__main__ import main
from puzzle_datasets.commands.prepare import build_at, puzzle_set
from puzzle_datasets.common.errors import UserError
from puzzle_datasets.storage.dataset import PuzzleDataset

torch.set_num_threads(1)
pyarrow.set_cpu_count(1)
pyarrow.set_io_thread_count(1)
into = Path(sys.argv[1], "into")

def build(name, **settings):
    build_at(name, puzzle_set(name).settings_from(settings), into)

READERS = {
    "checkpoint": load_model,
    "set": PuzzleDataset.open,
    "csv": lambda path: build("sudoku-extreme", csv=str(path)),
    "arc": lambda path: build("arc", tasks=str(path)),
}
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 500_000_000,) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        READERS[path.name.partition("-")[0]](path)
        print(path.name, "was read")
    except UserError as error:
        print(path.name, "refused" if str(path) in str(error) else error)
"""


def strewn(path: Path) -> None:
    torch.save({"format": 3, "state": torch.zeros(()).expand(10**9, 512)}, path)


def many_lists(path: Path) -> None:
    """A pickle of 30 million empty lists."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02](" + b"]" * 30_000_000 + b"e.")
        archive.writestr("a/version", b"3\n")


def many_names(path: Path, whole: Path) -> None:
    """A set whose one name is a task's 10 MB of the same letter, for each of its tasks."""
    shutil.copytree(whole, path)
    table = pq.read_table(path / GROUP_FILE)
    names = pa.array(["x" * 10_000_000] * len(table))
    pq.write_table(table.set_column(1, "name", names), path / GROUP_FILE, compression="zstd")
    content = json.loads((path / MANIFEST_FILE).read_text())
    content["files"][GROUP_FILE] = file_hash(path / GROUP_FILE)
    (path / MANIFEST_FILE).write_text(json.dumps(content))


def packed(path: Path) -> None:
    """A gigabyte without a line's end, in a megabyte."""
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for _ in range(100):
            stream.write(b"1" * 10_000_000)


def nested(path: Path) -> None:
    path.mkdir()
    (path / "a.json").write_text("[" * 10_000_000)


MADE: dict[str, Callable[[Path], None]] = {
    "checkpoint-strewn": strewn,
    "checkpoint-lists": many_lists,
    "csv-packed.csv.gz": packed,
    "arc-nested": nested,
}


@pytest.mark.timeout(120)
def test_hostile_files_are_refused_in_little_memory(arc_folder: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for name, make in MADE.items():
        make(hostile / name)
    many_names(hostile / "set-names", arc_folder)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(hostile)],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p)),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    ends = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert ends == dict.fromkeys(sorted([*MADE, "set-names"]), "refused"), done.stderr[-2000:]
