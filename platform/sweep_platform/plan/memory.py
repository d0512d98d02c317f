"""The memory of a sweep's trials against that of this machine, or of the GPUs that it sees."""

from dataclasses import replace

from hrm.config import ConfigError
from hrm.model.memory import require_device_memory, require_memory, training_memory
from puzzle_datasets.common.memory import memory
from puzzle_datasets.common.text import byte_size, counted
from sweep_platform.common.errors import InputError
from sweep_platform.plan.plan import Plan
from sweep_platform.space.configuration import Configuration, configured
from sweep_platform.space.knobs import Shape
from sweep_platform.space.rules.constraints import device_memory
from sweep_platform.space.rules.feasible import examples
from sweep_platform.spec.schema import SweepSpec


def require_room(spec: SweepSpec, shape: Shape) -> None:
    """Raise `InputError` where no configuration of a space fits into this machine, or its GPU.

    The smallest one has every number at its least and one row in the puzzle table, whose real
    size is not known before the puzzles are built.
    """
    least = replace(shape, num_puzzle_identifiers=1)
    points = [configured(spec, least, point) for point in examples(spec, least, 0)]
    if not points:
        return
    together, gpus = spec.resources.together, spec.resources.gpus
    smallest = min(points, key=lambda one: _least_memory(one, together, gpus > 0))
    try:
        if gpus:
            granted = device_memory(spec.resources)
            require_device_memory(smallest.model, smallest.training, granted, together)
        else:
            require_memory(smallest.model, smallest.training, together)
    except ConfigError as error:
        problem = f"{error.problem}, even in the smallest configuration of the space"
        raise InputError.of(error.field, problem, error.remedy, error.value) from None


def _least_memory(one: Configuration, together: int, halves: bool) -> int:
    """What a configuration needs: on a GPU one puzzle may pass at a time, if more do not fit."""
    training = replace(one.training, micro_batch=1) if halves else one.training
    return training_memory(one.model, training, together)


def crowding(plan: Plan) -> list[str]:
    """A warning where the trials that run at the same time may need more than this machine has."""
    at_once = min(plan.slots, plan.jobs.total)
    needs = at_once * max(trial.memory_bytes for trial in plan.trials)
    if plan.spec.resources.gpus or needs <= memory():
        return []
    return [
        f"{counted(at_once, 'trial')} at a time may need {byte_size(needs)} of memory, and this "
        f"machine grants {byte_size(memory())} at most; raise resources.cpus, so that fewer run "
        "at a time, or lower training.batch_size"
    ]
