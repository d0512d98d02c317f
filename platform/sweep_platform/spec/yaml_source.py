"""YAML that remembers where each key stands, so that an error can name file, key and line."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from puzzle_datasets.common.reading import Reader
from sweep_platform.common.errors import InputError

KeyPath = tuple[str | int, ...]


_MOST_BYTES, _MOST_VALUES, DEEPEST = 200_000, 10_000, 50
"""Of a space file: bytes, keys and values with all aliases followed, and levels of nesting."""

_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Safe YAML in which numbers are what every researcher expects, and dates are words.

    In plain YAML 1.1, 1e-4 is a word, 010 is eight and 1:30 is ninety.
    """


_REDEFINED = {_TAG + kind for kind in ("float", "int", "timestamp")}
_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] not in _REDEFINED]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _TAG + "int", re.compile(r"^[-+]?(?:0|[1-9][0-9_]*)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    _TAG + "float",
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
        locations: for every key path, "file, line n" or the option that set it.
        name: how the whole is called in messages.
    """

    tree: dict[str, Any]
    locations: dict[KeyPath, str]
    name: str

    def location(self, path: KeyPath) -> str:
        """Where the innermost written part of `path` stands."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.locations:
                return self.locations[path[:length]]
        return self.name

    def subtree(self, path: KeyPath) -> "Source":
        """What is written below `path`, as a source of its own."""
        tree: Any = self.tree
        for part in path:
            tree = tree[part]
        locations = {
            key[len(path) :]: location
            for key, location in self.locations.items()
            if key[: len(path)] == path
        }
        return Source(tree=tree, locations=locations, name=self.name)

    def without(self, key: str) -> "Source":
        """All but one key of the top."""
        tree = {name: value for name, value in self.tree.items() if name != key}
        locations = {
            path: location for path, location in self.locations.items() if path[:1] != (key,)
        }
        return Source(tree=tree, locations=locations, name=self.name)

    def merged(self, over: "Source", replace_below: frozenset[str]) -> "Source":
        """This source with `over` laid on top.

        Mappings merge key by key, except that an entry of a mapping named in `replace_below`
        is replaced whole: a knob is either choices or a range, never a mixture.
        """
        replaced: set[KeyPath] = set()
        tree = _merge(self.tree, over.tree, (), replace_below, replaced)
        kept = {path: at for path, at in self.locations.items() if not _below(path, replaced)}
        return Source(tree=tree, locations={**over.locations, **kept}, name=self.name)


def _below(path: KeyPath, replaced: set[KeyPath]) -> bool:
    return any(path[:length] in replaced for length in range(1, len(path) + 1))


def _merge(
    base: Mapping[str, Any],
    over: Mapping[str, Any],
    path: KeyPath,
    replace_below: frozenset[str],
    replaced: set[KeyPath],
) -> dict[str, Any]:
    """Both mappings in one; adds to `replaced` the paths whose values are those of `over`."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        whole = bool(path) and path[-1] in replace_below
        if isinstance(old, Mapping) and isinstance(value, Mapping) and not whole:
            result[key] = _merge(old, value, (*path, key), replace_below, replaced)
        else:
            replaced.add((*path, key))
            result[key] = value
    return result


def read_yaml(path: Path) -> Source:
    """Parse a YAML file that holds one mapping.

    Raises `InputError`: it is missing, unreadable, no YAML, no mapping, or names a key twice.
    """
    return parse_yaml(
        Reader(path, InputError, "name a space, a YAML file", _MOST_BYTES).text(), str(path)
    )


def parse_yaml(text: str, name: str) -> Source:
    """Parse YAML text that holds one mapping; `name` stands for it in messages."""
    locations: dict[KeyPath, str] = {}
    try:
        _require_flat(text, name)
        loader = _Loader(text)
        node = loader.get_single_node()
        _require_small(node, name)
        if not isinstance(node, yaml.MappingNode):
            raise InputError.of(name, "holds no settings", "write `key: value` lines")
        _locate(loader, node, (), name, locations)
        tree: Any = loader.construct_document(node)
    except InputError:
        raise
    except (ValueError, LookupError, AttributeError, TypeError):
        problem = "has a value that does not fit its `!!` tag, or a number of thousands of digits"
        raise InputError.of(name, problem, "drop the tag, or write a smaller number") from None
    except yaml.YAMLError as error:
        where, problem = name + _where(error, text), f"is not YAML: {_what(error)}"
        raise InputError.of(where, problem, "correct it") from None
    return Source(tree=tree, locations=locations, name=name)


def parse_scalar(text: str, name: str) -> Any:
    """A value from the command line, read as YAML: 3, 1e-4, true, [1, 2], word.

    Raises `InputError`: the text is no YAML value; `name` says where it stands.
    """
    try:
        tree = parse_yaml(f"value: {text}", name).tree
    except InputError:
        tree = {}
    if tree.keys() != {"value"}:  # a line end may begin another key
        remedy = "quote the value or correct it"
        raise InputError(name, text, remedy, problem="is not YAML")
    return tree["value"]


def as_yaml(name: str, value: object) -> str:
    """A value from Python as YAML; raises `InputError`, of `name`, where a file can't hold it."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        remedy = "give numbers, texts, truth values, lists and mappings of these"
        raise InputError(name, value, remedy) from None


def _require_flat(text: str, name: str) -> None:
    """Refuse more, or nested deeper, than any space, before anything is built of it."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise InputError.of(name, "is nested too deep", f"write at most {DEEPEST} levels")
        if count > 2 * _MOST_VALUES:  # collections have an event at their end, too
            raise _too_much(name)


def _too_much(name: str) -> InputError:
    problem = f"holds over {_MOST_VALUES:,} keys and values, or an alias inside what it names"
    return InputError.of(name, problem, "write fewer")


def _require_small(node: yaml.Node | None, name: str) -> None:
    """Refuse more than a space has, with all aliases and merges, before they are followed."""
    sizes: dict[int, int] = {}

    def size(one: yaml.Node) -> int:
        if id(one) not in sizes:
            sizes[id(one)] = _MOST_VALUES  # met again below itself, it has no end
            pairs = one.value if isinstance(one, yaml.MappingNode) else ()
            items = one.value if isinstance(one, yaml.SequenceNode) else sum(pairs, ())
            sizes[id(one)] = 1 + sum(map(size, items))
        return sizes[id(one)]

    if node is not None and size(node) >= _MOST_VALUES:
        raise _too_much(name)


def _locate(
    loader: _Loader, node: yaml.Node, path: KeyPath, name: str, locations: dict[KeyPath, str]
) -> None:
    """Note where each key below `node` stands; keys merged in by `<<` give way to written ones."""
    if isinstance(node, yaml.MappingNode):
        _check_keys(node, path, name)
        loader.flatten_mapping(node)
        for key, value in node.value:
            locations[(*path, key.value)] = f"{name}, line {key.start_mark.line + 1}"
            _locate(loader, value, (*path, key.value), name, locations)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            locations[(*path, index)] = f"{name}, line {value.start_mark.line + 1}"
            _locate(loader, value, (*path, index), name, locations)
    elif "\0" in node.value:
        place = f"{name}, line {node.start_mark.line + 1}"
        raise InputError.of(dotted(path), "holds a NUL", "leave it out", place=place)


def _check_keys(node: yaml.MappingNode, path: KeyPath, name: str) -> None:
    """Refuse a key that is written twice or that is not a word."""
    seen = set()
    for key, _ in node.value:
        location = f"{name}, line {key.start_mark.line + 1}"
        field = dotted((*path, key.value)) if isinstance(key.value, str) else "a key"
        if key.tag not in (_TAG + "str", _TAG + "merge"):
            remedy, problem = "put the key in quotes", "is not a word"
            raise InputError(field, key.value, remedy, problem=problem, place=location)
        if key.value in seen:
            problem = "is written twice"
            raise InputError(field, key.value, "keep one", problem=problem, place=location)
        seen.add(key.value)


def _where(error: yaml.YAMLError, text: str) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        return f", line {text.count(chr(10), 0, error.position) + 1}"
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark else ""


def _what(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        return f"the character #x{error.character:02x} cannot stand in a text"
    return str(getattr(error, "problem", None) or error)
