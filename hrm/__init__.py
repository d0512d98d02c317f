"""The Hierarchical Reasoning Model and its training, in plain PyTorch.

    >>> import tempfile, torch
    >>> from pathlib import Path
    >>> from hrm import ModelConfig, Trainer, TrainingConfig
    >>> from hrm import export_published, load_model, load_published
    >>> from puzzle_datasets import PuzzleDataset, prepare, puzzle_set
    >>> home = tempfile.TemporaryDirectory()
    >>> settings = puzzle_set("maze").settings_from({"side": 5, "train": 4, "test": 2})
    >>> dataset = PuzzleDataset.open(prepare("maze", settings, Path(home.name)))
    >>> model = ModelConfig.for_dataset(dataset, N=1, T=2, hidden_size=16, num_heads=1, M_max=2)
    >>> training = TrainingConfig(training_flops=1e8, batch_size=2, warmup_steps=0)
    >>> trainer = Trainer(model, training, dataset, torch.device("cpu"))
    >>> for progress in trainer.run(Path(home.name, "checkpoint.pt")):
    ...     print(progress.step, progress.curve.exact_accuracy)
    1 (0.0, 0.0)
    >>> trained = load_model(Path(home.name, "checkpoint.pt"))
    >>> export_published(trained, Path(home.name, "published"))
    >>> load_published(Path(home.name, "published"), seq_len=25).config == trained.config
    True
    >>> home.cleanup()

The names below are loaded where they are first used, so that what needs no torch loads none.
"""

import os
from typing import TYPE_CHECKING

from puzzle_datasets.common.lazy import lazy

# Read when torch is loaded. Threads that spin while they wait take the cores that other processes
# compute on: two of them on two busy cores took forty times as long as one.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")

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
