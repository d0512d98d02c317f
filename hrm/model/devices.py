"""Which device to compute on, and what it can do."""

import torch

from hrm.config import ConfigError


def device_named(name: str) -> torch.device:
    """The device of a name such as cpu, cuda or cuda:1; `auto` takes a GPU where there is one.

    Raises `ConfigError` where it is no name or this machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device is {name!r}; give cpu, cuda or cuda:NUMBER.") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device is {name!r}; give cpu, cuda or cuda:NUMBER.")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ConfigError(f"device is {name!r}, but this torch finds {_found(count)}.")
    return device


def _found(count: int) -> str:
    """How many GPUs there are, and what to do about it."""
    if count == 0:
        return "no GPU; give cpu"
    last = f"cuda:{count - 1}"
    known = f"{count} GPUs; give one up to {last}" if count > 1 else f"1 GPU; give {last}"
    return f"{known}, or start at most as many processes as GPUs"


def require_precision(precision: str, device: torch.device) -> None:
    """Refuse bfloat16 with a `ConfigError` on a device that could only emulate it."""
    if precision == "bfloat16" and not _computes_bfloat16(device):
        kind = device.type.upper()
        raise ConfigError(
            f"TrainingConfig.precision is 'bfloat16', which this {kind} lacks; give float32."
        )


def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    native: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return native
