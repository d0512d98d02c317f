"""YAML that remembers where each key stands, so that an error can name file, key and line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sweep_platform.errors import InputError

KeyPath = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """Safe YAML in which 1e-4 is a number, as every researcher expects (YAML 1.1 wants 1.0e-4)."""


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:float"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|\.[0-9_]+(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)


def dotted(path: KeyPath) -> str:
    """A key path as a person writes it: space.N.choices."""
    return ".".join(str(part) for part in path)


@dataclass
class Source:
    """A tree of settings and, for every key, where it was written.

    Attributes:
        tree: the settings as plain mappings, lists and scalars.
        places: for every key path, "file, line n" or the option that set it.
        name: how the whole is called in messages.
    """

    tree: dict[str, Any]
    places: dict[KeyPath, str]
    name: str

    def place(self, path: KeyPath) -> str:
        """Where the innermost written part of `path` stands."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.name

    def subtree(self, path: KeyPath) -> "Source":
        """What is written below `path`, as a source of its own."""
        tree: Any = self.tree
        for part in path:
            tree = tree[part]
        places = {
            key[len(path) :]: place
            for key, place in self.places.items()
            if key[: len(path)] == path
        }
        return Source(tree=tree, places=places, name=self.name)

    def without(self, key: str) -> "Source":
        """All but one key of the top."""
        tree = {name: value for name, value in self.tree.items() if name != key}
        places = {path: place for path, place in self.places.items() if path[0] != key}
        return Source(tree=tree, places=places, name=self.name)

    def merged(self, over: "Source", replace_below: frozenset[str]) -> "Source":
        """This source with `over` laid on top.

        Mappings merge key by key, except that an entry of a mapping named in `replace_below`
        is replaced whole: a knob is either choices or a range, never a mixture.
        """
        places = dict(self.places)
        tree = _merge(self.tree, over.tree, (), replace_below, places)
        places = {**over.places, **places}
        return Source(tree=tree, places=places, name=self.name)


def _merge(
    below: Mapping[str, Any],
    above: Mapping[str, Any],
    path: KeyPath,
    replace_below: frozenset[str],
    places: dict[KeyPath, str],
) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        whole = bool(path) and path[-1] in replace_below
        if isinstance(old, Mapping) and isinstance(value, Mapping) and not whole:
            result[key] = _merge(old, value, (*path, key), replace_below, places)
        else:
            _forget(places, (*path, key))
            result[key] = value
    return result


def _forget(places: dict[KeyPath, str], path: KeyPath) -> None:
    for key in [key for key in places if key[: len(path)] == path]:
        del places[key]


def read_yaml(path: Path) -> Source:
    """Parse a YAML file that holds one mapping.

    Raises:
        InputError: the file is missing, unreadable, not YAML, not a mapping, or names a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; name an existing space.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); name a YAML text file.") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> Source:
    """Parse YAML text that holds one mapping; `name` stands for it in messages."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise InputError(f"{name}: holds no mapping; write `key: value` lines.")
        places: dict[KeyPath, str] = {}
        _locate(node, (), name, places)
        tree = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise InputError(f"{name}{_where(error)}: is not YAML: {_what(error)}.") from None
    finally:
        loader.dispose()
    return Source(tree=tree, places=places, name=name)


def parse_scalar(text: str) -> Any:
    """A value from the command line, read as YAML: 3, 1e-4, true, [1, 2], word.

    Raises:
        InputError: the text is no YAML value.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError:
        raise InputError(f"{text!r} is no YAML value; quote it or correct it.") from None


def _locate(node: yaml.Node, path: KeyPath, name: str, places: dict[KeyPath, str]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            place = f"{name}, line {key.start_mark.line + 1}"
            if inner in places:
                raise InputError(f"{place}: `{dotted(inner)}` is written twice; keep one.")
            places[inner] = place
            _locate(value, inner, name, places)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            places[(*path, index)] = f"{name}, line {value.start_mark.line + 1}"
            _locate(value, (*path, index), name, places)


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark else ""


def _what(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or error)
