"""From a request to a plan on the screen, or to a sweep that runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import yaml

from sweep_platform import puzzles
from sweep_platform.cluster import Hardware, Resources, connect, disconnect, this_machine
from sweep_platform.plan import make_plan, summary, table
from sweep_platform.request import Asked, Request, decide
from sweep_platform.status import DONE, FAILED, INTERRUPTED


def show_plan(request: Request) -> int:
    """Print the resolved specification and what it costs; start nothing."""
    with _hardware(request) as hardware:
        asked = decide(request, hardware)
    places = hardware.places(asked.spec.resources)
    here = request.address is None and places > 0
    shape = puzzles.planned_shape(asked.spec.dataset)
    print(yaml.safe_dump(asked.spec.model_dump(mode="json"), sort_keys=False), end="")
    plan = make_plan(asked.spec, shape, places, calibrated=here)
    print(f"\n{_heading(asked, hardware)}\n\n{table(plan)}\n\n{summary(plan)}")
    return DONE


def run_sweep(request: Request) -> int:
    """Run a sweep to its report."""
    from sweep_platform.progress import ProgressDisplay
    from sweep_platform.sweep import Sweep, claimed

    local = this_machine() if request.address is None else None
    asked = decide(request, local) if local else None
    with _connected(request):
        hardware = Resources().hardware()
        asked = asked or decide(request, hardware)
        print(_heading(asked, hardware), flush=True)
        with claimed(asked.folder):
            sweep = Sweep(asked, request)
            with ProgressDisplay(
                trials=asked.spec.budget.trials,
                training_flops_per_trial=int(asked.spec.budget.flops_per_trial),
                time_limit=sweep.seconds_left(),
            ) as display:
                how = sweep.run(display)
    print(f"Report: {asked.folder.report / 'report.html'}", flush=True)
    if how == "interrupted":
        print("Interrupted; the same command with --resume goes on.", flush=True)
    return {"done": DONE, "interrupted": INTERRUPTED}.get(how, FAILED)


def _heading(asked: Asked, hardware: Hardware) -> str:
    return f"Sweep {asked.spec.name} at scale {asked.scale} on {hardware}; in {asked.folder.root}"


@contextmanager
def _hardware(request: Request) -> Iterator[Hardware]:
    """What the trials would run on, without starting anything."""
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
