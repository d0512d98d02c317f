"""Ablation designs: a base and its changes, written out as a space and as points of it."""

import itertools
import math
from collections.abc import Iterator, Mapping

from puzzle_datasets.common.text import shown, suggest
from sweep_platform.common.errors import InputError
from sweep_platform.space.knobs import (
    HEAD_DIM,
    share_of,
    values,
)
from sweep_platform.spec.schema import (
    MOST_DESIGNED,
    AblationSpec,
    Choices,
    Knob,
    Scalar,
    SweepSpec,
)
from sweep_platform.spec.settings import DEFAULTS, MODEL_SETTINGS, TRAINING_SETTINGS
from sweep_platform.spec.yaml_source import Source, dotted

_SETTINGS = (*MODEL_SETTINGS, HEAD_DIM, *TRAINING_SETTINGS)


def laid_out(spec: SweepSpec, source: Source) -> SweepSpec:
    """A spec whose ablation, if it has one, is written out as knobs and a number of trials.

    Each changed setting becomes a knob of its base value and the others. Raises `InputError`,
    with key and remedy: both a space and an ablation, a change that is none, a name that is none.
    """
    ablation = spec.ablation
    if ablation is None:
        _require_a_search(spec, source)
        return spec
    _require_known(ablation, source)
    base = {name: _base_value(spec, ablation, name) for name in ablation.change}
    listed = {name: (base[name], *others) for name, others in ablation.change.items()}
    _require_no_search(spec, listed, source)
    _require_changes(ablation, base, source)
    knobs = {name: Choices(choices=row) for name, row in listed.items()}
    compared = {name: knob for name, knob in knobs.items() if name not in spec.nuisance}
    points = _counted(ablation.design, compared)
    _require_few(spec, points, source)
    _require_trials(spec, points, source)
    return _written_out(spec, ablation, knobs, points)


def _written_out(
    spec: SweepSpec, ablation: AblationSpec, knobs: dict[str, Choices], points: int
) -> SweepSpec:
    """The spec with the knobs as its space and the rest of the base among its settings."""

    def fixed(section: Mapping[str, Scalar], names: tuple[str, ...]) -> dict[str, Scalar]:
        given = {**section, **{k: v for k, v in ablation.base.items() if k in names}}
        return {name: value for name, value in given.items() if name not in knobs}

    return spec.model_copy(
        update={
            "space": knobs,
            "model": fixed(spec.model, (*MODEL_SETTINGS, HEAD_DIM)),
            "training": fixed(spec.training, TRAINING_SETTINGS),
            "replicates": ablation.replicates or spec.replicates,
            "budget": spec.budget.model_copy(update={"trials": points}),
            "ablation": ablation.model_copy(update={"replicates": None}),
        }
    )


def _base_value(spec: SweepSpec, ablation: AblationSpec, name: str) -> Scalar:
    """The value of a changed setting in the base: given there, fixed elsewhere, or the default."""
    before = spec.space.get(name)  # a sweep that is resumed is written out already
    if isinstance(before, Choices):
        return before.choices[0]
    for given in (ablation.base, spec.model, spec.training):
        if name in given:
            return given[name]
    default: Scalar = DEFAULTS.get(name)
    return default


def _require_known(ablation: AblationSpec, source: Source) -> None:
    for section, names in (("base", ablation.base), ("change", ablation.change)):
        for name in names:
            if name not in _SETTINGS:
                path = ("ablation", section, name)
                problem, remedy = "is no known setting", suggest(name, _SETTINGS)
                raise InputError.of(dotted(path), problem, remedy, place=source.location(path))


def _require_trials(spec: SweepSpec, points: int, source: Source) -> None:
    trials = spec.budget.trials
    if trials is not None and trials < points:
        raise InputError(
            "budget.trials",
            trials,
            f"leave it out, or give {points}",
            problem=f"is {trials}, but the design has {points} configurations",
            place=source.location(("budget", "trials")),
        )


def _counted(design: str, knobs: Mapping[str, Choices]) -> int:
    """The number of `design_points`, none of which is made."""
    lengths = [len(knob.choices) for knob in knobs.values()]
    if design == "factorial":
        return math.prod(lengths)
    return 1 + sum(length - 1 for length in lengths)


def _require_few(spec: SweepSpec, points: int, source: Source) -> None:
    if points * (spec.tuning.tries if spec.nuisance else 1) > MOST_DESIGNED:
        tried = ", with tuning.tries at each" if spec.nuisance else ""
        problem = f"makes {shown(points)} configurations{tried}, over {MOST_DESIGNED:,} in all"
        path = ("ablation", "change")
        remedy = "change fewer settings, or list fewer values"
        raise InputError.of(dotted(path), problem, remedy, place=source.location(path))


