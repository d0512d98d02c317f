"""The typed, frozen schema behind every space file, and remedies for values of a wrong type."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from sweep_platform.common.errors import InputError
from sweep_platform.common.text import redact

Scalar = bool | int | float | str | None
Share = Annotated[float, Field(gt=0, le=1)]
InnerShare = Annotated[float, Field(gt=0, lt=1)]

MOST_TRIALS = 1_000_000
MOST_FLOPS = 1e24
"""Bounds of a budget: more trials or FLOPs are slips of the pen."""

MOST_MINUTES, MOST_CPUS = 1e8, 100_000
"""Bounds of time, two centuries, and of the cores of one host."""

MOST_STEPS, MOST_CHOICES = 100_000, 1_000
LARGEST = 1e15
"""Bounds of a knob: more values, or ends of a range further out, are slips of the pen."""


def _fault(problem: str, remedy: str) -> InputError:
    """The fault of a value; whoever validates adds the key and its place."""
    return InputError(None, None, remedy, problem=problem)


class _Frozen(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class Choices(_Frozen):
    """A knob that takes one of the listed values."""

    choices: Annotated[
        tuple[Scalar, ...], Field(min_length=1, max_length=MOST_CHOICES, strict=False)
    ]

    @model_validator(mode="after")
    def _distinct(self) -> "Choices":
        if len(set(self.choices)) != len(self.choices):
            raise _fault("has a choice that is listed twice", "list each value once")
        return self


class Range(_Frozen):
    """A knob that takes any number from low to high; whole numbers if both ends are whole.

    `step` keeps to low, low + step, …; `log` spreads the draws evenly over magnitudes.
    """

    low: int | float
    high: int | float
    step: Annotated[int | float, Field(gt=0)] | None = None
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not all(abs(number) < LARGEST for number in (self.low, self.high, self.step or 0)):
            raise _fault("has no ends", f"give numbers below {LARGEST:g}")
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


class EvaluationSpec(_Frozen):
    """When and on what a trial is evaluated; the end of its training is always one moment.

    All trials are evaluated on the same puzzles, whatever their seeds.
    """

    at: Annotated[tuple[Share, ...], Field(strict=False)] = (0.25, 0.5, 0.75, 1.0)
    """shares of the training budget at which to evaluate; the end is always one"""
    puzzles: Annotated[int, Field(ge=1)] | Literal["all"] = "all"
    """`all` held-out puzzles, or the size of a fixed subset"""


class RungSpec(_Frozen):
    """When trials are compared, and what share goes on."""

    at: Annotated[tuple[InnerShare, ...], Field(strict=False)] = ()
    """shares of the training budget at which to compare; `[]` for never"""
    keep: Annotated[float, Field(gt=0, le=1)] = 0.5
    """share that goes on"""
    minimum: Annotated[int, Field(ge=1, le=MOST_TRIALS)] = 4
    """trials that must have come before any is stopped"""


class BudgetSpec(_Frozen):
    """How much a sweep may spend."""

    trials: Annotated[int, Field(ge=1, le=MOST_TRIALS)]
    """how many trials"""
    flops_per_trial: Annotated[float, Field(gt=0, le=MOST_FLOPS, allow_inf_nan=False)]
    """training FLOPs of every trial"""
    minutes: Annotated[float, Field(gt=0, le=MOST_MINUTES, allow_inf_nan=False)] | None = None
    """time on the clock for all sessions together; `null` for no limit"""


Sampler = Literal["tpe", "random", "nsga2", "gp"]
SAMPLER_NAMES: tuple[str, ...] = get_args(Sampler)


class SearchSpec(_Frozen):
    """How configurations are proposed."""

    sampler: Sampler = "tpe"
    """which of Optuna's samplers"""
    startup_trials: Annotated[int, Field(ge=0, le=MOST_TRIALS)] = 10
    """random trials before the sampler learns"""
    storage: str | None = None
    """a database URL, for clusters; `null` for a journal file in the sweep's folder"""


class ResourceSpec(_Frozen):
    """What Ray reserves for each trial, which trains on one GPU at most."""

    cpus: Annotated[float, Field(ge=0.001, le=MOST_CPUS, allow_inf_nan=False)] = 1
    """CPU cores that Ray reserves for each trial; fractions are allowed"""
    gpus: Annotated[float, Field(ge=0, le=1)] = 0
    """GPUs that Ray reserves for each trial, at most 1; without one it trains on a CPU"""

    @property
    def device(self) -> str:
        """The kind of device that a trial trains on: cuda where it reserves a GPU, else cpu."""
        return "cuda" if self.gpus else "cpu"


class SweepSpec(_Frozen):
    """A search over a space under a budget, with everything decided."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """names the sweep and its folder `runs/<name>`"""
    dataset: DatasetSpec
    """the puzzles"""
    space: Annotated[dict[str, Knob], Field(min_length=1)]
    """the knobs: settings of model and training that are searched"""
    model: dict[str, Scalar] = {}
    """fixed settings of the model; all others are as published"""
    training: dict[str, Scalar] = {}
    """fixed settings of training; all others are as published"""
    evaluation: EvaluationSpec = EvaluationSpec()
    """when and on what trials are evaluated"""
    objectives: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] = (
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
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    """of the search and of every trial's training"""

    @field_validator("objectives")
    @classmethod
    def _distinct_objectives(cls, objectives: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(objectives)) != len(objectives):
            raise _fault("lists an objective twice", "list each once")
        return objectives

    def public(self) -> dict[str, Any]:
        """The specification as plain data that may be printed and kept: without secrets."""
        content = self.model_dump(mode="json")
        if self.search.storage is not None:
            content["search"]["storage"] = redact(self.search.storage)
        return content

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
