"""Settings of puzzle sets: how they are declared, checked, read from text and told apart."""

import difflib
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, Field, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Protocol, Union, get_args, get_origin, get_type_hints

from puzzle_datasets.storage.schema import AugmentationMode, DatasetError

Augmentations = int | Literal["fresh"]
"""How many fixed variants each puzzle has beside itself, or ``fresh``: new ones in each epoch."""


class Settings(Protocol):
    """What the settings of every puzzle set know, before the set is built."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""

    @property
    def seq_len(self) -> int:
        """Tokens of one grid."""


def option(default: Any, help: str, *, files: Sequence[str] = ()) -> Any:  # noqa: A002
    """Return a field of a settings class.

    ``default`` may be ``MISSING`` from dataclasses where a value has to be given. A setting with
    ``files`` names a folder of the user, of which the files of these patterns are read: the set is
    known by what they hold, not by where they are.
    """
    return field(default=default, metadata={"help": help, "files": tuple(files)})


def is_folder(item: Field[Any]) -> bool:
    """Say whether a setting names a folder of the user."""
    return bool(item.metadata["files"])


def augmentation_mode(augmentations: Augmentations) -> AugmentationMode:
    """Return how training pairs are varied under a setting of that name."""
    if augmentations == "fresh":
        return "fresh"
    return "table" if augmentations else "stored"


def require(settings: object, key: str, possible: bool, remedy: str) -> None:
    """Refuse an impossible setting.

    Raises:
        DatasetError: names the setting, its value and the remedy.
    """
    if not possible:
        raise DatasetError(f"{key} is {getattr(settings, key)!r}; {remedy}", key=key)


def make_settings(cls: type[Any], values: Mapping[str, Any]) -> Any:
    """Return settings of a class from plain values.

    Raises:
        DatasetError: a key is unknown or missing, a value of a wrong type or impossible.
    """
    hints = get_type_hints(cls)
    known = {item.name: hints[item.name] for item in fields(cls)}
    for key, value in values.items():
        if key not in known:
            raise DatasetError(f"{key} is no setting of this set; {choices(key, known)}", key=key)
        if not _is_of(value, known[key]):
            raise DatasetError(f"{key} is {value!r}; give {described(known[key])}", key=key)
    for item in fields(cls):
        if item.default is MISSING and item.name not in values:
            raise DatasetError(f"{item.name} is missing; give {_help(item)}", key=item.name)
    return cls(**{key: _as_number(value, known[key]) for key, value in values.items()})


def parse(text: str, hint: Any) -> Any:
    """Return what a word of a command line means as a value of a type; itself where it is none."""
    for option_type in _options(hint):
        if option_type is NoneType and text == "none":
            return None
        if option_type in (int, float):
            try:
                return option_type(text)
            except ValueError:
                continue
    return text


def described(hint: Any) -> str:
    """Say in words what values a type has."""
    words: dict[Any, str] = {
        int: "a whole number",
        float: "a number",
        str: "a text",
        NoneType: "none",
    }
    return " or ".join(words.get(part, str(part)) for part in _options(hint))


def choices(wrong: str, known: Collection[str]) -> str:
    """Say which name was probably meant, or which there are."""
    near = difflib.get_close_matches(wrong, known, n=1)
    return f"did you mean {near[0]}?" if near else f"choose from {', '.join(known)}"


def settings_record(settings: Settings) -> dict[str, Any]:
    """Return settings as plain values that are equal on all machines, as manifests hold them.

    A path becomes the digest of what is there.

    Raises:
        DatasetError: a path does not exist or can't be read.
    """
    return {item.name: _recorded(settings, item) for item in fields(settings)}


def _recorded(settings: Settings, item: Field[Any]) -> Any:
    value = getattr(settings, item.name)
    if is_folder(item) and value is not None:
        return f"sha256:{_digest(Path(value), item)}"
    return value


def _digest(folder: Path, item: Field[Any]) -> str:
    """Return the SHA-256 over the names and contents of the files that are read of a folder."""
    patterns = item.metadata["files"]
    total = hashlib.sha256()
    try:
        folder.stat()
        for file in sorted({f for pattern in patterns for f in folder.glob(pattern)}):
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            total.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    except OSError as error:
        raise DatasetError(
            f"{item.name} names {folder}, which can't be read ({error.strerror}); give a folder "
            "that exists",
            key=item.name,
        ) from error
    return total.hexdigest()


def _as_number(value: Any, hint: Any) -> Any:
    """Return 20.0 for 20 where a fraction is admitted, so that both name one set."""
    admitted = _options(hint)
    is_whole = type(value) is int and float in admitted and int not in admitted
    return float(value) if is_whole else value


def _options(hint: Any) -> tuple[Any, ...]:
    """Return the types and literal values that a hint admits."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(part for option_type in get_args(hint) for part in _options(option_type))
    if get_origin(hint) is Literal:
        return get_args(hint)
    return (hint,)


def _is_of(value: Any, hint: Any) -> bool:
    """Say whether a value is of a type; a whole number is a number, a truth value is neither."""
    admitted = _options(hint)
    literal = any(value == part and type(value) is type(part) for part in admitted)
    return literal or type(value) in admitted or (type(value) is int and float in admitted)


def _help(item: Field[Any]) -> str:
    return str(item.metadata["help"])
