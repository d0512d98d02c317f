"""What proposed the points of a sweep, why, and what it knew of earlier sweeps."""

from collections.abc import Iterator

from sweep_platform.report import blocks
from sweep_platform.space.rules.sampling import chosen_sampler
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.summary import SweepSummary


def samplers(sweep: SweepSummary) -> tuple[str, ...]:
    """What proposed, in order, each with the reason why it was chosen; none of a design.

    Older records do not have it: there it is what the rules of today come to.
    """
    spec = SweepSpec.model_validate(sweep.record.spec)
    if spec.ablation is not None:
        return ()
    return sweep.record.samplers or (str(chosen_sampler(spec)),)


def proposing(sweep: SweepSummary) -> Iterator[blocks.Block]:
    """The samplers in a sentence, and what was learned from earlier sweeps."""
    if proposed := samplers(sweep):
        yield blocks.Paragraph(f"Points were proposed by {'; later by '.join(proposed)}.")
    if sweep.record.learned:
        yield blocks.Bullets(sweep.record.learned)
