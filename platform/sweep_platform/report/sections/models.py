"""Models side by side, where a sweep tried more than one: all spent the same training FLOPs."""

from collections import Counter
from collections.abc import Iterator
from statistics import median

from puzzle_datasets.common.text import flops, percent
from sweep_platform.common.text import knobs
from sweep_platform.report import wording
from sweep_platform.report.analysis.front import best_trial, final_point
from sweep_platform.report.pages.blocks import Block, Figure, Heading, Paragraph, Row, Table
from sweep_platform.report.sections.constants import differences
from sweep_platform.store.summary import SweepSummary, TrialSummary


def compared(sweep: SweepSummary) -> dict[str, list[TrialSummary]]:
    """The complete trials of each model that was tried, by name; of some it may be none.

    Empty where there is nothing to compare: one model only, or no complete trial.
    """
    names = sorted({trial.model for trial in sweep.trials})
    if len(names) < 2 or not sweep.complete:
        return {}
    return {name: [t for t in sweep.complete if t.model == name] for name in names}


def models_section(sweep: SweepSummary) -> Iterator[Block]:
    """The section, where models are compared."""
    trials = compared(sweep)
    if not trials:
        return
    yield Heading("Models")
    yield Paragraph(
        "Complete trials by model, all after about the same training FLOPs, each point read after "
        "M segments. A line is the front of one model. The best trial of a model is the best of "
        "as many as it has, so a model with more trials had more chances."
    )
    if differing := differences(sweep):
        yield Paragraph(
            f"The models differ in other settings as well: {'; '.join(differing)}. A difference "
            "in accuracy may come from these."
        )
    yield Figure("models", "Accuracy against inference FLOPs per puzzle, for each model.")
    yield _table(sweep, trials)


def _table(sweep: SweepSummary, trials: dict[str, list[TrialSummary]]) -> Table:
    tried = Counter(trial.model for trial in sweep.trials)
    return Table(
        columns=(
            "Model",
            "Complete trials",
            "Median solved",
            "Best trial",
            "Knobs",
            "Solved",
            "95 % interval",
            "Inference",
            "Parameters",
        ),
        rows=tuple(
            Row((name, f"{len(complete)} of {tried[name]}", *_cells(complete)))
            for name, complete in trials.items()
        ),
        words=frozenset({"Model", "Knobs"}),
    )


def _cells(trials: list[TrialSummary]) -> tuple[str, ...]:
    """What the complete trials of a model came to."""
    if not trials:
        return (wording.NOTHING,) * 7
    points = [point for trial in trials if (point := final_point(trial))]
    best = best_trial(trials)
    point = final_point(best) if best else None
    assert best and point, "complete trials were evaluated"
    return (
        percent(median(point.exact_accuracy for point in points)),
        str(best.number),
        knobs({k: v for k, v in best.knobs.items() if k != "model"}) or wording.NOTHING,
        wording.accuracy(point),
        wording.interval(point),
        flops(point.inference_flops),
        f"{best.record.parameter_count:,}",
    )
