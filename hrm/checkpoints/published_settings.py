"""The settings of a published checkpoint: `all_config.yaml`, read as ours and written as theirs.

The published trainers write every setting of a run there, but no size of its data set; those are
in the weights. Their names of the settings stand on the left below, ours on the right.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hrm.checkpoints.tensor_file import CheckpointError
from hrm.config import ConfigError, ModelConfig, TrainingConfig
from puzzle_datasets.common.reading import Reader
from puzzle_datasets.common.text import shown

HRM = "hrm.hrm_act_v1@HierarchicalReasoningModel_ACTV1"
TRM = "recursive_reasoning.trm@TinyRecursiveReasoningModel_ACTV1"
LOSS_HEAD = "losses@ACTLossHead"

COUNTS = {
    "H_cycles": "N",
    "L_cycles": "T",
    "H_layers": "H_layers",
    "L_layers": "L_layers",
    "hidden_size": "hidden_size",
    "num_heads": "num_heads",
    "halt_max_steps": "M_max",
}
NUMBERS = {
    "expansion": "expansion",
    "halt_exploration_prob": "halt_exploration",
    "rope_theta": "rope_theta",
    "rms_norm_eps": "norm_eps",
}
NAMES = {**COUNTS, **NUMBERS, "puzzle_emb_ndim": "puzzle_emb_ndim"}
DEFAULTS: dict[str, Any] = {"rope_theta": 10000.0, "rms_norm_eps": 1e-5, "puzzle_emb_ndim": 0}
"""Values that the published code takes where the file leaves a setting out."""

TRM_DEFAULTS: dict[str, Any] = {"puzzle_emb_len": 16, "mlp_t": False, "no_ACT_continue": True}
"""The same, of settings that only TRM has."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
NO_MATTER = {"name", "loss"}
"""Keys of `arch` that have no part in a model's outputs, or are looked at on their own."""

_UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError)
LARGEST_SETTINGS = 200_000
"""Bytes of a file of settings."""

REQUIRED = {*NAMES, "pos_encodings"}


@dataclass(frozen=True, kw_only=True)
class PublishedSettings:
    """A model as `file` describes it: fields of `ModelConfig` without the data set's sizes.

    Published files leave out `seq_len`, which `describe` puts in, and mostly `forward_dtype`, in
    which the modules compute.
    """

    file: Path
    fields: Mapping[str, Any]
    seq_len: int | None
    forward_dtype: torch.dtype | None

    def model_config(self, **sizes: int) -> ModelConfig:
        """Join `vocab_size`, `seq_len` and `num_puzzle_identifiers` to the settings.

        Raises `CheckpointError` where they make no possible model.
        """
        try:
            return ModelConfig(**{**self.fields, **sizes})
        except ConfigError as error:
            theirs = {ours: f"arch.{key}" for key, ours in NAMES.items()}
            key = theirs.get(str(error.field), str(error.field))
            raise _impossible(self.file, key, error.value, error.remedy) from error


def read(file: Path) -> PublishedSettings:
    """Read an `all_config.yaml`.

    Raises `CheckpointError` where it is of no use; the field is the file, or the key in it.
    """
    content = read_yaml(file)
    arch = content.get("arch")
    if not isinstance(arch, dict):
        raise CheckpointError.of(
            file, "has no section 'arch'", "take it from a published checkpoint"
        )
    length, stated = content.get("seq_len"), _stated(file, arch)
    return PublishedSettings(
        file=file,
        fields=_fields(file, stated),
        seq_len=None if length is None else _count(file, "seq_len", length),
        forward_dtype=DTYPES.get(stated.get("forward_dtype", "")),
    )


def read_yaml(file: Path) -> dict[str, Any]:
    """Return what a YAML file maps. Raises `CheckpointError` where it can't be read."""
    yaml = _yaml(file)
    reader = Reader(file, CheckpointError, "take it from a published checkpoint", LARGEST_SETTINGS)
    text = reader.text()
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise CheckpointError.of(
                file, "has aliases, which may grow without bounds", "write them out"
            )
        content = yaml.safe_load(text)
    except CheckpointError:
        raise
    except (*_UNREADABLE, yaml.YAMLError) as error:
        raise CheckpointError.of(file, "is not readable YAML", "restore it") from error
    if not isinstance(content, dict):
        raise CheckpointError.of(file, "holds no settings", "restore it")
    return content


def yaml_of(file: Path, content: Mapping[str, Any]) -> bytes:
    """Return `content` as `file` is to hold it, keys sorted as the published code sorts them."""
    text: str = _yaml(file).safe_dump(dict(content))
    return text.encode()


