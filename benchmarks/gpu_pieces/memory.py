"""Piece `memory`: the peak of a training step, by recurrence and by gradient."""

from functools import partial
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from gpu_pieces.setting import SUDOKU_512, TINY, Setting, learner
from gpu_pieces.tables import Table, release, require
from hrm.config import ModelConfig, TrainingConfig
from hrm.model.memory import training_memory
from hrm.training.learner import Learner
from puzzle_datasets.loading.batch import Batch

ROWS = 128
SAME = 0.02
"""Peaks of the one-step gradient may differ by this share from the one with N = T = 1."""

ONE_STEP: tuple[dict[str, Any], ...] = (
    {"N": 1, "T": 1},
    {"N": 2, "T": 2},
    {"N": 4, "T": 2},
    {"N": 4, "T": 8},
    {"N": 1, "T": 32},
    {"N": 32, "T": 1},
    {"N": 2, "T": 2, "M_max": 2},
    {"N": 2, "T": 2, "M_max": 64},
)
GROWING: tuple[dict[str, Any], ...] = (
    {"gradient": "last_k", "gradient_steps": 2},
    {"gradient": "last_k", "gradient_steps": 4},
    {"gradient": "last_k", "gradient_steps": 6},
    {"gradient": "bptt", "N": 1, "T": 1},
    {"gradient": "bptt"},
    {"gradient": "bptt", "N": 2, "T": 4},
)
COLUMNS = ("model and execution", "peak, MiB", "growth", "estimate, MiB", "ratio")
NOTE = (
    "{size}, {rows} rows, {precision}: the largest number of bytes in use by tensors in one step "
    "after two others. 'Growth' is against the first row of the same kind; for the one-step "
    "gradient a row fails beyond {same} %, for the others where it is not above the one before. "
    "'Estimate' is `hrm.model.flops.training_memory`, and its ratio to the measurement."
)


def run(setting: Setting) -> bool:
    """Print the table; return whether every row holds."""
    title = "Memory of training" if setting.device.type == "cuda" else "Memory (by the profiler)"
    size = TINY if setting.tiny else SUDOKU_512
    rows = size.batch_size if setting.tiny else ROWS
    note = NOTE.format(
        size=size.name, rows=rows, precision=setting.precision, same=round(100 * SAME)
    )
    table = Table(title, note, *COLUMNS, deadline=setting.deadline())
    for execution in setting.executions:
        for mode in ("exact", "lean"):
            group = [{"mode": mode, **changes} for changes in ONE_STEP]
            _group(setting, table, execution, group, growing=False)
    for group in (GROWING[:3], GROWING[3:]):
        _group(setting, table, "eager", group, growing=True)
    return table.whole


def _group(setting: Setting, table: Table, execution: str, group: Any, *, growing: bool) -> None:
    peaks: list[int] = []
    for changes in group:
        described = ", ".join(f"{key}={value}" for key, value in changes.items())
        work = partial(_cells, setting, execution, changes, peaks, growing)
        table.attempt(f"{described}, {execution}", work)


def _cells(
    setting: Setting, execution: str, changes: dict[str, Any], peaks: list[int], growing: bool
) -> list[str]:
    """Measure one configuration; `peaks` are those of the group so far and get this one."""
    if execution == "cuda_graphs":
        # Graphs of the models before would keep their memory.
        torch._dynamo.reset()
    release()
    size = TINY if setting.tiny else SUDOKU_512
    rows = size.batch_size if setting.tiny else ROWS
    model = size.model(**changes)
    training = size.training(
        precision=setting.precision, execution=execution, batch_size=rows, micro_batch=rows
    )
    batches = [_cut(batch, rows) for batch in size.batches(3, setting.device)]
    peak = _peak(model, training, batches, setting.device)
    peaks.append(peak)
    growth = peak / peaks[0]
    if growing and len(peaks) > 1:
        require(peak > peaks[-2], f"{peak} bytes, no more than {peaks[-2]} before")
    if not growing:
        require(abs(growth - 1) <= SAME, f"{peak} bytes, {growth:.3f} of {peaks[0]}")
    estimate = training_memory(model, training)
    mebibytes = [f"{count / 2**20:,.1f}" for count in (peak, estimate)]
    return [mebibytes[0], f"{growth:.3f}", mebibytes[1], f"{estimate / peak:.2f}"]


def _cut(batch: Batch, rows: int) -> Batch:
    return batch.split(rows)[0]


def _peak(
    model: ModelConfig, training: TrainingConfig, batches: list[Batch], device: torch.device
) -> int:
    trained = learner(model, training, device)
    *before, last = batches
    for batch in before:
        trained.step(batch)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        trained.step(last)
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device)
    return _held(trained) + _profiled(trained, last)


def _held(trained: Learner) -> int:
    """Bytes of what the learner keeps: weights, table, gradients, moments."""
    weights = trained.model.state_dict().values()
    parameters = sum(p.nbytes for p in trained.model.parameters())
    return sum(tensor.nbytes for tensor in weights) + 3 * parameters


def _profiled(trained: Learner, batch: Batch) -> int:
    """Most bytes that a step has allocated at once beyond what was there, on the CPU."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        trained.step(batch)
    held = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak
