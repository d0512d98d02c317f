"""Run a sweep to its report."""

from contextlib import ExitStack, nullcontext

from puzzle_datasets.common.exit_status import say
from sweep_platform.commands.doctor import require_healthy
from sweep_platform.driver.elsewhere import begun_elsewhere, from_mirror
from sweep_platform.driver.ending import last_words
from sweep_platform.driver.finished import nothing_left
from sweep_platform.driver.origin.fork import require_forkable
from sweep_platform.driver.request import (
    Request,
    ResolvedSweep,
    decided,
    kept_settings,
    require_free,
    resolve,
)
from sweep_platform.execution.cluster import Hardware, hardware_at
from sweep_platform.execution.connection import connected
from sweep_platform.plan.jobs import require_affordable
from sweep_platform.plan.memory import crowding, require_room
from sweep_platform.plan.plan import fewer_puzzles, heading, make_plan, warnings
from sweep_platform.space.dataset import planned_shape
from sweep_platform.space.rules.sampling import chosen_sampler
from sweep_platform.space.training_budget import expected_flops
from sweep_platform.store.folder import SessionEnd, SweepFolder, owned


def run(request: Request) -> SweepFolder:
    """Run a sweep to its report; return its folder.

    Bad input is refused before Ray starts on this machine.
    Raises `UserError`: the space, the folder, the puzzles or an option can't be used.
    """
    request = from_mirror(decided(request))
    with hardware_at(request.address) as hardware:
        sweep = resolve(request, hardware)
        if (elsewhere := begun_elsewhere(request, sweep)) is not request:
            request, sweep = elsewhere, resolve(elsewhere, hardware)
        require_forkable(request, sweep)
        if not request.resume:
            require_free(sweep.folder)
            require_affordable(sweep.spec, hardware.slots(sweep.spec.resources))
            if request.address is None:
                require_room(sweep.spec, planned_shape(sweep.spec.dataset))
        say(heading(sweep.spec, sweep.scale, str(hardware), sweep.folder.root))
        for text in kept_settings(request, sweep.folder):
            say(f"{text}.")
        if nothing_left(sweep, request):
            over = sweep.folder.sessions()[-1].over
            say(last_words(sweep.folder, sweep.spec, 0, SessionEnd.DONE, over=over))
        else:
            if request.address is not None:
                require_healthy(request.address, sweep.folder.root, sweep.spec)
            _run(sweep, request, hardware)
    return sweep.folder


def _run(sweep: ResolvedSweep, request: Request, hardware: Hardware) -> None:
    # What a finished sweep has no use for takes seconds to load.
    from sweep_platform.driver.display.display import ProgressDisplay
    from sweep_platform.driver.session import SweepSession

    with ExitStack() as held:
        held.enter_context(owned(sweep.folder))
        if not request.resume:
            require_free(sweep.folder)  # another driver may have been here before the lock
        session = SweepSession(sweep, request, hardware)
        slots = hardware.slots(sweep.spec.resources)
        plan = make_plan(sweep.spec, session.puzzles.shape, slots, calibrated=False)
        if (chosen := chosen_sampler(sweep.spec)).reason is not None:
            say(f"Sampler: {chosen}.")
        crowded = crowding(plan) if request.address is None else []
        fewer = fewer_puzzles(sweep.spec, session.puzzles.manifest)
        for text in (*warnings(plan), *crowded, *fewer):
            say(f"warning: {text}.")
        ray = connected(None) if request.address is None else nullcontext()
        display = ProgressDisplay(
            trials=plan.jobs.trials,
            jobs=plan.jobs.total,
            training_flops_per_job=int(expected_flops(sweep.spec)),
            time_limit=session.budget.seconds_left,
            replicates=sweep.spec.replicates,
        )
        end = session.run(held.enter_context(display), ray)
    say(session.last_words(end))
