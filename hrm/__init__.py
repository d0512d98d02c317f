"""The Hierarchical Reasoning Model and its training, in plain PyTorch.

    from hrm import ModelConfig, Trainer, TrainingConfig

    model = ModelConfig.for_dataset(dataset, N=2, T=2, hidden_size=128)
    trainer = Trainer(model, TrainingConfig(training_flops=1e15), dataset, device)
    for progress in trainer.run():
        print(progress.training_flops, progress.curve)

The names below are loaded where they are first used, so that what needs no torch loads none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hrm.checkpoints.checkpoint import CheckpointError as CheckpointError
    from hrm.checkpoints.loading import LoadedModel as LoadedModel
    from hrm.checkpoints.loading import load_model as load_model
    from hrm.checkpoints.published import export_published as export_published
    from hrm.checkpoints.published import load_published as load_published
    from hrm.config import ConfigError as ConfigError
    from hrm.config import ModelConfig as ModelConfig
    from hrm.config import TrainingConfig as TrainingConfig
    from hrm.model.reasoning_model import ReasoningModel as ReasoningModel
    from hrm.progress import Curve as Curve
    from hrm.progress import Halting as Halting
    from hrm.progress import Measurement as Measurement
    from hrm.progress import Progress as Progress
    from hrm.training.learner import NonFiniteLoss as NonFiniteLoss
    from hrm.training.trainer import Trainer as Trainer

_HOMES = {
    "CheckpointError": "checkpoints.checkpoint",
    "ConfigError": "config",
    "Curve": "progress",
    "Halting": "progress",
    "LoadedModel": "checkpoints.loading",
    "Measurement": "progress",
    "ModelConfig": "config",
    "NonFiniteLoss": "training.learner",
    "Progress": "progress",
    "ReasoningModel": "model.reasoning_model",
    "Trainer": "training.trainer",
    "TrainingConfig": "config",
    "export_published": "checkpoints.published",
    "load_model": "checkpoints.loading",
    "load_published": "checkpoints.published",
}
"""Where each public name is defined, below this package."""

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Load a public name (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
