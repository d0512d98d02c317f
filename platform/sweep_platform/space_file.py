"""From a space's YAML file, a scale and `--set` options to one resolved `SweepSpec`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from sweep_platform.errors import InputError, suggest
from sweep_platform.puzzles import check_dataset
from sweep_platform.space import check_space
from sweep_platform.spec import CHOICES, RANGE, Choices, Range, SweepSpec
from sweep_platform.yaml_source import KeyPath, Source, dotted, parse_scalar, read_yaml

REPLACED_WHOLE = frozenset({"space"})
"""Below these keys an override replaces an entry whole: a knob is choices or a range."""


class SpaceFile:
    """A parsed space: its base settings and its scales, each validated when resolved."""

    def __init__(self, path: Path) -> None:
        source = read_yaml(path)
        scales = source.tree.get("scales") or {}
        if not isinstance(scales, dict):
            place = source.place(("scales",))
            raise InputError(f"{place}: `scales` holds no mapping; write scale names below it.")
        self.scales = {name: _scale(source, name) for name in scales}
        self.base = source.without("scales")

    def resolve(self, scale: str | None, settings: Sequence[str] = ()) -> SweepSpec:
        """The specification at a scale, with `key=value` settings on top.

        Raises:
            InputError: the scale is unknown, or a key or value is wrong.
        """
        source = self.base
        if scale is not None:
            if scale not in self.scales:
                known = ", ".join(self.scales) or "none"
                raise InputError(f"{source.name}: there is no scale {scale!r}; it has {known}.")
            source = source.merged(self.scales[scale], REPLACED_WHOLE)
        return _validated(_with(source, settings))

    def check(self) -> None:
        """Resolve every scale, so that a typo is found before the file reaches the cluster.

        Raises:
            InputError: as `resolve`.
        """
        for scale in self.scales or [None]:
            self.resolve(scale)


def overridden(tree: dict[str, Any], name: str, settings: Sequence[str]) -> SweepSpec:
    """A specification that was resolved before, with `key=value` settings on top.

    Raises:
        InputError: a key or value is wrong; `name` says where the rest was read.
    """
    return _validated(_with(Source(tree=tree, places={}, name=name), settings))


def _with(source: Source, settings: Sequence[str]) -> Source:
    for setting in settings:
        source = source.merged(_setting(setting), REPLACED_WHOLE)
    return source


def _scale(source: Source, name: str) -> Source:
    scale = source.subtree(("scales", name))
    if not isinstance(scale.tree, dict):
        place = source.place(("scales", name))
        raise InputError(f"{place}: scale {name!r} holds no mapping; write settings below it.")
    return scale


def _setting(text: str) -> Source:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {text}: is not key=value; write, say, --set budget.trials=20.")
    path: KeyPath = tuple(key.strip().split("."))
    tree: Any = parse_scalar(value)
    for part in reversed(path):
        tree = {part: tree}
    prefixes = (path[: length + 1] for length in range(len(path)))
    return Source(tree=tree, places=dict.fromkeys(prefixes, f"--set {text}"), name="--set")


def _validated(source: Source) -> SweepSpec:
    try:
        spec = SweepSpec.model_validate(source.tree)
    except ValidationError as error:
        raise InputError(_sentence(source, error)) from None
    check_dataset(spec.dataset, source)
    check_space(spec, source)
    return spec


def _sentence(source: Source, error: ValidationError) -> str:
    """The most telling of pydantic's complaints, as file, line, key, problem and remedy."""
    details = min(error.errors(), key=lambda item: item["type"] == "missing")
    path: KeyPath = tuple(part for part in details["loc"] if part not in (CHOICES, RANGE))
    place = source.place(path)
    key = dotted(path)
    if details["type"] == "extra_forbidden":
        return f"{place}: unknown key `{key}`; {suggest(str(path[-1]), _known_keys(path))}."
    if details["type"] == "missing":
        return f"{source.place(path[:-1])}: `{key}` is missing; add it."
    problem = details["msg"].removeprefix("Value error, ")
    given = details["input"]
    shown = f" is {given!r}" if not isinstance(given, Mapping | list) else ""
    return f"{place}: `{key}`{shown}: {problem[0].lower()}{problem[1:]}."


def _known_keys(path: KeyPath) -> list[str]:
    model: type[BaseModel] = SweepSpec
    for part in path[:-1]:
        field = model.model_fields[str(part)]
        if not isinstance(field.annotation, type):
            return [*Choices.model_fields, *Range.model_fields]
        model = field.annotation
    keys = list(model.model_fields)
    return [*keys, "scales"] if model is SweepSpec else keys
