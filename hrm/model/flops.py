"""Costs of a model before it is built: floating-point operations and parameters.

A multiplication with its addition counts as two operations, and only matrix products count:
attention with its scores written out, as `torch.utils.flop_counter` counts it on the math kernel.
Norms, softmax, rotary positions and optimizers are left out; they are below one percent at the
published sizes.
"""

from hrm.config import LARGEST_NUMBER, ConfigError, ModelConfig, TrainingConfig
from hrm.recurrence import Updates, blocks_passed, kept_updates, segment_updates
from puzzle_datasets.common.text import exact


def block_flops(model: ModelConfig) -> int:
    """Forward of one block for one puzzle: S (8 d² + 6 d I + 4 S d) with attention.

    Mixing by MLP has 6 S d W in place of attention's S (8 d² + 4 S d), W being the inner width.
    """
    d, width, tokens = model.hidden_size, model.swiglu_width, model.tokens
    mixing = tokens * (8 * d * d + 4 * tokens * d)
    if model.mixing == "mlp":
        mixing = 6 * tokens * d * model.mixing_width
    return mixing + tokens * 6 * d * width


def _updates_flops(model: ModelConfig, updates: Updates) -> int:
    return blocks_passed(model, updates) * block_flops(model)


def _backward_flops(model: ModelConfig) -> int:
    """Backward through the kept updates: twice their forward.

    Where the first of them is an H before any kept L, all it reads is constant, which saves the
    gradient of what its first block reads.
    """
    kept = kept_updates(model)
    backward = 2 * _updates_flops(model, kept)
    if not kept.begins_with_H:
        return backward
    d, tokens = model.hidden_size, model.tokens
    return backward - tokens * d * (4 * model.mixing_width if model.mixing == "mlp" else 6 * d)


def _heads_flops(model: ModelConfig, token_passes: int, q_passes: int) -> int:
    return 2 * model.hidden_size * (token_passes * model.tokens * model.vocab_size + 2 * q_passes)


def segment_flops(model: ModelConfig) -> int:
    """Forward of one segment of one puzzle: its updates and both heads."""
    return _updates_flops(model, segment_updates(model)) + _heads_flops(model, 1, 1)


def training_flops(model: ModelConfig) -> int:
    """One training segment of one puzzle.

    The forward, the backward through the updates that keep their gradient (the last of each state
    in the HRM paper) and, in mode exact, the second recurrence behind the Q-continue target.
    """
    forwards = 2 if model.learns_to_continue else 1
    recurrence = forwards * _updates_flops(model, segment_updates(model))
    return recurrence + _backward_flops(model) + _heads_flops(model, 3, forwards + 2)


def inference_flops(model: ModelConfig, segments: int) -> int:
    """Forward of `segments` segments of one puzzle."""
    return segments * segment_flops(model)


def step_flops(model: ModelConfig, training: TrainingConfig) -> int:
    """One optimizer step: one training segment of every row of the batch."""
    return training.batch_size * training_flops(model)


def total_steps(model: ModelConfig, training: TrainingConfig) -> int:
    """Optimizer steps that the budget pays for in full, and at least one.

    Raises `ConfigError` for more than a record holds, which no machine would come to the end of.
    """
    steps = max(1, int(training.training_flops // step_flops(model, training)))
    if steps > LARGEST_NUMBER:
        given = training.training_flops
        problem = f"is {exact(given)}, which pays for over {LARGEST_NUMBER:,} steps"
        raise ConfigError.of("training_flops", problem, "give less", given)
    return steps


def parameter_count(model: ModelConfig) -> int:
    """Trained weights without the puzzle table, as the published parameter counts have it."""
    d = model.hidden_size
    mixing = 4 * d * d if model.mixing == "attention" else 3 * model.tokens * model.mixing_width
    blocks = sum(model.kind.networks(model).values()) * (mixing + 3 * d * model.swiglu_width)
    positions = model.tokens * d if model.positions == "learned" else 0
    return blocks + positions + 2 * model.vocab_size * d + 2 * d + 2


def costs(model: ModelConfig, training: TrainingConfig) -> dict[str, int]:
    """Return the costs of a run by name: parameters, steps, FLOPs of training and of one answer.

    >>> sizes = {"vocab_size": 11, "seq_len": 81, "num_puzzle_identifiers": 1}
    >>> costs(ModelConfig(**sizes), TrainingConfig(training_flops=1e15))["parameter_count"]
    27275266
    """
    steps = total_steps(model, training)
    return {
        "parameter_count": parameter_count(model),
        "total_steps": steps,
        "training_flops": steps * step_flops(model, training),
        "inference_flops": inference_flops(model, model.effective.M_max),
    }
