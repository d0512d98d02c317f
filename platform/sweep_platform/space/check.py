"""Refuse a space before anything is spent on it, if one of its configurations cannot be built."""

import itertools
from collections.abc import Iterator
from typing import Annotated, Any, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from puzzle_datasets.common.text import suggest
from puzzle_datasets.kinds.kind import kind_of_set
from sweep_platform.common.errors import InputError
from sweep_platform.space import knobs
from sweep_platform.space.configuration import ANY_SHAPE, unused_knobs
from sweep_platform.space.design import nuisance_points, planned_points
from sweep_platform.space.knobs import HEAD_DIM
from sweep_platform.space.objectives import check_objectives
from sweep_platform.space.rules.checks import check_rules
from sweep_platform.space.rules.conditions import meeting
from sweep_platform.space.rules.constraints import broken
from sweep_platform.space.rules.feasible import EXAMPLES, points, require_feasible
from sweep_platform.space.rules.given import check_given_points
from sweep_platform.space.rules.sampling import check_sampler
from sweep_platform.space.training_budget import check_training_budget
from sweep_platform.spec.metrics import OF_VOTES, QUALITY
from sweep_platform.spec.schema import Choices, Knob, Scalar, SweepSpec, remedy
from sweep_platform.spec.settings import MODEL_SETTINGS, SEARCHED, TRAINING_SETTINGS
from sweep_platform.spec.yaml_source import KeyPath, Source, dotted

COUPLED = (("hidden_size", "num_heads", "positions"), ("model", "gradient"))
"""Settings that have to go together: all their combinations are tried.

The limits of every other setting are those of an interval, so its ends tell; the largest
`micro_batch` is tried with the smallest `batch_size`, which bounds it, and the models and
gradients with the smallest `gradient_steps`.
"""

_KINDS: dict[str, Any] = {
    **get_type_hints(ModelConfig),
    **get_type_hints(TrainingConfig),
    HEAD_DIM: Annotated[int, Field(ge=2, multiple_of=2)],
}
_SECTIONS = {"model": (*MODEL_SETTINGS, HEAD_DIM), "training": TRAINING_SETTINGS}


def check_space(spec: SweepSpec, source: Source) -> None:
    """Raise `InputError`, with file, line, key and remedy, if a configuration can't be built."""
    for section, known in _SECTIONS.items():
        for key, value in getattr(spec, section).items():
            _check_name(source, (section, key), known)
            _check_kind(source, (section, key), key, value)
    for name, knob in spec.space.items():
        check_knob(source, name)
        for path, value in _written(knob):
            _check_kind(source, ("space", name, *path), name, value)
    _check_given_once(spec, source)
    check_training_budget(spec, source)
    check_rules(spec, source)
    require_feasible(spec, None, source)
    _check_objectives(spec, source)
    _check_stop(spec, source)
    _check_lag(spec, source)
    _check_rungs(spec, source)
    _check_screening(spec, source)
    _check_nuisance(spec, source)
    _check_inherit(spec, source)
    check_sampler(spec, source)
    check_given_points(spec, None, source)
    _check_configurations(spec, source)
    _check_effects(spec, source)


def _written(knob: Knob) -> list[tuple[KeyPath, Scalar]]:
    """Values that stand in a knob, and below which keys."""
    if isinstance(knob, Choices):
        return [(("choices", index), value) for index, value in enumerate(knob.choices)]
    return [(("low",), knob.low), (("high",), knob.high)]


def _check_name(source: Source, path: KeyPath, known: tuple[str, ...]) -> None:
    name = str(path[-1])
    if name in known:
        return
    home = next((section for section, names in _SECTIONS.items() if name in names), None)
    todo = suggest(name, known) if home is None else f"write it below `{home}`"
    raise InputError.of(dotted(path), "is no known setting", todo, place=source.location(path))


def check_knob(source: Source, name: str) -> None:
    """Raise `InputError` where nothing that can be searched has this name."""
    _check_name(source, ("space", name), SEARCHED)


