"""What a sweep will cost, before a single trial starts."""

import math
from dataclasses import dataclass

from hrm.config import ModelConfig, TrainingConfig
from hrm.flops import (
    inference_flops,
    parameter_count,
    step_flops,
    total_steps,
    training_flops,
    training_memory,
)
from sweep_platform import space, units
from sweep_platform.space import Parameters, Shape
from sweep_platform.spec import SweepSpec

HEADER = ("", "configuration", "parameters", "inference", "training", "steps", "memory", "time")
EXAMPLES = {"cheapest": 0.0, "median": 0.5, "dearest": 1.0}
CALIBRATION_FLOPS = 1e9
"""What a timed training step may spend: a model whose single row needs more is not timed."""


@dataclass(frozen=True, kw_only=True)
class PlannedTrial:
    """One configuration and its cost; `seconds` is None where it was not measured."""

    label: str
    parameters: Parameters
    parameter_count: int
    inference_flops: int
    training_flops: int
    steps: int
    warmup_steps: int
    memory_bytes: int
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a sweep will do: its size, its examples, and how many trials run at once."""

    spec: SweepSpec
    size: float
    trials: tuple[PlannedTrial, ...]
    places: int

    @property
    def total_trials(self) -> int:
        """Trials that the budget pays for and the space has."""
        return int(min(self.spec.budget.trials, self.size))

    @property
    def seconds(self) -> float | None:
        """Estimated time on the clock, if every trial takes as long as the examples do."""
        measured = [trial.seconds for trial in self.trials if trial.seconds is not None]
        if not measured or not self.places:
            return None
        rounds = math.ceil(self.total_trials / self.places)
        estimate = rounds * sum(measured) / len(measured)
        limit = self.spec.budget.minutes
        return estimate if limit is None else min(estimate, 60 * limit)


def make_plan(spec: SweepSpec, shape: Shape, places: int, calibrated: bool) -> Plan:
    """Cost of the configurations whose every knob is at its smallest, median or largest value.

    No knob lowers inference FLOPs as it rises, so these are the cheapest and the dearest.
    With `calibrated`, a few real training steps of each are timed on this machine.
    """
    trials = tuple(
        _planned(label, spec, shape, space.at_share(spec, share), calibrated)
        for label, share in EXAMPLES.items()
    )
    return Plan(spec=spec, size=space.size(spec), trials=trials, places=places)


def table(plan: Plan) -> str:
    """The plan as text for a terminal."""
    rows = [HEADER, *(_cells(trial) for trial in plan.trials)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def summary(plan: Plan) -> str:
    """The plan's totals in a sentence or two."""
    size = "endlessly many" if math.isinf(plan.size) else f"{plan.size:g}"
    flops = plan.total_trials * plan.spec.budget.flops_per_trial
    time_needed = "time not estimated: this is not the machine that the trials would run on"
    if plan.seconds is not None:
        time_needed = f"about {units.seconds(plan.seconds)}"
    places = f"{plan.places} at a time" if plan.places else "none of which fits this hardware"
    return (
        f"{plan.total_trials} trials of {size} configurations, {places}; "
        f"{units.flops(flops)} of training in all; {time_needed}."
    )


def warnings(plan: Plan) -> list[str]:
    """What a person should know of this plan before anything is spent."""
    said = []
    for trial in plan.trials:
        where = f"the {trial.label} configuration"
        if trial.warmup_steps >= trial.steps:
            said.append(
                f"{where} has {trial.steps:,} steps and never leaves its warm-up of "
                f"{trial.warmup_steps:,}; lower training.warmup_steps or raise "
                "budget.flops_per_trial"
            )
        if trial.training_flops > plan.spec.budget.flops_per_trial:
            said.append(
                f"one step of {where} costs {units.flops(trial.training_flops)}, more than the "
                "budget of a trial; raise budget.flops_per_trial or lower training.batch_size"
            )
    return said


def _inference(model: ModelConfig) -> int:
    return inference_flops(model, model.M_max)


def _planned(
    label: str, spec: SweepSpec, shape: Shape, parameters: Parameters, calibrated: bool
) -> PlannedTrial:
    model = space.model_config(spec, shape, parameters)
    training = space.training_config(spec, parameters)
    spent = total_steps(model, training) * step_flops(model, training)
    device = "cuda" if spec.resources.gpus else "cpu"
    rate = flops_per_second(model, training, device) if calibrated else None
    return PlannedTrial(
        label=label,
        parameters=parameters,
        parameter_count=parameter_count(model),
        inference_flops=_inference(model),
        training_flops=spent,
        steps=total_steps(model, training),
        warmup_steps=training.warmup_steps,
        memory_bytes=training_memory(model, training),
        seconds=None if rate is None else spent / rate,
    )


def _cells(trial: PlannedTrial) -> tuple[str, ...]:
    return (
        trial.label,
        " ".join(f"{name}={value}" for name, value in trial.parameters.items()),
        f"{trial.parameter_count:,}",
        f"{units.flops(trial.inference_flops)} a puzzle",
        units.flops(trial.training_flops),
        f"{trial.steps:,}",
        units.byte_size(trial.memory_bytes),
        "not measured" if trial.seconds is None else units.seconds(trial.seconds),
    )


def flops_per_second(
    model: ModelConfig, training: TrainingConfig, device: str = "cpu"
) -> float | None:
    """Training speed on this machine with one thread, from a few real steps on made-up puzzles.

    None where a single row would take too long to time.
    """
    rows = min(training.batch_size, int(CALIBRATION_FLOPS // training_flops(model)))
    if rows == 0:
        return None
    from sweep_platform.calibration import seconds_per_step

    return rows * training_flops(model) / seconds_per_step(model, training, rows, device)
