"""The section that sets models side by side, where a sweep tried more than one."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from sweep_platform.common.text import knobs
from sweep_platform.report.analysis import wording
from sweep_platform.report.analysis.front import (
    Point,
    best_trial,
    compared_models,
    final_point,
)
from sweep_platform.report.charts.models import models_chart
from sweep_platform.report.pages.blocks import Block, Figure, Heading, Paragraph
from sweep_platform.report.sections.settings import differences
from sweep_platform.report.sections.tables import Column, interval, metric, solved, table
from sweep_platform.store.summary import SweepSummary, TrialSummary


def models_section(sweep: SweepSummary) -> Iterator[Block]:
    """The section, where models are compared."""
    trials = compared_models(sweep)
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
    yield Figure(
        "models",
        "Accuracy against inference FLOPs per puzzle, for each model.",
        models_chart(sweep),
    )
    tried = Counter(trial.model for trial in sweep.trials)
    yield table(_COLUMNS, [_Model(name, tried[name], of_it) for name, of_it in trials.items()])


@dataclass(frozen=True)
class _Model:
    """A model, how many trials tried it, and those that are complete."""

    name: str
    tried: int
    complete: list[TrialSummary]

    @property
    def best(self) -> TrialSummary | None:
        return best_trial(self.complete)

    @property
    def point(self) -> Point | None:
        return final_point(self.best) if self.best else None

    @property
    def median_accuracy(self) -> float | None:
        points = [point for trial in self.complete if (point := final_point(trial))]
        return median(point.exact_accuracy for point in points) if points else None

    @property
    def best_knobs(self) -> str:
        settings = self.best.knobs if self.best else {}
        return knobs({k: v for k, v in settings.items() if k != "model"}) or wording.NOTHING


_COLUMNS: tuple[Column[_Model], ...] = (
    Column("Model", lambda model: model.name, words=True),
    Column("Complete trials", lambda model: f"{len(model.complete)} of {model.tried}"),
    metric("exact_accuracy", lambda model: model.median_accuracy, "Median {}"),
    Column("Best trial", lambda m: str(m.best.number) if m.best else wording.NOTHING),
    Column("Knobs", lambda model: model.best_knobs, words=True),
    solved(lambda model: model.point),
    interval(lambda model: model.point),
    metric("inference_flops", lambda m: m.point.inference_flops if m.point else None),
    metric("parameter_count", lambda m: m.best.record.parameter_count if m.best else None),
)
