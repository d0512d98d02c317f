"""Search, track and report: sweeps of hierarchical reasoning models.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from sweep_platform import Sweep, plan_sweep, run_sweep, solve
    >>> space = {
    ...     "name": "first",
    ...     "dataset": {"name": "maze", "side": 5, "train": 8, "test": 4},
    ...     "space": {"N": {"choices": [1, 2]}},
    ...     "model": {"hidden_size": 16, "num_heads": 1, "H_layers": 1, "L_layers": 1, "M_max": 2},
    ...     "training": {"batch_size": 4, "warmup_steps": 0},
    ...     "budget": {"trials": 2, "flops_per_trial": 1e8},
    ... }
    >>> home = tempfile.TemporaryDirectory()
    >>> places = {"out": Path(home.name, "sweep"), "data": Path(home.name, "data")}
    >>> plan_sweep(space, **places)
    Sweep first on ...
    ...
    2 trials of 2 configurations, ... at a time; 200 MFLOP of training in all; about ... s.
    >>> run_sweep(space, **places).exit_status
    Sweep first on ... CPU cores, ... GPUs; in ...
    ...
    Report: ...report.html
    MLflow: mlflow ui --backend-store-uri sqlite:...
    Charts: http://127.0.0.1:5000/...
    0
    >>> sweep = Sweep.open(places["out"])
    >>> sweep.trials().column("state").to_pylist()
    ['complete', 'complete']
    >>> sweep.measurements().num_rows > 2, sweep.report().name
    (True, 'report.html')
    >>> len(solve(places["out"], "S#   " + " " * 19 + "G").text.splitlines())
    5
    >>> home.cleanup()

The names load when they are first used, so that the command line answers at once.
"""

from typing import TYPE_CHECKING

from puzzle_datasets.common.lazy import lazy

if TYPE_CHECKING:
    from sweep_platform.api import Sweep as Sweep
    from sweep_platform.api import plan_sweep as plan_sweep
    from sweep_platform.api import run_sweep as run_sweep
    from sweep_platform.api import solve as solve

__getattr__, __dir__ = lazy(__name__, {"api": ("Sweep", "plan_sweep", "run_sweep", "solve")})
__all__ = __dir__()
