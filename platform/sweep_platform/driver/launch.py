"""From a request to a plan on the screen, or to a sweep that runs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext

import yaml

from puzzle_datasets.common.exit_status import DONE, FAILED, INTERRUPTED
from sweep_platform.driver.request import Request, ResolvedSweep, decide, specify
from sweep_platform.execution.cluster import Hardware, Resources, connect, disconnect, this_machine
from sweep_platform.plan.plan import Plan, make_plan, summary, table, warnings
from sweep_platform.space import dataset as puzzles
from sweep_platform.store.lock import owned


def show_plan(request: Request) -> int:
    """Print the resolved specification and what it costs; start nothing."""
    with _hardware(request) as hardware:
        asked = decide(request, hardware) if request.resume else specify(request, hardware)
    places = hardware.places(asked.spec.resources)
    here = request.address is None and places > 0
    shape = puzzles.planned_shape(asked.spec.dataset)
    print(yaml.safe_dump(asked.spec.public(), sort_keys=False), end="")
    plan = make_plan(asked.spec, shape, places, calibrated=here)
    print(f"\n{_heading(asked, hardware)}\n\n{table(plan)}\n\n{summary(plan)}")
    _warn(plan)
    return DONE


def run_sweep(request: Request) -> int:
    """Run a sweep to its report. Bad input is refused before Ray starts on this machine."""
    from sweep_platform.driver.display import ProgressDisplay
    from sweep_platform.driver.session import Sweep

    with ExitStack() as held:
        hardware = held.enter_context(_hardware(request))
        asked = decide(request, hardware)
        print(_heading(asked, hardware), flush=True)
        held.enter_context(owned(asked.folder))
        asked = decide(request, hardware)  # another driver may have been here before the claim
        sweep = Sweep(asked, request, hardware)
        places = hardware.places(asked.spec.resources)
        plan = make_plan(asked.spec, sweep.puzzles.shape, places, calibrated=False)
        _warn(plan)
        ray = _connected(request) if request.address is None else nullcontext()
        display = ProgressDisplay(
            trials=plan.total_trials,
            training_flops_per_trial=int(asked.spec.budget.flops_per_trial),
            time_limit=sweep.seconds_left(),
        )
        how = sweep.run(held.enter_context(display), ray)
    print(f"Report: {asked.folder.report / 'report.html'}", flush=True)
    if how == "interrupted":
        print("Interrupted; the same command with --resume goes on.", flush=True)
    elif how == "failed":
        print("Failed: no trial came to an end; the report has their reasons.", flush=True)
    return {"done": DONE, "interrupted": INTERRUPTED}.get(how, FAILED)


def _heading(asked: ResolvedSweep, hardware: Hardware) -> str:
    return f"Sweep {asked.spec.name} at scale {asked.scale} on {hardware}; in {asked.folder.root}"


def _warn(plan: Plan) -> None:
    for text in warnings(plan):
        print(f"warning: {text}.", flush=True)


@contextmanager
def _hardware(request: Request) -> Iterator[Hardware]:
    """What trials run on; a cluster at an address stays connected, none is started here."""
    if request.address is None:
        yield this_machine()
        return
    with _connected(request):
        yield Resources().hardware()


@contextmanager
def _connected(request: Request) -> Iterator[None]:
    connect(request.address)
    try:
        yield
    finally:
        disconnect()
