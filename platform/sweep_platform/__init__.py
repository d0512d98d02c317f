"""Search, track and report: sweeps of hierarchical reasoning models.

`run_sweep` runs a sweep; `Sweep.open` reads one. Both load when they are first used, so that the
command line answers at once.
"""

from typing import TYPE_CHECKING

from puzzle_datasets.common.lazy import lazy

if TYPE_CHECKING:
    from sweep_platform.api import Sweep as Sweep
    from sweep_platform.api import plan_sweep as plan_sweep
    from sweep_platform.api import run_sweep as run_sweep

__getattr__, __dir__ = lazy(__name__, {"api": ("Sweep", "plan_sweep", "run_sweep")})
__all__ = __dir__()
