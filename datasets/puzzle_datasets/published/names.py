"""What the names in ``identifiers.json`` say: the task and the augmentation of each identity."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from puzzle_datasets.storage.schema import ARC_COLOURS

_UNCHANGED = "".join(map(str, range(ARC_COLOURS)))
# "{task}_t{transform}_{colours}" of HRM, "{task}|||t{transform}|||{colours}" of TRM.
_AUGMENTED = re.compile(r"(.+)(_|\|\|\|)t([0-7])\2(\d{10})", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Identities:
    """What names say, one entry a name.

    Attributes:
        tasks: the task's own name.
        dihedral: uint8 [I], the index of the transform.
        colours: uint8 [I, 10], what each colour becomes.
    """

    tasks: list[str]
    dihedral: npt.NDArray[np.uint8]
    colours: npt.NDArray[np.uint8]


def parse_names(names: Sequence[str]) -> Identities:
    """Read identities from their names; a name of another form is a task's, un-augmented."""
    parts = [_parse(name) for name in names]
    digits = "".join(colours for _, _, colours in parts).encode()
    return Identities(
        tasks=[task for task, _, _ in parts],
        dihedral=np.array([dihedral for _, dihedral, _ in parts], np.uint8),
        colours=(np.frombuffer(digits, np.uint8) - ord("0")).reshape(-1, ARC_COLOURS),
    )


def augmented_name(task: str, dihedral: int, colours: Sequence[int], separator: str) -> str:
    """Return the name of an identity; its task's own name if nothing is changed."""
    digits = "".join(map(str, colours))
    if dihedral == 0 and digits == _UNCHANGED:
        return task
    return f"{task}{separator}t{dihedral}{separator}{digits}"


def _parse(name: str) -> tuple[str, int, str]:
    match = _AUGMENTED.fullmatch(name)
    if match is None or len(set(match[4])) < ARC_COLOURS:
        return name, 0, _UNCHANGED
    return match[1], int(match[3]), match[4]
