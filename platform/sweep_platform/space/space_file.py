"""From a space's YAML file, a scale and `--set` options to one resolved `SweepSpec`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from puzzle_datasets.common.text import suggest
from sweep_platform.common.errors import InputError
from sweep_platform.common.redaction import redact
from sweep_platform.space.check import check_space
from sweep_platform.space.dataset import resolved_dataset
from sweep_platform.spec.complaints import remedy
from sweep_platform.spec.schema import Choices, Range, SweepSpec
from sweep_platform.spec.yaml_source import KeyPath, Source, dotted, parse_scalar, read_yaml

REPLACED_WHOLE = frozenset({"space"})
"""Below these keys an override replaces an entry whole: a knob is choices or a range."""


class SpaceFile:
    """A parsed space: its base settings and its scales, each validated when resolved."""

    def __init__(self, path: Path) -> None:
        source = read_yaml(path)
        scales = source.tree.get("scales") or {}
        if not isinstance(scales, dict):
            place = source.place(("scales",))
            raise InputError(f"{place}: `scales` holds no settings; write scale names below it.")
        self.scales = {name: _scale(source, name) for name in scales}
        self.base = source.without("scales")

    @property
    def name(self) -> str:
        """The sweep's name, at the first scale if there are any."""
        return self.resolve(next(iter(self.scales), None)).name

    def resolve(self, scale: str | None, settings: Sequence[str] = ()) -> SweepSpec:
        """The specification at a scale, with `key=value` settings on top.

        Raises:
            InputError: the scale is unknown, or a key or value is wrong.
        """
        source = self.base
        if scale is not None:
            if scale not in self.scales:
                todo = f"choose from {', '.join(self.scales)}" if self.scales else "leave it out"
                raise InputError(f"{source.name}: there is no scale `{scale}`; {todo}.")
            source = _laid_over(source, self.scales[scale])
        source = _with(source, settings)
        spec = _validated(source)
        return spec.model_copy(update={"dataset": resolved_dataset(spec.dataset, source)})

    def check(self) -> None:
        """Resolve every scale, so that a typo is found before the file reaches the cluster.

        Raises:
            InputError: as `resolve`.
        """
        for scale in self.scales or [None]:
            self.resolve(scale)


def overridden(tree: dict[str, Any], name: str, settings: Sequence[str]) -> SweepSpec:
    """A specification that was resolved before, with `key=value` settings on top.

    Its puzzles are not checked again: the sweep has them, though their source may be gone.

    Raises:
        InputError: a key or value is wrong; `name` says where the rest was read.
    """
    return _validated(_with(Source(tree=tree, places={}, name=name), settings))


def _with(source: Source, settings: Sequence[str]) -> Source:
    for setting in settings:
        source = _laid_over(source, _setting(setting))
    return source


def _laid_over(source: Source, over: Source) -> Source:
    if "scales" in over.tree:
        place = over.place(("scales",))
        raise InputError(f"{place}: `scales` stands at the top of a file only; move it there.")
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
        place = source.place(("scales", name))
        raise InputError(f"{place}: `scales.{name}` holds no settings; write some, or {{}}.")
    return scale


def _setting(text: str) -> Source:
    key, equals, value = text.partition("=")
    place = f"--set {redact(text)}"
    if not equals or not key.strip():
        raise InputError(f"{place}: is not key=value; write, say, --set budget.trials=20.")
    path: KeyPath = tuple(key.strip().split("."))
    tree: Any = parse_scalar(value, place)
    for part in reversed(path):
        tree = {part: tree}
    prefixes = (path[: length + 1] for length in range(len(path)))
    return Source(tree=tree, places=dict.fromkeys(prefixes, place), name="--set")


def _validated(source: Source) -> SweepSpec:
    try:
        spec = SweepSpec.model_validate(source.tree)
    except ValidationError as error:
        raise InputError(_sentence(source, error)) from None
    check_space(spec, source)
    return spec


def _sentence(source: Source, error: ValidationError) -> str:
    """The most telling of pydantic's complaints, as file, line, key, problem and remedy."""
    details = min(error.errors(), key=lambda item: item["type"] == "missing")
    path = _written(source.tree, details["loc"])
    place = source.place(path)
    if details["type"] == "missing":
        return f"{place}: `{dotted((*path, details['loc'][-1]))}` is missing; add it."
    if details["type"] == "extra_forbidden":
        return f"{place}: unknown key `{dotted(path)}`; {_known_key(source.tree, path)}."
    if _is_knob(path) and details["type"] == "model_type":
        todo = "write {choices: [1, 2]} or {low: 1, high: 2}"
    else:
        todo = remedy([e for e in error.errors() if _written(source.tree, e["loc"]) == path])
    return f"{place}: `{dotted(path)}`{_shown(details['input'])} {todo}."


def _shown(given: Any) -> str:
    if isinstance(given, Mapping | list):
        return ":"
    return " is empty;" if given is None else f" is {given!r};"


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
        model = model.model_fields[str(part)].annotation  # type: ignore[assignment]
    return suggest(str(key), [*model.model_fields, *([] if above else ["scales"])])
