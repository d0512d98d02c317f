"""The order of a segment's updates, and which of them keep a gradient; imports no torch.

A segment is written as a word: L for an update of the low-level state z_L, H for one of z_H. HRM
with N = T = 2 is LLHLLH (HRM paper, section 2). Everything that depends on the order reads it
here: the models run it, and the accounting of FLOPs and memory adds it up.
"""

import math
from dataclasses import dataclass

from hrm.config import ModelConfig


@dataclass(frozen=True)
class Updates:
    """The last `length` updates of endless cycles of `low` L and one H; counts, not letters.

    A space may ask for the cost of cycles that nobody could write out.
    """

    low: int
    length: int

    @property
    def H(self) -> int:
        """The number of them that update z_H."""
        return math.ceil(self.length / (self.low + 1))

    @property
    def L(self) -> int:
        """The number of them that update z_L."""
        return self.length - self.H

    @property
    def word(self) -> str:
        """The letters, first to last."""
        return (("L" * self.low + "H") * self.H)[-self.length :]

    @property
    def begins_with_H(self) -> bool:
        """Return True if the first of them updates z_H, though there is a z_L."""
        return self.low > 0 and self.length % (self.low + 1) == 1


def segment_updates(config: ModelConfig) -> Updates:
    """The updates of one segment.

    >>> sizes = {"vocab_size": 11, "seq_len": 81, "num_puzzle_identifiers": 1}
    >>> segment_updates(ModelConfig(**sizes, N=2, T=2)).word
    'LLHLLH'
    """
    low, cycles = config.kind.cycles(config)
    return Updates(low, cycles * (low + 1))


def kept_updates(config: ModelConfig) -> Updates:
    """The updates at the end of a segment that keep their gradient."""
    whole, named = segment_updates(config), config.gradient
    lengths = {
        "one_step": min(2, whole.low + 1),
        "cycle": whole.low + 1,
        "last_k": config.gradient_steps,
        "bptt": whole.length,
    }
    wanted = lengths[config.kind.gradient if named == "native" else named]
    return Updates(whole.low, min(wanted, whole.length))


def layers_of(config: ModelConfig, update: str) -> int:
    """Blocks that an update of this letter passes through."""
    return config.kind.networks(config)[config.kind.updates[update].network]


def blocks_passed(config: ModelConfig, updates: Updates) -> int:
    """Blocks that these updates pass through, one after the other."""
    low = updates.L * layers_of(config, "L") if updates.L else 0
    return low + updates.H * layers_of(config, "H")
