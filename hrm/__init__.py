"""The Hierarchical Reasoning Model and its training, in plain PyTorch.

    from hrm import ModelConfig, Trainer, TrainingConfig

    model = ModelConfig.for_dataset(dataset, N=2, T=2, hidden_size=128)
    trainer = Trainer(model, TrainingConfig(training_flops=1e15), dataset, device)
    for progress in trainer.run():
        print(progress.training_flops, progress.curve)

The names below are loaded where they are first used, so that what needs no torch loads none.
"""

from typing import TYPE_CHECKING

from puzzle_datasets.common.lazy import lazy

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

__getattr__, __dir__ = lazy(
    __name__,
    {
        "checkpoints.checkpoint": ("CheckpointError",),
        "checkpoints.loading": ("LoadedModel", "load_model"),
        "checkpoints.published": ("export_published", "load_published"),
        "config": ("ConfigError", "ModelConfig", "TrainingConfig"),
        "model.reasoning_model": ("ReasoningModel",),
        "progress": ("Curve", "Halting", "Measurement", "Progress"),
        "training.learner": ("NonFiniteLoss",),
        "training.trainer": ("Trainer",),
    },
)
__all__ = __dir__()
