"""Measure a sweep's best models: other N, T and M, states in motion, puzzles solved by segments.

Costs are bounded: as many puzzles are taken as FLOPs allow in the time.
"""

import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import torch

from hrm.charts import Chart, specification
from hrm.checkpoints.loading import LoadedModel, load_model, require_fit, with_steps
from hrm.config import ConfigError, ModelConfig
from hrm.dynamics.charts import participation_chart, residual_chart
from hrm.dynamics.measure import Dynamics, measure
from hrm.dynamics.pictures import hardest, picture
from hrm.evaluation.accuracy import EVALUATION_SEED
from hrm.grid.cells import Grid, GridOptions, begin, fill
from hrm.model.devices import device_named
from hrm.model.flops import inference_flops
from puzzle_datasets.common.text import flops
from puzzle_datasets.loader import evaluation_batches
from puzzle_datasets.storage.dataset import PuzzleDataset
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.inside.record import Cell, Drawn, Inside, State
from sweep_platform.report.inside.subject import NOT_TOLD, Subject
from sweep_platform.space.dataset import DatasetAddress
from sweep_platform.store.summary import TrialSummary

MOST_PUZZLES, FEWEST_PUZZLES, PICTURED = 200, 10, 3
_DYNAMIC_PUZZLES, _BATCH = 60, 10
SECONDS = 8.0
"""That the grid, and all else, may take each, at the speeds below."""

_SPEED = {"cpu": 1.5e10, "cuda": 1e13}
"""FLOPs a second that a small model is sure to reach."""

_PASSES = 8
"""Evaluations whose cost the dynamics and the picture have, at most."""


def look(subject: Subject) -> Inside | Unknown:
    """Measure all. Raises `UserError` where a checkpoint or the puzzles can't be used."""
    dataset = DatasetAddress(
        folder=str(subject.folder), name="", fingerprint=subject.fingerprint
    ).open()
    device = device_named("auto")
    found = [(trial, _loaded(kept.checkpoint, dataset, device)) for trial, kept in subject.models]
    trial, best = found[0]
    spent = _PASSES * inference_flops(best.config, best.config.M_max)
    allowed = int(SECONDS * _SPEED[device.type] / spent)
    if allowed < FEWEST_PUZZLES:
        return Unknown(
            f"{NOT_TOLD}: at "
            f"{flops(inference_flops(best.config, best.config.M_max))} a puzzle they take long on "
            "this machine; `python -m hrm.grid` and `python -m hrm.dynamics` measure them."
        )
    puzzles = min(_DYNAMIC_PUZZLES, allowed)
    batches = partial(
        evaluation_batches, dataset, batch_size=_BATCH, limit=puzzles, seed=EVALUATION_SEED
    )
    segments = best.config.M_max if best.config.kind.continues else 1
    seen = measure(f"trial {trial.number}", best.model, batches, segments)
    traces = hardest(best.model, batches(), segments, PICTURED)
    limit, grids = _grids(found, dataset, device)
    return Inside(
        key=subject.key,
        grid_puzzles=limit,
        puzzles=seen.evaluation.curve.puzzles,
        cells=tuple(cell for one, grid in grids for cell in _cells(one, grid)),
        charts=tuple(_charts(seen)),
        trial=trial.number,
        states=tuple(_state(seen, name) for name in seen.trajectories.states),
        picture=picture(
            traces,
            dataset.manifest,
            f"Trial {trial.number}: the answer after each segment",
            f"Of {seen.evaluation.curve.puzzles} test puzzles, those that took most segments.",
        ),
    )


def _loaded(checkpoint: Path, dataset: PuzzleDataset, device: torch.device) -> LoadedModel:
    loaded = load_model(checkpoint, device=device, seq_len=dataset.manifest.seq_len)
    require_fit(loaded, dataset.manifest)
    return loaded


def _grids(
    models: Iterable[tuple[TrialSummary, LoadedModel]],
    dataset: PuzzleDataset,
    device: torch.device,
) -> tuple[int, list[tuple[TrialSummary, Grid]]]:
    """A grid of each model that has cycles, and on how many puzzles they were measured."""
    asked = [
        (trial, one, _options(one.config)) for trial, one in models if _has_cycles(one.config)
    ]
    spent = sum(
        inference_flops(cell, options.segments)
        for _, one, options in asked
        for cell in options.configs(one.config)
    )
    allowed = int(SECONDS * _SPEED[device.type] / spent) if spent else 0
    if allowed < FEWEST_PUZZLES:
        return 0, []
    limit = min(MOST_PUZZLES, allowed)
    return limit, [
        (trial, _filled(one, dataset, _options(one.config, limit))) for trial, one, _ in asked
    ]


def _has_cycles(config: ModelConfig) -> bool:
    """Whether other N and T make another model of the same weights."""
    try:
        with_steps(config, 2 * config.N, 2 * config.T)
    except ConfigError:
        return False
    return config.kind.continues


def _options(config: ModelConfig, limit: int | None = None) -> GridOptions:
    """Half, all and twice as many cycles and steps as trained, up to twice the segments."""
    N, T = (tuple(sorted({max(1, one // 2), one, 2 * one})) for one in (config.N, config.T))
    return GridOptions(N=N, T=T, segments=2 * config.M_max, limit=limit, batch_size=MOST_PUZZLES)


def _filled(loaded: LoadedModel, dataset: PuzzleDataset, options: GridOptions) -> Grid:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        grid = begin(loaded, dataset, options, folder)
        for grid, _ in fill(grid, loaded.model, dataset, options, folder):  # noqa: B007, B020
            pass
        return grid


def _cells(trial: TrialSummary, grid: Grid) -> list[Cell]:
    return [
        Cell(
            trial=trial.number,
            N=one.N,
            T=one.T,
            M=M,
            trained=grid.trained == (one.N, one.T, M),
            exact_accuracy=accuracy,
            inference_flops=spent,
        )
        for one in grid.cells
        for M, (accuracy, spent) in enumerate(
            zip(one.curve.exact_accuracy, one.curve.inference_flops, strict=True), start=1
        )
    ]


def _charts(seen: Dynamics) -> Iterable[Drawn]:
    words = "How far each update moves each state of the best model."
    yield _drawn("residuals", words, residual_chart([seen]))
    words = "Directions that each state of the best model uses, by the number of puzzles."
    yield _drawn("participation", words, participation_chart([seen]))


def _drawn(name: str, description: str, drawn: Chart) -> Drawn:
    spec = specification(drawn)
    del spec["$schema"]
    return Drawn(name=name, description=description, spec=spec)


def _state(seen: Dynamics, name: str) -> State:
    return State(
        name=name,
        directions=seen.trajectories.dimension(name),
        untrained=seen.untrained.dimension(name),
    )
