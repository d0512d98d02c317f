"""Files made to cost minutes or the machine's memory are refused for next to nothing, or read.

A process with little memory and seconds of a processor reads each; that it ends, and how, is what
is proven.
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

from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.kinds.maze.source import MazeSettings
from puzzle_datasets.storage.schema import GROUP_FILE, MANIFEST_FILE
from puzzle_datasets.storage.shards import file_hash, open_shard, shard_file

TRAIN = shard_file("train")

# Says in one word a file how reading it ended, with 500 MB more than the libraries take, and 10 s.
READ = """
import os, resource, sys
from pathlib import Path
import numpy, pyarrow.csv, pyarrow.parquet, torch
from hrm.checkpoints.loading import load_model
from puzzle_datasets.__main__ import main
from puzzle_datasets.commands.prepare import build_at, puzzle_set
from puzzle_datasets.common.errors import UserError
from puzzle_datasets.loader import TrainLoader
from puzzle_datasets.storage.dataset import PuzzleDataset

torch.set_num_threads(1)
pyarrow.set_cpu_count(1)
pyarrow.set_io_thread_count(1)
into = Path(sys.argv[1], "into")

def build(name, **settings):
    build_at(name, puzzle_set(name).settings_from(settings), into)

def served(path):
    loader = TrainLoader(PuzzleDataset.open(path), batch_size=8, seed=0)
    for _ in range(30):
        loader.next_batch()

READERS = {
    "checkpoint": load_model,
    "set": served,
    "csv": lambda path: build("sudoku-extreme", csv=str(path)),
    "arc": lambda path: build("arc", tasks=str(path)),
}
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
for path in sorted(Path(sys.argv[1]).iterdir()):
    if path.name.startswith("."):
        continue
    if child := os.fork():
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            print(path.name, "ended the process", flush=True)
        continue
    resource.setrlimit(resource.RLIMIT_AS, (taken + 500_000_000,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
    try:
        READERS[path.name.partition("-")[0]](path)
        end = "was read"
    except UserError as error:
        end = "refused" if str(path) in str(error) else error
    print(path.name, end, flush=True)
    os._exit(0)
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
    rehash(path, GROUP_FILE)


def rehash(path: Path, name: str, **counts: int) -> None:
    content = json.loads((path / MANIFEST_FILE).read_text())
    content["files"][name] = file_hash(path / name)
    content["counts"] |= counts
    (path / MANIFEST_FILE).write_text(json.dumps(content))


def many_rows(path: Path, whole: Path) -> None:
    """A set whose first puzzle has as many rows as a small file may hold, all in one piece."""
    shutil.copytree(whole, path)
    table, rows = pq.read_table(path / TRAIN), 1_500_000
    columns = {name: pa.repeat(table[name][0], rows) for name in table.column_names}
    first = pa.table(columns, schema=table.schema)
    many = pa.concat_tables([first, table.slice(1)]).combine_chunks()
    with open_shard(many.schema, path / TRAIN) as writer:
        writer.write_table(many, len(many))
    rehash(path, TRAIN, train_pairs=len(many))
    manifest = json.loads((path / MANIFEST_FILE).read_text())
    foreign = manifest | {"name": "own", "settings": {}}  # by which nobody knows its size
    (path / MANIFEST_FILE).write_text(json.dumps(foreign))


def holes(path: Path, whole: Path) -> None:
    """A set whose shard is a terabyte that takes no room."""
    shutil.copytree(whole, path)
    os.truncate(path / TRAIN, 10**12)


def packed(path: Path) -> None:
    """A gigabyte without a line's end, in a megabyte."""
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for _ in range(100):
            stream.write(b"1" * 10_000_000)


def tasks(path: Path) -> None:
    """Tasks of the smallest grids, over a hundred thousand of them."""
    path.mkdir()
    pair = '{"input":[[0]],"output":[[0]]}'
    pairs = f"[{','.join([pair] * 10_000)}]"
    names = ",".join(f'"{number}":{{"train":{pairs},"test":[]}}' for number in range(60))
    (path / "a.json").write_text(f"{{{names}}}")


def lists(path: Path) -> None:
    path.mkdir()
    (path / "a.json").write_text(f"[{'[],' * 6_000_000}[]]")


def nested(path: Path) -> None:
    path.mkdir()
    (path / "a.json").write_text("[" * 10_000_000)


MADE: dict[str, Callable[[Path], None]] = {
    "checkpoint-strewn": strewn,
    "checkpoint-lists": many_lists,
    "csv-packed.csv.gz": packed,
    "arc-nested": nested,
    "arc-tasks": tasks,
    "arc-lists": lists,
}


@pytest.mark.timeout(120)
def test_hostile_files_cost_little_time_and_memory(arc_folder: Path, tmp_path: Path) -> None:
    settings = MazeSettings(side=5, train=1, test=1)
    maze_folder = prepare("maze", settings, tmp_path / "mazes")
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for name, make in MADE.items():
        make(hostile / name)
    many_names(hostile / "set-names", arc_folder)
    many_rows(hostile / "set-rows", maze_folder)
    holes(hostile / "set-holes", maze_folder)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(hostile)],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p)),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    ends = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    refused = dict.fromkeys([*MADE, "set-names", "set-holes"], "refused")
    assert ends == {**refused, "set-rows": "was read"}, done.stderr[-2000:]
