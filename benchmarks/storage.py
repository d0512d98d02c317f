"""What a checkpoint every 30 seconds to an object store costs a training step of the 27 M model.

    python benchmarks/storage.py [--rounds 8] [--seconds 30]

One thread trains the published model on tiny puzzles. In each round it saves a checkpoint and
takes steps for so many seconds, once with a local folder as its store and once with an S3 server
on loopback (moto's, a process of its own on the same machine, which has to take what is sent).
What is published in the second is uploaded while the steps are taken. Prints a Markdown table:
median and range over the rounds.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from measuring import conditions, spread

from hrm.config import ModelConfig, TrainingConfig
from hrm.training.trainer import Trainer
from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.kinds.arc.settings import ArcSettings
from puzzle_datasets.storage.dataset import PuzzleDataset
from sweep_platform.store.checkpoints import CheckpointStore, FolderCheckpoints
from sweep_platform.store.storage.checkpoints import ObjectCheckpoints
from sweep_platform.store.storage.objects import open_objects

ARC = ArcSettings(canvas=3, tasks=4, augmentations=2, held_out="all")
KEY = "0000-benchmark/measure-0"
PATIENCE = 600.0
_SERVE = """\
import sys, threading
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], file=sys.stderr, flush=True)
threading.Event().wait()
"""


@dataclass(frozen=True)
class Block:
    """Some seconds of training from a checkpoint on."""

    step: float
    """Seconds a step, with the checkpoint's share."""
    processor: float
    """Seconds a step that the training thread had a processor."""
    stored: float
    """Seconds from the publishing to where it was stored, and at least those of the steps."""


def published(dataset: PuzzleDataset) -> Trainer:
    """The published model, with about 27 million weights, before its first step."""
    manifest = dataset.manifest
    model = ModelConfig(
        vocab_size=manifest.vocab_size,
        seq_len=manifest.seq_len,
        num_puzzle_identifiers=manifest.num_puzzle_identifiers,
    )
    training = TrainingConfig(training_flops=1e18, batch_size=2)
    return Trainer(model, training, dataset, torch.device("cpu"))


def block(trainer: Trainer, store: CheckpointStore, seconds: float) -> Block:
    """Save a checkpoint, then take steps."""
    with store.hold(KEY) as path:
        began, worked, steps = time.perf_counter(), time.thread_time(), 0
        trainer.save(path)
        store.publish(KEY, trainer.step)
        while not steps or time.perf_counter() - began < seconds:
            trainer._take_step()
            steps += 1
        took, worked = time.perf_counter() - began, time.thread_time() - worked
        assert store.stored(KEY, PATIENCE)
        return Block(took / steps, worked / steps, time.perf_counter() - began)


def bucket(port: str) -> str:
    """A new bucket at a server; the environment tells where that is."""
    from pyarrow.fs import S3FileSystem

    os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    os.environ["AWS_ENDPOINT_URL"] = endpoint = f"http://127.0.0.1:{port}"
    system = S3FileSystem(
        endpoint_override=endpoint, region="us-east-1", allow_bucket_creation=True
    )
    system.create_dir("benchmark")
    return "s3://benchmark/sweep/checkpoints"


def main() -> None:
    """Measure both stores, round by round, and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=8)
    arguments.add_argument("--seconds", type=float, default=30.0)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    serve = [sys.executable, "-c", _SERVE]
    server = subprocess.Popen(serve, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert server.stderr
    try:
        with tempfile.TemporaryDirectory() as place:
            measure(options.rounds, options.seconds, server.stderr.readline().strip(), Path(place))
    finally:
        server.kill()
        server.wait()


def measure(rounds: int, seconds: float, port: str, place: Path) -> None:
    """Print the table."""
    trainer = published(PuzzleDataset.open(prepare("arc-agi-1", ARC, place / "data")))
    stores: dict[str, CheckpointStore] = {
        "local folder": FolderCheckpoints(place / "local"),
        "S3 on loopback": ObjectCheckpoints(open_objects(bucket(port)), 2, print, place),
    }
    print(conditions("torch", "pyarrow", "moto"))
    weights = sum(weight.numel() for weight in trainer.model.parameters()) / 1e6
    trainer.save(place / "size.pt")
    size = (place / "size.pt").stat().st_size / 1e6
    print(
        f"\n{weights:.1f} M weights, a checkpoint of {size:.0f} MB every {seconds:g} s; {rounds} "
        "rounds: median (range)\n"
    )
    found: dict[str, list[Block]] = {name: [] for name in stores}
    for store in stores.values():
        block(trainer, store, 1.0)
    for number in range(rounds):
        for name in list(stores)[:: 1 if number % 2 else -1]:
            found[name].append(block(trainer, stores[name], seconds))
    print("| store | ms a step | ratio | processor ms a step | ratio | s until it is stored |")
    print("|--|--:|--:|--:|--:|--:|")
    base = found["local folder"]
    for name, blocks in found.items():
        pairs = list(zip(blocks, base, strict=True))
        cells = (
            spread([1000 * one.step for one in blocks], 1),
            spread([one.step / other.step for one, other in pairs], 3),
            spread([1000 * one.processor for one in blocks], 1),
            spread([one.processor / other.processor for one, other in pairs], 3),
            spread([one.stored for one in blocks], 1) if name != "local folder" else "",
        )
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
