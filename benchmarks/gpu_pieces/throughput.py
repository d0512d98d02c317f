"""Pieces `throughput-…`: examples/s of every mode, against published-style code, in one run."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from measuring import spread

from gpu_pieces.published_style import PublishedStyle
from gpu_pieces.setting import (
    ARC_128,
    ARC_512,
    SUDOKU_128,
    SUDOKU_512,
    TINY,
    Setting,
    Size,
    learner,
)
from gpu_pieces.tables import Table, release
from gpu_pieces.timing import matmul_rates, seconds
from hrm.model.flops import step_flops
from puzzle_datasets.loading.batch import Batch

Step = Callable[[Batch], None]

BASELINE = "published style, compiled"
SAMPLE_SECONDS, MOST_STEPS = 0.4, 50
"""A round times as many steps of a mode as take about so long, from 1 to so many."""

LEAST_ROUNDS = 3
WARM_PASSES = 4
"""Passes of a micro-batch before timing; CUDA graphs are recorded in the second."""

NOTE = (
    "Up to {rounds} rounds, each timing all modes of a size one after the other; median (range). "
    "Published depth (4 + 4 layers, N = T = 2), random puzzles, batches of {batch} with {micro} "
    "rows passing through at a time, {precision}. Ratios are to '{baseline}' in the same round. "
    "The peak is a product of random {width}x{width} matrices in {precision}: {peak} TFLOP/s, "
    "n = {n}; the share of it counts the FLOPs of the mode itself (`hrm.model.flops`)."
)
COLUMNS = (
    "size and mode",
    "examples/s",
    "ratio",
    "share of peak, %",
    "rounds x steps",
    "first step, s",
)


@dataclass
class Candidate:
    """A mode that is timed: its step, the FLOPs of one, and seconds a step in each round."""

    name: str
    step: Step
    flops: int
    first: float
    repeats: int
    taken: list[float] = field(default_factory=list)


def run_sudoku(setting: Setting) -> bool:
    """Print the table of Sudoku's length; return whether every mode ran."""
    return _run(setting, (SUDOKU_128, SUDOKU_512))


def run_arc(setting: Setting) -> bool:
    """Print the table of ARC's length; return whether every mode ran."""
    return _run(setting, (ARC_128, ARC_512))


def _run(setting: Setting, sizes: tuple[Size, ...]) -> bool:
    sizes = (TINY,) if setting.tiny else sizes
    deadline = setting.deadline()
    peaks = _peaks(setting)
    table = Table(
        _title(setting, sizes), _note(setting, sizes, peaks), *COLUMNS, deadline=deadline
    )
    for number, size in enumerate(sizes):
        # Each size gets an equal part of what time is left.
        now = time.monotonic()
        until = now + max(0.0, deadline - now) / (len(sizes) - number)
        _time_size(setting, size, table, statistics.median(peaks), until)
        release()
        torch._dynamo.reset()
    return table.whole


def _title(setting: Setting, sizes: tuple[Size, ...]) -> str:
    return f"Throughput, {setting.precision}, {sizes[0].name.split(',')[0]}"


def _peaks(setting: Setting) -> list[float]:
    dtype = getattr(torch, setting.precision)
    return [rate / 1e12 for rate in matmul_rates(setting.device, dtype, _width(setting), 5)]


def _width(setting: Setting) -> int:
    return 256 if setting.tiny else 8192


def _note(setting: Setting, sizes: tuple[Size, ...], peaks: list[float]) -> str:
    training = [size.training(precision=setting.precision) for size in sizes]
    return NOTE.format(
        rounds=setting.rounds,
        batch=sizes[0].batch_size,
        micro=" and ".join(str(t.micro_batch) for t in training),
        precision=setting.precision,
        baseline=BASELINE,
        width=_width(setting),
        peak=spread(peaks, 1),
        n=len(peaks),
    )


def _makers(setting: Setting, size: Size) -> dict[str, tuple[Callable[[], Step], int]]:
    """By a mode's name, what makes its step, and the step's FLOPs."""
    training = size.training(precision=setting.precision)
    exact = size.model()
    made: dict[str, tuple[Callable[[], Step], int]] = {}
    for name, compiled in (("reference, eager", False), (BASELINE, True)):
        if not compiled or len(setting.executions) > 1 or "eager" not in setting.executions:
            style = partial(PublishedStyle, exact, training, setting.device, compiled)
            made[name] = (lambda style=style: style().step, step_flops(exact, training))
    for mode in ("exact", "lean"):
        for execution in setting.executions:
            model = size.model(mode=mode)
            how = size.training(precision=setting.precision, execution=execution)
            ready = partial(learner, model, how, setting.device)
            made[f"{mode}, {execution}"] = (
                lambda ready=ready: ready().step,
                step_flops(model, how),
            )
    return made


def _time_size(setting: Setting, size: Size, table: Table, peak: float, until: float) -> None:
    batches = size.batches(4, setting.device)
    candidates: list[Candidate] = []
    for name, (make, flops) in _makers(setting, size).items():
        try:
            table.require_time()
            candidates.append(_ready(setting, size, batches, name, make, flops))
        except Exception as error:
            table.failed(f"{size.name}: {name}", error)
        release()
    for number in range(setting.rounds):
        if number < LEAST_ROUNDS or time.monotonic() < until:
            _round(setting, size, batches, table, candidates)
    base = next((c for c in candidates if c.name == BASELINE), None)
    for candidate in candidates:
        table.row(f"{size.name}: {candidate.name}", _cells(candidate, base, size, peak))


def _ready(
    setting: Setting,
    size: Size,
    batches: list[Batch],
    name: str,
    make: Callable[[], Step],
    flops: int,
) -> Candidate:
    """Make a mode's step and warm it up; how long it takes says how often a round takes it."""
    step = make()
    first = seconds(setting.device, partial(step, batches[0]))
    training = size.training(precision=setting.precision)
    passes = -(-size.batch_size // (training.micro_batch or size.batch_size))
    for number in range(max(1, math.ceil(WARM_PASSES / passes) - 1)):
        step(batches[number % len(batches)])
    one = seconds(setting.device, partial(step, batches[1]))
    repeats = min(MOST_STEPS, max(1, round(SAMPLE_SECONDS / one)))
    return Candidate(name, step, flops, first, 1 if setting.tiny else repeats)


def _round(
    setting: Setting,
    size: Size,
    batches: list[Batch],
    table: Table,
    candidates: list[Candidate],
) -> None:
    """Time every mode once; one that fails leaves the list."""
    for candidate in list(candidates):
        offered = iter(batches * (candidate.repeats // len(batches) + 1))
        try:
            work = lambda: candidate.step(next(offered))  # noqa: B023, E731
            candidate.taken.append(seconds(setting.device, work, candidate.repeats))
        except Exception as error:
            candidates.remove(candidate)
            table.failed(f"{size.name}: {candidate.name}", error)


def _cells(candidate: Candidate, base: Candidate | None, size: Size, peak: float) -> list[str]:
    rates = [size.batch_size / taken for taken in candidate.taken]
    shares = [100 * candidate.flops / taken / (peak * 1e12) for taken in candidate.taken]
    ratios = "none"
    if base is not None:
        pairs = zip(base.taken, candidate.taken, strict=True)
        ratios = spread([b / own for b, own in pairs], 2)
    counts = f"{len(rates)} x {candidate.repeats}"
    return [spread(rates), ratios, spread(shares, 1), counts, f"{candidate.first:.1f}"]
