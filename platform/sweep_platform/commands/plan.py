"""Print what a sweep would do and cost; start nothing."""

from pathlib import Path

import yaml

from puzzle_datasets.common.exit_status import say
from puzzle_datasets.common.text import counted
from sweep_platform.common.errors import InputError
from sweep_platform.driver.request import DEFAULT_DATA, Request, decided, holds_a_sweep, resolve
from sweep_platform.execution.cluster import hardware_at
from sweep_platform.plan.jobs import require_affordable
from sweep_platform.plan.memory import crowding, require_room
from sweep_platform.plan.plan import (
    fewer_puzzles,
    heading,
    make_plan,
    summary,
    table,
    warnings,
)
from sweep_platform.space.dataset import built_before, planned_shape


def show_plan(request: Request, verbose: bool) -> None:
    """Print a sweep's cost, all its settings before that if `verbose`.

    Raises `UserError` as `resolve` does, and where a sweep is to be taken up from a mirror: that
    would write its folder.
    """
    if isinstance(request.resume, str):
        problem = "would be restored from its mirror, and a dry run writes nothing"
        raise InputError("--resume", request.resume, "leave --dry-run out", problem=problem)
    with hardware_at(request.address) as hardware:
        sweep = resolve(decided(request), hardware)
    slots = hardware.slots(sweep.spec.resources)
    here = request.address is None and slots > 0
    require_affordable(sweep.spec, slots)
    shape = planned_shape(sweep.spec.dataset)
    if request.address is None:
        require_room(sweep.spec, shape)
    if verbose:
        say(yaml.safe_dump(sweep.spec.public(), sort_keys=False))
    plan = make_plan(sweep.spec, shape, slots, calibrated=here)
    words = heading(sweep.spec, sweep.scale, str(hardware), sweep.folder.root)
    say(f"{words}\n\n{table(plan)}\n\n{summary(plan)}")
    if holds_a_sweep(sweep.folder):
        begun = counted(len(sweep.folder.trials()), "trial")
        there = f"{sweep.folder.root} holds a sweep of {begun}"
        say(f"{there}, with which --resume goes on.")
    crowded = crowding(plan) if request.address is None else []
    data = request.data or DEFAULT_DATA
    built = built_before(sweep.spec.dataset, data) if isinstance(data, Path) else None
    fewer = fewer_puzzles(sweep.spec, built) if built else []
    for text in (*warnings(plan), *crowded, *fewer):
        say(f"warning: {text}.")
