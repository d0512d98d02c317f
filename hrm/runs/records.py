"""What a single run writes down of itself besides its reports."""

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from hrm.config import ema_decay
from hrm.training.trainer import Trainer


def of_run(trainer: Trainer, place: str) -> dict[str, Any]:
    """What `config.json` says: which puzzles, from which `place`, and all settings.

    `ema_decay` is that of the averaged weights that are evaluated; 0 where the trained ones are.
    """
    manifest, model, training = trainer.dataset.manifest, trainer.model_config, trainer.config
    return {
        "dataset": {
            "folder": place,
            "name": manifest.name,
            "fingerprint": manifest.fingerprint,
        },
        "model": asdict(model),
        "training": asdict(training),
        "ema_decay": ema_decay(model, training),
    }


def of_session(trainer: Trainer) -> dict[str, Any]:
    """What `sessions.jsonl` says of a session that goes on from the trainer's step."""
    device = trainer.device
    return {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "step": trainer.step,
        "speed": {
            "mode": trainer.model_config.mode,
            "execution": trainer.execution,
            "precision": trainer.config.precision,
            "device": device.type,
            "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
            "processes": trainer.world.size,
            "threads": torch.get_num_threads(),
        },
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }
