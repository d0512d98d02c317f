"""The models of the harness, one record each; a new one is a record more. Imports no torch.

All models share embeddings, blocks and heads. What sets one apart is which states it updates, in
which order, through which networks. A state is updated as z <- f(state + what is injected).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Update:
    """One update of a state: the letter of its network, and what that reads.

    It continues from `state`, to which all that is `injected` is added, by name: `z_H`, `z_L` or
    the input `x`.
    """

    network: str
    state: str
    injected: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelKind:
    """A model of the harness: all that sets it apart from the others.

    Attributes:
        title: its name in charts and pages.
        updates: of the states, by letter: L for z_L, H for z_H. Without L there is no z_L.
        cycles: from a `ModelConfig`, the updates of z_L in a cycle, which ends with one of z_H,
            and the cycles of a segment.
        networks: from a `ModelConfig`, the blocks of each network, by its letter.
        gradient: what `gradient: native` means.
        ema: decay of the average of the weights that it was published with; 0 for none.
        fixed: settings that it has no use for, and the values that it acts by.
        unused: more such settings, whose default says so.
    """

    title: str
    updates: Mapping[str, Update]
    cycles: Callable[[Any], tuple[int, int]]
    networks: Callable[[Any], dict[str, int]]
    gradient: str
    ema: float = 0.0
    fixed: Mapping[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    @property
    def continues(self) -> bool:
        """Return True if a segment continues from the states of the one before."""
        return any(update.state != "x" for update in self.updates.values())

    @property
    def has_low_state(self) -> bool:
        """Return True if there is a z_L beside z_H."""
        return "L" in self.updates


def _loops(config: Any) -> int:
    """Passes of one block of all layers that reach HRM's depth of a segment, rounded up."""
    depth: int = config.N * (config.T * config.L_layers + config.H_layers)
    layers: int = config.H_layers + config.L_layers
    return -(-depth // layers)


def _both(config: Any) -> dict[str, int]:
    return {"H": config.H_layers, "L": config.L_layers}


def _joined(config: Any) -> dict[str, int]:
    return {"H": config.H_layers + config.L_layers}


# z_L = f_L(z_L + z_H + x) and z_H = f_H(z_H + z_L) (HRM paper, arXiv 2506.21734, section 2).
_HIERARCHY = {"L": Update("L", "z_L", ("z_H", "x")), "H": Update("H", "z_H", ("z_L",))}

MODELS: Mapping[str, ModelKind] = MappingProxyType(
    {
        "hrm": ModelKind(
            title="HRM",
            updates=_HIERARCHY,
            cycles=lambda config: (config.T, config.N),
            networks=_both,
            gradient="one_step",
        ),
        # The slow state is updated as often as the fast one.
        "hrm-flat": ModelKind(
            title="HRM without hierarchy",
            updates=_HIERARCHY,
            cycles=lambda config: (1, config.N * config.T),
            networks=_both,
            gradient="one_step",
        ),
        # TRM (arXiv 2510.04871): one network for both states, which tells by the input's being
        # injected or not what to update. It never learns to continue.
        "trm": ModelKind(
            title="TRM",
            updates={"L": Update("L", "z_L", ("z_H", "x")), "H": Update("L", "z_H", ("z_L",))},
            cycles=lambda config: (config.T, config.N),
            networks=lambda config: {"L": config.L_layers},
            gradient="cycle",
            ema=0.999,
            fixed={"mode": "lean"},
            unused=("H_layers",),
        ),
        # One recurrent block with input injection, as often as makes HRM's depth.
        "looped": ModelKind(
            title="Recurrent net",
            updates={"H": Update("H", "z_H", ("x",))},
            cycles=lambda config: (0, _loops(config)),
            networks=_joined,
            gradient="bptt",
        ),
        # The prediction in one pass: no state is read, so there is nothing to repeat.
        "transformer": ModelKind(
            title="Deep net",
            updates={"H": Update("H", "x")},
            cycles=lambda config: (0, 1),
            networks=_joined,
            gradient="bptt",
            fixed={"N": 1, "T": 1, "M_max": 1, "mode": "lean"},
            unused=("gradient", "halt_exploration"),
        ),
    }
)
"""Every model by the name that `ModelConfig.model` gives it."""
