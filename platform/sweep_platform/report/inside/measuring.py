"""Measure a sweep's best models: other N, T and M, states in motion, puzzles solved by segments.

Costs are bounded: as many puzzles are taken as FLOPs allow in the time.
"""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from hrm.checkpoints.loading import LoadedModel, load_model, require_fit, with_steps
from hrm.config import ConfigError, ModelConfig
from hrm.dynamics.measure import measure
from hrm.dynamics.pictures import SegmentTrace, hardest
from hrm.evaluation.accuracy import EVALUATION_SEED
from hrm.grid.cells import Grid, GridOptions, begin, fill
from hrm.model.devices import device_named
from hrm.model.flops import inference_flops
from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.records import record_from
from puzzle_datasets.common.text import flops
from puzzle_datasets.loader import evaluation_batches, random_subset
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import PAD
from sweep_platform.common.text import in_short
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.inside.record import Cell, Inside, Moves, Trace
from sweep_platform.report.inside.subject import NOT_TOLD, PICTURED, Subject
from sweep_platform.space.dataset import DatasetAddress
from sweep_platform.store.summary import TrialSummary
from sweep_platform.store.trained import Trained

T = TypeVar("T")

MOST_PUZZLES, FEWEST_PUZZLES = 200, 10
_DYNAMIC_PUZZLES, _BATCH = 60, 10
SECONDS = 8.0
"""That the grid, and all else, may take each, at the speeds below."""

_SPEED = {"cpu": 1.5e10, "cuda": 1e13}
"""FLOPs a second that a small model is sure to reach."""

_PASSES = 8
"""Evaluations whose cost the dynamics and the picture have, at most."""


def measure_inside(subject: Subject) -> Inside | Unknown:
    """Measure all. Raises `UserError` where the puzzles can't be used.

    A model that can't be used is left out; where none can, the reason of the first is told.
    """
    dataset = DatasetAddress(
        folder=str(subject.folder), name="", fingerprint=subject.manifest.fingerprint
    ).open()
    device = device_named("auto")
    found, failed = _each(
        (trial, partial(_loaded, kept, dataset, device)) for trial, kept in subject.models
    )
    if not found:
        return Unknown(f"{NOT_TOLD}: {in_short(str(next(iter(failed.values()))))}")
    trial, best = found[0]
    per_puzzle = inference_flops(best.config, best.config.M_max)
    allowed = int(SECONDS * _SPEED[device.type] / (_PASSES * per_puzzle))
    if allowed < FEWEST_PUZZLES:
        return Unknown(
            f"{NOT_TOLD}: at {flops(per_puzzle)} a puzzle they take long on this machine; "
            "`python -m hrm.grid` and `python -m hrm.dynamics` measure them."
        )
    puzzles = min(_DYNAMIC_PUZZLES, allowed)
    batches = partial(
        evaluation_batches, dataset, batch_size=_BATCH, limit=puzzles, seed=EVALUATION_SEED
    )
    segments = best.config.M_max if best.config.kind.continues else 1
    seen = measure(f"trial {trial.number}", best.model, batches, segments)
    limit = _grid_limit([one.config for _, one in found], device)
    grids, unfilled = _each(
        (trial, partial(_filled, one, dataset, _options(one.config, limit)))
        for trial, one in found
        if limit and _has_cycles(one.config)
    )
    return Inside(
        key=subject.key,
        cells=tuple(cell for one, grid in grids for cell in _cells(one, grid)),
        grid_puzzles=max((grid.cells[0].curve.puzzles for _, grid in grids), default=0),
        grid_tasks=_tasks(dataset, limit) if grids else 0,
        left_out=(*failed, *unfilled),
        trial=trial.number,
        curve=seen.evaluation.curve,
        halting=seen.evaluation.halting,
        trained=record_from(asdict(seen.trajectories), Moves),
        untrained=record_from(asdict(seen.untrained), Moves),
        traces=tuple(map(_trace, hardest(best.model, batches(), segments, PICTURED))),
    )


def _each(
    made: Iterable[tuple[TrialSummary, Callable[[], T]]],
) -> tuple[list[tuple[TrialSummary, T]], dict[int, Exception]]:
    """What could be made of each trial's model; and why not, by number of the trial."""
    found, failed = [], dict[int, Exception]()
    for trial, make in made:
        try:
            found.append((trial, make()))
        except (UserError, OSError, RuntimeError) as error:  # torch's, of memory too
            failed[trial.number] = error
    return found, failed


def _loaded(kept: Trained, dataset: PuzzleDataset, device: torch.device) -> LoadedModel:
    kept.require_own()
    loaded = load_model(kept.checkpoint, device=device, seq_len=dataset.manifest.seq_len)
    require_fit(loaded, dataset.manifest)
    return loaded


def _grid_limit(configs: Iterable[ModelConfig], device: torch.device) -> int:
    """On how many puzzles grids of these models may be measured; 0 where that is too few."""
    asked = [(config, _options(config)) for config in configs if _has_cycles(config)]
    spent = sum(
        inference_flops(cell, options.segments)
        for config, options in asked
        for cell in options.configs(config)
    )
    allowed = int(SECONDS * _SPEED[device.type] / spent) if spent else 0
    return min(MOST_PUZZLES, allowed) if allowed >= FEWEST_PUZZLES else 0


def _tasks(dataset: PuzzleDataset, limit: int) -> int:
    """Of how many tasks so many test puzzles are, those without labels left out."""
    rows = random_subset(torch.arange(len(dataset.test)), limit, EVALUATION_SEED)
    labelled = rows[dataset.test.labels[rows].amax(-1) > PAD]
    return len(torch.unique(dataset.test.group[labelled]))


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


def _trace(trace: SegmentTrace) -> Trace:
    return record_from({name: one.tolist() for name, one in trace._asdict().items()}, Trace)
