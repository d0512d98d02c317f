"""What a model is and how it is trained: two frozen, validated records.

`N`, `T` and `M_max` keep the letters of the HRM paper (arXiv 2506.21734): a segment holds N
high-level cycles of T low-level steps each, and a puzzle gets at most M_max segments (section 2,
"Adaptive computational time"). None of the three changes the shape of a weight.
"""

import math
from dataclasses import dataclass
from typing import Literal

SWIGLU_MULTIPLE = 256
"""The inner width of SwiGLU is rounded up to a multiple of this, as in the published code."""

MODELS = ("hrm", "hrm-flat", "trm", "looped", "transformer")
TWO_STATE_MODELS = ("hrm", "hrm-flat", "trm")
"""Models with a low-level and a high-level state; the others have one state."""


class ConfigError(ValueError):
    """A setting is impossible; the message names it, its value and the remedy."""


def _require(config: object, field: str, possible: bool, remedy: str) -> None:
    if not possible:
        value = getattr(config, field)
        raise ConfigError(f"{type(config).__name__}.{field} is {value!r}; {remedy}.")


def _require_counts(config: object, *fields: str, least: int = 1) -> None:
    for field in fields:
        value = getattr(config, field)
        possible = isinstance(value, int) and not isinstance(value, bool) and value >= least
        _require(config, field, possible, f"give a whole number of at least {least}")


def _require_between(config: object, low: float, high: float, *fields: str) -> None:
    for field in fields:
        value = getattr(config, field)
        _require(config, field, low <= value <= high, f"give a number from {low:g} to {high:g}")


def _require_positive(config: object, *fields: str) -> None:
    for field in fields:
        value = getattr(config, field)
        _require(config, field, 0 < value < math.inf, "give a finite number above 0")


def _require_choice(config: object, field: str, choices: tuple[str, ...]) -> None:
    _require(config, field, getattr(config, field) in choices, f"choose from {', '.join(choices)}")


