"""A new sweep that begins with the complete trials of another one."""

from pathlib import Path

from sweep_platform.common.errors import InputError
from sweep_platform.driver.request import Request, ResolvedSweep, holds_a_sweep
from sweep_platform.store.folder import SweepFolder


def require_forkable(request: Request, sweep: ResolvedSweep) -> None:
    """Raise `InputError` where a sweep can't begin with another one's trials."""
    if request.fork is None:
        return
    if request.resume:
        if request.start_or_resume:
            return  # it was begun, with them
        problem, remedy = "begins a new sweep", "leave out --resume, or go on without --fork"
        raise InputError.of("--fork", problem, remedy)
    source = SweepFolder(Path(request.fork))
    if not holds_a_sweep(source):
        raise InputError.of(source.root, "holds no sweep to fork", "name the folder of a sweep")
    seed = source.record().spec.get("seed", 0)
    if seed != sweep.spec.seed:
        problem = f"is {sweep.spec.seed}, and the trials of {source.root} have {seed}"
        raise InputError("seed", sweep.spec.seed, f"set it to {seed}", problem=problem)
