"""Models side by side, where a sweep tried more than one: all spent the same training FLOPs."""

from collections.abc import Iterator
from statistics import median

from sweep_platform.report import wording
from sweep_platform.report.analysis import best_trial, final_point
from sweep_platform.report.blocks import Block, Figure, Heading, Paragraph, Row, Table
from sweep_platform.report.summary import SweepSummary, TrialSummary
from sweep_platform.units import flops, knobs, percent


def compared(sweep: SweepSummary) -> dict[str, list[TrialSummary]]:
    """The complete trials of each model, by name; empty where there is one model only."""
    names = sorted({trial.model for trial in sweep.complete})
    trials = {name: [t for t in sweep.complete if t.model == name] for name in names}
    return trials if len(trials) > 1 else {}


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
    yield Figure("models", "Accuracy against inference FLOPs per puzzle, for each model.")
    yield _table(trials)


def _table(trials: dict[str, list[TrialSummary]]) -> Table:
    return Table(
        columns=(
            "Model",
            "Trials",
            "Median solved",
            "Best trial",
            "Knobs",
            "Solved",
            "95 % interval",
            "Inference",
            "Parameters",
        ),
        rows=tuple(Row(_cells(name, of_model)) for name, of_model in trials.items()),
        words=frozenset({"Model", "Knobs"}),
    )


def _cells(name: str, trials: list[TrialSummary]) -> tuple[str, ...]:
    points = [point for trial in trials if (point := final_point(trial))]
    best = best_trial(trials)
    point = final_point(best) if best else None
    assert best and point, "complete trials were evaluated"
    return (
        name,
        str(len(trials)),
        percent(median(point.exact_accuracy for point in points)),
        str(best.number),
        knobs({k: v for k, v in best.knobs.items() if k != "model"}) or wording.NOTHING,
        wording.accuracy(point),
        wording.interval(point),
        flops(point.inference_flops),
        f"{best.record.parameter_count:,}",
    )
