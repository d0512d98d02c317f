"""The cost of a sweep, before a single trial starts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hrm.config import ModelConfig, TrainingConfig
from hrm.model.flops import costs, step_flops, training_flops
from hrm.model.memory import training_memory
from puzzle_datasets.common import text
from puzzle_datasets.storage.schema import Manifest
from sweep_platform.common.text import knobs
from sweep_platform.plan.budget import ROUNDING
from sweep_platform.plan.jobs import PlannedJobs, planned_jobs
from sweep_platform.plan.spending import Rates
from sweep_platform.space import knobs as space
from sweep_platform.space.configuration import (
    Configuration,
    configured,
    ignored_settings,
    inactive_knobs,
)
from sweep_platform.space.design import nuisance_points, planned_points
from sweep_platform.space.expressions.parsing import parse_statement
from sweep_platform.space.expressions.tree import names
from sweep_platform.space.knobs import Parameters, Shape
from sweep_platform.space.rules.conditions import active
from sweep_platform.space.rules.constraints import device_memory
from sweep_platform.space.rules.counting import Size, size
from sweep_platform.space.rules.feasible import examples
from sweep_platform.space.rules.sampling import chosen_sampler
from sweep_platform.space.training_budget import (
    expected_flops,
    flops_at,
    most_flops,
    source_of,
)
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.spec.settings import BUDGET_KNOB
from sweep_platform.store.folder import NO_SCALE

HEADER = ("", "configuration", "parameters", "inference", "training", "steps", "memory", "time")
EXAMPLES = {"cheapest": 0.0, "median": 0.5, "dearest": 1.0}
"""By the share of the way at which every knob with numbers stands, and of all names by cost."""

CALIBRATION_FLOPS = 1e9
"""FLOPs that a timed training step may spend: a model whose single row needs more is not timed."""


@dataclass(frozen=True, kw_only=True)
class PlannedTrial:
    """One configuration and its cost; `seconds` is None where it was not measured."""

    label: str
    parameters: Parameters
    inactive: tuple[str, ...]
    costs: Mapping[str, int]
    warmup_steps: int
    memory_bytes: int
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of a sweep: its size, its examples, and how many trials run at once."""

    spec: SweepSpec
    size: Size
    trials: tuple[PlannedTrial, ...]
    slots: int

    @property
    def jobs(self) -> PlannedJobs:
        """The replicates of the points that the budget pays for and the space has."""
        return planned_jobs(self.spec, int(min(self.spec.trials, self.size.count)))

    @property
    def paid(self) -> int:
        """The number of jobs of which `budget.flops` pays the training."""
        most, each = self.spec.budget.flops, expected_flops(self.spec)
        return (
            self.jobs.total if most is None else min(self.jobs.total, int(most / each * ROUNDING))
        )

    @property
    def job_seconds(self) -> float | None:
        """Estimated seconds of a job, if every one takes as long as the examples do."""
        measured = [trial.seconds for trial in self.trials if trial.seconds is not None]
        return sum(measured) / len(measured) if measured and self.slots else None

    @property
    def seconds(self) -> float | None:
        """Estimated time on the clock, at most what the budget allows."""
        if self.job_seconds is None:
            return None
        estimate = math.ceil(self.paid / self.slots) * self.job_seconds
        limit = self.spec.budget.minutes
        return estimate if limit is None else min(estimate, 60 * limit)

    @property
    def device_seconds(self) -> float | None:
        """Estimated seconds of all jobs together."""
        return None if self.job_seconds is None else self.paid * self.job_seconds


def make_plan(spec: SweepSpec, shape: Shape, slots: int, calibrated: bool) -> Plan:
    """Cost of about the cheapest, a median and the dearest configuration to run.

    The cheapest has every number at its least and the dearest at its largest, since a number that
    rises lowers no inference FLOPs. One exception is not looked for: more layers may spare
    `looped` a pass, so another number of them can cost a little less or more than the ends do.
    Names, such as the model's, have no order and are all tried.
    With `calibrated`, a few real training steps of each are timed on this machine.
    """
    trials = tuple(
        _planned(label, spec, shape, _example(spec, shape, share), calibrated)
        for label, share in EXAMPLES.items()
    )
    return Plan(spec=spec, size=size(spec.scientific, shape), trials=trials, slots=slots)