def _swiglu_width(expansion: float, outer: int) -> int:
    return math.ceil(round(expansion * outer * 2 / 3) / SWIGLU_MULTIPLE) * SWIGLU_MULTIPLE


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A Hierarchical Reasoning Model or one of its baselines; the defaults are as published.

    Raises `ConfigError` where a value is impossible. The width of the puzzle embedding is
    `hidden_size`, so it takes one position in front of the puzzle's tokens. Some settings that a
    model has no use for take the value that says so: a transformer has neither cycles nor segments
    (N, T and M_max are 1), and TRM never learns to continue (mode is lean).

    Attributes:
        model: `hrm`; `hrm-flat`, whose z_H is updated as often as z_L; `trm`, one network of
            L_layers for both states (arXiv 2510.04871); `looped`, one recurrent block of H_layers
            + L_layers at HRM's depth; `transformer`, those layers once.
        mode: `exact` learns both Q-values, the second from one more forward a step; `lean` halts
            on Q-halt alone and saves that forward. Weights of one fit the other.
        gradient: which updates at the end of a segment keep their gradient: `one_step` the last of
            each state, `cycle` the last cycle, `last_k` the last `gradient_steps`, `bptt` all;
            `native` is what each model was published with.
        gradient_steps: how many updates, of z_L and z_H together, `last_k` keeps.
        mixing: how positions see each other: `attention`, or `mlp`, a SwiGLU over positions.
    """

    vocab_size: int
    seq_len: int
    num_puzzle_identifiers: int
    model: Literal["hrm", "hrm-flat", "trm", "looped", "transformer"] = "hrm"
    mode: Literal["exact", "lean"] = "exact"
    gradient: Literal["native", "one_step", "cycle", "last_k", "bptt"] = "native"
    gradient_steps: int = 2
    mixing: Literal["attention", "mlp"] = "attention"
    N: int = 2
    T: int = 2
    H_layers: int = 4
    L_layers: int = 4
    hidden_size: int = 512
    num_heads: int = 8
    expansion: float = 4.0
    M_max: int = 16
    halt_exploration: float = 0.1
    positions: Literal["rope", "learned"] = "rope"
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        _require_counts(self, "vocab_size", "seq_len", "num_puzzle_identifiers", "N", "T", "M_max")
        _require_counts(self, "H_layers", "L_layers", "hidden_size", "num_heads")
        _require_positive(self, "expansion", "rope_theta", "norm_eps")
        _require_between(self, 0.0, 1.0, "halt_exploration")
        _require_choice(self, "positions", ("rope", "learned"))
        _require_choice(self, "model", MODELS)
        _require_choice(self, "mode", ("exact", "lean"))
        _require_choice(self, "mixing", ("attention", "mlp"))
        self._require_gradient()
        self._set_aside_what_has_no_use()
        whole_heads = self.hidden_size % self.num_heads == 0
        _require(
            self, "hidden_size", whole_heads, f"give a multiple of num_heads={self.num_heads}"
        )
        if self.positions == "rope":
            even_heads = self.head_dim % 2 == 0
            multiple = 2 * self.num_heads
            _require(self, "hidden_size", even_heads, f"rope needs a multiple of {multiple}")

    def _require_gradient(self) -> None:
        _require_choice(self, "gradient", ("native", "one_step", "cycle", "last_k", "bptt"))
        _require_counts(self, "gradient_steps")
        if self.gradient == "last_k" and self.model in TWO_STATE_MODELS:
            both = self.gradient_steps >= 2
            _require(self, "gradient_steps", both, "give at least 2: the last of z_L and of z_H")

    def _set_aside_what_has_no_use(self) -> None:
        unused: dict[str, object] = {}
        if self.model == "transformer":
            unused = {"N": 1, "T": 1, "M_max": 1, "gradient": "native"}
        if self.model in ("transformer", "trm"):
            unused["mode"] = "lean"
        if unused.get("gradient", self.gradient) != "last_k":
            unused["gradient_steps"] = type(self).gradient_steps
        for field, value in unused.items():
            object.__setattr__(self, field, value)

    @property
    def learns_to_continue(self) -> bool:
        """Whether a training step runs a second forward for the target of Q-continue."""
        return self.mode == "exact" and self.M_max > 1

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_heads

    @property
    def swiglu_width(self) -> int:
        """Inner width of SwiGLU: two thirds of expansion times hidden size, rounded up."""
        return _swiglu_width(self.expansion, self.hidden_size)

    @property
    def mixing_width(self) -> int:
        """Inner width of the SwiGLU that mixes positions where `mixing` is mlp."""
        return _swiglu_width(self.expansion, self.tokens)

    @property
    def tokens(self) -> int:
        """Positions the blocks see: the puzzle's embedding, then the puzzle's tokens."""
        return self.seq_len + 1


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained: `training_flops` is the budget, which gives the number of steps.

    One step is one segment of every row of the batch. `micro_batch` rows at a time pass through
    the model and the result is that of the whole batch. `evaluate_at` are fractions of the budget;
    `eval_puzzles` limits the puzzles evaluated (None takes all). `ema` is the decay of the moving
    average of the weights that is evaluated: 0 for none, None for what the model was published
    with. `execution` says how blocks run: `eager`, `compiled`, or `cuda_graphs`, which replays the
    compiled blocks of the first batch size with one launch, and is `compiled` on a CPU. Raises
    `ConfigError` where a value is impossible.
    """

    training_flops: float
    batch_size: int = 768
    micro_batch: int | None = None
    loss: Literal["stablemax", "softmax"] = "stablemax"
    learning_rate: float = 1e-4
    puzzle_learning_rate: float = 1e-2
    weight_decay: float = 0.1
    puzzle_weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    warmup_steps: int = 2000
    lr_min_ratio: float = 1.0
    evaluate_at: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    eval_puzzles: int | None = None
    eval_batch_size: int | None = None
    seed: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    execution: Literal["eager", "compiled", "cuda_graphs"] = "eager"
    ema: float | None = None

    def __post_init__(self) -> None:
        _require_positive(self, "training_flops", "learning_rate", "puzzle_learning_rate")
        _require_between(self, 0.0, 1e30, "learning_rate", "puzzle_learning_rate")
        _require_counts(self, "batch_size")
        _require_counts(self, "warmup_steps", "seed", least=0)
        for field in ("micro_batch", "eval_puzzles", "eval_batch_size"):
            if getattr(self, field) is not None:
                _require_counts(self, field)
        fits = self.micro_batch is None or self.micro_batch <= self.batch_size
        _require(self, "micro_batch", fits, f"give at most batch_size={self.batch_size}")
        _require_choice(self, "loss", ("stablemax", "softmax"))
        _require_choice(self, "precision", ("float32", "bfloat16"))
        _require_choice(self, "execution", ("eager", "compiled", "cuda_graphs"))
        if self.ema is not None:
            _require(self, "ema", 0 <= self.ema < 1, "give a number from 0 to below 1")
        _require_between(self, 0.0, 1e6, "weight_decay", "puzzle_weight_decay")
        _require_between(self, 0.0, 1.0, "lr_min_ratio")
        for field in ("beta1", "beta2"):
            _require(self, field, 0 <= getattr(self, field) < 1, "give a number from 0 to below 1")
        rising = sorted(set(self.evaluate_at)) == list(self.evaluate_at)
        inside = all(0 < fraction <= 1 for fraction in self.evaluate_at)
        _require(self, "evaluate_at", rising and inside, "give rising fractions above 0, up to 1")


def ema_decay(model: ModelConfig, training: TrainingConfig) -> float:
    """Decay of the moving average of the weights: 0 for none; TRM was published with 0.999."""
    if training.ema is not None:
        return training.ema
    return 0.999 if model.model == "trm" else 0.0
