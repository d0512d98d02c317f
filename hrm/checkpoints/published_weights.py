"""The weights of a published checkpoint: found in its folder, read, and held against a model."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hrm.checkpoints.published_settings import DTYPES, PublishedSettings
from hrm.checkpoints.tensor_file import CheckpointError, in_words, read_tensors
from hrm.config import ModelConfig
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.common.reading import Reader
from puzzle_datasets.common.text import shown

COMPILED_PREFIX = "_orig_mod.model.inner."
"""In front of every name, from outside in: a compiled model's, the loss head's, the ACT loop's."""

PREFIXES = (COMPILED_PREFIX, "model.inner.", "inner.", "_orig_mod.inner.", "_orig_mod.", "")
HUB_FILE = "checkpoint"
"""The name of the weights in checkpoints on the hub, instead of `step_N`."""

DATASET_FILES = ("dataset.json", "manifest.json")
"""Where the published data sets, and ours, say how long a puzzle is."""


def find(folder: Path, step: int | None) -> Path:
    """Return the weights of `step` in a checkpoint folder, those of the last step for None.

    Raises `CheckpointError` where there are none.
    """
    # The published evaluation leaves its predictions beside, as step_N_all_preds.0.
    names = (re.fullmatch(r"step_(\d+)", path.name) for path in folder.glob("step_*"))
    steps = {int(found[1]): folder / found[0] for found in names if found}
    if step is not None and step not in steps:
        there = ", ".join(map(str, sorted(steps))) or "none"
        raise CheckpointError.of(folder, f"has no step_{step}", f"choose from its steps: {there}")
    if steps:
        return steps[max(steps) if step is None else step]
    if (folder / HUB_FILE).is_file():
        return folder / HUB_FILE
    raise CheckpointError.of(
        folder, "has no file step_N", "name the folder that holds the weights"
    )


def read(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by the names of our model, in main memory.

    Raises `CheckpointError` where the file is damaged or holds something else. No code of the
    file's is run.
    """
    content = read_tensors(file, "fetch it again")
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        problem = f"holds {_content(content)}, not weights by name"
        raise CheckpointError.of(file, problem, "fetch a published checkpoint")
    names = list(content)
    prefix = next(p for p in PREFIXES if all(name.startswith(p) for name in names))
    return {name.removeprefix(prefix): tensor for name, tensor in content.items()}


def _content(content: Any) -> str:
    """Say what a file holds in place of tensors by name: the first that is none."""
    if not isinstance(content, dict):
        return in_words(content)
    odd = (
        (k, v) for k, v in content.items() if not (isinstance(k, str) and isinstance(v, Tensor))
    )
    return " as ".join(in_words(part) for part in next(odd)[::-1])


def model_config(
    settings: PublishedSettings, file: Path, weights: Mapping[str, Tensor], seq_len: int | None
) -> ModelConfig:
    """Join to the settings what only weights and data set know: vocabulary, identities, length.

    Raises `CheckpointError` where a size can't be known, or two places differ on it.
    """
    d, width = (settings.fields[name] for name in ("hidden_size", "puzzle_emb_ndim"))
    width = d if width is None else width
    sizes = {"vocab_size": _rows(file, weights, "embed_tokens.embedding_weight", d)}
    # Without an embedding no identity is told from another, whatever their number.
    sizes["num_puzzle_identifiers"] = _rows(file, weights, "puzzle_emb.weights", width) or 1
    known = _stated_lengths(settings)
    if settings.fields["positions"] == "learned":
        front = settings.model_config(**sizes, seq_len=1).puzzle_positions
        known[str(file)] = _rows(file, weights, "embed_pos.embedding_weight", d) - front
    if seq_len is not None:
        known = {"what was given": seq_len, **known}
    if not known:
        problem = "does not say how long its puzzles are"
        remedy = f"give seq_len, or put the {DATASET_FILES[0]} of its data set into it"
        raise CheckpointError.of(settings.file.parent, problem, remedy)
    (first, expected), *others = known.items()
    for source, length in others:
        if length != expected:
            problem = f"is {length} by {source} but {expected} by {first}"
            raise CheckpointError.of("seq_len", problem, "keep the right one", length)
    return settings.model_config(**sizes, seq_len=expected)


def _rows(file: Path, weights: Mapping[str, Tensor], name: str, columns: int) -> int:
    """Rows of a table that has so many columns; 0 where it has none and so is not there."""
    if columns == 0:
        return 0
    tensor = weights.get(name)
    if tensor is None:
        raise _misfit(file, f"{name} of {columns} columns is missing")
    if tensor.ndim != 2 or tensor.shape[1] != columns:
        raise _misfit(file, f"{name} is {tuple(tensor.shape)} where {columns} columns are needed")
    return tensor.shape[0]


def _stated_lengths(settings: PublishedSettings) -> dict[str, int]:
    """The length of a puzzle by the files of the folder that say it."""
    known = {} if settings.seq_len is None else {str(settings.file): settings.seq_len}
    for file in (settings.file.with_name(name) for name in DATASET_FILES):
        if not file.exists():
            continue
        length = Reader(file, CheckpointError, "restore or remove it").object().get("seq_len")
        if type(length) is not int or length < 1:
            problem = f"has seq_len {shown(length)}"
            raise CheckpointError.of(file, problem, "restore or remove it")
        known[str(file)] = length
    return known


def require_fit(file: Path, weights: Mapping[str, Tensor], config: ModelConfig) -> None:
    """Refuse weights other than those that a model of `config` has.

    Raises `CheckpointError` where a tensor is missing, surplus, misshapen or of a type that
    float32 can't hold.
    """
    needed = shapes_of(file, config, len(weights))
    for name, like in needed.items():
        if name not in weights:
            raise _misfit(file, f"{name} {tuple(like.shape)} is missing")
        shape = tuple(weights[name].shape)
        if shape != tuple(like.shape):
            raise _misfit(file, f"{name} is {shape} where {tuple(like.shape)} is needed")
        if weights[name].dtype not in DTYPES.values():
            raise _misfit(file, f"{name} is of {weights[name].dtype}, not {', '.join(DTYPES)}")
    for name in sorted(weights.keys() - needed.keys()):
        raise _misfit(file, f"{name} {tuple(weights[name].shape)} has no place in the model")


def shapes_of(file: Path, config: ModelConfig, tensors: int) -> Mapping[str, Tensor]:
    """Return the tensors of a model of `config` by name, without memory for their values.

    The settings may be those of a giant. Raises `CheckpointError` where a file of so many
    `tensors` can't hold it.
    """
    layers = sum(config.kind.networks(config).values())
    if layers > tensors:
        problem = f"holds {tensors:,} tensors, too few for the {layers:,} layers of its settings"
        raise CheckpointError.of(file, problem, "restore it")
    try:
        with torch.device("meta"):
            return ReasoningModel(config).state_dict()
    except (RuntimeError, OverflowError) as error:
        problem = "has settings of a model too large for any machine"
        raise CheckpointError.of(file, problem, "restore it") from error


def _misfit(file: Path, what: str) -> CheckpointError:
    problem = f"does not fit all_config.yaml: {what}"
    return CheckpointError.of(file, problem, "take both from the same run")
