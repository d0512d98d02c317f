"""How long work takes on a device, and how fast that device multiplies matrices at best."""

import time
from collections.abc import Callable

import torch


def seconds(device: torch.device, work: Callable[[], object], repeats: int = 1) -> float:
    """Return the time of one of some calls in a row, waiting for all that they started."""
    if device.type != "cuda":
        began = time.perf_counter()
        for _ in range(repeats):
            work()
        return (time.perf_counter() - began) / repeats
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    begin.record()
    for _ in range(repeats):
        work()
    end.record()
    torch.cuda.synchronize(device)
    return begin.elapsed_time(end) / 1000 / repeats


def matmul_rates(device: torch.device, dtype: torch.dtype, width: int, rounds: int) -> list[float]:
    """Return FLOP/s of products of random square matrices, one figure a round."""
    generator = torch.Generator(device).manual_seed(0)
    left, right = (
        torch.randn(width, width, generator=generator, device=device).to(dtype) for _ in range(2)
    )
    out = torch.empty_like(left)

    def product() -> None:
        torch.mm(left, right, out=out)

    seconds(device, product, 3)
    return [2 * width**3 / seconds(device, product, 10) for _ in range(rounds)]
