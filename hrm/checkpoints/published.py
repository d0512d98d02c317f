"""Published checkpoints: load one as our model, and export ours as one.

A checkpoint is a folder: the settings of its run in `all_config.yaml` and the weights after step N
in `step_N`. Both directions keep the outputs, bit for bit.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hrm.checkpoints.checkpoint import CheckpointError, require_length
from hrm.checkpoints.loaded import LoadedModel
from hrm.checkpoints.published_settings import DTYPES, describe, read, read_yaml, yaml_of
from hrm.checkpoints.published_weights import COMPILED_PREFIX, find, model_config, require_fit
from hrm.checkpoints.published_weights import read as read_weights
from hrm.config import TrainingConfig
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.common.arguments import checked
from puzzle_datasets.common.files import write_whole
from puzzle_datasets.common.options import Bounds
from puzzle_datasets.common.reading import path_from

CONFIG_FILE = "all_config.yaml"


@checked(CheckpointError, step=Bounds(least=0))
def load_published(
    folder: Path | str,
    *,
    seq_len: int | None = None,
    step: int | None = None,
    dtype: torch.dtype | None = None,
) -> ReasoningModel:
    """Load a published checkpoint of HRM or TRM, in main memory, with float32 weights.

    Args:
        folder: holds `all_config.yaml` and `step_N` files, or `checkpoint` as on the hub.
        seq_len: tokens of a puzzle; needed where rotary positions leave no trace of it in the
            weights and no `dataset.json` or `manifest.json` of the data set lies in the folder.
        step: whose weights; None takes the last.
        dtype: in what the modules compute; None takes what the checkpoint was trained in, which
            is `arch.forward_dtype`, or else the type of the stored initial states.

    Raises `CheckpointError` where a file is missing, damaged, or asks for a model other than the
    published ones; a tensor is missing, surplus or misshapen; the length isn't known.
    """
    folder = path_from("folder", folder, CheckpointError)
    settings = read(folder / CONFIG_FILE)
    file = find(folder, step)
    weights = read_weights(file)
    config = model_config(settings, file, weights, seq_len)
    require_length(file, config)
    require_fit(file, weights, config)
    trained_in = settings.forward_dtype or weights["H_init"].dtype
    model = ReasoningModel(config, dtype or trained_in)
    model.load_state_dict(weights)
    return model


@checked(CheckpointError, step=Bounds(least=0))
def export_published(
    model: ReasoningModel | LoadedModel,
    folder: Path | str,
    step: int | None = None,
    training: TrainingConfig | None = None,
    *,
    data_path: str = "data",
) -> None:
    """Write a model as the published trainer would: `all_config.yaml` and `step_N`.

    The initial states are stored in the type that the model computes in, as the published code
    needs them, so that those of a bfloat16 model lose what it never saw. A lean model, which never
    learnt its Q-continue, gets one of 0, so that it halts where it did. Nothing is overwritten;
    further steps of one run may go into its folder.

    Args:
        model: an HRM; of how its gradient and its halting were learnt nothing is written. One
            that was loaded brings its step and its training along.
        folder: made if there is none; `step`, 0 where nobody knows it, is the number of the
            weights' file in it.
        training: how it was trained; where nobody knows, the published settings are written.
        data_path: where the published code is to find the data set.

    Raises `CheckpointError` where the model is no published one, the step is there already, the
    folder is another run's or can't be written.
    """
    if isinstance(model, LoadedModel):
        training = training or model.training
        step = model.step if step is None else step
        model = model.model
    folder, step = path_from("folder", folder, CheckpointError), step or 0
    file = folder / f"step_{step}"
    _require_exportable(model, file, step)
    training = training or TrainingConfig(training_flops=1.0)  # published files hold no budget
    _write(model, file, describe(model.config, training, model.dtype, data_path))


def _write(model: ReasoningModel, file: Path, content: Mapping[str, Any]) -> None:
    """Write the weights, and beside them the settings where they are not there yet."""
    folder = file.parent
    text = yaml_of(folder / CONFIG_FILE, content)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CONFIG_FILE).exists():
            _require_same_run(folder / CONFIG_FILE, content)
        else:
            write_whole(folder / CONFIG_FILE, lambda stream: stream.write(text))
        write_whole(file, lambda stream: torch.save(_published_weights(model), stream))
    except (OSError, RuntimeError) as error:
        # torch reports a full disk as the latter, in words that don't say so.
        reason = (error.strerror or error) if isinstance(error, OSError) else "is the disk full?"
        problem = f"can't be written ({reason})"
        raise CheckpointError.of(folder, problem, "make room or name another folder") from error


def _require_exportable(model: ReasoningModel, file: Path, step: int) -> None:
    config = model.config
    published = {"model": "hrm", "mixing": "attention", "puzzle_emb_len": 0}
    for name, value in published.items():
        given = getattr(config, name)
        if given != value:
            problem = f"is {given!r}, which the published code does not know"
            remedy = f"export a model whose {name} is {value!r}"
            raise CheckpointError.of(name, problem, remedy, given)
    if model.dtype not in DTYPES.values():
        remedy = f"build the model in one of {', '.join(DTYPES)}"
        raise CheckpointError("dtype", model.dtype, remedy)
    if step < 0:
        raise CheckpointError("step", step, "give a whole number of at least 0")
    if file.exists():
        raise CheckpointError.of(file, "exists", "export another step or into another folder")


def _require_same_run(file: Path, content: Mapping[str, Any]) -> None:
    there, here = _flat(read_yaml(file)), _flat(content)
    for key in here | there:
        if there.get(key) != here.get(key):
            problem = f"is another run's, with {key} {there.get(key)!r}, not {here.get(key)!r}"
            raise CheckpointError.of(file, problem, "export into another folder")


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    arch = settings.get("arch")
    inner = arch if isinstance(arch, dict) else {}
    return {**settings, "arch": None, **{f"arch.{key}": value for key, value in inner.items()}}


def _published_weights(model: ReasoningModel) -> dict[str, Tensor]:
    weights = {name: tensor.float() for name, tensor in model.state_dict().items()}
    # The published code compares them with a carry of this type, and assigns what it reads.
    weights |= {name: weights[name].to(model.dtype) for name in ("H_init", "L_init")}
    if model.config.mode == "lean":
        # The published code halts where Q-halt exceeds Q-continue, this model where it exceeds 0.
        for name in ("q_head.weight", "q_head.bias"):
            weights[name] = torch.stack((weights[name][0], torch.zeros_like(weights[name][1])))
    return {COMPILED_PREFIX + name: tensor.cpu() for name, tensor in weights.items()}
