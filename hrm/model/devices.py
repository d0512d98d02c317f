"""Devices: the one to compute on, its abilities, and the error where its memory is too little."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hrm.config import ConfigError


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


def release(device: torch.device) -> None:
    """Let go of memory that torch keeps for later, in pieces that may be too small now."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def granted_memory(device: torch.device, share: float) -> int:
    """Keep this process to its share of a GPU's memory; how many bytes that is.

    Whoever needs more is then the one who hears of it, and not who else computes there.
    """
    torch.cuda.set_per_process_memory_fraction(share, device)
    return int(share * torch.cuda.get_device_properties(device).total_memory)


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
