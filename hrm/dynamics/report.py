"""From loaded models to files: measure, draw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hrm.checkpoints.loading import LoadedModel
from hrm.commands.trained_model import origin_of
from hrm.config import ConfigError
from hrm.dynamics.measure import Batches, Dynamics, measure
from hrm.dynamics.page import write_charts, write_numbers, write_page, write_picture
from hrm.dynamics.traces import hardest
from hrm.dynamics.wording import names
from hrm.evaluation.fixed import EVALUATION_SEED
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.common.text import percent
from puzzle_datasets.loader import evaluation_batches
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import Manifest


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
        for field, value in vars(self).items():
            if value is not None and value < 1:
                raise ConfigError(field, value, "give a whole number of at least 1")


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
    manifest = dataset.manifest
    batches = partial(
        evaluation_batches,
        dataset,
        batch_size=options.batch_size,
        limit=options.limit,
        seed=EVALUATION_SEED,
    )
    titles = names([one.config for one in models], [str(one.source) for one in models])
    measured = []
    for loaded, title in zip(models, titles, strict=True):
        segments = _segments(loaded.model, options)
        measured.append(measure(title, loaded.model, batches, segments))
        say(_summary(measured[-1]))
    origins = [origin_of(loaded) for loaded in models]
    write_numbers(measured, origins, manifest, out)
    images = {}
    if pictures:
        images = write_charts(measured, out)
        images |= _write_pictures(models, measured, batches, options, manifest, out)
    write_page(measured, origins, images, manifest, out)
    say(f"Page: {out / 'dynamics.md'}")
    return measured


def _segments(model: ReasoningModel, options: ReportOptions) -> int:
    """As many as asked for; a model that has no more than one gets one."""
    config = model.config
    return (options.segments or config.M_max) if config.kind.continues else 1


def _summary(dynamics: Dynamics) -> str:
    trajectories = dynamics.trajectories
    used = [f"{state} {trajectories.dimension(state):.1f}" for state in trajectories.states]
    accuracy = percent(dynamics.evaluation.curve.exact_accuracy[-1])
    return f"{dynamics.name}: {accuracy} solved; dimensions used: {', '.join(used)}"


def _write_pictures(
    models: Sequence[LoadedModel],
    measured: Sequence[Dynamics],
    batches: Batches,
    options: ReportOptions,
    manifest: Manifest,
    out: Path,
) -> dict[str, str]:
    """Draw the puzzles of each model; what each file is called, without ending, and shows."""
    stems = []
    for number, (loaded, one) in enumerate(zip(models, measured, strict=True), start=1):
        traces = hardest(loaded.model, batches(), one.segments, options.puzzles)
        stems.append(f"segments-{number}-{one.config.model}")
        write_picture(traces, manifest, one, out / stems[-1])
    return dict.fromkeys(stems, "Puzzles segment by segment")