def _example(spec: SweepSpec, shape: Shape, share: float) -> tuple[Parameters, Configuration]:
    """Numbers at this share of their way, and the names at this share of their order by cost.

    Of a design, the configuration at this share of their order by cost.
    """
    design = planned_points(spec)
    if design is None:
        candidates = examples(spec, shape, share)
    else:
        candidates = [{**point, **nuisance_points(spec)[0]} for point in design]
    points = [(active(spec, one), configured(spec, shape, one)) for one in candidates]
    points.sort(key=lambda example: _cost(example[1]))
    return points[round(share * (len(points) - 1))]


def _cost(one: Configuration) -> tuple[int, int]:
    return costs(one.model, one.training)["inference_flops"], step_flops(one.model, one.training)


def heading(spec: SweepSpec, scale: str, hardware: str, folder: Path) -> str:
    """The sweep in a line: its name, its scale, and where it runs."""
    at = "" if scale == NO_SCALE else f" at scale {scale}"
    return f"Sweep {spec.name}{at} on {hardware}; in {folder}"


def table(plan: Plan) -> str:
    """The plan as text for a terminal."""
    return text.columns([HEADER, *(_cells(trial) for trial in plan.trials)], str.ljust)


def summary(plan: Plan) -> str:
    """The plan's totals in a sentence or two."""
    each = expected_flops(plan.spec)
    flops = plan.paid * each
    time_needed = "time not estimated: this is not the machine that the trials would run on"
    if plan.seconds is not None:
        at_most = ", if every trial gets all its replicates" if plan.jobs.unsure else ""
        time_needed = f"about {text.seconds(plan.seconds)}{at_most}"
        if _compiles(plan.spec):
            time_needed += ", or less: timed in eager execution, though trials compile"
    at_once = f"{plan.slots} at a time" if plan.slots else "none of which fits this hardware"
    paid = "" if plan.paid == plan.jobs.total else f", which budget.flops pays for {plan.paid} of"
    least = plan.paid - plan.jobs.unsure
    from_ = f"{text.flops(least * each)} to " if plan.jobs.unsure and least > 0 else ""
    total = (
        f"{_trials(plan)}{paid}, {at_once}; {from_}{text.flops(flops)} of training {_most(plan)}; "
    )
    total += f"{time_needed}{_bill(plan)}."
    chosen = chosen_sampler(plan.spec)
    return total if chosen.reason is None else f"{total}\nSampler: {chosen}."


def _most(plan: Plan) -> str:
    """What all training may come to, where trials have budgets of their own."""
    if BUDGET_KNOB not in plan.spec.space:
        return "in all"
    most = text.flops(plan.paid * most_flops(plan.spec))
    return f"in all if budgets come to the mean of {source_of(plan.spec)}, {most} at most"


def _bill(plan: Plan) -> str:
    """Estimated hours of devices and what they cost, where a limit or a price is set."""
    budget, seconds = plan.spec.budget, plan.device_seconds
    if seconds is None or budget.device_hours is budget.price_per_gpu_hour is None:
        return ""
    rates = Rates.from_spec(plan.spec)
    said = f"; about {rates.device_hours(seconds):.3g} device-hours"
    if budget.device_hours is not None:
        said += f", of {budget.device_hours:g} at most"
    if budget.price_per_gpu_hour is not None:
        said += f"; about {rates.money(seconds):,.2f} of money"
        said += f", of {budget.money:,.2f} at most" if budget.money is not None else ""
    return said


def _trials(plan: Plan) -> str:
    """The trials and jobs in words, short where each trial is one job."""
    jobs = plan.jobs
    if plan.spec.ablation is not None:
        said = f"{text.counted(jobs.points, 'configuration')} of the design"
    elif jobs.tune:
        said = f"{text.counted(jobs.points, 'point')} of {_counted(plan.size)}"
    else:
        said = f"{text.counted(jobs.points, 'trial')} of {_counted(plan.size)}"
    if jobs.total == jobs.points:
        return said
    parts = [
        f"{count:,} {verb}"
        for count, verb in (
            (jobs.tune, "to tune"),
            (jobs.measure - jobs.unsure, "to measure"),
            (jobs.unsure, "more at most for those among the best by their first"),
            (jobs.confirm, "at most to confirm"),
            (jobs.control, "at most as controls"),
        )
        if count
    ]
    return f"{said}: {text.counted(jobs.total, 'replicate')}, {', '.join(parts)}"


