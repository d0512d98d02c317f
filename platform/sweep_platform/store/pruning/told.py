"""What a sweep's rungs were like: by what trials were compared, which stopped, paused or audited.

The study keeps every decision; this is what reports tell, written anew whenever it changes.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from puzzle_datasets.common.bounded import Count, Figure, Share
from puzzle_datasets.common.files import write_json
from puzzle_datasets.common.reading import Reader
from sweep_platform.common.errors import InputError

_RESTORE = "restore it, or remove it: the next session writes it again"


EXTRAPOLATION = "extrapolation"
MEASURES = ("exact_accuracy", "token_accuracy", "loss", EXTRAPOLATION)
"""By which trials can be compared, those first that need less."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """By what trials were compared last at a rung, a share of the training.

    `foretold` has the rank correlation of each measure with the ends of `trials` trials that came
    to the rung and were trained to the end; it is empty where nothing was learnt from them.
    """

    rung: Share
    by: str
    trials: Count = 0
    foretold: dict[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Audited:
    """A trial, by its number in the sweep, that a rung was to hold back `by` some measure."""

    trial: Count
    rung: Share
    by: str


@dataclass(frozen=True, kw_only=True)
class Paused:
    """How many trials paused at a rung, and how many of them were promoted from there."""

    rung: Share
    trials: Count
    promoted: Count


@dataclass(frozen=True, kw_only=True)
class Rungs:
    """What is told of a sweep's rungs.

    `stopped` are the trials that were to stop at one, or that paused there for good, by their
    numbers in the sweep; None where that was not kept. So are those in `screened` that got no more
    than their first replicates, for others were better by these.
    """

    compared: tuple[Compared, ...] = ()
    audited: tuple[Audited, ...] = ()
    paused: tuple[Paused, ...] = ()
    stopped: tuple[Count, ...] | None = None
    screened: tuple[Count, ...] | None = None


def write_rungs(sweep: Path, rungs: Rungs) -> None:
    """Keep what is told of the rungs of a sweep, by its folder, if that has changed."""
    try:
        same = read_rungs(sweep) == rungs
    except InputError:  # damaged
        same = False
    if not same:
        write_json(sweep / "rungs.json", asdict(rungs))


def read_rungs(sweep: Path) -> Rungs:
    """What is told of a sweep's rungs; nothing in older ones. Raises `InputError`: damaged."""
    path = sweep / "rungs.json"
    if not path.exists():
        return Rungs()
    return Reader(path, InputError, _RESTORE).record(Rungs)
