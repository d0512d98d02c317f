"""From a space's YAML file, a scale and `--set` options to one resolved `SweepSpec`."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self, get_args

from pydantic import BaseModel, ValidationError

from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.text import suggest
from sweep_platform.common.databases import anchored
from sweep_platform.common.errors import InputError
from sweep_platform.common.text import in_short
from sweep_platform.space.check import check_knob, check_space
from sweep_platform.space.dataset import planned_shape, resolved_dataset
from sweep_platform.space.design import laid_out
from sweep_platform.space.rules.earlier import earlier_sweeps
from sweep_platform.space.rules.feasible import require_feasible
from sweep_platform.space.rules.given import check_given_points
from sweep_platform.space.training_budget import with_own_objectives
from sweep_platform.spec.schema import Choices, Range, SweepSpec, remedy
from sweep_platform.spec.yaml_source import (
    DEEPEST,
    KeyPath,
    Source,
    as_yaml,
    dotted,
    parse_scalar,
    parse_yaml,
    read_yaml,
)
from sweep_platform.store.storage.objects import absolute

REPLACED_WHOLE = frozenset({"space"})
"""Below these keys an override replaces an entry whole: a knob is choices or a range."""


MOST_SCALES = 50
"""Each is resolved and checked before a sweep starts."""


class Setting(NamedTuple):
    """A `key=value` on top of a space, and the name of its place in messages."""

    text: str
    place: str

    @classmethod
    def of(cls, given: "Setting | str") -> "Setting":
        """A setting as it was given; plain text is what stands behind `--set`."""
        return given if isinstance(given, Setting) else cls(given, f"--set {in_short(given)}")


Settings = Sequence[Setting | str]


class SpaceFile:
    """A parsed space: its base settings and its scales, each validated when resolved.

    It is read when it is first needed: a sweep that goes on in a folder does without.

    Attributes:
        source: the file as it was named.
    """

    def __init__(self, source: str, read: Callable[[], Source]) -> None:
        self.source, self._read = source, read

    @classmethod
    def read(cls, path: Path) -> Self:
        """A space from its YAML file."""
        return cls(str(path), lambda: read_yaml(path))

    @classmethod
    def of(cls, content: Mapping[str, Any], name: str = "the space") -> Self:
        """A space from plain values; `name` stands for it in messages.

        They have the bounds of a file, and are read as one.
        """

        def read() -> Source:
            return Source(parse_yaml(as_yaml(name, dict(content)), name).tree, {}, name)

        return cls(name, read)

    @cached_property
    def base(self) -> Source:
        """Settings that all scales share. Raises `InputError` where the file can't be read."""
        return self._content.without("scales")

    @cached_property
    def scales(self) -> dict[str, Source]:
        """Settings of each scale, by name. Raises `InputError` where they hold none."""
        scales = self._content.tree.get("scales", {})
        if not isinstance(scales, dict):
            raise InputError.of(
                "scales",
                "holds no settings",
                "write scale names below it",
                place=self._content.location(("scales",)),
            )
        if len(scales) > MOST_SCALES:
            place = self._content.location(("scales",))
            problem = f"names {len(scales):,} scales"
            raise InputError.of("scales", problem, f"keep {MOST_SCALES} at most", place=place)
        return {name: _scale(self._content, name) for name in scales}

    @cached_property
    def _content(self) -> Source:
        return self._read()

    @property
    def name(self) -> str:
        """The sweep's name, at the first scale if there are any."""
        return self.resolve(next(iter(self.scales), None)).name

    def resolve(self, scale: str | None, settings: Settings = ()) -> SweepSpec:
        """The specification at a scale, with `key=value` settings on top.

        Raises `InputError`: the scale is unknown, or a key or value is wrong.
        """
        source = self.base
        if scale is not None:
            if scale not in self.scales:
                todo = f"choose from {', '.join(self.scales)}" if self.scales else "leave it out"
                raise InputError(source.name, scale, todo, problem=f"has no scale `{scale}`")
            source = _laid_over(source, self.scales[scale])
        source = _with(source, settings)
        spec = _validated(source)
        storage = spec.search.storage
        here = spec.search.model_copy(update={"storage": storage and anchored(storage)})
        dataset = resolved_dataset(spec.dataset, source)
        require_feasible(spec, planned_shape(dataset), source)
        check_given_points(spec, planned_shape(dataset), source)
        kept = spec.storage and spec.storage.model_copy(update={"url": absolute(spec.storage.url)})
        learned = earlier_sweeps("learn_from", spec.learn_from, source)
        reused = earlier_sweeps("reuse", spec.reuse, source)
        return spec.model_copy(
            update={
                "dataset": dataset,
                "search": here,
                "storage": kept,
                "learn_from": learned,
                "reuse": reused,
            }
        )

    def check(self) -> None:
        """Resolve every scale, to find a typo before a cluster does. Raises as `resolve`."""
        for scale in self.scales or [None]:
            self.resolve(scale)


