"""The settings of a published checkpoint: `all_config.yaml`, read as ours and written as theirs.

The published trainer writes every setting of a run there, but no size of its data set; those are
in the weights. Its names of the settings stand on the left below, ours on the
right.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hrm.checkpoints.checkpoint import CheckpointError
from hrm.config import ConfigError, ModelConfig, TrainingConfig

ARCHITECTURE = "hrm.hrm_act_v1@HierarchicalReasoningModel_ACTV1"
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
DEFAULTS: dict[str, Any] = {"rope_theta": 10000.0, "rms_norm_eps": 1e-5, "puzzle_emb_ndim": 0}
"""What the published code takes where the file leaves a setting out."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
NO_MATTER = {"name", "loss"}
"""Keys of `arch` that have no part in a model's outputs, or are looked at on their own."""

REQUIRED = {*COUNTS, *NUMBERS, "puzzle_emb_ndim", "pos_encodings"}
KNOWN = {*REQUIRED, *NO_MATTER, "forward_dtype"}


@dataclass(frozen=True, kw_only=True)
class PublishedSettings:
    """What `all_config.yaml` says of a model.

    Attributes:
        file: where it says so.
        fields: those of `ModelConfig`, without the sizes of the data set.
        seq_len: tokens of a puzzle; published files leave it out, `describe` puts it in.
        forward_dtype: in what the modules compute; published files mostly leave it out.
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
            message = str(error)
            for theirs, ours in (COUNTS | NUMBERS).items():
                message = message.replace(f"ModelConfig.{ours} ", f"arch.{theirs} ")
            message = message.replace("ModelConfig.", "")
            raise CheckpointError(f"{self.file}: {message}") from error


def read(file: Path) -> PublishedSettings:
    """Read an `all_config.yaml`; raises `CheckpointError` where it is of no use, with the key."""
    content = read_yaml(file)
    arch = content.get("arch")
    if not isinstance(arch, dict):
        raise CheckpointError(
            f"{file} has no section 'arch'; take it from a published checkpoint."
        )
    stated = DEFAULTS | arch
    _require_supported(file, stated)
    fields: dict[str, Any] = {"positions": stated["pos_encodings"]}
    fields |= {ours: _count(file, f"arch.{key}", stated[key]) for key, ours in COUNTS.items()}
    fields |= {ours: _number(file, f"arch.{key}", stated[key]) for key, ours in NUMBERS.items()}
    length = content.get("seq_len")
    return PublishedSettings(
        file=file,
        fields=fields,
        seq_len=None if length is None else _count(file, "seq_len", length),
        forward_dtype=DTYPES.get(stated.get("forward_dtype", "")),
    )


def read_yaml(file: Path) -> dict[str, Any]:
    """Return what a YAML file maps; raises `CheckpointError` where it can't be read."""
    yaml = _yaml(file)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{file} does not exist; name the folder of a published checkpoint."
        ) from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise CheckpointError(f"{file} is not readable YAML; restore it.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file} holds no settings; restore it.")
    return content


def yaml_of(file: Path, content: Mapping[str, Any]) -> bytes:
    """Return `content` as `file` is to hold it, keys sorted as the published code sorts them."""
    text: str = _yaml(file).safe_dump(dict(content))
    return text.encode()


def _yaml(file: Path) -> Any:
    # Training needs no YAML, and so runs where there is none.
    try:
        import yaml
    except ImportError as error:
        raise CheckpointError(f"{file} needs PyYAML; run 'pip install pyyaml'.") from error
    return yaml


def _require_supported(file: Path, arch: Mapping[str, Any]) -> None:
    """Raise `CheckpointError` unless `arch`, defaults included, is of the published HRM."""
    if arch.get("name") != ARCHITECTURE:
        raise CheckpointError(
            f"{file}: arch.name is {arch.get('name')!r}; only {ARCHITECTURE} can be loaded."
        )
    unknown, lacking = sorted(map(str, arch.keys() - KNOWN)), sorted(REQUIRED - arch.keys())
    if unknown:
        raise CheckpointError(
            f"{file}: arch.{unknown[0]} is no setting of the published model; take a checkpoint "
            "that was trained without it."
        )
    if lacking:
        raise CheckpointError(f"{file} lacks arch.{lacking[0]}; restore it.")
    _require_choice(file, arch, "puzzle_emb_ndim", (arch["hidden_size"],))
    _require_choice(file, arch, "pos_encodings", ("rope", "learned"))
    if "forward_dtype" in arch:
        _require_choice(file, arch, "forward_dtype", tuple(DTYPES))


def _require_choice(
    file: Path, arch: Mapping[str, Any], key: str, choices: tuple[object, ...]
) -> None:
    if arch[key] not in choices:
        raise CheckpointError(
            f"{file}: arch.{key} is {arch[key]!r}; only {', '.join(map(str, choices))} can be "
            "loaded."
        )


def _count(file: Path, key: str, value: object) -> int:
    if type(value) is not int or value < 1:
        raise CheckpointError(f"{file}: {key} is {value!r}; give a whole number of at least 1.")
    return value


def _number(file: Path, key: str, value: object) -> float:
    # YAML takes 1e-5, without a point, for text; the published code reads it as a number too.
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise CheckpointError(f"{file}: {key} is {value!r}; give a number.")
    return number


def describe(
    model: ModelConfig, training: TrainingConfig, dtype: torch.dtype, data_path: str
) -> dict[str, Any]:
    """Return what `all_config.yaml` says of a model that computes in `dtype` and its training.

    The published code passes over `seq_len`, which it reads from the data set at `data_path`.
    `epochs` has a say in its training only; ours has a budget of FLOPs instead.
    """
    theirs = {key: getattr(model, ours) for key, ours in (COUNTS | NUMBERS).items()}
    return {
        "arch": {
            "name": ARCHITECTURE,
            "loss": {"name": LOSS_HEAD, "loss_type": f"{training.loss}_cross_entropy"},
            "puzzle_emb_ndim": model.hidden_size,
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
