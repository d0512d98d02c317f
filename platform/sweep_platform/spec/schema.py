"""The typed, frozen schema behind every space file, and remedies for values of a wrong type."""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from puzzle_datasets.common.options import MOST_LISTED
from puzzle_datasets.common.text import suggest
from sweep_platform.common.errors import InputError
from sweep_platform.common.text import redact

Scalar = bool | int | float | str | None
Listed = Field(max_length=MOST_LISTED, strict=False)
Changes = Annotated[tuple[Scalar, ...], Field(min_length=1), Listed]
Share = Annotated[float, Field(gt=0, le=1)]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""The form of a sweep's name."""

SweepName = Annotated[str, Field(pattern=NAME, max_length=100)]
InnerShare = Annotated[float, Field(gt=0, lt=1)]

MOST_TRIALS = 1_000_000
MOST_FLOPS = 1e24
"""Bounds of a budget: more trials or FLOPs are slips of the pen."""

SomeFlops = Annotated[float, Field(gt=0, le=MOST_FLOPS, allow_inf_nan=False)]

MOST_MINUTES, MOST_CPUS = 1e8, 100_000
"""Bounds of time, two centuries, and of the cores of one host."""

MOST_HOURS, MOST_MONEY, MOST_ENERGY = 1e9, 1e12, 1e9
ENERGY = "energy_joules"
"""Of all devices of a sweep together, and of what they may cost."""

MOST_GPUS, MOST_PROCESSES = 1_024, 1_024
"""Of one host."""

MOST_REPLICATES, MOST_CONFIRMED = 1_000, 1_000
"""Trainings of one configuration, and configurations that are confirmed."""

MOST_VIEWS = 10_000
"""Of a test input; published evaluations take 1,001."""

MOST_DESIGNED = 10_000
"""Configurations of an ablation, with all nuisance values that are tried at each."""

MOST_KEPT = 100
"""Checkpoints of one trial in a storage."""

MOST_STEPS, MOST_CHOICES = 100_000, 1_000
LARGEST = 1e15
"""Bounds of a knob: more values, or whole ends of a range further out, are slips of the pen."""


def _fault(problem: str, remedy: str) -> InputError:
    """The fault of a value; whoever validates adds the key and its place."""
    return InputError(None, None, remedy, problem=problem)


