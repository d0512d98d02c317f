"""The configurations of a model and of its training: frozen and checked. Imports no torch.

`N`, `T` and `M_max` keep the letters of the HRM paper (arXiv 2506.21734): a segment holds N
high-level cycles of T low-level steps each, and a puzzle gets at most M_max segments (section 2,
"Adaptive computational time"). None of the three changes the shape of a weight.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from hrm.models import MODELS, ModelKind
from puzzle_datasets.common.arguments import checked, checked_names
from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.options import check, option, require

if TYPE_CHECKING:
    ModelName = str
else:
    ModelName = Literal[tuple(MODELS)]

SWIGLU_MULTIPLE = 256
"""The inner width of SwiGLU is rounded up to a multiple of this, as in the published code."""

DATASET_FIELDS = ("vocab_size", "seq_len", "num_puzzle_identifiers")
"""Fields of `ModelConfig` that follow from the puzzles."""

_OF_EMBEDDINGS = (
    *("num_puzzle_identifiers", "puzzle_emb_len"),
    *("puzzle_learning_rate", "puzzle_weight_decay"),
)


class ConfigError(UserError):
    """A setting is impossible, alone or with others; see `UserError`."""


@checked_names(ConfigError)
@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A Hierarchical Reasoning Model or one of its baselines; the defaults are as published.

    Not every model has a use for every setting: a transformer has neither cycles nor segments.
    Such settings are kept as given; `inactive` names them, and `effective` is the configuration
    without them.

        >>> config = ModelConfig(vocab_size=11, seq_len=81, num_puzzle_identifiers=1, N=3)
        >>> config.tokens, config.swiglu_width
        (82, 1536)

    Raises `ConfigError` where a value is impossible, or values do not go together.
    """

    vocab_size: int = option(MISSING, "number of tokens", least=1, most=1e6)
    seq_len: int = option(MISSING, "tokens of a puzzle", least=1, most=1e9)
    num_puzzle_identifiers: int = option(MISSING, "identities of puzzles", least=1, most=1e12)
    model: ModelName = option(
        "hrm",
        "hrm; hrm-flat, whose z_H is updated as often as z_L; trm, one network of L_layers for "
        "both states; looped, one recurrent block of H_layers + L_layers at HRM's depth; "
        "transformer, those layers once",
    )
    mode: Literal["exact", "lean"] = option(
        "exact",
        "exact learns Q-halt and Q-continue, with a second forward a step; lean halts on Q-halt "
        "and saves that forward; weights of one fit the other",
    )
    gradient: Literal["native", "one_step", "cycle", "last_k", "bptt"] = option(
        "native",
        "which updates at the end of a segment keep their gradient: one_step the last of each "
        "state, cycle the last cycle, last_k the last gradient_steps, bptt all; native as the "
        "model was published",
    )
    gradient_steps: int = option(
        2, "updates, of z_L and z_H together, that gradient last_k keeps", least=1, most=1e9
    )
    mixing: Literal["attention", "mlp"] = option(
        "attention", "how positions see each other; mlp is a SwiGLU over positions"
    )
    N: int = option(2, "high-level cycles of a segment", least=1, most=1e6)
    T: int = option(2, "low-level steps of a cycle", least=1, most=1e6)
    H_layers: int = option(4, "blocks of the high-level module", least=1, most=1e4)
    L_layers: int = option(4, "blocks of the low-level module", least=1, most=1e4)
    hidden_size: int = option(512, "width d of the states", least=1, most=1e6)
    num_heads: int = option(8, "attention heads", least=1, most=1e6)
    expansion: float = option(
        4.0, "inner width of SwiGLU over two thirds of the hidden size", least=0.01, most=1e3
    )
    puzzle_emb_ndim: int | None = option(
        None,
        "width of a puzzle's embedding; 0 for no embedding, none for the hidden size",
        least=0,
        most=1e9,
    )
    puzzle_emb_len: int = option(
        0,
        "positions that a puzzle's embedding fills, the rest of them zeros; 0 for as many as it "
        "needs",
        least=0,
        most=1e4,
    )
    M_max: int = option(16, "most segments of a puzzle", least=1, most=1e6)
    halt_exploration: float = option(
        0.1, "share of segments that draw how long a puzzle must go on", least=0, most=1
    )
    positions: Literal["rope", "learned"] = option("rope", "how positions are told apart")
    rope_theta: float = option(10000.0, "base of the rotary frequencies", above=0, most=1e30)
    norm_eps: float = option(1e-5, "added to the mean square in a norm", above=0, most=1e30)

    def __post_init__(self) -> None:
        check(self, ConfigError)
        inactive = self.inactive
        if "num_heads" not in inactive:
            heads = self.num_heads
            remedy = f"give a multiple of num_heads={heads}"
            self._require("hidden_size", self.hidden_size % heads == 0, remedy, "num_heads")
            if self.positions == "rope":
                remedy, parts = f"rope needs a multiple of {2 * heads}", ("num_heads", "positions")
                self._require("hidden_size", self.head_dim % 2 == 0, remedy, *parts)
        if "puzzle_emb_len" not in inactive:
            fits = self.puzzle_emb_len in (0, self.puzzle_positions)
            remedy = f"give at least {self.puzzle_positions}, or 0"
            self._require("puzzle_emb_len", fits, remedy, "puzzle_emb_ndim", "hidden_size")
        if "gradient_steps" not in inactive and self.kind.has_low_state:
            remedy = "give at least 2: the last of z_L and of z_H"
            self._require("gradient_steps", self.gradient_steps >= 2, remedy, "gradient", "model")

    def _require(self, name: str, fits: bool, remedy: str, *also: str) -> None:
        require(self, name, fits, remedy, ConfigError, also=also)

    @classmethod
    @checked(ConfigError)
    def for_dataset(cls, dataset: Any, **settings: Any) -> "ModelConfig":
        """Return the configuration of a model that fits a puzzle set.

            >>> from types import SimpleNamespace
            >>> sizes = SimpleNamespace(vocab_size=11, seq_len=81, num_puzzle_identifiers=1)
            >>> ModelConfig.for_dataset(sizes, hidden_size=128).vocab_size
            11

        The `dataset`, a `PuzzleDataset` or its manifest, fixes vocabulary, length and number of
        puzzle identities. Raises `ConfigError` where one of these is given as well, a value is
        impossible, or is no setting.
        """
        for name in DATASET_FIELDS:
            if name in settings:
                problem, remedy = "is given, but follows from the dataset", "leave it out"
                raise ConfigError.of(name, problem, remedy, settings[name])
        manifest = getattr(dataset, "manifest", dataset)
        sizes: dict[str, Any] = {n: getattr(manifest, n, None) for n in DATASET_FIELDS}
        return cls(**sizes, **settings)

    @property
    def kind(self) -> ModelKind:
        """The record of this model in `hrm.models`."""
        return MODELS[self.model]

    @property
    def inactive(self) -> dict[str, str]:
        """Settings of the model and its training that change nothing here, with the cause of each.

        >>> ModelConfig(
        ...     vocab_size=11, seq_len=81, num_puzzle_identifiers=1, gradient="bptt", M_max=1
        ... ).inactive
        {'gradient_steps': 'gradient', 'mode': 'M_max', 'halt_exploration': 'M_max'}
        """
        causes = dict.fromkeys((*self.kind.fixed, *self.kind.unused), "model")
        reasons = (
            (self.gradient != "last_k", "gradient", ("gradient_steps",)),
            ("gradient" in causes, "model", ("gradient_steps",)),
            (self.M_max == 1, "M_max", ("mode", "halt_exploration")),
            (self.mixing == "mlp", "mixing", ("num_heads", "rope_theta")),
            (self.positions == "learned", "positions", ("rope_theta",)),
            (self.puzzle_emb_ndim == 0, "puzzle_emb_ndim", _OF_EMBEDDINGS),
        )
        for applies, cause, names in reasons:
            for name in names if applies else ():
                causes.setdefault(name, cause)
        return causes

    def ignored(self, given: Mapping[str, Any]) -> dict[str, str]:
        """Settings of the model and its training that were given and that change nothing here.

        Each with its cause; one that was given the value that the model acts by does not count.
        """
        own = self.effective
        return {
            name: cause
            for name, cause in self.inactive.items()
            if name in given and getattr(own, name, None) != given[name]
        }

    @property
    def effective(self) -> "ModelConfig":
        """The configuration that this one acts as: inactive settings at the model's own values.

        Those are the defaults, where the model does not say otherwise (`ModelKind.fixed`).
        """
        own = {"num_puzzle_identifiers": 1, **_DEFAULTS, **self.kind.fixed}
        return replace(self, **{name: own[name] for name in self.inactive if name in own})

    @property
    def learns_to_continue(self) -> bool:
        """Return True if a training step runs a second forward for the target of Q-continue."""
        return self.mode == "exact" and "mode" not in self.inactive

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
    def puzzle_width(self) -> int:
        """Values in the embedding of one puzzle identity."""
        return self.hidden_size if self.puzzle_emb_ndim is None else self.puzzle_emb_ndim

    @property
    def puzzle_positions(self) -> int:
        """Positions that a puzzle's embedding fills, zeros where it does not reach."""
        needed = -(-self.puzzle_width // self.hidden_size)
        return max(needed, self.puzzle_emb_len) if needed else 0

    @property
    def tokens(self) -> int:
        """Positions the blocks see: those of the puzzle's embedding, then the puzzle's tokens."""
        return self.seq_len + self.puzzle_positions


_DEFAULTS = {
    item.name: item.default for item in fields(ModelConfig) if item.default is not MISSING
}


@checked_names(ConfigError)
@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """A training of a model: `training_flops` is the budget, which gives the number of steps.

    One step is one segment of every row of the batch.

        >>> TrainingConfig(training_flops=1e15, batch_size=64).learning_rate
        0.0001

    Raises `ConfigError` where a value is impossible, or values do not go together.
    """

    training_flops: float = option(
        MISSING, "budget: floating-point operations of training", above=0, most=1e40
    )
    batch_size: int = option(
        768, "puzzles at work at a time, over all processes", least=1, most=1e9
    )
    micro_batch: int | None = option(
        None,
        "puzzles that pass through the model at a time, with the result of the whole batch; none "
        "takes all",
        least=1,
        most=1e9,
    )
    loss: Literal["stablemax", "softmax"] = option("stablemax", "token loss")
    learning_rate: float = option(1e-4, "of the weights", above=0, most=1e30)
    puzzle_learning_rate: float = option(1e-2, "of the puzzle embeddings", above=0, most=1e30)
    weight_decay: float = option(0.1, "of the weights", least=0, most=1e6)
    puzzle_weight_decay: float = option(0.1, "of the puzzle embeddings", least=0, most=1e6)
    beta1: float = option(0.9, "of Adam-atan2", least=0, below=1)
    beta2: float = option(0.95, "of Adam-atan2", least=0, below=1)
    warmup_steps: int = option(2000, "steps in which the learning rates rise", least=0, most=1e15)
    lr_min_ratio: float = option(
        1.0, "share of the learning rates that the cosine ends at; 1 keeps them", least=0, most=1
    )
    evaluate_at: tuple[float, ...] = option(
        (0.25, 0.5, 0.75, 1.0), "when to evaluate, as fractions of the budget", above=0, most=1
    )
    eval_puzzles: int | None = option(
        None, "how many test puzzles to evaluate; none takes all", least=1, most=1e15
    )
    eval_views: int = option(
        1,
        "views in which each ARC test input is answered, as many as the set has at most; the "
        "answers vote",
        least=1,
        most=1e4,
    )
    confirm_share: float = option(
        0.0,
        "share of the test puzzles, in whole tasks, that is held back from evaluations",
        least=0,
        below=1,
    )
    eval_part: Literal["search", "confirm"] = option(
        "search", "test puzzles to evaluate: search all but those held back, confirm those"
    )
    eval_batch_size: int | None = option(
        None,
        "puzzles evaluated at a time, in each process; none takes the batch size",
        least=1,
        most=1e9,
    )
    seed: int = option(0, "of weights, puzzles and exploration", least=0, most=1e18)
    precision: Literal["float32", "bfloat16"] = option("float32", "what modules compute in")
    execution: Literal["eager", "compiled", "cuda_graphs"] = option(
        "eager",
        "how blocks run; cuda_graphs replays the compiled blocks of the first batch size with one "
        "launch, and is compiled on a CPU",
    )
    ema: float | None = option(
        None,
        "decay of the average of the weights that is evaluated, 0 for no average; none as the "
        "model was published",
        least=0,
        below=1,
    )

    def __post_init__(self) -> None:
        check(self, ConfigError)
        fits = self.micro_batch is None or self.micro_batch <= self.batch_size
        remedy = f"give at most batch_size={self.batch_size}"
        require(self, "micro_batch", fits, remedy, ConfigError, also=("batch_size",))
        rising = sorted(set(self.evaluate_at)) == list(self.evaluate_at)
        require(self, "evaluate_at", rising, "give rising fractions", ConfigError)


def ema_decay(model: ModelConfig, training: TrainingConfig) -> float:
    """Decay of the moving average of the weights: 0 for none; TRM was published with 0.999."""
    return model.kind.ema if training.ema is None else training.ema


def heads_of_width(head_dim: int, hidden_size: int) -> int:
    """Return `num_heads` for heads of a width.

        >>> heads_of_width(64, 512)
        8

    Raises `ConfigError` where the hidden size is no multiple of it, which blames `hidden_size`.
    """
    require_least(1, head_dim=head_dim)
    if hidden_size % head_dim:
        remedy = f"give a multiple of head_dim={head_dim}"
        raise ConfigError("hidden_size", hidden_size, remedy, also=("head_dim",))
    return hidden_size // head_dim


def require_sizes(config: ModelConfig, manifest: Any, whose: str = "", remedy: str = "") -> None:
    """Refuse puzzles that the model, of a file `whose` it may be, can't read.

    Raises `ConfigError`, whose field is the size that differs.
    """
    for field in DATASET_FIELDS:
        has, needed = getattr(config, field), getattr(manifest, field)
        if has != needed and field not in config.inactive:
            problem = f"{whose}is {has}, but the dataset {manifest.name!r} has {needed}"
            raise ConfigError.of(field, problem, remedy or f"give {needed}", has)


def _swiglu_width(expansion: float, outer: int) -> int:
    return math.ceil(round(expansion * outer * 2 / 3) / SWIGLU_MULTIPLE) * SWIGLU_MULTIPLE


LARGEST_NUMBER = 10**15


def require_least(least: int, most: int = LARGEST_NUMBER, **numbers: int | None) -> None:
    """Raise `ConfigError` for the first of these numbers, by name, out of bounds; None may be."""
    for name, value in numbers.items():
        if value is not None and value < least:
            raise ConfigError(name, value, f"give a whole number of at least {least}")
        if value is not None and value > most:
            raise ConfigError(name, value, f"give a whole number of at most {most}")
