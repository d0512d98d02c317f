"""The common part of commands on a trained model: its options, loading, describing."""

import sys
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from hrm.checkpoints.loading import LoadedModel, load_model, require_fit, type_name, with_steps
from hrm.commands.machine import add_dataset, add_machine, machine
from hrm.model.flops import parameter_count
from puzzle_datasets.common.command_line import Parser, path
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.page import printable
from puzzle_datasets.common.text import counted
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.leaks import refuse_leaks
from puzzle_datasets.storage.shards import read_manifest


def add_trained_model(
    into: Parser, *, several: bool = False, batch_size: int = 128, limit: int | None = None
) -> None:
    """Add CHECKPOINT, or `several`, --dataset and how to run the model; defaults as given."""
    text = "checkpoint.pt, the folder of a run or a trial, or a published checkpoint's"
    many: dict[str, Any] = {"nargs": "+"} if several else {}
    into.add_argument("checkpoint", type=path, metavar="CHECKPOINT", help=text, **many)
    add_dataset(into)
    text = "the set that the model was trained on, if it is neither this one nor beside it"
    into.add_argument("--trained-on", type=path, metavar="DIR", help=text)
    number: dict[str, Any] = {"type": int, "metavar": "INT"}
    text = f"puzzles at a time ({batch_size})"
    into.add_argument("--batch-size", default=batch_size, help=text, **number)
    text = f"how many test puzzles, drawn by seed ({'all' if limit is None else limit})"
    into.add_argument("--limit", default=limit, help=text, **number)
    text = "what modules compute in (default: as trained)"
    into.add_argument("--dtype", choices=("float32", "bfloat16"), help=text)
    into.add_argument(
        "--execution", choices=("eager", "compiled"), default="eager", help="how blocks run"
    )
    add_machine(into)


def load_trained(
    arguments: Namespace, N: int | None = None, T: int | None = None
) -> tuple[LoadedModel, PuzzleDataset]:
    """The model and the puzzles that the options name, which fit; with other N and T if given.

    Raises `UserError` where one of them can't be loaded, or they do not fit each other.
    """
    [loaded], dataset = load_several(arguments, [arguments.checkpoint])
    loaded.model.config = with_steps(loaded.config, N, T)
    return loaded, dataset


def load_several(
    arguments: Namespace, checkpoints: Sequence[Path]
) -> tuple[list[LoadedModel], PuzzleDataset]:
    """Models by their checkpoints, else as `load_trained`."""
    device = machine(arguments)
    dataset = PuzzleDataset.open(arguments.dataset)
    return [_load(path, dataset, device, arguments) for path in checkpoints], dataset


def _load(
    path: Path, dataset: PuzzleDataset, device: torch.device, arguments: Namespace
) -> LoadedModel:
    dtype = getattr(torch, arguments.dtype) if arguments.dtype else None
    loaded = load_model(path, device=device, dtype=dtype, seq_len=dataset.manifest.seq_len)
    require_fit(loaded, dataset.manifest)
    note = _known_answers(loaded, dataset, arguments.dataset, arguments.trained_on)
    if note:
        print(printable(f"Note: {note}."), file=sys.stderr)
    if arguments.execution == "compiled":
        # Loading the compiler takes a second, which most evaluations need not spend.
        from hrm.model.compiled import compile_blocks

        compile_blocks(loaded.model, "default")
    return loaded


def _known_answers(
    loaded: LoadedModel, dataset: PuzzleDataset, folder: Path, trained_on: Path | None
) -> str | None:
    """Refuse a set whose answers the model was trained on, where names of tasks tell.

    The set that it was trained on is looked for at `trained_on`, or else among the neighbours of
    the evaluated `folder`. Returns what remains unknown, in a sentence, or None. Raises
    `DatasetError`, also where `trained_on` holds no set, or another than the model's.
    """
    known, own = loaded.trained_on, dataset.manifest.fingerprint
    harmless = known == own or not dataset.group_names
    found = trained_on or (None if harmless else _neighbour(folder, known))
    training = None if found is None else PuzzleDataset.open(found)
    if training is not None and known not in (None, training.manifest.fingerprint):
        problem = f"is not what {loaded.source} was trained on"
        raise DatasetError.of(found, problem, "name that one")
    if harmless:
        return None
    identifiers = "identifiers name the tasks of the set that a model was trained on; here they"
    if training is None:
        return (
            "the set that this model was trained on is not at hand, so whether it knows answers "
            f"of this one was not checked; name it with --trained-on; {identifiers} "
            f"{'may mean' if known is None else 'mean'} others"
        )
    refuse_leaks(training, dataset)
    return None if training.manifest.fingerprint == own else f"{identifiers} mean others"


def _neighbour(folder: Path, fingerprint: str | None) -> Path | None:
    """The puzzle set beside `folder` that has a fingerprint."""
    for manifest in sorted(folder.resolve().parent.glob("*/manifest.json")):
        try:
            if read_manifest(manifest.parent).fingerprint == fingerprint:
                return manifest.parent
        except DatasetError:
            continue  # of another version, or damaged: not the one
    return None


def introduction(loaded: LoadedModel, dataset: PuzzleDataset) -> str:
    """The model, as it was trained, and the puzzles in two lines."""
    config = loaded.config
    settings = [
        config.model,
        f"trained with N {config.N}, T {config.T}, M_max {config.M_max}",
        f"hidden size {config.hidden_size}",
        counted(parameter_count(config), "parameter"),
        weights_in_words(origin_of(loaded)),
    ]
    return (
        f"{loaded.source}: {', '.join(settings)}\n"
        f"{dataset.manifest.name}: {len(dataset.test):,} test puzzles of length "
        f"{dataset.manifest.seq_len}"
    )


def origin_of(loaded: LoadedModel) -> dict[str, Any]:
    """Where the weights come from, and in what the model computes, as JSON has it."""
    return {
        "source": str(loaded.source),
        "step": loaded.step,
        "averaged": loaded.averaged,
        "dtype": type_name(loaded.model.dtype),
    }


def weights_in_words(origin: Mapping[str, Any]) -> str:
    """The weights that `origin_of` describes, as people read it: "weights of step 1,200"."""
    kind = "averaged weights" if origin["averaged"] else "weights"
    step = origin["step"]
    return f"{kind} of an unknown step" if step is None else f"{kind} of step {step:,}"


def description_of(loaded: LoadedModel, dataset: PuzzleDataset) -> dict[str, Any]:
    """The model, as it was trained, and the puzzles as JSON has them."""
    return {
        "checkpoint": origin_of(loaded),
        "model": asdict(loaded.config),
        "dataset": {name: getattr(dataset.manifest, name) for name in ("name", "fingerprint")},
    }


class ProgressLine:
    """One line of a terminal that says how far it is; elsewhere a line twice a minute."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._every = 0.2 if self._terminal else 30.0
        self._last = time.monotonic()

    def __call__(self, words: str) -> None:
        """Say it, unless something was said just now."""
        if time.monotonic() - self._last < self._every:
            return
        self._last = time.monotonic()
        start, end = ("\r", "\x1b[K") if self._terminal else ("", "\n")
        print(f"{start}{printable(words)}", end=end, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Wipe the line."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
