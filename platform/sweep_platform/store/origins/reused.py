"""A training of another sweep that stands for an equal one of this sweep."""

from dataclasses import dataclass

from puzzle_datasets.common.bounded import Amount, Count, Flops


@dataclass(frozen=True, kw_only=True)
class Reused:
    """A replicate of another sweep, by its folder and trial, and what its training spent there."""

    sweep: str
    trial: Count
    training_flops: Flops
    device_seconds: Amount
    energy_joules: Amount | None = None
