"""One form for configurations that come to the same: all that changes a result. Imports no torch.

Sweeps count, compare and sign configurations by it, so that two that train alike are run once.
"""

from dataclasses import asdict, fields
from typing import Any

from hrm.config import ModelConfig, TrainingConfig, ema_decay
from hrm.recurrence import kept_updates, segment_updates
from puzzle_datasets.common.options import alternatives, hints_of

_BY_EFFECT = {
    *("N", "T", "H_layers", "L_layers", "gradient", "gradient_steps", "mode"),
    *("expansion", "puzzle_emb_ndim", "puzzle_emb_len"),
}
"""Settings of a model that count by the updates, forwards and widths that they make."""


def canonical(model: ModelConfig, training: TrainingConfig) -> dict[str, dict[str, Any]]:
    """Return all that changes the result: equal for configurations that train alike.

    Cycles, layers and gradient count by the updates that they make, the mode by whether it runs a
    second forward, the expansion by the widths that it gives; settings that the model has no use
    for, or that only the speed of evaluation has, do not count.

        >>> sizes = {"vocab_size": 11, "seq_len": 81, "num_puzzle_identifiers": 1}
        >>> training = TrainingConfig(training_flops=1e12)
        >>> one = ModelConfig(**sizes, model="transformer", N=1)
        >>> canonical(one, training) == canonical(ModelConfig(**sizes, model="looped"), training)
        False
        >>> other = ModelConfig(**sizes, model="transformer", N=7)
        >>> canonical(one, training) == canonical(other, training)
        True
    """
    of_model = {
        **_plain(model, {*_BY_EFFECT, *model.inactive}),
        "networks": model.kind.networks(model),
        "updates": asdict(segment_updates(model)),
        "kept": kept_updates(model).length,
        "learns_to_continue": model.learns_to_continue,
        "swiglu_width": model.swiglu_width,
        "mixing_width": model.mixing_width if model.mixing == "mlp" else None,
        "puzzle_width": model.puzzle_width,
        "puzzle_positions": model.puzzle_positions,
    }
    of_training = {
        **_plain(training, {"eval_batch_size", *model.inactive}),
        "micro_batch": training.micro_batch or training.batch_size,
        "ema": float(ema_decay(model, training)),
    }
    return {"model": of_model, "training": of_training}


def _plain(settings: ModelConfig | TrainingConfig, without: set[str]) -> dict[str, Any]:
    hints = hints_of(type(settings))
    kept = [item for item in fields(settings) if item.name not in without]
    return {item.name: _number(getattr(settings, item.name), hints[item.name]) for item in kept}


def _number(value: Any, hint: Any) -> Any:
    """Return 1.0 for 1 where a fraction is admitted: both are one setting."""
    return float(value) if type(value) is int and float in alternatives(hint) else value