def _check_kind(source: Source, path: KeyPath, name: str, value: Scalar) -> None:
    try:
        TypeAdapter(_KINDS[name], config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError as error:
        problems = [item for item in error.errors() if item["type"] != "none_required"]
        raise InputError(
            dotted(path),
            value,
            remedy(problems),
            problem="is empty" if value is None else None,
            place=source.location(path),
        ) from None


def _check_given_once(spec: SweepSpec, source: Source) -> None:
    for section in _SECTIONS:
        for name in getattr(spec, section):
            rivals = {name, "num_heads"} if name == HEAD_DIM else {name}
            searched = {knob for knob, one in spec.space.items() if not one.when}
            for rival in rivals & searched:
                raise InputError.of(
                    f"{section}.{name}",
                    f"is fixed and `space.{rival}` is searched",
                    "keep one of the two",
                    place=source.location((section, name)),
                )
    if {HEAD_DIM, "num_heads"} <= spec.model.keys():
        raise InputError.of(
            "model.head_dim",
            "is given, and so is `model.num_heads`",
            "keep one of the two",
            place=source.location(("model", HEAD_DIM)),
        )


def _check_objectives(spec: SweepSpec, source: Source) -> None:
    check_objectives(spec, source)
    _check_votes(spec, source)
    if spec.rungs.at and not QUALITY.intersection(spec.objectives):
        raise InputError(
            "rungs.at",
            spec.rungs.at,
            "add `exact_accuracy` to `objectives`, or leave `rungs.at` out",
            problem="stops no trial by its costs alone",
            place=source.location(("rungs", "at")),
        )


def _check_lag(spec: SweepSpec, source: Source) -> None:
    """A search that waits for no trial has none that it need not wait for."""
    if spec.search.lag is not None and not spec.deterministic:
        raise InputError(
            "search.lag",
            spec.search.lag,
            "set search.deterministic to true, or leave it out",
            problem="is for a deterministic search, which this one is not",
            place=source.location(("search", "lag")),
        )


def _check_rungs(spec: SweepSpec, source: Source) -> None:
    """What depends on which trials happen to have come by then makes no search deterministic."""
    if spec.rungs.at and spec.rungs.rule == "promotion" and spec.search.deterministic:
        raise InputError(
            "rungs.rule",
            spec.rungs.rule,
            "give stopping, or leave search.deterministic out",
            problem="depends on which trials have come by then, and search.deterministic is true",
            place=source.location(("rungs", "rule")),
        )
    learnt = spec.rungs.at and spec.rungs.compare in ("auto", "extrapolation")
    if learnt and spec.search.deterministic:
        raise InputError(
            "rungs.compare",
            spec.rungs.compare,
            "give exact_accuracy, token_accuracy or loss, or leave search.deterministic out",
            problem="depends on which trials have ended, and search.deterministic is true",
            place=source.location(("rungs", "compare")),
        )


def _check_screening(spec: SweepSpec, source: Source) -> None:
    """Screening leaves some replicates out, by what tells of quality."""
    if spec.screening is None:
        return
    place = source.location(("screening",))
    if spec.screening.replicates >= spec.replicates:
        problem = f"begins with {spec.screening.replicates} of {spec.replicates} replicates"
        remedy = "raise `replicates`, or leave `screening` out"
        raise InputError.of("screening.replicates", problem, remedy, place=place)
    if not QUALITY.intersection(spec.objectives):
        problem, remedy = (
            "compares no trials by costs alone",
            "add `exact_accuracy` to `objectives`",
        )
        raise InputError.of("screening", problem, remedy, place=place)


def _check_stop(spec: SweepSpec, source: Source) -> None:
    """A regret is told by one Gaussian process of one objective, over knobs that always count."""
    if spec.stop_when is None or spec.stop_when.regret is None:
        return
    conditional = [name for name, knob in spec.space.items() if knob.when]
    problem = "is of one objective" if len(spec.objectives) > 1 else ""
    if conditional:
        problem = f"is of spaces without conditions, and {conditional[0]} has one"
    if problem:
        raise InputError.of(
            "stop_when.regret",
            problem,
            "give stop_when.hypervolume_gain in its place",
            spec.stop_when.regret,
            place=source.location(("stop_when", "regret")),
        )


def _check_nuisance(spec: SweepSpec, source: Source) -> None:
    for index, name in enumerate(spec.nuisance):
        place = source.location(("nuisance", index))
        if name not in spec.space:
            remedy = suggest(name, spec.space)
            raise InputError(
                "nuisance",
                name,
                remedy,
                problem=f"names {name!r}, which is no knob of this space",
                place=place,
            )
        if name in spec.nuisance[:index]:
            raise InputError(
                "nuisance",
                name,
                "name each knob once",
                problem=f"names {name!r} twice",
                place=place,
            )
    if spec.nuisance and spec.space.keys() <= {*spec.nuisance}:
        problem, remedy = "names every knob, so that nothing is left to compare", "leave one out"
        raise InputError.of("nuisance", problem, remedy, place=source.location(("nuisance",)))


def _check_inherit(spec: SweepSpec, source: Source) -> None:
    """A design compares trainings that differ in what is changed alone."""
    if spec.inherit is not None and spec.ablation is not None:
        problem = "lets trainings differ in their ancestors, which an ablation compares"
        place = source.location(("inherit",))
        raise InputError.of("inherit", problem, "leave it out, or give a space", place=place)


def _check_votes(spec: SweepSpec, source: Source) -> None:
    """Refuse votes and views of puzzles that have none; of an imported set the trainer knows."""
    kind = kind_of_set(spec.dataset.name)
    if spec.evaluation.views > 1 and kind is not None and kind.vote_scores is None:
        raise InputError(
            "evaluation.views",
            spec.evaluation.views,
            "leave it out",
            problem=f"is {spec.evaluation.views}, but {kind.puzzles} have no views that vote",
            place=source.location(("evaluation", "views")),
        )
    for index, name in enumerate(spec.objectives):
        if name in OF_VOTES and spec.evaluation.views == 1:
            lacks = kind is not None and kind.vote_scores is None
            raise InputError(
                f"objectives.{index}",
                name,
                "choose exact_accuracy" if lacks else "set `evaluation.views` to 2 or more",
                problem=f"is {name}, which takes the votes of several views",
                place=source.location(("objectives", index)),
            )


def _check_configurations(spec: SweepSpec, source: Source) -> None:
    for parameters in itertools.chain(_extremes(spec), _batch_sizes(spec), _examples(spec)):
        try:
            if broken(spec, None, parameters):
                continue
            knobs.model_config(spec, ANY_SHAPE, parameters)
            require_divisible(knobs.training_config(spec, parameters), spec.resources.together)
        except ConfigError as error:
            path = _culprit(spec, error)
            behind = f"lets {error.field} be {error.value!r}"
            raise InputError(
                dotted(path),
                error.value,
                error.remedy,
                problem=error.problem if path[-1] == error.field else behind,
                also=error.also,
                place=source.location(path),
            ) from None


def require_divisible(training: TrainingConfig, processes: int) -> None:
    """Raise `ConfigError` where so many processes can't share a batch."""
    size = training.batch_size
    if size % processes:
        problem = f"is {size}, which can't be divided among the {processes} processes of a trial"
        raise ConfigError.of("batch_size", problem, f"give a multiple of {processes}", size)


def _check_effects(spec: SweepSpec, source: Source) -> None:
    for name in sorted(unused_knobs(spec)):
        problem = "changes nothing: with every model of this space its values come to the same"
        place = source.location(("space", name))
        raise InputError.of(f"space.{name}", problem, "leave it out", place=place)


def _extremes(spec: SweepSpec) -> Iterator[dict[str, Scalar]]:
    """Configurations that can all be built only if every one of the space can."""
    if (points := planned_points(spec)) is not None:
        for point, nuisance in itertools.product(points, nuisance_points(spec)):
            yield {**point, **nuisance}
        return
    first, last = knobs.at_share(spec, 0), knobs.at_share(spec, 1)
    for name, knob in spec.space.items():
        ends = knob.choices if isinstance(knob, Choices) else (first[name], last[name])
        for value in ends:
            yield {**first, **meeting(spec, name), name: value}
    for group in COUPLED:
        coupled = [name for name in group if name in spec.space]
        for row in itertools.product(*(knobs.values(spec.space[name]) or () for name in coupled)):
            yield {**first, **dict(zip(coupled, row, strict=True))}


def _batch_sizes(spec: SweepSpec) -> Iterator[dict[str, Scalar]]:
    """Configurations of every batch size, which several processes have to share."""
    if spec.resources.together > 1 and "batch_size" in spec.space:
        for size in knobs.values(spec.space["batch_size"]) or ():
            yield {**knobs.at_share(spec, 0), "batch_size": size}


def _examples(spec: SweepSpec) -> Iterator[dict[str, Scalar]]:
    """Points that stand for a space of which constraints may exclude the ends."""
    if spec.constraints or spec.derive:
        kept = (one for one in points(spec) if not broken(spec, None, one))
        yield from itertools.islice(kept, EXAMPLES)


def _culprit(spec: SweepSpec, error: ConfigError) -> KeyPath:
    """The setting at fault, or one that takes part in the fault, where the space names it."""
    for name in filter(None, (error.field, *error.also)):
        for section in ("space", "derive", *_SECTIONS):
            if name in getattr(spec, section):
                return (section, name)
    return ("space",)
