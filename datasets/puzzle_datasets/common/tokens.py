"""Tokens of a model's world in the form in which the rules of puzzles read them."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def to_bytes(tokens: Tensor) -> npt.NDArray[np.uint8]:
    """Return tokens [n, L] of any integer type and device as uint8 on the host."""
    array: npt.NDArray[np.uint8] = tokens.to("cpu", torch.uint8).numpy()
    return array