def _counted(size: Size) -> str:
    if math.isinf(size.count):
        return "endlessly many configurations"
    return f"{'' if size.exact else 'at most '}{text.counted(int(size.count), 'configuration')}"


def _compiles(spec: SweepSpec) -> bool:
    knob = spec.space.get("execution")
    possible = (space.values(knob) or ()) if knob else (spec.training.get("execution", "eager"),)
    return any(value != "eager" for value in possible)


def warnings(plan: Plan) -> list[str]:
    """Warnings about this plan, before anything is spent."""
    said = [
        f"{name} changes nothing: no model of this space has a use for it"
        for name in ignored_settings(plan.spec)
    ]
    if math.isinf(device_memory(plan.spec.resources)) and any(
        "device" in names(parse_statement(one)) for one in plan.spec.constraints
    ):
        said.append("no GPU is seen here, so that constraints of `device` exclude nothing")
    for trial in plan.trials:
        where, steps = f"the {trial.label} configuration", trial.costs["total_steps"]
        if trial.warmup_steps >= steps:
            said.append(
                f"{where} has {steps:,} steps and never leaves its warm-up of "
                f"{trial.warmup_steps:,}; lower training.warmup_steps or raise "
                f"{source_of(plan.spec)}"
            )
        if (spent := trial.costs["training_flops"]) > flops_at(plan.spec, trial.parameters):
            said.append(
                f"one step of {where} costs {text.flops(spent)}, more than the "
                f"budget of a trial; raise {source_of(plan.spec)} or lower training.batch_size"
            )
    return said


def fewer_puzzles(spec: SweepSpec, manifest: Manifest) -> list[str]:
    """A warning where a set has fewer test puzzles than evaluations ask for."""
    asked, there = spec.evaluation.puzzles, manifest.counts["test_pairs"]
    if asked == "all" or asked <= there:
        return []
    has = text.counted(there, "test puzzle")
    return [f"evaluation.puzzles is {asked:,}, but the set has {has}: all of them are used"]


def _planned(
    label: str,
    spec: SweepSpec,
    shape: Shape,
    example: tuple[Parameters, Configuration],
    timed: bool,
) -> PlannedTrial:
    parameters, (model, training) = example[0], (example[1].model, example[1].training)
    rate = flops_per_second(model, training, spec.resources.device) if timed else None
    cost, together = costs(model, training), spec.resources.together
    return PlannedTrial(
        label=label,
        parameters=parameters,
        inactive=inactive_knobs(spec, shape, parameters),
        costs=cost,
        warmup_steps=training.warmup_steps,
        memory_bytes=together * training_memory(model, training, together),
        seconds=None if rate is None else cost["training_flops"] / rate / together,
    )


def _cells(trial: PlannedTrial) -> tuple[str, ...]:
    return (
        trial.label,
        knobs({k: v for k, v in trial.parameters.items() if k not in trial.inactive}),
        f"{trial.costs['parameter_count']:,}",
        f"{text.flops(trial.costs['inference_flops'])} a puzzle",
        text.flops(trial.costs["training_flops"]),
        f"{trial.costs['total_steps']:,}",
        text.byte_size(trial.memory_bytes),
        "not measured" if trial.seconds is None else text.seconds(trial.seconds),
    )


def flops_per_second(
    model: ModelConfig, training: TrainingConfig, device: str = "cpu"
) -> float | None:
    """Training speed on this machine with one thread, from a few real steps on made-up puzzles.

    Blocks run in eager execution, since to compile would take longer than the steps. None where a
    single row would take too long to time.
    """
    rows = min(training.batch_size, int(CALIBRATION_FLOPS // training_flops(model)))
    if rows == 0:
        return None
    from sweep_platform.plan.calibration import seconds_per_step

    return rows * training_flops(model) / seconds_per_step(model, training, rows, device)