class _Frozen(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


def _one_or_more(given: Any) -> Any:
    return given if isinstance(given, list | tuple) else (given,)


Admitted = Annotated[
    Changes, BeforeValidator(_one_or_more, json_schema_input_type=Scalar | Changes)
]


class _Conditional(_Frozen):
    when: dict[str, Admitted] = {}
    """values of other settings, one or a list, with which the knob is drawn; with others it has
    its fixed or published value"""


class Choices(_Conditional):
    """A knob that takes one of the listed values."""

    choices: Changes

    @model_validator(mode="after")
    def _distinct(self) -> "Choices":
        if len(set(self.choices)) != len(self.choices):
            raise _fault("has a choice that is listed twice", "list each value once")
        return self


class Range(_Conditional):
    """A knob that takes any number from low to high; whole numbers if both ends are whole.

    `step` keeps to low, low + step, …; `log` spreads the draws evenly over magnitudes.
    """

    low: int | float
    high: int | float
    step: Annotated[int | float, Field(gt=0)] | None = None
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        most = LARGEST if self.whole else MOST_FLOPS
        if not all(abs(number) < most for number in (self.low, self.high, self.step or 0)):
            raise _fault("has no ends", f"give numbers below {most:g}")
        if self.low > self.high:
            raise _fault(f"has a low of {self.low} and a high of {self.high}", "swap them")
        if self.log and self.low <= 0:
            raise _fault(f"has log and a low of {self.low}", "give a low above 0")
        return self

    @model_validator(mode="after")
    def _stepped(self) -> "Range":
        if self.log and self.step is not None:
            raise _fault("has both log and step", "keep one")
        if self.whole and isinstance(self.step, float):
            raise _fault(f"has a step of {self.step} between whole ends", "give a whole step")
        # In decimals, where 0.7 is a step of 0.3 above 0.4.
        low, high, wide = (
            Decimal(str(number)) for number in (self.low, self.high, self.step or 0)
        )
        if low < high < low + wide:
            problem = f"has a step of {self.step}, which leaves {self.low} alone"
            raise _fault(problem, "give a smaller step, or {choices: [...]}")
        step = self.step or (1 if self.whole else math.inf)
        if (self.high - self.low) / step > MOST_STEPS:
            raise _fault(f"has over {MOST_STEPS:,} values", "give a larger step")
        return self

    @property
    def whole(self) -> bool:
        """Whether the knob takes whole numbers only."""
        return isinstance(self.low, int) and isinstance(self.high, int)


def _kind_of_knob(given: Any) -> str:
    listed = isinstance(given, Choices) or (isinstance(given, dict) and "choices" in given)
    return CHOICES if listed else RANGE


CHOICES, RANGE = "a list of choices", "a range"
Knob = Annotated[
    Annotated[Choices, Tag(CHOICES)] | Annotated[Range, Tag(RANGE)], Discriminator(_kind_of_knob)
]


class DatasetSpec(_Frozen):
    """The puzzles: the name of a set of `puzzle_datasets`, and that set's settings beside it."""

    model_config = ConfigDict(
        extra="allow", frozen=True, strict=True, use_attribute_docstrings=True
    )

    name: str
    """a puzzle set; its settings stand beside the name"""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the set, beside its name."""
        return dict(self.model_extra or {})


class StopSpec(_Frozen):
    """When the search is over before its budget is spent; a gain or a regret has to be given."""

    hypervolume_gain: InnerShare | None = None
    """share by which the area below the front has to rise within `patience` trials"""
    patience: Annotated[int, Field(ge=1, le=MOST_TRIALS)] = 10
    """trials that ended, one after another, within which it has to rise"""
    regret: Annotated[float, Field(gt=0, le=MOST_FLOPS, allow_inf_nan=False)] | None = None
    """bound of how far the best trial is likely to be from the best of the space, in units of the
    one objective, below which to stop; by a Gaussian process, from 20 complete trials on"""

    @model_validator(mode="after")
    def _says_when(self) -> "StopSpec":
        if self.hypervolume_gain is None and self.regret is None:
            raise _fault("says not when", "give hypervolume_gain, or regret, or leave it out")
        return self


class EvaluationSpec(_Frozen):
    """When and on what a trial is evaluated; the end of its training is always one moment.

    All trials are evaluated on the same puzzles, whatever their seeds.
    """

    at: Annotated[tuple[Share, ...], Listed] = (0.25, 0.5, 0.75, 1.0)
    """shares of the training budget at which to evaluate; the end is always one"""
    puzzles: Annotated[int, Field(ge=1)] | Literal["all"] = "all"
    """`all` held-out puzzles, or the size of a fixed subset"""
    views: Annotated[int, Field(ge=1, le=MOST_VIEWS)] = 1
    """views in which each ARC test input is answered, at most; the answers vote"""
    confirm_share: Annotated[float, Field(ge=0, lt=1)] = 0
    """share of the held-out puzzles, in whole tasks, that is spared from the search"""
    at_flops: Annotated[float, Field(gt=0, le=MOST_FLOPS, allow_inf_nan=False)] | None = None
    """inference FLOPs of a puzzle that count for the objectives exact_accuracy_at and
    curve_hypervolume"""


Comparison = Literal[
    "objectives", "exact_accuracy", "token_accuracy", "loss", "extrapolation", "auto"
]


class RungSpec(_Frozen):
    """When trials are compared, and what share goes on."""

    at: Annotated[tuple[InnerShare, ...], Listed] = ()
    """shares of the training budget at which to compare; `[]` for never"""
    rule: Literal["stopping", "promotion"] = "stopping"
    """what becomes of a trial that is not among the best at a rung: with `stopping` it ends, with
    `promotion` it pauses, and goes on if it is among the best later, when others have come"""
    keep: Annotated[float, Field(gt=0, le=1)] = 0.5
    """share that goes on"""
    minimum: Annotated[int, Field(ge=1, le=MOST_TRIALS)] = 4
    """trials that must have come before any is stopped, or promoted while others may come"""
    compare: Comparison = "objectives"
    """what stands for quality at a rung: the objectives themselves, `exact_accuracy`,
    `token_accuracy`, `loss`, the end that `extrapolation` expects, or `auto`, which of these has
    foretold the ends of this sweep's trials best"""
    brackets: Annotated[int, Field(ge=1, le=MOST_CHOICES)] = 1
    """groups of trials, of which each skips one rung more than the one before"""
    audit: Annotated[float, Field(ge=0, le=1)] = 0
    """share of the trials that are to stop, or to pause, which go on, to tell what that costs"""

    @model_validator(mode="after")
    def _leaves_rungs(self) -> "RungSpec":
        if self.at and self.brackets > len(self.at):
            problem = f"has {self.brackets} brackets and {len(self.at)} rungs"
            raise _fault(problem, "give as many brackets as rungs at most")
        return self


class ScreeningSpec(_Frozen):
    """Which trials get all their replicates: the best by their first ones."""

    replicates: Annotated[int, Field(ge=1, le=MOST_REPLICATES)] = 1
    """how many replicates of each trial are trained at first"""
    keep: Share = 0.5
    """share of the trials, the best by these, of which the others are trained, too"""
    minimum: Annotated[int, Field(ge=1, le=MOST_TRIALS)] = 4
    """trials that must have come so far before any is left with its first replicates"""


Objective = Annotated[str, BeforeValidator(lambda name: ENERGY if name == "energy" else name)]
"""Key of a metric; energy is measured in joules, as its key says."""


class BudgetSpec(_Frozen):
    """How much a sweep may spend."""

    trials: Annotated[int, Field(ge=1, le=MOST_TRIALS)] | None = None
    """how many trials, with nuisance knobs how many points; an ablation has as many as its design
    """
    flops_per_trial: SomeFlops | None = None
    """training FLOPs of each replicate of every trial; not with the knob `training_flops`"""
    minutes: Annotated[float, Field(gt=0, le=MOST_MINUTES, allow_inf_nan=False)] | None = None
    """time on the clock for all sessions together; `null` for no limit"""
    flops: SomeFlops | None = None
    """training FLOPs of all replicates together; `null` for no limit"""
    device_hours: Annotated[float, Field(gt=0, le=MOST_HOURS, allow_inf_nan=False)] | None = None
    """hours of training and evaluation, times the GPUs of a trial; `null` for no limit"""
    price_per_gpu_hour: Annotated[float, Field(gt=0, le=MOST_MONEY)] | None = None
    """price of one GPU for an hour, in any currency; `null` where money is not counted"""
    money: Annotated[float, Field(gt=0, le=MOST_MONEY, allow_inf_nan=False)] | None = None
    """what all GPUs together may cost, in the currency of the price; `null` for no limit"""
    energy_kwh: Annotated[float, Field(gt=0, le=MOST_ENERGY, allow_inf_nan=False)] | None = None
    """kWh of the devices in training and evaluation, where these can be measured; `null` for no
    limit"""

    @model_validator(mode="after")
    def _has_a_price(self) -> "BudgetSpec":
        if self.money is not None and self.price_per_gpu_hour is None:
            raise _fault("limits money without a price", "set price_per_gpu_hour, or leave it out")
        return self


SAMPLER_NAMES = ("tpe", "random", "nsga2", "gp", "cma-es", "grid", "quasi-random", "front", "auto")
_IMPORT_PATH = r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$"


def _known_sampler(name: str) -> str:
    if name in SAMPLER_NAMES or re.match(_IMPORT_PATH, name):
        return name
    raise InputError(None, name, suggest(name, [*SAMPLER_NAMES, "package.module:Class"]))


Sampler = Annotated[
    str,
    AfterValidator(_known_sampler),
    WithJsonSchema({"anyOf": [{"enum": list(SAMPLER_NAMES)}, {"pattern": _IMPORT_PATH}]}),
]


class SearchSpec(_Frozen):
    """How configurations are proposed."""

    sampler: Sampler = "tpe"
    """which of Optuna's samplers, by name or by import path; `auto` goes by budget and space"""
    arguments: dict[str, Scalar] = {}
    """arguments of a sampler by import path"""
    startup_trials: Annotated[int, Field(ge=0, le=MOST_TRIALS)] = 10
    """random trials before the sampler learns"""
    deterministic: bool | None = None
    """whether the same seed proposes the same configurations, whatever finishes first: a proposal
    waits for the trials before it, but for as many as run at the same time; `null` where that
    costs no time: with three replicates or more, and neither rungs nor screening"""
    lag: Annotated[int, Field(ge=0, le=MOST_TRIALS)] | None = None
    """for how many trials before it a proposal of a deterministic search does not wait: with a
    number the same seed proposes the same on any hardware; `null` for as many as run at the same
    time where it begins"""
    storage: str | None = None
    """a database URL, for clusters; `null` for a journal file in the sweep's folder"""


class PreferSpec(_Frozen):
    """Values that are expected to do well, near which more is proposed at first."""

    values: dict[str, Scalar] = {}
    """the preferred value of some knobs"""
    strength: Annotated[float, Field(gt=0, le=MOST_TRIALS)] = 10
    """points after which half of the proposals heed it; the fewer, the sooner it fades"""


def _preferred(given: Any) -> Any:
    short = isinstance(given, dict) and not given.keys() & PreferSpec.model_fields.keys()
    return {"values": given} if short else given


Prefer = Annotated[
    PreferSpec,
    BeforeValidator(_preferred, json_schema_input_type=PreferSpec | dict[str, Scalar]),
]


class ConfirmSpec(_Frozen):
    """What is trained once more after the search, with fresh seeds."""

    top: Annotated[int, Field(ge=1, le=MOST_CONFIRMED)] = 3
    """how many configurations: those of the front first, then the most accurate"""
    replicates: Annotated[int, Field(ge=1, le=MOST_REPLICATES)] = 5
    """how many times each is trained"""


class InheritSpec(_Frozen):
    """How trials begin with the weights of others, and what tells whether that helps."""

    control: Annotated[float, Field(ge=0, le=1)] = 0.25
    """share of the heirs that are trained once more after the search, from scratch and with the
    same seeds, to tell what inheriting changes"""


def _inherit(given: Any) -> Any:
    return {True: {}, False: None}[given] if isinstance(given, bool) else given


Inherit = Annotated[
    InheritSpec | None,
    BeforeValidator(_inherit, json_schema_input_type=InheritSpec | bool | None),
]


class TuningSpec(_Frozen):
    """How nuisance values are chosen at each point of the other knobs."""

    tries: Annotated[int, Field(ge=1, le=MOST_CHOICES)] = 3
    """how many of their values are tried at each point; the better half twice"""


Design = Literal["one_at_a_time", "factorial"]


class AblationSpec(_Frozen):
    """A design in place of a search: a base, and what is changed of it."""

    base: dict[str, Scalar] = {}
    """settings of model and training that all configurations share, but for what is changed"""
    change: Annotated[dict[str, Changes], Field(min_length=1)]
    """other values of some settings, each a list"""
    design: Design = "one_at_a_time"
    """`one_at_a_time`: the base, and it with each change alone; `factorial`: all combinations"""
    replicates: Annotated[int, Field(ge=1, le=MOST_REPLICATES)] | None = None
    """how many times each configuration is trained; here or at the top of the file"""


class ResourceSpec(_Frozen):
    """What Ray reserves for each trial, on one host."""

    cpus: Annotated[float, Field(ge=0.001, le=MOST_CPUS, allow_inf_nan=False)] = 1
    """CPU cores that Ray reserves for each trial; fractions are allowed"""
    gpus: Annotated[float, Field(ge=0, le=MOST_GPUS)] = 0
    """GPUs that Ray reserves for each trial: a part of one, one, or several, on each of which a
    process of its own trains a part of each batch; without one it trains on a CPU"""
    processes: Annotated[int, Field(ge=1, le=MOST_PROCESSES)] = 1
    """processes that train a trial together on a CPU, each a part of each batch, on its part of
    `cpus`; with GPUs there is one for each"""
    accelerator_type: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """kind of GPU that trials are kept to, as Ray names it, such as H100; `null` for any"""

    patience: Annotated[float, Field(gt=0, le=MOST_MINUTES, allow_inf_nan=False)] | None = 60
    """minutes without a step, an evaluated batch or a report after which a trial's worker is ended
    and the trial goes on from its checkpoint; `null` for never"""

    @model_validator(mode="after")
    def _whole(self) -> "ResourceSpec":
        if self.gpus > 1 and self.gpus != int(self.gpus):
            problem = f"has {self.gpus:g} gpus, which are no whole number"
            raise _fault(problem, "give a part of one GPU, or whole ones")
        if self.gpus and self.processes not in (1, self.together):
            problem = f"has {self.processes} processes for {self.gpus:g} gpus"
            raise _fault(problem, "leave `processes` out: each GPU has one")
        if not self.gpus and self.processes > max(1, self.cpus):
            problem = f"has {self.processes} processes on {self.cpus:g} cpus"
            raise _fault(problem, "give as many `cpus`, or fewer `processes`")
        if self.accelerator_type and not self.gpus:
            raise _fault("has an accelerator_type and no gpus", "set `gpus`, or leave it out")
        return self

    @property
    def together(self) -> int:
        """Number of processes that train a trial."""
        return max(1, int(self.gpus)) if self.gpus else self.processes

    @property
    def device(self) -> str:
        """The kind of device that a trial trains on: cuda where it reserves a GPU, else cpu."""
        return "cuda" if self.gpus else "cpu"


class StorageSpec(_Frozen):
    """Where hosts keep and find what they do not share as files."""

    url: Annotated[str, Field(min_length=1)]
    """a path, or file://, s3://, gs:// or hdfs://; each sweep has a folder of its name there"""
    mirror: bool = False
    """whether the sweep's folder is kept there too, so that another machine can go on"""
    keep: Annotated[int, Field(ge=1, le=MOST_KEPT)] = 2
    """checkpoints of each trial that stay there"""


def _storage(given: Any) -> Any:
    return {"url": given} if isinstance(given, str) else given


Storage = Annotated[
    StorageSpec | None,
    BeforeValidator(_storage, json_schema_input_type=StorageSpec | str | None),
]


class SweepSpec(_Frozen):
    """A search over a space under a budget, with everything decided."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        serialize_by_alias=True,
    )

    name: SweepName
    """names the sweep and its folder `runs/<name>`"""
    dataset: DatasetSpec
    """the puzzles"""
    space: dict[str, Knob] = {}
    """the knobs: settings of model and training that are searched"""
    constraints: Annotated[tuple[str, ...], Listed] = ()
    """what holds in every configuration, such as "N * T <= 32" or "parameters <= 30e6" """
    derive: dict[str, str] = {}
    """settings that follow from others, such as num_heads: hidden_size / 64"""
    nuisance: Annotated[tuple[str, ...], Listed] = ()
    """knobs that are tuned away: other knobs are compared at the best of their values"""
    tuning: TuningSpec = TuningSpec()
    """how nuisance values are chosen"""
    base: dict[str, Scalar] = {}
    """a configuration of the space, but for nuisance knobs, that is tried first, and confirmed"""
    first: Annotated[tuple[dict[str, Scalar], ...], Field(alias="try"), Listed] = ()
    """configurations of the space, but for nuisance knobs, that are tried before others"""
    prefer: Prefer = PreferSpec()
    """values of knobs that are expected to do well, by name, or `values` and their `strength`"""
    learn_from: Annotated[tuple[str, ...], Listed] = ()
    """folders of earlier sweeps, or patterns of them, whose results the sampler learns from"""
    reuse: Annotated[tuple[str, ...], Listed] = ()
    """folders of earlier sweeps, or patterns of them, whose trainings stand for equal ones here"""
    repeat: bool = False
    """whether they are trained once more all the same"""
    ablation: AblationSpec | None = None
    """a design in place of `space`"""
    stop_when: StopSpec | None = None
    """when the search is over before its budget is spent; `null` for never"""
    confirm: ConfirmSpec | None = None
    """what is trained once more after the search; `null` for nothing"""
    inherit: Inherit = None
    """whether a trial begins with the weights of the nearest complete one whose weights have the
    same shapes: `true`, or its settings"""
    model: dict[str, Scalar] = {}
    """fixed settings of the model; all others are as published"""
    training: dict[str, Scalar] = {}
    """fixed settings of training; all others are as published"""
    evaluation: EvaluationSpec = EvaluationSpec()
    """when and on what trials are evaluated"""
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1), Listed] = (
        "exact_accuracy",
        "inference_flops",
    )
    """what the search optimises, one or several"""
    budget: BudgetSpec
    """how much the sweep may spend"""
    rungs: RungSpec = RungSpec()
    """when trials are compared and weak ones stopped"""
    search: SearchSpec = SearchSpec()
    """how configurations are proposed"""
    resources: ResourceSpec = ResourceSpec()
    """what Ray reserves for each trial"""
    storage: Storage = None
    """where checkpoints and puzzles go, for hosts that share no folder; a URL or its settings"""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    """of the search; the seeds of all replicates follow from it"""
    replicates: Annotated[int, Field(ge=1, le=MOST_REPLICATES)] = 1
    """how many times each configuration is trained, each time with another seed"""
    screening: ScreeningSpec | None = None
    """which configurations are trained so often, by their first replicates; `null` for all"""
    targets: Annotated[tuple[Share, ...], Listed] = ()
    """accuracies whose cost in training FLOPs is recorded"""

    @field_validator("objectives", "targets")
    @classmethod
    def _distinct(cls, listed: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(listed)) != len(listed):
            raise _fault("lists a value twice", "list each once")
        return listed

    def public(self) -> dict[str, Any]:
        """The specification as plain data that may be printed and kept: without secrets."""
        content = self.model_dump(mode="json")
        if self.search.storage is not None:
            content["search"]["storage"] = redact(self.search.storage)
        return content

    @property
    def trials(self) -> int:
        """Trials that the budget pays for; with nuisance knobs, points of the others."""
        assert self.budget.trials is not None, "a resolved sweep has a number of trials"
        return self.budget.trials

    @property
    def scientific(self) -> "SweepSpec":
        """The same without its nuisance knobs: its configurations are the points to compare."""
        space = {name: knob for name, knob in self.space.items() if name not in self.nuisance}
        return self.model_copy(update={"space": space, "nuisance": ()})

    @property
    def deterministic(self) -> bool:
        """Whether proposals follow from the seed alone, see `SearchSpec.deterministic`."""
        asked, learns = self.search.deterministic, self.ablation is None
        free = self.replicates >= 3 and not self.rungs.at and self.screening is None
        return learns and (free if asked is None else asked)

    @property
    def needs_energy(self) -> bool:
        """Whether the energy of each trial has to be measured."""
        return ENERGY in self.objectives or self.budget.energy_kwh is not None

    @property
    def first_replicates(self) -> int:
        """How many replicates every trial gets; the best by these get all."""
        return self.replicates if self.screening is None else self.screening.replicates

    @property
    def names_base(self) -> bool:
        """Whether there is a base, which is confirmed beside the best."""
        return bool(self.base) or self.ablation is not None

    @property
    def evaluate_at(self) -> tuple[float, ...]:
        """Fractions of the training budget at which a trial is evaluated, rungs among them."""
        return tuple(sorted({*self.evaluation.at, *self.rungs.at, 1.0}))


_WANTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_type": "a word (in quotes if it looks like a number)",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "letters, digits, `.`, `_` and `-`, a letter or digit first",
    "literal_error": "{expected}",
    "tuple_type": "a list such as [1, 2]",
    "too_short": "at least {min_length} entry",
    "too_long": "at most {max_length} entries",
    "dict_type": "`key: value` settings below it",
    "model_type": "`key: value` settings below it",
}
"""By pydantic's type of error, in place of its complaints about Python types."""


def remedy(problems: Sequence[Mapping[str, Any]]) -> str:
    """Pydantic's complaints about one value, each a way in which it might have been right."""
    first = problems[0]
    if first["type"] not in _WANTED:
        return str(first["msg"])
    types = {problem["type"] for problem in problems}
    known = [p for p in problems if p["type"] in _WANTED]
    told = [p for p in known if p["type"] != "int_type" or "float_type" not in types]
    ways = dict.fromkeys(_WANTED[p["type"]].format(**p.get("ctx", {})) for p in told)
    return "write " + " or ".join(ways)
