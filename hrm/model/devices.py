"""Devices: the one to compute on, its abilities, and the error where its memory is too little."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from hrm.model.flops import training_memory
from puzzle_datasets.common.errors import RunError


def device_named(name: str) -> torch.device:
    """Return the device of a name such as cpu or cuda:1; `auto` takes a GPU where there is one.

        >>> device_named("cpu")
        device(type='cpu')

    Raises `ConfigError` where it is no name, or this machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    remedy = "give cpu, cuda or cuda:NUMBER"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError("device", name, remedy) from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError("device", name, remedy)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        found = "no GPU" if count == 0 else "1 GPU" if count == 1 else f"{count} GPUs"
        remedy = "give cpu"
        if count:
            remedy = f"give{' one up to' if count > 1 else ''} cuda:{count - 1}, or start at most "
            remedy += "as many processes as GPUs"
        problem = f"is {name!r}, but this torch finds {found}"
        raise ConfigError.of("device", problem, remedy, name)
    return device


def require_precision(precision: str, device: torch.device, field: str = "precision") -> None:
    """Refuse bfloat16 on a device that could only emulate it.

    Raises `ConfigError`, whose field is `field`.
    """
    if precision == "bfloat16" and not _computes_bfloat16(device):
        problem = f"is {precision!r}, which this {device.type.upper()} lacks"
        raise ConfigError.of(field, problem, "give float32", precision)


def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@contextmanager
def gpu_memory(smaller: str) -> Iterator[None]:
    """Say which setting makes work `smaller`, where the memory of a GPU is too little.

    Raises `ConfigError` in place of torch's own error.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        problem = "the GPU has too little memory for these settings"
        raise ConfigError.of(None, problem, f"give a smaller {smaller}") from error


@contextmanager
def main_memory(model: ModelConfig, training: TrainingConfig) -> Iterator[None]:
    """Say so where training fails since it needs more than this machine's memory.

    torch has no exception of its own for that, so what training needs is estimated. Raises
    `ConfigError` in place of whatever was raised for want of memory.
    """
    try:
        yield
    except RunError:
        raise
    except (MemoryError, OverflowError, RuntimeError, TypeError) as error:
        here = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if isinstance(error, RuntimeError | TypeError) and training_memory(model, training) < here:
            raise
        problem = "this machine has too little memory for these settings"
        remedy = "give a smaller model or a smaller --micro-batch"
        raise ConfigError.of(None, problem, remedy) from error