def overridden(tree: dict[str, Any], name: str, settings: Settings) -> SweepSpec:
    """A specification that was resolved before, with `key=value` settings on top.

    Its puzzles are not checked again: the sweep has them, though their source may be gone.
    Raises `InputError`: a key or value is wrong; `name` says where the rest was read.
    """
    return _validated(_with(Source(tree=tree, locations={}, name=name), settings))


def _with(source: Source, settings: Settings) -> Source:
    for setting in settings:
        source = _laid_over(source, _parsed(Setting.of(setting)))
    return source


def _laid_over(source: Source, over: Source) -> Source:
    if "scales" in over.tree:
        raise InputError.of(
            "scales",
            "stands at the top of a file only",
            "move it there",
            place=over.location(("scales",)),
        )
    if _names_another_set(source.tree.get("dataset"), over.tree.get("dataset")):
        source = source.without("dataset")
    return source.merged(over, REPLACED_WHOLE)


def _names_another_set(below: Any, above: Any) -> bool:
    """Whether the puzzles are others, to which the settings of the former ones mean nothing."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return False
    return "name" in above and above["name"] != below.get("name")


def _scale(source: Source, name: str) -> Source:
    scale = source.subtree(("scales", name))
    if not isinstance(scale.tree, dict):
        raise InputError(
            f"scales.{name}",
            scale.tree,
            "write some, or {}",
            problem="holds no settings",
            place=source.location(("scales", name)),
        )
    return scale


def _parsed(setting: Setting) -> Source:
    (key, equals, value), place = setting.text.partition("="), setting.place
    if not equals or not key.strip():
        todo, problem = "write, say, --set budget.trials=20", "is not key=value"
        raise InputError(place, setting.text, todo, problem=problem)
    if key.count(".") >= DEEPEST:
        remedy = f"write at most {DEEPEST} levels"
        raise InputError(place, None, remedy, problem="is nested too deep")
    path: KeyPath = tuple(key.strip().split("."))
    tree: Any = parse_scalar(value, place)
    for part in reversed(path):
        tree = {part: tree}
    prefixes = (path[: length + 1] for length in range(len(path)))
    return Source(tree=tree, locations=dict.fromkeys(prefixes, place), name="--set")


def _validated(source: Source) -> SweepSpec:
    try:
        spec = SweepSpec.model_validate(source.tree)
    except ValidationError as error:
        raise _complaint(source, error) from None
    spec = with_own_objectives(laid_out(spec, source))
    check_space(spec, source)
    return spec


def _complaint(source: Source, error: ValidationError) -> InputError:
    """The gravest of pydantic's complaints, with file, line, key, problem and remedy.

    Raises the error of a knob's name, which goes before that of its form.
    """
    details = min(error.errors(), key=lambda item: item["type"] == "missing")
    path, value = _written(source.tree, details["loc"]), details["input"]
    if path[:1] == ("space",) and len(path) > 1:
        check_knob(source, str(path[1]))
    place = source.location(path)
    if details["type"] == "missing":
        missing = dotted((*path, details["loc"][-1]))
        return InputError.of(missing, "is missing", "add it", place=place)
    if details["type"] == "extra_forbidden":
        todo = _known_key(source.tree, path)
        return InputError(dotted(path), value, todo, problem="is no known key", place=place)
    if isinstance(own := details.get("ctx", {}).get("error"), UserError):
        return InputError(dotted(path), value, own.remedy, problem=own.problem, place=place)
    if _is_knob(path) and details["type"] == "model_type":
        todo = "write {choices: [1, 2]} or {low: 1, high: 2}"
    else:
        todo = remedy([e for e in error.errors() if _written(source.tree, e["loc"]) == path])
    return InputError(dotted(path), value, todo, problem=_problem(value), place=place)


def _problem(value: Any) -> str | None:
    if isinstance(value, Mapping | list):
        return "is of a wrong form"
    return "is empty" if value is None else None


def _written(tree: Any, location: KeyPath) -> KeyPath:
    """The part of a pydantic location that stands in the tree; it also names types."""
    path: KeyPath = ()
    for part in location:
        at_index = isinstance(tree, list) and isinstance(part, int)
        if at_index or (isinstance(tree, Mapping) and part in tree):
            tree, path = tree[part], (*path, part)
    return path


def _is_knob(path: KeyPath) -> bool:
    return len(path) == 2 and path[0] == "space"


def _known_key(tree: Mapping[str, Any], path: KeyPath) -> str:
    """The remedy for a key that its mapping does not know."""
    *above, key = path
    model: type[BaseModel] = SweepSpec
    if _is_knob(tuple(above)):
        knob = tree["space"][path[1]]
        if {"choices", key} <= knob.keys() and key in Range.model_fields:
            return "keep either choices or a range"
        return suggest(str(key), [*Choices.model_fields, *Range.model_fields])
    for part in above:
        hint = model.model_fields[str(part)].annotation
        model = next(one for one in (hint, *get_args(hint)) if hasattr(one, "model_fields"))
    known = [item.alias or name for name, item in model.model_fields.items()]
    return suggest(str(key), [*known, *([] if above else ["scales"])])