def describe(
    model: ModelConfig, training: TrainingConfig, dtype: torch.dtype, data_path: str
) -> dict[str, Any]:
    """Return what `all_config.yaml` says of an HRM that computes in `dtype` and its training.

    The published code passes over `seq_len`, which it reads from the data set at `data_path`.
    `epochs` has a say in its training only; ours has a budget of FLOPs instead.
    """
    theirs = {key: getattr(model, ours) for key, ours in (COUNTS | NUMBERS).items()}
    return {
        "arch": {
            "name": HRM,
            "loss": {"name": LOSS_HEAD, "loss_type": f"{training.loss}_cross_entropy"},
            "puzzle_emb_ndim": model.puzzle_width,
            "pos_encodings": model.positions,
            "forward_dtype": str(dtype).removeprefix("torch."),
            **theirs,
        },
        "seq_len": model.seq_len,
        "data_path": data_path,
        "epochs": 1,
        "global_batch_size": training.batch_size,
        "lr": training.learning_rate,
        "lr_min_ratio": training.lr_min_ratio,
        "lr_warmup_steps": training.warmup_steps,
        "weight_decay": training.weight_decay,
        "beta1": training.beta1,
        "beta2": training.beta2,
        "puzzle_emb_lr": training.puzzle_learning_rate,
        "puzzle_emb_weight_decay": training.puzzle_weight_decay,
        "seed": training.seed,
    }


def _yaml(file: Path) -> Any:
    # Training needs no YAML, and so runs where there is none.
    try:
        import yaml
    except ImportError as error:
        raise CheckpointError.of(file, "needs PyYAML", "run 'pip install pyyaml'") from error
    return yaml


def _stated(file: Path, arch: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of `arch`, defaults included, each of which is one of a published model."""
    _require_choice(file, arch, "name", (HRM, TRM))
    own = TRM_DEFAULTS if arch["name"] == TRM else {}
    stated = {**DEFAULTS, **own, **arch}
    known = {*REQUIRED, *NO_MATTER, *own, "forward_dtype"}
    unknown, lacking = sorted(map(str, arch.keys() - known)), sorted(REQUIRED - stated.keys())
    if unknown:
        remedy = "take a checkpoint that was trained without it"
        problem = f"in {file} is no setting of the published model"
        raise CheckpointError.of(f"arch.{unknown[0]}", problem, remedy)
    if lacking:
        raise CheckpointError.of(f"arch.{lacking[0]}", f"is missing in {file}", "restore it")
    if "forward_dtype" in arch:
        _require_choice(file, arch, "forward_dtype", tuple(DTYPES))
    return stated


def _fields(file: Path, stated: dict[str, Any]) -> dict[str, Any]:
    """The same as fields of `ModelConfig`."""
    is_trm = stated["name"] == TRM
    positions: tuple[str, ...] = ("rope", "learned")
    if is_trm:
        _require_choice(file, stated, "no_ACT_continue", (True,))
        _require_choice(file, stated, "mlp_t", (True, False))
        # Nothing reads rotary positions where an MLP mixes them.
        positions = (*positions, "none") if stated["mlp_t"] else positions
        stated = {**stated, "H_layers": 1}  # it has none, whatever the file says
    _require_choice(file, stated, "pos_encodings", positions)
    fields: dict[str, Any] = {
        ours: _count(file, f"arch.{key}", stated[key]) for key, ours in COUNTS.items()
    }
    fields |= {ours: _number(file, f"arch.{key}", stated[key]) for key, ours in NUMBERS.items()}
    fields["positions"] = "learned" if stated["pos_encodings"] == "learned" else "rope"
    width = _count(file, "arch.puzzle_emb_ndim", stated["puzzle_emb_ndim"], least=0)
    fields["puzzle_emb_ndim"] = None if width == fields["hidden_size"] else width
    if is_trm:
        length = _count(file, "arch.puzzle_emb_len", stated["puzzle_emb_len"], least=0)
        mixing = "mlp" if stated["mlp_t"] else "attention"
        fields |= {"model": "trm", "mixing": mixing, "puzzle_emb_len": length}
    return fields


def _require_choice(
    file: Path, arch: Mapping[str, Any], key: str, choices: tuple[object, ...]
) -> None:
    if arch.get(key) not in choices:
        remedy = f"only {', '.join(map(str, choices))} can be loaded"
        raise _impossible(file, f"arch.{key}", arch.get(key), remedy)


def _count(file: Path, key: str, value: object, least: int = 1) -> int:
    if type(value) is not int or value < least:
        raise _impossible(file, key, value, f"give a whole number of at least {least}")
    return value


def _number(file: Path, key: str, value: object) -> float:
    # YAML takes 1e-5, without a point, for text; the published code reads it as a number too.
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _impossible(file, key, value, "give a number")
    return number


def _impossible(file: Path, key: str, value: object, remedy: str) -> CheckpointError:
    return CheckpointError.of(key, f"is {shown(value)} in {file}", remedy, value)
