"""The order of a segment's updates, and which of them keep a gradient; imports no torch.

A segment is written as a word: L for an update of the low-level state z_L, H for one of z_H. HRM
with N = T = 2 is LLHLLH (HRM paper, section 2). Everything that depends on the order reads it
here: the models run it, and the accounting of FLOPs and memory adds it up.
"""

import math
from dataclasses import dataclass

from hrm.config import ModelConfig

PUBLISHED_GRADIENT = {
    "hrm": "one_step",
    "hrm-flat": "one_step",
    "trm": "cycle",
    "looped": "bptt",
    "transformer": "bptt",
}
"""What `gradient: native` means."""


@dataclass(frozen=True)
class Updates:
    """The last `length` updates of endless cycles of `low` L and one H; counts, not letters.

    A space may ask for the cost of cycles that nobody could write out.
    """

    low: int
    length: int

    @property
    def H(self) -> int:
        """How many of them update z_H."""
        return math.ceil(self.length / (self.low + 1))

    @property
    def L(self) -> int:
        """How many of them update z_L."""
        return self.length - self.H

    @property
    def word(self) -> str:
        """The letters, first to last."""
        return (("L" * self.low + "H") * self.H)[-self.length :]

    @property
    def begins_with_H(self) -> bool:
        """Whether the first of them updates z_H, though there is a z_L."""
        return self.low > 0 and self.length % (self.low + 1) == 1


def segment_updates(config: ModelConfig) -> Updates:
    """The updates of one segment."""
    low, cycles = _cycles(config)
    return Updates(low, cycles * (low + 1))


def _cycles(config: ModelConfig) -> tuple[int, int]:
    """Updates of z_L in a cycle, and cycles in a segment."""
    if config.model == "hrm-flat":
        return 1, config.N * config.T
    if config.model == "looped":
        return 0, _loops(config)
    return (0, 1) if config.model == "transformer" else (config.T, config.N)


def _loops(config: ModelConfig) -> int:
    """Passes of the one block that reach HRM's depth of a segment, rounded up."""
    depth = config.N * (config.T * config.L_layers + config.H_layers)
    return -(-depth // (config.H_layers + config.L_layers))


def kept_updates(config: ModelConfig) -> Updates:
    """The updates at the end of a segment that keep their gradient."""
    whole = segment_updates(config)
    named = config.gradient
    lengths = {
        "one_step": min(2, whole.low + 1),
        "cycle": whole.low + 1,
        "last_k": config.gradient_steps,
        "bptt": whole.length,
    }
    wanted = lengths[PUBLISHED_GRADIENT[config.model] if named == "native" else named]
    return Updates(whole.low, min(wanted, whole.length))


def layers_of(config: ModelConfig, update: str) -> int:
    """Blocks that an update of this letter passes through."""
    if config.model in ("looped", "transformer"):
        return config.H_layers + config.L_layers
    return config.H_layers if update == "H" and config.model != "trm" else config.L_layers


def blocks_passed(config: ModelConfig, updates: Updates) -> int:
    """Blocks that these updates pass through, one after the other."""
    return updates.L * layers_of(config, "L") + updates.H * layers_of(config, "H")


def networks(config: ModelConfig) -> dict[str, int]:
    """The trained networks of a model, by the letter that names them, and their blocks."""
    letters = {"trm": "L", "looped": "H", "transformer": "H"}.get(config.model, "HL")
    return {letter: layers_of(config, letter) for letter in letters}
