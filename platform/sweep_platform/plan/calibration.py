"""Time real training segments on this machine, on made-up puzzles."""

import time
from dataclasses import replace

import torch

from hrm.config import ModelConfig, TrainingConfig
from hrm.model.act import empty_slots, refill, train_segment
from hrm.model.losses import TOKEN_LOSSES
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.loading.batch import Batch

STEPS = 3
THREADS = 1
"""A trial on a CPU gets about one core, so the timing does too."""


def seconds_per_step(
    model: ModelConfig, training: TrainingConfig, rows: int, device: str = "cpu"
) -> float:
    """Shortest of a few training segments of `rows` rows, forward and backward, after a first.

    The optimizer's share is left out; it is small at sizes where time matters.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        return min(_times(replace(model, num_puzzle_identifiers=1), training, rows, device)[1:])
    finally:
        torch.set_num_threads(threads)


def _times(config: ModelConfig, training: TrainingConfig, rows: int, device: str) -> list[float]:
    model = ReasoningModel(config, getattr(torch, training.precision))
    model.initialise(torch.Generator().manual_seed(0))
    model.to(device)
    tokens = torch.ones(rows, config.seq_len, dtype=torch.int32)
    batch = Batch(tokens, tokens, torch.zeros(rows, dtype=torch.int32)).to(torch.device(device))
    times = []
    for _ in range(STEPS):
        started = time.perf_counter()
        _segment(model, training, batch)
        times.append(time.perf_counter() - started)
    return times


def _segment(model: ReasoningModel, training: TrainingConfig, batch: Batch) -> None:
    rows = len(batch.inputs)
    slots = refill(model, empty_slots(model, rows), batch)
    least = torch.zeros(rows, dtype=torch.int32, device=model.device)
    bound = least if model.config.M_max > 1 else None
    puzzles = model.puzzle_emb(batch.puzzle_identifiers).requires_grad_()
    segment = train_segment(model, slots, puzzles, bound, TOKEN_LOSSES[training.loss])
    segment.loss.total.backward()  # type: ignore[no-untyped-call]
    segment.loss.total.item()
