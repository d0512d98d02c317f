"""The recorded outputs of the published code, against what this device makes of its checkpoints.

The recordings are the cases of `tests/hrm/test_parity.py`, which compares them on the CPU.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gpu_pieces.setting import learner
from gpu_pieces.tables import require
from gpu_pieces.traces import Trace, trace
from hrm.checkpoints import published, published_weights
from hrm.checkpoints.checkpoint import CheckpointError
from hrm.checkpoints.published_settings import COUNTS
from hrm.config import ModelConfig, TrainingConfig
from hrm.model.reasoning_model import ReasoningModel
from hrm.training.learner import Learner
from puzzle_datasets.loading.batch import Batch

CASES = Path("tests", "hrm", "parity_cases")
FIRST_SEGMENT, LATER_SEGMENTS = 5e-5, 5e-3
"""Largest difference of an array of the evaluation, relative to the array's largest value."""

NAMES = COUNTS | {"expansion": "expansion", "pos_encodings": "positions"}
"""Our names of the published settings that a case's `meta.json` holds."""


class PublishedCase:
    """One folder of recordings: the settings, the published weights, and what came out."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self._folder = folder
        self._meta: dict[str, Any] = json.loads((folder / "meta.json").read_text())
        with np.load(folder / "expected.npz") as arrays:
            self._arrays = dict(arrays)

    def expected(self) -> Trace:
        """Return the recorded losses per row, and the gradient in the order of parameters."""
        rows = self._meta["batch_size"]
        losses = [self._tensor(f"train/step{s}/loss").item() / rows for s in self._steps()]
        names = [name for name, _ in self._model().named_parameters()]
        gradients = [self._tensor(f"train/step1/grad/model.inner.{name}") for name in names]
        return Trace(losses, torch.cat([g.flatten().double() for g in gradients]))

    def trained(self, device: torch.device, execution: str) -> Trace:
        """Return the same, as our learner finds it on the device."""
        batches = [self._batch(f"train/step{s}") for s in self._steps()]
        return trace(self._learner(device, execution), batches)

    def evaluation_differences(self, device: torch.device) -> list[float]:
        """Return the largest relative difference of logits, Q and states of each segment."""
        model, batch = self._model().to(device), self._batch("eval").to(device)
        found = []
        with torch.inference_mode():
            x = model.embed(batch.inputs, model.puzzle_emb(batch.puzzle_identifiers))
            carry = model.initial_carry(len(batch.inputs))
            for segment in range(model.config.M_max):
                carry, output = model(carry, x)
                outputs = {**carry._asdict(), **output._asdict()}
                found.append(max(self._far(f"eval/segment{segment}", outputs)))
        return found

    def _far(self, prefix: str, outputs: dict[str, Tensor]) -> list[float]:
        far = []
        for name, output in outputs.items():
            expected = self._tensor(f"{prefix}/{name}").double()
            far.append(
                ((output.cpu().double() - expected).abs().max() / expected.abs().max()).item()
            )
        return far

    def _model(self) -> ReasoningModel:
        try:
            return published.load_published(self._folder, seq_len=self._meta["seq_len"])
        except CheckpointError as error:
            if not isinstance(error.__cause__, ImportError):
                raise
            return self._model_without_yaml()

    def _model_without_yaml(self) -> ReasoningModel:
        sizes = ("seq_len", "vocab_size", "num_puzzle_identifiers")
        settings = {name: self._meta[name] for name in sizes}
        settings |= {ours: self._meta["arch"][theirs] for theirs, ours in NAMES.items()}
        model = ReasoningModel(ModelConfig(**settings, halt_exploration=0.0))
        model.load_state_dict(published_weights.read(published_weights.find(self._folder, None)))
        return model

    def _learner(self, device: torch.device, execution: str) -> Learner:
        meta, loaded = self._meta, self._model()
        training = TrainingConfig(
            training_flops=1.0,
            batch_size=meta["batch_size"],
            loss=meta["loss_type"].removesuffix("_cross_entropy"),
            learning_rate=meta["lr"],
            puzzle_learning_rate=meta["puzzle_emb_lr"],
            weight_decay=meta["weight_decay"],
            puzzle_weight_decay=meta["puzzle_emb_weight_decay"],
            beta1=meta["betas"][0],
            beta2=meta["betas"][1],
            warmup_steps=0,
            execution=execution,  # type: ignore[arg-type]
        )
        made = learner(loaded.config, training, device)
        made.model.load_state_dict(loaded.state_dict())
        return made

    def _steps(self) -> range:
        return range(1, self._meta["train_steps"] + 1)

    def _tensor(self, key: str) -> Tensor:
        return torch.from_numpy(self._arrays[key])

    def _batch(self, prefix: str) -> Batch:
        names = ("inputs", "labels", "puzzle_identifiers")
        return Batch(*(self._tensor(f"{prefix}/{name}") for name in names))


def evaluate(case: PublishedCase, device: torch.device) -> list[str]:
    """Return the cells of an evaluation; raise where a segment differs by too much."""
    first, *later = case.evaluation_differences(device)
    cells = [f"{first:.1e} (≤ {FIRST_SEGMENT:.0e})", f"{max(later):.1e} (≤ {LATER_SEGMENTS:.0e})"]
    within = first <= FIRST_SEGMENT and all(far <= LATER_SEGMENTS for far in later)
    require(within, "first segment, later: " + ", ".join(cells))
    return cells
