"""A trained model, and what its checkpoint says of it."""

from dataclasses import dataclass
from pathlib import Path

from hrm.config import ModelConfig, TrainingConfig
from hrm.model.reasoning_model import ReasoningModel


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model that was trained before, on the device asked for, and the file it came from.

    Attributes:
        config: what it was trained with; that of `model` may be given other cycles.
        training: how it was trained; None where the checkpoint doesn't say.
        trained_on: the fingerprint of its puzzle set; None where the checkpoint doesn't say.
        step: optimizer steps behind the weights; None where the checkpoint doesn't say.
        averaged: whether the weights are a moving average.
    """

    model: ReasoningModel
    config: ModelConfig
    source: Path
    training: TrainingConfig | None = None
    trained_on: str | None = None
    step: int | None = None
    averaged: bool = False
