"""From loaded models to files: charts, pictures, a JSON of the numbers and a page in Markdown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hrm.charts import save_chart
from hrm.checkpoints.loading import LoadedModel
from hrm.commands.trained_model import origin_of, weights_in_words
from hrm.config import ModelConfig, require_least
from hrm.dynamics.charts import halting_chart, participation_chart, residual_chart
from hrm.dynamics.measure import Batches, Dynamics, measure
from hrm.dynamics.pictures import SegmentTrace, hardest, picture
from hrm.evaluation.accuracy import EVALUATION_SEED
from puzzle_datasets.common.files import write_file, write_json
from puzzle_datasets.common.page import PICTURE_STYLE, html_page, markdown_text
from puzzle_datasets.common.text import counted, percent
from puzzle_datasets.drawing.svg import to_png
from puzzle_datasets.loader import evaluation_batches
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import Manifest

NUMBERS = "dynamics.json"
"""The first file that is written; a folder that has it is a former report's."""

CHARTS = {
    "residuals": (residual_chart, "Forward residuals"),
    "participation": (participation_chart, "Participation ratios"),
    "halting": (halting_chart, "Segments until a puzzle halts"),
}
READING = {
    "residuals": "A forward residual is the Euclidean distance between a state before and after "
    "an update, over the root of the hidden size, averaged over positions and puzzles: at 1 the "
    "state has moved as far as it is long. Dotted lines part the segments.",
    "participation": "The participation ratio is (Σλ)² / Σλ² over the eigenvalues λ of the "
    "covariance of a state; its samples are the state after each of its updates, at each position "
    "of each puzzle. Broken lines are the same model before training.",
}
"""Help to read a chart, where its title is not enough."""


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Options of a report. Raises `ConfigError` where a number is below 1.

    Attributes:
        puzzles: drawn segment by segment, of each model.
        limit: test puzzles measured, drawn as evaluations draw them.
        batch_size: puzzles at a time; participation is noted after each batch.
        segments: None takes each model's M_max.
    """

    puzzles: int = 3
    limit: int = 100
    batch_size: int = 10
    segments: int | None = None

    def __post_init__(self) -> None:
        require_least(1, **vars(self))


def write_report(
    models: Sequence[LoadedModel],
    dataset: PuzzleDataset,
    out: Path,
    options: ReportOptions,
    say: Callable[[str], None],
    *,
    pictures: bool = True,
) -> list[Dynamics]:
    """Measure each model on puzzles that fit it, write all files into `out`, return the measures.

    Numbers and the page come without `pictures`.

    Raises:
        ConfigError: puzzles do not fit, or pictures can't be drawn.
        OSError: a file can't be written.
    """
    batches = partial(
        evaluation_batches,
        dataset,
        batch_size=options.batch_size,
        limit=options.limit,
        seed=EVALUATION_SEED,
    )
    measured = []
    for one in _measured(models, batches, options):
        measured.append(one)
        say(_summary(one))
    origins = [origin_of(loaded) for loaded in models]
    _write_numbers(measured, origins, dataset.manifest, out)
    images: dict[str, str] = {}
    if pictures:
        images = _write_charts(measured, out)
        for number, (loaded, one) in enumerate(zip(models, measured, strict=True), start=1):
            stem = f"segments-{number}-{one.config.model}"
            traces = hardest(loaded.model, batches(), one.segments, options.puzzles)
            _write_segments(one, traces, dataset.manifest, out / stem)
            images[stem] = "Puzzles segment by segment"
    _write_page(measured, origins, images, dataset.manifest, out)
    say(f"Page: {out / 'dynamics.md'}")
    return measured


def _measured(
    models: Sequence[LoadedModel],
    batches: Batches,
    options: ReportOptions,
) -> Iterator[Dynamics]:
    titles = names([one.config for one in models], [str(one.source) for one in models])
    for loaded, title in zip(models, titles, strict=True):
        config = loaded.model.config
        segments = (options.segments or config.M_max) if config.kind.continues else 1
        yield measure(title, loaded.model, batches, segments)


def names(configs: list[ModelConfig], sources: list[str]) -> list[str]:
    """A name for each model: its kind, and where two are of a kind also where it came from."""
    titles = [config.kind.title for config in configs]
    return [
        f"{title} ({source})" if titles.count(title) > 1 else title
        for title, source in zip(titles, sources, strict=True)
    ]


def _write_segments(
    dynamics: Dynamics, traces: Sequence[SegmentTrace], manifest: Manifest, path: Path
) -> None:
    """Draw the answers to a few puzzles after each segment, as `path`.png and `path`.html."""
    title = f"{dynamics.name}: the answer after each segment"
    # A chosen few must not pass for all.
    note = f"Of {counted(dynamics.evaluation.curve.puzzles, 'test puzzle')}"
    if dynamics.segments > 1 and all(trace.solved_at for trace in traces):
        note += ", those that took the most segments to solve."
    else:
        note += "; solved ones come first where there are any."
    image = picture(traces, manifest, title, note)
    write_file(path.with_name(f"{path.name}.png"), to_png(image))
    page = html_page(title, image, style=PICTURE_STYLE)
    write_file(path.with_name(f"{path.name}.html"), page.encode())


def _summary(dynamics: Dynamics) -> str:
    trajectories = dynamics.trajectories
    used = [f"{state} {trajectories.dimension(state):.1f}" for state in trajectories.states]
    accuracy = percent(dynamics.evaluation.curve.exact_accuracy[-1])
    return f"{dynamics.name}: {accuracy} solved; dimensions used: {', '.join(used)}"


def _write_numbers(
    measured: Sequence[Dynamics],
    origins: Sequence[dict[str, Any]],
    manifest: Manifest,
    folder: Path,
) -> None:
    models = [
        {
            "name": one.name,
            "checkpoint": origin,
            "model": asdict(one.config),
            "curve": asdict(one.evaluation.curve),
            "halting": asdict(one.evaluation.halting),
            "trained": asdict(one.trajectories),
            "untrained": asdict(one.untrained),
        }
        for one, origin in zip(measured, origins, strict=True)
    ]
    dataset = {"name": manifest.name, "fingerprint": manifest.fingerprint}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / NUMBERS, {"dataset": dataset, "models": models})


def _write_charts(measured: Sequence[Dynamics], folder: Path) -> dict[str, str]:
    """Write each chart as PNG and HTML; return the titles by names of files without ending."""
    drawn = {}
    for name, (chart, title) in CHARTS.items():
        if name != "halting" or any(one.segments > 1 for one in measured):
            made, drawn[name] = chart(measured), title
            for suffix in ("png", "html"):
                save_chart(made, folder / f"{name}.{suffix}")
    return drawn


def _write_page(
    measured: Sequence[Dynamics],
    origins: Sequence[dict[str, Any]],
    images: Mapping[str, str],
    manifest: Manifest,
    folder: Path,
) -> None:
    """Write `dynamics.md`, which shows the images, if there are any, and says how to read them."""
    head = ["model", "solved", "solved if it halts itself", "mean segments", "dimensions used"]
    rows = [[*head, "weights"], ["---", *["---:"] * 3, "---", "---"]]
    for dynamics, origin in zip(measured, origins, strict=True):
        rows.append([*_row(dynamics), weights_in_words(origin)])
    parts = [
        f"# Inside {', '.join(markdown_text(one.name) for one in measured)}",
        f"Measured on {counted(measured[0].evaluation.curve.puzzles, 'test puzzle')} of "
        f"{markdown_text(manifest.name)} (fingerprint {manifest.fingerprint[:12]}).",
        "\n".join(f"| {' | '.join(row)} |" for row in rows),
    ]
    for name, title in images.items():
        parts.append(f"![{title}]({name}.png)")
        parts += [READING[name]] if name in READING else []
    write_file(folder / "dynamics.md", ("\n\n".join(parts) + "\n").encode())


def _row(dynamics: Dynamics) -> list[str]:
    curve, halting = dynamics.evaluation
    trained, untrained = dynamics.trajectories, dynamics.untrained
    dimensions = ", ".join(
        f"{state} {trained.dimension(state):.1f} (untrained {untrained.dimension(state):.1f})"
        for state in trained.states
    )
    return [
        markdown_text(dynamics.name),
        percent(curve.exact_accuracy[-1]),
        percent(halting.exact_accuracy),
        f"{halting.mean_segments:.2f} of {dynamics.segments}",
        dimensions,
    ]
