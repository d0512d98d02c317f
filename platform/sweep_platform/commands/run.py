"""Run a sweep to its report."""

from contextlib import ExitStack, nullcontext

from puzzle_datasets.common.exit_status import say
from sweep_platform.driver.display import ProgressDisplay
from sweep_platform.driver.request import Request, require_free, resolve
from sweep_platform.driver.session import SweepSession
from sweep_platform.execution.cluster import hardware_at
from sweep_platform.execution.connection import connected
from sweep_platform.plan.plan import heading, make_plan, warnings
from sweep_platform.store.folder import SweepFolder, owned


def run(request: Request) -> SweepFolder:
    """Run a sweep to its report; return its folder.

    Bad input is refused before Ray starts on this machine.
    Raises `UserError`: the space, the folder, the puzzles or an option can't be used.
    """
    with ExitStack() as held:
        hardware = held.enter_context(hardware_at(request.address))
        sweep = resolve(request, hardware)
        if not request.resume:
            require_free(sweep.folder)
        say(heading(sweep.spec, sweep.scale, str(hardware), sweep.folder.root))
        held.enter_context(owned(sweep.folder))
        if not request.resume:
            require_free(sweep.folder)  # another driver may have been here before the lock
        session = SweepSession(sweep, request, hardware)
        slots = hardware.slots(sweep.spec.resources)
        plan = make_plan(sweep.spec, session.puzzles.shape, slots, calibrated=False)
        for text in warnings(plan):
            say(f"warning: {text}.")
        ray = connected(None) if request.address is None else nullcontext()
        display = ProgressDisplay(
            trials=plan.total_trials,
            training_flops_per_trial=int(sweep.spec.budget.flops_per_trial),
            time_limit=session.budget.seconds_left,
        )
        end = session.run(held.enter_context(display), ray)
    say(session.last_words(end))
    return sweep.folder
