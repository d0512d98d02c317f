"""From checkpoints to files: open, measure, draw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from hrm.commands.options import flag
from hrm.commands.units import percent
from hrm.config import ConfigError
from hrm.dynamics.measure import Batches, Dynamics, measure
from hrm.dynamics.page import write_charts, write_numbers, write_page, write_picture
from hrm.dynamics.stories import telling
from hrm.dynamics.wording import names
from hrm.loading import Opened, open_model, require_fit
from hrm.model import ReasoningModel
from hrm.trainer import EVALUATION_SEED
from puzzle_datasets.dataset import PuzzleDataset
from puzzle_datasets.loader import evaluation_batches
from puzzle_datasets.schema import Manifest


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """How much to look at; raises `ConfigError` where a number is below 1.

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
                raise ConfigError(f"{flag(field)} is {value}; give a whole number of at least 1.")


def write_report(
    checkpoints: Sequence[Path],
    dataset_folder: Path,
    out: Path,
    wishes: Wishes,
    device: torch.device,
    say: Callable[[str], None],
) -> list[Dynamics]:
    """Measure each checkpoint, write all files into `out`, and return the measures.

    Raises `ConfigError`, `CheckpointError` or `DatasetError` where something does not fit.
    """
    dataset = PuzzleDataset.open(dataset_folder)
    manifest = dataset.manifest
    models = [_open(path, manifest, device).model for path in checkpoints]
    batches = partial(
        evaluation_batches,
        dataset,
        batch_size=wishes.batch_size,
        limit=wishes.limit,
        seed=EVALUATION_SEED,
    )
    titles = names([model.config for model in models], [str(path) for path in checkpoints])
    measured = []
    for model, title in zip(models, titles, strict=True):
        measured.append(measure(title, model, batches, _segments(model, wishes)))
        say(_summary(measured[-1]))
    write_numbers(measured, manifest, out)
    write_charts(measured, out)
    pictures = _write_pictures(models, measured, batches, wishes, manifest, out)
    write_page(measured, pictures, manifest, out)
    say(f"Page: {out / 'dynamics.md'}")
    return measured


def _open(path: Path, manifest: Manifest, device: torch.device) -> Opened:
    opened = open_model(path, device=device, seq_len=manifest.seq_len)
    require_fit(opened, manifest)
    return opened


def _segments(model: ReasoningModel, wishes: Wishes) -> int:
    """As many as wished; a transformer has one."""
    config = model.config
    return config.M_max if config.model == "transformer" else wishes.segments or config.M_max


def _summary(dynamics: Dynamics) -> str:
    trajectories = dynamics.trajectories
    used = [f"{state} {trajectories.dimension(state):.1f}" for state in trajectories.states]
    accuracy = percent(dynamics.evaluation.curve.exact_accuracy[-1])
    return f"{dynamics.name}: {accuracy} solved; dimensions used: {', '.join(used)}"


def _write_pictures(
    models: Sequence[ReasoningModel],
    measured: Sequence[Dynamics],
    batches: Batches,
    wishes: Wishes,
    manifest: Manifest,
    out: Path,
) -> list[str]:
    """Draw the puzzles of each model and return what the files are called, without endings."""
    stems = []
    for number, (model, one) in enumerate(zip(models, measured, strict=True), start=1):
        stories = telling(model, batches(), one.segments, wishes.puzzles)
        stems.append(f"segments-{number}-{model.config.model}")
        write_picture(stories, manifest, one, out / stems[-1])
    return stems
