"""Let what is computed in float32 be computed in float64.

Tests that compare two orders of the same sums use it: rounding is then 1e-16 of a value in place
of 6e-8, so that no halting decision, no likeliest token and no sign of a gradient hangs on it, on
whatever processor. The largest growth that a test here lets rounding have (40 steps of Adam-atan2,
whose updates do not shrink with the gradient) was seen to be below 1e5; `CLOSE` leaves as much
again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

CLOSE = 1e-7


def switch(set_attribute: Callable[[object, str, object], None]) -> None:
    """Switch for good, in a process that does nothing else."""
    set_attribute(torch, "float32", torch.float64)
    set_attribute(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)


@contextmanager
def in_float64() -> Iterator[None]:
    """Switch within this context."""
    before = [(torch, "float32", torch.float32), (torch.Tensor, "float", torch.Tensor.float)]
    switch(setattr)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
        torch.set_default_dtype(torch.float32)
