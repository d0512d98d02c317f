"""What stands on the sweep's run in MLflow: its result in words, its front, where to look on."""

from collections.abc import Iterator, Sequence

from puzzle_datasets.common.page import markdown_text
from puzzle_datasets.common.text import counted
from sweep_platform.common.text import knobs
from sweep_platform.report.analysis.points import trials_front
from sweep_platform.report.blocks import Headline
from sweep_platform.report.mlflow_pages import mlflow_pages
from sweep_platform.spec.metrics import METRIC
from sweep_platform.store.summary import SweepSummary

_MOST_POINTS, _LONGEST = 12, 8_000
"""Rows of the front, and characters that MLflow shows."""


def sweep_note(sweep: SweepSummary, aliases: Sequence[str] = ()) -> str:
    """A sweep's result as Markdown, of at most 8,000 characters.

    `aliases` name models that are registered.
    """
    return "\n\n".join("\n".join(part) for part in _parts(sweep, aliases))[:_LONGEST]


def _parts(sweep: SweepSummary, aliases: Sequence[str]) -> Iterator[list[str]]:
    from sweep_platform.report.sections.result import caveats, headline

    if (found := headline(sweep)) is not None:
        yield [_told(found)]
    yield from _front(sweep)
    if told := caveats(sweep):
        yield [f"- {markdown_text(sentence)}" for sentence in told]
    if aliases:
        addresses = (f"`models:/{sweep.record.name}@{alias}`" for alias in aliases)
        said = "The front's models are registered and can be loaded or served: "
        yield [f"{said}{', '.join(addresses)}."]
    where = "The whole report is among this run's artifacts: `report/report.html`."
    if (pages := mlflow_pages(sweep.record)) is not None:
        charts = f"[accuracy against compute]({pages.front}), [knobs]({pages.knobs})"
        where = f"Charts (of 100 replicates until you load more): {charts}. {where}"
    yield [where]


def _told(found: Headline) -> str:
    return f"**{markdown_text(found.number)}** {markdown_text(found.sentence)}"


def _front(sweep: SweepSummary) -> Iterator[list[str]]:
    """The front as a table, the cheapest first; where it is long, its most accurate part."""
    points = trials_front(sweep.complete)
    if not points:
        return
    configurations = {trial.number: knobs(trial.knobs) for trial in sweep.complete}
    cost = METRIC["inference_flops"]
    yield [
        f"| {cost.column} | Solved | Segments | Trial | Configuration |",
        "|---|---|---|---|---|",
        *(
            f"| {cost.words(point.inference_flops)} | {markdown_text(point.words)} | "
            f"{point.segments} | {point.trial} | {markdown_text(configurations[point.trial])} |"
            for point in points[-_MOST_POINTS:]
        ),
    ]
    if (left := len(points) - _MOST_POINTS) > 0:
        yield [f"and {counted(left, 'cheaper point')}."]
