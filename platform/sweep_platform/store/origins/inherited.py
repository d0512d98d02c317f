"""Whose weights a trial begins with: chosen once, and recorded before its training starts."""

from dataclasses import asdict, dataclass
from typing import Any

from puzzle_datasets.common.bounded import Count, SomeFlops
from puzzle_datasets.common.records import ContradictionError
from sweep_platform.store.replicate import Purpose, Replicate


@dataclass(frozen=True, kw_only=True)
class Inherited:
    """The training whose weights a replicate begins with.

    Attributes:
        sweep: its name.
        trial: number of its trial there.
        replicate: its label in the trial.
        key: under which the sweep keeps its checkpoint.
        sha256: of that checkpoint.
        lineage_flops: spent on its training, and by its own ancestors before.
    """

    sweep: str
    trial: Count
    replicate: str
    key: str
    sha256: str
    lineage_flops: SomeFlops

    @property
    def address(self) -> dict[str, str]:
        """What a worker has to know to find that checkpoint, and to speak of it."""
        words = f"trial {self.trial} {self.replicate}"
        return {"key": self.key, "sha256": self.sha256, "words": words}


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    """The trial whose weights another one begins with, and its replicates in order.

    Replicate k of the heir begins with those of its replicate k, which has the same seed where
    both measure.
    """

    signature: str
    replicates: tuple[Inherited, ...]

    def __post_init__(self) -> None:
        if not self.replicates:
            raise ContradictionError("has an ancestor without replicates")

    @property
    def trial(self) -> int:
        """Its number in the sweep."""
        return self.replicates[0].trial

    @property
    def lineage_flops(self) -> int:
        """Spent on the training of one of its replicates, and by their ancestors."""
        return max(one.lineage_flops for one in self.replicates)

    def of(self, replicate: Replicate) -> Inherited | None:
        """What a replicate of the heir begins with; None for those that train from scratch.

        Where several tune, and the ancestor has fewer, they take turns.
        """
        if not replicate.purpose.inherits:
            return None
        if replicate.purpose is Purpose.MEASURE and replicate.number >= len(self.replicates):
            return None
        return self.replicates[replicate.number % len(self.replicates)]

    def plain(self) -> dict[str, Any]:
        """It as JSON has it."""
        return asdict(self)
