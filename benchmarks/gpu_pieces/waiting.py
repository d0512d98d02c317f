"""Whether a step of training ever makes the host wait for the GPU."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from gpu_pieces.puzzles import sudoku
from gpu_pieces.setting import TINY, Setting, Size, learner
from gpu_pieces.tables import NotLookedAt
from hrm.training.trainer import Trainer

WARM_UP, WATCHED = 4, 3


def step_of_learner(
    setting: Setting, size: Size, mode: str, execution: str
) -> Callable[[], object]:
    """Return one step on a batch that is on the device already."""
    training = size.training(execution=execution, precision=setting.precision)
    trained = learner(size.model(mode=mode), training, setting.device)
    batch = size.batches(1, setting.device)[0]
    return lambda: trained.step(batch)


def step_of_trainer(setting: Setting) -> Callable[[], object]:
    """Return one step with the loader that makes its batch."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = sudoku(Path(folder), tiny=True)
        manifest = dataset.manifest
        model = TINY.model(
            seq_len=manifest.seq_len,
            vocab_size=manifest.vocab_size,
            num_puzzle_identifiers=manifest.num_puzzle_identifiers,
        )
        training = TINY.training(training_flops=1e18)
        return Trainer(model, training, dataset, setting.device)._take_step


def never_waits(device: torch.device, step: Callable[[], object]) -> list[str]:
    """Return the cells of a step; torch raises where it would wait for the GPU.

    Raises `NotLookedAt` on other devices, where the steps only show that they run.
    """
    for _ in range(WARM_UP):
        step()
    if device.type != "cuda":
        raise NotLookedAt(f"torch tells of waiting on CUDA only, not on {device.type}")
    torch.cuda.synchronize(device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(WATCHED):
            step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return [f"{WATCHED} steps, no wait"]