def _require_a_search(spec: SweepSpec, source: Source) -> None:
    if not spec.space:
        raise InputError.of(
            "space",
            "is missing",
            "add knobs such as N: {choices: [1, 2]}, or an `ablation`",
            place=source.location(("space",)),
        )
    if spec.budget.trials is None:
        empty = "trials" in source.tree.get("budget", {})
        place = source.location(("budget", "trials"))
        problem, remedy = (
            ("is empty", "write a whole number") if empty else ("is missing", "add it")
        )
        raise InputError.of("budget.trials", problem, remedy, place=place)


def _require_changes(ablation: AblationSpec, base: Mapping[str, Scalar], source: Source) -> None:
    for name, changes in ablation.change.items():
        for index, value in enumerate(changes):
            same = base[name] == value and type(base[name]) is type(value)
            if same or value in changes[:index]:
                path = ("ablation", "change", name, index)
                raise InputError(
                    f"ablation.change.{name}",
                    value,
                    "list other values, each once",
                    problem=f"changes nothing: {value!r} is "
                    + ("the base's" if same else "listed twice"),
                    place=source.location(path),
                )


def _require_no_search(
    spec: SweepSpec, listed: Mapping[str, tuple[Scalar, ...]], source: Source
) -> None:
    """Refuse what only a search has; a sweep that is resumed has the space of its own design."""
    written = {name: getattr(knob, "choices", None) for name, knob in spec.space.items()}
    given = [
        ("space", written and written != listed, "keep one of `space` and `ablation`"),
        ("base", spec.base, "write it below `ablation`"),
        ("try", spec.first, "leave it out: the design says what is tried"),
        ("prefer", spec.prefer.values, "leave it out: the design says what is tried"),
        ("rungs.at", spec.rungs.at, "leave it out: every configuration is trained to the end"),
        ("screening", spec.screening, "leave it out: every configuration gets all replicates"),
    ]
    if spec.ablation and spec.ablation.replicates and "replicates" in spec.model_fields_set:
        given.append(("replicates", True, "keep that or `ablation.replicates`"))
    for field, is_given, remedy in given:
        if is_given:
            path = tuple(field.split("."))
            problem = "does not go with `ablation`"
            raise InputError.of(field, problem, remedy, place=source.location(path))


def design_points(design: str, knobs: Mapping[str, Choices]) -> Iterator[dict[str, Scalar]]:
    """The points of a design over knobs whose first values are the base, which comes first.

    >>> knobs = {"N": Choices(choices=(2, 1)), "T": Choices(choices=(2, 4))}
    >>> list(design_points("one_at_a_time", knobs))
    [{'N': 2, 'T': 2}, {'N': 1, 'T': 2}, {'N': 2, 'T': 4}]
    """
    if design == "factorial":
        for row in itertools.product(*(knob.choices for knob in knobs.values())):
            yield dict(zip(knobs, row, strict=True))
        return
    base = {name: knob.choices[0] for name, knob in knobs.items()}
    yield base
    for name, knob in knobs.items():
        yield from ({**base, name: value} for value in knob.choices[1:])


def nuisance_points(spec: SweepSpec) -> list[dict[str, Scalar]]:
    """The nuisance values that are tried at each point: all, or as many as `tuning.tries` says.

    Those are spread evenly, each value of a knob with another of the next one. One, without
    values, where there is nothing to tune.
    """
    chosen = {name: spec.space[name] for name in spec.nuisance}
    columns = [values(knob) for knob in chosen.values()]
    counts = [math.inf if column is None else len(column) for column in columns]
    tries = int(min(spec.tuning.tries, math.prod(counts)))
    if tries == math.prod(counts):
        every = itertools.product(*(column or () for column in columns))
        return [dict(zip(chosen, row, strict=True)) for row in every]
    rows = [
        {
            name: share_of(knob, _share(knob, (number + turn) % tries, tries))
            for turn, (name, knob) in enumerate(chosen.items())
        }
        for number in range(tries)
    ]
    return [row for index, row in enumerate(rows) if row not in rows[:index]]


def _share(knob: Knob, number: int, tries: int) -> float:
    """The share of a knob's way at which a try stands: from end to end of a list, else inside."""
    if values(knob) is None or tries == 1:
        return (number + 0.5) / tries
    return number / (tries - 1)


def planned_points(spec: SweepSpec) -> Iterator[dict[str, Scalar]] | None:
    """The points of a spec's design, without its nuisance knobs; None where it is a search."""
    if spec.ablation is None:
        return None
    knobs = {
        name: knob for name, knob in spec.scientific.space.items() if isinstance(knob, Choices)
    }
    return design_points(spec.ablation.design, knobs)
