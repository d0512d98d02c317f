"""The model and its training compute what the published code computed.

Every folder in the directory named by HRM_PARITY_CASES is a case: a published-format checkpoint,
and the outputs, losses, gradients and final state that the published code made from it.
"""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from hrm.checkpoints import published
from hrm.model.act import Segment, Slots, empty_slots, refill, train_segment
from hrm.model.losses import TOKEN_LOSSES
from hrm.model.reasoning_model import ReasoningModel
from hrm.training.optim import AdamAtan2, SignSGD
from puzzle_datasets.loading.batch import Batch

CASES = Path(os.environ.get("HRM_PARITY_CASES", Path(__file__).parent / "parity_cases"))
FOLDERS = sorted(path.parent for path in CASES.glob("*/expected.npz"))

FIRST, GRADIENT, LATER, FINAL = 1e-5, 5e-5, 5e-3, 1e-4
"""Largest difference allowed, relative to an array's largest value; rounding alone needs these."""


class Case(NamedTuple):
    meta: Mapping[str, Any]
    expected: Mapping[str, np.ndarray]
    folder: Path

    def tensor(self, key: str) -> Tensor:
        return torch.from_numpy(self.expected[key])

    def batch(self, prefix: str) -> Batch:
        names = ("inputs", "labels", "puzzle_identifiers")
        return Batch(*(self.tensor(f"{prefix}/{name}") for name in names))

    def model(self) -> ReasoningModel:
        return published.load_published(self.folder, seq_len=self.meta["seq_len"])


@cache
def read(folder: Path) -> Case:
    with np.load(folder / "expected.npz") as arrays:
        expected = dict(arrays)
    return Case(json.loads((folder / "meta.json").read_text()), expected, folder)


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def case(request: pytest.FixtureRequest) -> Case:
    return read(request.param)


def assert_close(actual: Tensor, expected: Tensor, tolerance: float, name: str) -> None:
    actual, expected = actual.detach().double(), expected.double()
    assert actual.shape == expected.shape, name
    difference = (actual - expected).abs().max().item()
    scale = expected.abs().max().item()
    assert difference <= tolerance * scale, f"{name}: {difference} of {scale}"


def test_there_are_cases() -> None:
    assert FOLDERS


def test_parameter_count(case: Case) -> None:
    assert sum(p.numel() for p in case.model().parameters()) == case.meta["num_params"]


@torch.inference_mode()
def test_evaluation_segments(case: Case) -> None:
    model, batch = case.model(), case.batch("eval")
    x = model.embed(batch.inputs, model.puzzle_emb(batch.puzzle_identifiers))
    carry = model.initial_carry(len(batch.inputs))
    for segment in range(model.config.M_max):
        carry, output = model(carry, x)
        for name, value in {**carry._asdict(), **output._asdict()}.items():
            key = f"eval/segment{segment}/{name}"
            assert_close(value, case.tensor(key), LATER if segment else FIRST, key)


class Training:
    """The published training loop over a case's batches."""

    def __init__(self, case: Case) -> None:
        meta = case.meta
        self.case, self.model = case, case.model()
        self.slots: Slots = empty_slots(self.model, meta["batch_size"])
        beta1, beta2 = meta["betas"]
        self.optimizer = AdamAtan2(self.model.parameters(), beta1, beta2, meta["weight_decay"])
        table = self.model.puzzle_emb.weights
        self.puzzle_optimizer = SignSGD(table, meta.get("puzzle_emb_weight_decay", 0.0))
        self.token_loss = TOKEN_LOSSES[meta["loss_type"].removesuffix("_cross_entropy")]

    def segment(self, step: int) -> tuple[Segment, Tensor]:
        self.slots = refill(self.model, self.slots, self.case.batch(f"train/step{step}"))
        rows = self.model.puzzle_emb(self.slots.puzzle_identifiers).requires_grad_()
        halts = self.model.config.M_max > 1
        least = torch.zeros(len(rows), dtype=torch.int32) if halts else None
        segment = train_segment(self.model, self.slots, rows, least, self.token_loss)
        self.optimizer.zero_grad()
        (segment.loss.total / len(rows)).backward()  # type: ignore[no-untyped-call]
        self.slots = segment.slots
        return segment, rows

    def update(self, rows: Tensor) -> None:
        meta = self.case.meta
        self.optimizer.step(meta["lr"])
        if self.model.config.puzzle_width:
            assert rows.grad is not None
            identifiers = self.slots.puzzle_identifiers
            self.puzzle_optimizer.step(meta["puzzle_emb_lr"], identifiers, rows.grad)


def metrics(segment: Segment) -> dict[str, Tensor]:
    """The published metrics: sums over halted rows, losses over all rows."""
    slots, scores, loss = segment.slots, segment.scores, segment.loss
    valid = slots.halted & (scores.labelled > 0)
    sums = {
        "count": valid.sum(),
        "accuracy": (valid * scores.token_accuracy).sum(),
        "exact_accuracy": (valid & scores.exact).sum(),
        "q_halt_accuracy": (valid & ((segment.output.q_halt >= 0) == scores.exact)).sum(),
        "steps": (valid * slots.segments).sum(),
        "lm_loss": loss.lm,
        "q_halt_loss": loss.q_halt,
        "q_continue_loss": loss.q_continue,
    }
    return {f"metric_{name}": value for name, value in sums.items()}


def outputs(segment: Segment) -> dict[str, Tensor]:
    output = segment.output
    values = {
        "loss": segment.loss.total,
        "out_logits": output.logits,
        "out_q_halt_logits": output.q_halt,
        "out_q_continue_logits": output.q_continue,
        **metrics(segment),
    }
    if segment.q_continue_target is None:
        values.pop("metric_q_continue_loss")
        return values
    return {**values, "out_target_q_continue": segment.q_continue_target}


def test_training_steps_and_final_state(case: Case) -> None:
    training = Training(case)
    for step in range(1, case.meta["train_steps"] + 1):
        prefix = f"train/step{step}/"
        segment, rows = training.segment(step)
        assert segment.slots.halted.equal(case.tensor(prefix + "halted")), step
        assert segment.slots.segments.equal(case.tensor(prefix + "segments_done")), step
        values = outputs(segment)
        recorded = {
            k for k in case.expected if k.startswith((prefix + "out_", prefix + "metric_"))
        }
        assert recorded <= {prefix + name for name in values}
        for name, value in values.items():
            tolerance = LATER if step > 1 else FIRST
            assert_close(value, case.tensor(prefix + name), tolerance, prefix + name)
        training.update(rows)
    state = training.model.state_dict()
    expected = {k for k in case.expected if k.startswith("final/")}
    assert expected == {f"final/model.inner.{name}" for name in state}
    for name, value in state.items():
        assert_close(value, case.tensor(f"final/model.inner.{name}"), FINAL, name)


def test_gradients_of_the_first_step(case: Case) -> None:
    training = Training(case)
    _, rows = training.segment(1)
    gradients = {f"model.inner.{n}": p.grad for n, p in training.model.named_parameters()}
    if training.model.config.puzzle_width:
        gradients["puzzle_rows"] = rows.grad
    prefix = "train/step1/grad/"
    assert {k.removeprefix(prefix) for k in case.expected if k.startswith(prefix)} == set(
        gradients
    )
    for name, gradient in gradients.items():
        assert gradient is not None, name
        assert_close(gradient, case.tensor(prefix + name), GRADIENT, name)
