"""What came of the trials of a whole sweep, for comparing one with another."""

from dataclasses import asdict
from typing import Any

from sweep_builders import first

from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import ReplicateFolder, TrialFolder, TrialState

BY_THE_CLOCK = (
    "device_seconds",
    "examples_per_second",
    "peak_memory_bytes",
    "device_busy",
    "energy_joules",
)


def reported(folder: ReplicateFolder) -> list[dict[str, Any]]:
    """What a replicate reported, without what no two runs share; fails if a step comes twice."""
    reports = [asdict(m.progress) for m in folder.measurements()]
    steps = [report["step"] for report in reports]
    assert steps == sorted(set(steps))
    return [{k: v for k, v in r.items() if k not in BY_THE_CLOCK} for r in reports]


def numbers(trial: TrialFolder) -> list[dict[str, Any]]:
    """What a trial's first replicate reported; see `reported`."""
    return reported(first(trial))


def by_signature(sweep: SweepFolder) -> dict[str, TrialFolder]:
    return {trial.record().signature: trial for trial in sweep.trials()}


def states(sweep: SweepFolder) -> list[TrialState | None]:
    """How each trial ended, or its one replicate paused; None while it may run."""
    outcomes = [trial.outcome() or first(trial).outcome() for trial in sweep.trials()]
    return [outcome and outcome.state for outcome in outcomes]
