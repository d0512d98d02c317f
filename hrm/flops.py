"""What a model costs before it is built: floating-point operations, parameters, memory.

A multiplication with its addition counts as two operations, and only matrix products count:
attention with its scores written out, as `torch.utils.flop_counter` counts it on the math kernel.
Norms, softmax, rotary positions and optimizers are left out; they are below one percent at the
published sizes.
"""

from hrm.config import ModelConfig, TrainingConfig

FLOAT32_BYTES = 4


def block_flops(model: ModelConfig) -> int:
    """Forward of one transformer block for one puzzle: S (8 d² + 6 d I + 4 S d)."""
    d, width, tokens = model.hidden_size, model.swiglu_width, model.tokens
    return tokens * (8 * d * d + 6 * d * width + 4 * tokens * d)


def _recurrence_flops(model: ModelConfig) -> int:
    blocks = model.N * model.T * model.L_layers + model.N * model.H_layers
    return blocks * block_flops(model)


def _token_head_flops(model: ModelConfig) -> int:
    return 2 * model.tokens * model.hidden_size * model.vocab_size


def _q_head_flops(model: ModelConfig) -> int:
    return 2 * model.hidden_size * 2


def segment_flops(model: ModelConfig) -> int:
    """Forward of one segment of one puzzle: the N x T recurrence and both heads."""
    return _recurrence_flops(model) + _token_head_flops(model) + _q_head_flops(model)


def training_flops(model: ModelConfig) -> int:
    """One training segment of one puzzle.

    The forward, the backward through the last low-level and the last high-level call (HRM paper,
    one-step gradient) and, where M_max > 1, the second recurrence behind the Q-continue target.
    """
    forwards = 2 if model.M_max > 1 else 1
    backward = 2 * (model.L_layers + model.H_layers) * block_flops(model)
    heads = 3 * _token_head_flops(model) + (forwards + 2) * _q_head_flops(model)
    return forwards * _recurrence_flops(model) + backward + heads


def inference_flops(model: ModelConfig, segments: int) -> int:
    """Forward of `segments` segments of one puzzle."""
    return segments * segment_flops(model)


def step_flops(model: ModelConfig, training: TrainingConfig) -> int:
    """One optimizer step: one training segment of every row of the batch."""
    return training.batch_size * training_flops(model)


def total_steps(model: ModelConfig, training: TrainingConfig) -> int:
    """Optimizer steps that the budget pays for in full, and at least one."""
    return max(1, int(training.training_flops // step_flops(model, training)))


def parameter_count(model: ModelConfig) -> int:
    """Trained weights without the puzzle table, as the published parameter counts have it."""
    d = model.hidden_size
    blocks = (model.H_layers + model.L_layers) * (4 * d * d + 3 * d * model.swiglu_width)
    positions = model.tokens * d if model.positions == "learned" else 0
    return blocks + positions + 2 * model.vocab_size * d + 2 * d + 2


def training_memory(model: ModelConfig, training: TrainingConfig) -> int:
    """Estimate of the peak memory of training in bytes, independent of N, T and M_max.

    Weights, their gradients and both moments of Adam-atan2 (and the weights once more in a
    narrower type); the puzzle table; the carries of all rows; and what the one-step gradient keeps
    for the rows that pass through at a time. Attention keeps no scores.
    """
    size = FLOAT32_BYTES if training.precision == "float32" else FLOAT32_BYTES // 2
    narrow_copy = 0 if training.precision == "float32" else size
    weights = (4 * FLOAT32_BYTES + narrow_copy) * parameter_count(model)
    table = FLOAT32_BYTES * model.num_puzzle_identifiers * model.hidden_size
    carries = 2 * training.batch_size * model.tokens * model.hidden_size
    rows = training.micro_batch or training.batch_size
    return weights + table + size * (carries + rows * model.tokens * _kept_per_token(model))


def _kept_per_token(model: ModelConfig) -> int:
    """Values alive at the peak for one position of one row.

    A block keeps its gate, up, silu and product, and nine of width d: query, key, value, what
    attention mixed, and the inputs of its norms and maps. Outside the blocks lie the states, the
    injected input and what the backward of one SwiGLU works on.
    """
    d, width = model.hidden_size, model.swiglu_width
    return (model.H_layers + model.L_layers) * (9 * d + 4 * width) + 14 * d + 3 * width
