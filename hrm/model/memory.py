"""The main memory that training needs, and the refusal where the machine has less.

Imports no torch, so that a space can be refused before anything is loaded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from hrm.config import ConfigError, ModelConfig, TrainingConfig, ema_decay
from hrm.model.flops import parameter_count
from hrm.recurrence import blocks_passed, kept_updates
from puzzle_datasets.common.errors import RunError
from puzzle_datasets.common.memory import memory, reservable
from puzzle_datasets.common.text import byte_size

FLOAT32_BYTES = 4

CERTAIN = 0.8
"""Share of the estimate that training needs in any case: it is near what torch takes."""


def training_memory(model: ModelConfig, training: TrainingConfig, processes: int = 1) -> int:
    """Estimate of the peak memory of training in bytes, for each of several processes.

    Weights, their gradients and both moments of Adam-atan2 (the weights once more in a narrower
    type, and once for their moving average); the puzzle table; the carries of all rows; and what
    the kept updates leave behind for the rows that pass through at a time, which for the one-step
    gradient depends on neither N, T nor M_max. Attention keeps no scores.
    """
    size = FLOAT32_BYTES if training.precision == "float32" else FLOAT32_BYTES // 2
    narrow_copy = 0 if training.precision == "float32" else size
    copies = 4 + (ema_decay(model, training) > 0)
    weights = (copies * FLOAT32_BYTES + narrow_copy) * parameter_count(model)
    table = FLOAT32_BYTES * model.num_puzzle_identifiers * model.puzzle_width
    states = 2 if model.kind.has_low_state else 1
    share = -(-training.batch_size // processes)
    carries = states * share * model.tokens * model.hidden_size
    rows = min(training.micro_batch or share, share)
    return weights + table + size * (carries + rows * model.tokens * _kept_per_token(model))


def _kept_per_token(model: ModelConfig) -> int:
    """Values alive at the peak for one position of one row.

    A block keeps its gate, up, silu and product, and nine of width d: query, key, value, what
    attention mixed, and the inputs of its norms and maps. An update keeps the sum it starts from.
    Outside the blocks lie the states, the injected input and what the backward of one SwiGLU works
    on.
    """
    d, width = model.hidden_size, model.swiglu_width
    blocks = blocks_passed(model, kept_updates(model))
    mixing = 9 * d
    if model.mixing == "mlp":
        mixing = 5 * d + 4 * d * model.mixing_width // model.tokens
    return blocks * (mixing + 4 * width) + 14 * d + 3 * width


def require_memory(model: ModelConfig, training: TrainingConfig, processes: int = 1) -> None:
    """Refuse a training that needs more main memory than this machine and its limits leave.

    Raises `ConfigError`, whose field is the one setting that is too large for sure.
    """
    needs = training_memory(model, training, processes)
    if fits(needs):
        return
    single = replace(training, batch_size=processes, micro_batch=None)
    field, remedy, value = (
        "batch_size",
        "give fewer, or a smaller micro_batch",
        training.batch_size,
    )
    if not fits(training_memory(model, single, processes)):
        field, remedy, value = "hidden_size", "give a smaller model", model.hidden_size
    problem = (
        f"is {value}, with which training needs about {byte_size(needs)} of memory, and this "
        f"machine grants {byte_size(memory())} at most"
    )
    raise ConfigError.of(field, problem, remedy, value)


def require_device_memory(
    model: ModelConfig, training: TrainingConfig, granted: float, processes: int = 1
) -> None:
    """Refuse a training that needs more memory than its part of a GPU has.

    What counts is one puzzle at a time: where more do not fit, fewer are taken. Raises
    `ConfigError`, whose field is the setting that is too large.
    """
    needs = training_memory(model, replace(training, micro_batch=1), processes)
    if CERTAIN * needs <= granted:
        return
    single = replace(training, batch_size=processes, micro_batch=None)
    field, value, remedy = "batch_size", training.batch_size, "give fewer"
    if CERTAIN * training_memory(model, single, processes) > granted:
        field, value, remedy = "hidden_size", model.hidden_size, "give a smaller model"
    problem = (
        f"is {value}, with which training needs about {byte_size(needs)} of memory even with one "
        f"puzzle at a time, and its part of the GPU has {byte_size(int(granted))}"
    )
    raise ConfigError.of(field, problem, f"{remedy}, or a larger share of a GPU", value)


def fits(needs: int) -> bool:
    """Return False if training that needs so many bytes, by estimate, has no room here for sure.

    >>> fits(10**9), fits(10**18)
    (True, False)
    """
    certain = int(CERTAIN * needs)
    return certain <= memory() and reservable(certain)


@contextmanager
def main_memory(model: ModelConfig, training: TrainingConfig) -> Iterator[None]:
    """Say so where training fails since it needs more than this machine's memory.

    torch has no exception of its own for that, so what training needs is estimated. Raises
    `ConfigError` in place of whatever was raised for want of memory.
    """
    try:
        yield
    except RunError:
        raise
    except (MemoryError, OverflowError, RuntimeError, TypeError) as error:
        enough = training_memory(model, training) < memory()
        if isinstance(error, RuntimeError | TypeError) and enough:
            raise
        problem = "this machine has too little memory for these settings"
        remedy = "give a smaller model or a smaller --micro-batch"
        raise ConfigError.of(None, problem, remedy) from error
