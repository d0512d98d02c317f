"""What a space said when a sweep began, and what it says by now."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.text import shown
from sweep_platform.common.text import redact
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.store.folder import SweepRecord

MOST_CHANGES = 5
"""That are named."""

_WHOLE = ("space", "try", "dataset")
"""Below these keys an entry is told as a whole."""


@dataclass(frozen=True)
class Change:
    """A key that a space has with another value than before, has no more, or did not have."""

    key: str
    before: Any
    now: Any

    def __str__(self) -> str:
        before, now = (
            "not there" if one is None else shown(one) for one in (self.before, self.now)
        )
        return f"{self.key} was {before} and is {now}"


def asked(space: SpaceFile, scale: str) -> dict[str, Any]:
    """What a space says at a scale, as it is written, by dotted keys and without secrets.

    Raises `InputError`: it can't be read.
    """
    found = dict(_leaves(space.base.tree))
    if scale in space.scales:
        found |= _leaves(space.scales[scale].tree)
    plain: dict[str, Any] = json.loads(json.dumps(found))  # as a record has it
    return plain


def changes(record: SweepRecord, space: SpaceFile) -> list[Change]:
    """How a space differs from what it said when a sweep began.

    None where the record does not tell, or the space can't be read any more.
    """
    try:
        now = asked(space, record.scale) if record.asked else {}
    except UserError:
        return []
    keys = dict.fromkeys([*record.asked, *now]) if now else ()
    pairs = (Change(key, record.asked.get(key), now.get(key)) for key in keys)
    return [one for one in pairs if one.before != one.now]


def listed(found: Collection[Change]) -> str:
    """Changes in words, the first of them where there are many."""
    told = [str(one) for one in found][:MOST_CHANGES]
    more = [f"{len(found) - MOST_CHANGES} more"] if len(found) > MOST_CHANGES else []
    return ", ".join([*told, *more])


def _leaves(
    tree: Mapping[str, Any], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, Any]]:
    """Every entry of nested settings; what is below the second of `_WHOLE` stays together."""
    for key, value in tree.items():
        name = f"{prefix}{key}"
        inside = not (depth and prefix.partition(".")[0] in _WHOLE)
        if isinstance(value, Mapping) and value and inside:
            yield from _leaves(value, f"{name}.", depth + 1)
        else:
            yield name, redact(value) if isinstance(value, str) else value
