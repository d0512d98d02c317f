"""Whether trials have a place: on the hardware of now, or once an autoscaler has made room."""

import time

from puzzle_datasets.common.exit_status import say
from sweep_platform.common.errors import InputError
from sweep_platform.execution.cluster import Hardware, in_words
from sweep_platform.execution.private import autoscales
from sweep_platform.spec.schema import ResourceSpec, SweepSpec

MONITOR_SECONDS = 15.0
"""Within these a head that was just started tells whether it has an autoscaler."""


def needs(resources: ResourceSpec) -> str:
    """What a trial needs: "4 CPU cores, 1 GPU of the kind H100"."""
    kind = resources.accelerator_type
    return in_words(resources.cpus, resources.gpus) + (f" of the kind {kind}" if kind else "")


def require_a_slot(hardware: Hardware, resources: ResourceSpec, address: str | None) -> None:
    """Raise `InputError` where no trial has a place and nobody makes room for one.

    At an `address` an autoscaler may; then a person is told that the sweep waits for it.
    """
    if hardware.slots(resources):
        return
    if address is not None and _grows():
        say(
            f"No host has a place for a trial's {needs(resources)} yet; Ray's autoscaler is asked."
        )
        return
    kind = resources.accelerator_type
    if kind is not None and kind not in hardware.kinds:
        there = ", ".join(sorted(hardware.kinds)) or "none whose kind it knows"
        problem, remedy = f"is a kind of GPU that Ray lacks; it has {there}", "leave it out"
        raise InputError.of("resources.accelerator_type", problem, remedy, kind)
    raise InputError.of(
        "resources",
        f"of a trial are {needs(resources)}, but Ray has {hardware.of_kind(kind)}",
        "lower `resources` or choose another --scale",
    )


def require_meters(spec: SweepSpec, address: str | None) -> None:
    """Raise `InputError` where a sweep goes by energy, and this machine does not measure it.

    At an `address` trials run on other machines, each of which says so itself.
    """
    if not spec.needs_energy or address is not None:
        return
    from hrm.training.energy import METERS, Packages, gpus_count  # torch takes seconds to import

    try:
        if spec.resources.gpus and not gpus_count():
            raise OSError("no GPU that counts its energy")
        if not spec.resources.gpus:
            Packages()
    except (OSError, ValueError) as error:
        of_budget = spec.budget.energy_kwh is not None
        field = "budget.energy_kwh" if of_budget else "objectives"
        value = spec.budget.energy_kwh if of_budget else ", ".join(spec.objectives)
        problem = f"needs the energy of trials, which can't be measured on this machine: {METERS}"
        remedy = "leave it out, or run where it can be"
        raise InputError.of(field, problem, remedy, value) from error


def _grows() -> bool:
    """Whether the connected cluster has an autoscaler, which may be about to tell."""
    until = time.monotonic() + MONITOR_SECONDS
    while (grows := autoscales()) is None and time.monotonic() < until:
        time.sleep(0.5)
    return bool(grows)
