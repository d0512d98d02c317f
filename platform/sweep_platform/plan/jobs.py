"""How many jobs a sweep plans: replicates that tune, measure and confirm."""

import math
from dataclasses import dataclass

from puzzle_datasets.common.text import exact, flops
from sweep_platform.common.errors import InputError
from sweep_platform.space.design import nuisance_points
from sweep_platform.space.training_budget import expected_flops, least_flops, source_of
from sweep_platform.spec.schema import SweepSpec


@dataclass(frozen=True, kw_only=True)
class PlannedJobs:
    """Replicates by what they are for, and the configurations that they are of.

    Attributes:
        points: configurations to compare.
        trials: configurations in all, nuisance values counted.
        tune, measure, confirm, control: replicates of each purpose.
        unsure: those of them that measure only if their trials are among the best.
    """

    points: int
    trials: int
    tune: int
    measure: int
    confirm: int
    unsure: int = 0
    control: int = 0

    @property
    def total(self) -> int:
        """All replicates."""
        return self.tune + self.measure + self.confirm + self.control


CORE_FLOPS, GPU_FLOPS = 2e11, 2e15
"""FLOPs a second that no core, and no GPU, exceeds in training."""


def require_affordable(spec: SweepSpec, slots: int) -> None:
    """Raise `InputError` where the budget does not pay for even one trial's replicates."""
    _require_flops(spec)
    _require_gpus(spec)
    _require_time(spec, slots)


def _require_flops(spec: SweepSpec) -> None:
    """Raise `InputError` where the training FLOPs of all are less than those of one trial."""
    most, each, of_one = spec.budget.flops, expected_flops(spec), planned_jobs(spec, 1)
    jobs = of_one.tune + of_one.measure
    if most is not None and most < jobs * each:
        many = f" times {jobs} replicates" if jobs > 1 else ""
        raise InputError.of(
            "budget.flops",
            f"is {flops(most)}, less than one trial's {flops(each)}{many}",
            f"raise it, or lower {source_of(spec)} or replicates",
            most,
        )


def _require_gpus(spec: SweepSpec) -> None:
    """Raise `InputError` where a price of GPUs is given, and no trial has one."""
    price = spec.budget.price_per_gpu_hour
    if price is not None and not spec.resources.gpus:
        raise InputError.of(
            "budget.price_per_gpu_hour",
            "is of GPUs, and a trial has none",
            "set resources.gpus, or limit budget.device_hours in its place",
            price,
        )


def _require_time(spec: SweepSpec, slots: int) -> None:
    """Raise `InputError` where not even one trial's replicates can be trained in the time.

    `slots` jobs run at the same time. A slower machine than any limit here tells of itself: the
    dry run times it, and a sweep whose time is up ends as incomplete.
    """
    minutes, resources = spec.budget.minutes, spec.resources
    if minutes is None or not slots:
        return
    speed = resources.gpus * GPU_FLOPS if resources.gpus else resources.cpus * CORE_FLOPS
    each = least_flops(spec)
    least = spec.replicates * each / speed / min(slots, spec.replicates)
    if least > 60 * minutes:
        raise InputError.of(
            "replicates",
            f"of one trial are {spec.replicates} of {flops(each)}, which "
            f"no machine of this size trains in {exact(minutes)} minutes",
            f"lower it or {source_of(spec)}, or raise budget.minutes",
            spec.replicates,
        )


def planned_jobs(spec: SweepSpec, points: int) -> PlannedJobs:
    """The jobs of a sweep of so many points, if none is stopped early.

    Confirming ones are the most there can be: a base among the best is confirmed once. So are
    those that measure where trials are screened.
    """
    tries = len(nuisance_points(spec))
    again = math.ceil(tries / 2)  # a single one left has nobody to be compared with
    tune = points * (tries + (again if again > 1 else 0)) if tries > 1 else 0
    return PlannedJobs(
        points=points,
        trials=points * tries,
        tune=tune,
        measure=points * spec.replicates,
        confirm=planned_confirmations(spec, points),
        unsure=_unsure(spec, points),
        control=planned_controls(spec, points),
    )


def _unsure(spec: SweepSpec, points: int) -> int:
    """The replicates that only those get of which it is not sure that they are among the best.

    The first ones are: as many as must have come before one is left with its first replicates.
    """
    if spec.screening is None:
        return 0
    sure = max(1, spec.screening.minimum - 1)
    return max(0, points - sure) * (spec.replicates - spec.first_replicates)


def planned_confirmations(spec: SweepSpec, points: int) -> int:
    """Replicates that confirm what a search of so many points picked, at most."""
    if spec.confirm is None:
        return 0
    return min(points, spec.confirm.top + spec.names_base) * spec.confirm.replicates


def planned_controls(spec: SweepSpec, points: int) -> int:
    """Replicates that are controls, at most: all trials but the first may have ancestors."""
    if spec.inherit is None:
        return 0
    return math.ceil(spec.inherit.control * max(0, points - 1)) * spec.replicates
