"""The section on halting: the best trials if each puzzle stops by itself, and if none does."""

from collections.abc import Iterator
from typing import NamedTuple

from hrm.progress import Halting
from sweep_platform.common.text import knobs
from sweep_platform.report import blocks, tables, wording
from sweep_platform.report.analysis import points as analysis
from sweep_platform.spec.metrics import METRIC
from sweep_platform.store.summary import SweepSummary, TrialSummary


def halting_section(sweep: SweepSummary) -> Iterator[blocks.Block]:
    """The section, where a trial of the front had a choice of segments."""
    pairs = analysis.final_points(_best(sweep))
    rows = [_Row(t, p, t.halting) for t, p in pairs if t.halting and p.segments > 1]
    if not rows:
        return
    yield blocks.Heading("If each puzzle stops on its own")
    yield blocks.Paragraph(
        "The same evaluation of the best complete trials, with each puzzle stopped as soon as its "
        "Q-values say so, after M_max segments at the latest. Where as many are solved in fewer "
        "segments, halting saves their FLOPs."
    )
    yield tables.table("halting", _COLUMNS, rows)


def _best(sweep: SweepSummary) -> list[TrialSummary]:
    """The trials of the front and the best of all, or of each model where models are compared."""
    groups = [sweep.complete, *analysis.compared_models(sweep).values()]
    named = [best for trials in groups if (best := analysis.best_trial(trials))]
    chosen = {point.trial for point in analysis.trials_front(sweep.complete)}
    return [trial for trial in sweep.complete if trial.number in chosen or trial in named]


class _Row(NamedTuple):
    """A trial, its final point, and halting in the same evaluation."""

    trial: TrialSummary
    point: analysis.Point
    halting: Halting

    @property
    def mean_segments(self) -> str:
        mean = wording.metric("halting_mean_segments", self.halting.mean_segments)
        return f"{mean} of {self.point.segments}"


_COLUMNS: tuple[tables.Column[_Row], ...] = (
    tables.number("Trial", lambda row: row.trial.number),
    tables.Column("Knobs", lambda row: knobs(row.trial.knobs), words=True),
    tables.solved(lambda row: row.point, "{} at M_max"),
    tables.metric("inference_flops", lambda row: row.point.inference_flops, "{} at M_max"),
    tables.Column(
        METRIC["halting_exact_accuracy"].column,
        lambda row: wording.accuracy(row.halting.exact_accuracy, row.point.puzzles),
        data={"halting_exact_accuracy": lambda row: row.halting.exact_accuracy},
    ),
    tables.Column(
        METRIC["halting_mean_segments"].column,
        lambda row: row.mean_segments,
        data={"halting_mean_segments": lambda row: row.halting.mean_segments},
    ),
    tables.metric("halting_inference_flops", lambda row: row.halting.inference_flops),
)
