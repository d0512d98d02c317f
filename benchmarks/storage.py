"""What a checkpoint every 30 seconds to an object store costs a training step of the 27 M model.

    python benchmarks/storage.py [--rounds 8] [--seconds 30] [--server sink]

One thread trains the published model on tiny puzzles. In each block it saves a checkpoint, which
is uploaded while it takes steps for so many seconds, to an S3 server on loopback: a process of
its own on the same machine. moto's keeps what is sent, and takes ten seconds of a core for that;
the sink of s3_sink.py forgets it, so that what is left is the client's own. Steps during the
upload are compared with those of the same block after it: what they took longer, together, is the
cost, as a share of the block. Where cores share caches and memory, a server slows the training
whoever sends: so in every other block another process sends the same bytes to the same server.
Prints a Markdown table: median and range over the rounds.
"""

import argparse
import hashlib
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
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
LEAST_STEPS = 5
"""After an upload, by which those during it are judged."""

PATIENCE = 600.0
_SERVE = """\
import threading
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
threading.Event().wait()
"""


@dataclass(frozen=True)
class Block:
    """Some seconds of training from a checkpoint on: seconds of each step, and of the upload."""

    during: tuple[float, ...]
    after: tuple[float, ...]
    upload: float
    sending: float
    """Seconds of processor time that this process spent beside its training thread."""

    @property
    def cost(self) -> float:
        """What the steps during the upload took longer than as many after it, in seconds."""
        return sum(self.during) - len(self.during) * statistics.median(self.after)


class SentByOthers(FolderCheckpoints):
    """A local folder, of which another process sends each checkpoint to a storage as well."""

    def __init__(self, root: Path, url: str) -> None:
        super().__init__(root)
        context = multiprocessing.get_context("spawn")
        self._sender, theirs = context.Pipe()
        self._process = context.Process(target=send, args=(theirs, url), daemon=True)
        self._process.start()
        self._root = root

    def publish(self, key: str, step: int) -> None:
        """Have it sent under a name of its own: the next one replaces what stands at the path."""
        sent = self._root / key / "sent.pt"
        sent.unlink(missing_ok=True)
        sent.hardlink_to(self._root / key / "checkpoint.pt")
        self._sender.send(str(sent))

    def stored(self, key: str, seconds: float) -> bool:
        """Wait until it was sent."""
        return self._sender.poll(seconds) and bool(self._sender.recv())


def send(requests: Connection, url: str) -> None:
    """Put every file that is asked for into a storage, and answer."""
    objects = open_objects(url)
    with suppress(EOFError):  # whoever asked has ended
        while True:
            path = Path(requests.recv())
            hashlib.file_digest(path.open("rb"), "sha256")  # as our own uploads do
            objects.put(path.name, path)
            requests.send(True)


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
    """Save a checkpoint, then take steps while it is uploaded and as long after."""
    with store.hold(KEY) as path:
        trainer.save(path)
        beside = time.process_time() - time.thread_time()
        began, upload = time.perf_counter(), None
        store.publish(KEY, trainer.step)
        during, after = list[float](), list[float]()
        while len(after) < LEAST_STEPS or time.perf_counter() - began < seconds:
            started = time.perf_counter()
            trainer._take_step()
            (during if upload is None else after).append(time.perf_counter() - started)
            if upload is None and store.stored(KEY, 0):
                upload = time.perf_counter() - began
        assert upload is not None
        beside = time.process_time() - time.thread_time() - beside
        return Block(tuple(during), tuple(after), upload, beside)


def bucket(port: str) -> str:
    """A new bucket at a server; the environment tells where that is."""
    from pyarrow.fs import S3FileSystem

    os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    os.environ["AWS_ENDPOINT_URL"] = endpoint = f"http://127.0.0.1:{port}"
    system = S3FileSystem(
        endpoint_override=endpoint, region="us-east-1", allow_bucket_creation=True
    )
    system.create_dir("benchmark", recursive=False)
    return "s3://benchmark/sweep/checkpoints"


def main() -> None:
    """Measure both stores, round by round, and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=8)
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--server", choices=("sink", "moto"), default="sink")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    sink = str(Path(__file__).with_name("s3_sink.py"))
    serve = [sys.executable, *(["-c", _SERVE] if options.server == "moto" else [sink])]
    # Its log would fill a pipe that nobody reads, and stop it.
    server = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout
    try:
        with tempfile.TemporaryDirectory() as place:
            port = server.stdout.readline().strip()
            measure(options.rounds, options.seconds, options.server, port, Path(place))
    finally:
        server.kill()
        server.wait()


def measure(rounds: int, seconds: float, server: str, port: str, place: Path) -> None:
    """Print the table."""
    trainer = published(PuzzleDataset.open(prepare("arc-agi-1", ARC, place / "data")))
    stores: dict[str, CheckpointStore] = {
        "the training process": ObjectCheckpoints(open_objects(bucket(port)), 2, print, place),
        "another process": SentByOthers(place / "sent", "s3://benchmark/other"),
    }
    print(conditions("torch", "pyarrow", "moto"))
    weights = sum(weight.numel() for weight in trainer.model.parameters()) / 1e6
    trainer.save(place / "size.pt")
    size = (place / "size.pt").stat().st_size / 1e6
    print(
        f"\n{weights:.1f} M weights, a checkpoint of {size:.0f} MB every {seconds:g} s, server "
        f"{server}; {rounds} rounds: median (range)\n"
    )
    found: dict[str, list[Block]] = {name: [] for name in stores}
    for store in stores.values():
        block(trainer, store, 1.0)
    for number in range(rounds):
        for name in list(stores)[:: 1 if number % 2 else -1]:
            found[name].append(block(trainer, stores[name], seconds))
    heading = ("sent by", "s of upload", "processor s of it here", "ms a step during it")
    print(f"| {' | '.join((*heading, 'ms a step after', 'cost'))} |")
    print("|--|--:|--:|--:|--:|--:|")
    for name, blocks in found.items():
        cells = (
            spread([one.upload for one in blocks], 1),
            spread([one.sending for one in blocks], 2),
            spread([1000 * statistics.median(one.during) for one in blocks], 0),
            spread([1000 * statistics.median(one.after) for one in blocks], 0),
            spread([100 * one.cost / seconds for one in blocks], 2) + " %",
        )
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    ours, others = (found[name] for name in stores)
    more = [100 * (a.cost - b.cost) / seconds for a, b in zip(ours, others, strict=True)]
    print(f"\nBeyond what the server costs whoever sends: {spread(more, 2)} % of the training")


if __name__ == "__main__":
    main()
