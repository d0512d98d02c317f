"""What screening did: which trials were left with their first replicates, and what that spared."""

from collections.abc import Iterator

from puzzle_datasets.common.text import counted, flops
from sweep_platform.report import blocks
from sweep_platform.space.training_budget import flops_at
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import SweepSummary, TrialSummary


def screened(sweep: SweepSummary) -> list[TrialSummary]:
    """The complete trials that were left with their first replicates, for others were better.

    Where older sweeps did not keep which were, those that have no more.
    """
    spec, kept = SweepSpec.model_validate(sweep.record.spec), sweep.rungs.screened
    if kept is not None:
        return [trial for trial in sweep.complete if trial.number in kept]
    return [
        trial
        for trial in sweep.complete
        if spec.screening is not None and 0 < _begun(trial) <= spec.first_replicates
    ]


def _begun(trial: TrialSummary) -> int:
    return sum(one.replicate.purpose is Purpose.MEASURE for one in trial.replicates)


def screening(sweep: SweepSummary) -> Iterator[blocks.Block]:
    """What was spared, and what is told of fewer trials for it; nothing without screening."""
    spec, left = SweepSpec.model_validate(sweep.record.spec), screened(sweep)
    if spec.screening is None:
        return
    first = spec.first_replicates
    ones = "their first replicate" if first == 1 else f"their first {first} replicates"
    measured = [trial for trial in sweep.complete if _begun(trial)]
    said = (
        f"Trials were screened: of {counted(len(measured), 'complete trial')} "
        f"{len(measured) - len(left)} went on to {spec.replicates} replicates, for they were "
        f"among the best by {ones}"
    )
    if left:
        more = spec.replicates - spec.first_replicates
        spared = sum(more * flops_at(spec, trial.record.parameters) for trial in left)
        said += (
            f"; {len(left)} stayed with {ones}, which spared {flops(spared)} of training. What "
            "knobs buy, beyond chance, is told of the trials with all replicates alone"
        )
    yield blocks.Paragraph(f"{said}.")
