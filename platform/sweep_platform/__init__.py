"""Search, track and report: sweeps of hierarchical reasoning models.

`run_sweep` runs a sweep; `Sweep.open` reads one. Both load when they are first used, so that the
command line answers at once.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweep_platform.api import Sweep, run_sweep

__all__ = ["Sweep", "run_sweep"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from sweep_platform import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
