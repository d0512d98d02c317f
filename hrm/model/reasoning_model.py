"""The Hierarchical Reasoning Model and its baselines: recurrent modules and two heads.

What sets the models of the harness apart is their record in `hrm.models`. Module and buffer names
are those of the published code, so that a published state dict loads once its prefix is stripped.
Shapes: B rows, L tokens of a puzzle, S = P + L positions (the puzzle's embedding of width E comes
first and fills P), d hidden size, V vocabulary.
"""

import math
from collections.abc import Iterator
from functools import cache, reduce
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrm.config import ConfigError, ModelConfig
from hrm.model.layers import (
    Attention,
    Embedding,
    Linear,
    PuzzleEmbedding,
    RotaryPositions,
    SwiGLU,
    rms_norm,
    truncated_normal_,
)
from hrm.recurrence import kept_updates, segment_updates
from puzzle_datasets.common.arguments import checked

Q_HEAD_BIAS = -5.0
"""Both Q-values start near zero, so that no row halts before it has learnt to."""


class Carry(NamedTuple):
    """The states between two segments, without gradient: z_H and z_L, both `[B, S, d]`.

    z_L is `[B, 0, d]` in a model of one state.
    """

    z_H: Tensor
    z_L: Tensor


class Output(NamedTuple):
    """Outputs of the heads: logits `[B, L, V]` and the Q-logits `[B]` in float32."""

    logits: Tensor
    q_halt: Tensor
    q_continue: Tensor


class Block(nn.Module):
    """A post-norm transformer block: x = RMS(x + Mix(x)); x = RMS(x + SwiGLU(x)).

    Mix is attention, or as in TRM's MLP form (arXiv 2510.04871) a SwiGLU over positions, and the
    norm after it is over positions as well.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm_eps = config.norm_eps
        self.mixes_by_mlp = config.mixing == "mlp"
        if self.mixes_by_mlp:
            self.mlp_t = SwiGLU(config.tokens, config.mixing_width)
        else:
            self.self_attn = Attention(config.hidden_size, config.num_heads)
        self.mlp = SwiGLU(config.hidden_size, config.swiglu_width)

    def forward(self, x: Tensor, rotary: RotaryPositions | None) -> Tensor:
        """`[B, S, d] -> [B, S, d]`."""
        x = self._mix(x, rotary)
        return rms_norm(x + self.mlp(x), self.norm_eps)

    def _mix(self, x: Tensor, rotary: RotaryPositions | None) -> Tensor:
        """Let positions see each other; the norm that follows a SwiGLU over positions is too."""
        if self.mixes_by_mlp:
            columns = x.transpose(1, 2)
            return rms_norm(columns + self.mlp_t(columns), self.norm_eps).transpose(1, 2)
        return rms_norm(x + self.self_attn(x, rotary), self.norm_eps)


class ReasoningModule(nn.Module):
    """f_H or f_L (HRM paper, section 2): the state plus what is injected, through blocks."""

    def __init__(self, config: ModelConfig, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(layers))

    def forward(self, state: Tensor, injection: Tensor, rotary: RotaryPositions | None) -> Tensor:
        """The next state `[B, S, d]` from the state and the injection, both `[B, S, d]`."""
        x = state + injection
        for layer in self.layers:
            x = layer(x, rotary)
        return x


@cache
def weight_shapes(config: ModelConfig) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The name and shape of each tensor of a model's state, without memory for its values.

    N, T and M_max change none, so that weights of one fit the other.
    """
    with torch.device("meta"):
        state = ReasoningModel(config).state_dict()
    return tuple((name, tuple(tensor.shape)) for name, tensor in state.items())


class ReasoningModel(nn.Module):
    """HRM or one of its baselines: embeddings, the loop over a segment's updates, two heads.

    `hrm.models` says what an update reads, `hrm.recurrence` in which order updates come and which
    of them keep a gradient. Weights are undefined until `initialise` or `load_state_dict`.
    Modules compute in `dtype`; weights are float32 whatever it is. `config` is the effective one.

        >>> sizes = {"vocab_size": 11, "seq_len": 81, "num_puzzle_identifiers": 1}
        >>> model = ReasoningModel(ModelConfig(**sizes, hidden_size=32, num_heads=2))
        >>> model.initialise(torch.Generator().manual_seed(0))
        >>> inputs, identifiers = torch.zeros(2, 81, dtype=torch.int32), torch.zeros(2).int()
        >>> x = model.embed(inputs, model.puzzle_emb(identifiers))
        >>> carry, output = model(model.initial_carry(2), x)
        >>> tuple(output.logits.shape), tuple(carry.z_L.shape)
        ((2, 81, 11), (2, 82, 32))
    """

    @checked(ConfigError)
    def __init__(self, config: ModelConfig, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        if not dtype.is_floating_point:
            raise ConfigError("dtype", dtype, "give torch.float32 or torch.bfloat16")
        self.config = config = config.effective
        self.dtype = dtype
        d = config.hidden_size
        self.embed_tokens = Embedding(config.vocab_size, d)
        self.puzzle_emb = PuzzleEmbedding(config.num_puzzle_identifiers, config.puzzle_width)
        self.embed_pos: Embedding | None = None
        self.rotary: RotaryPositions | None = None
        if config.positions == "learned":
            self.embed_pos = Embedding(config.tokens, d)
        elif config.mixing == "attention":
            self.rotary = RotaryPositions(config.tokens, config.head_dim, config.rope_theta)
        for letter, layers in config.kind.networks(config).items():
            self.add_module(f"{letter}_level", ReasoningModule(config, layers))
        self.lm_head = Linear(d, config.vocab_size)
        self.q_head = Linear(d, 2, bias=True)
        self.register_buffer("H_init", torch.empty(d))
        self.register_buffer("L_init", torch.empty(d))
        self.H_init: Tensor
        self.L_init: Tensor

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.H_init.device

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the published initial state from a CPU generator, the same on every device."""
        for module in self.modules():
            if isinstance(module, (Linear, Embedding)):
                module.initialise(generator)
        truncated_normal_(self.H_init, 1.0, generator)
        truncated_normal_(self.L_init, 1.0, generator)
        self.puzzle_emb.weights.zero_()
        nn.init.zeros_(self.q_head.weight)
        assert self.q_head.bias is not None
        nn.init.constant_(self.q_head.bias, Q_HEAD_BIAS)

    def initial_carry(self, rows: int) -> Carry:
        """The state every puzzle starts from: one vector per module, at all positions."""
        tokens, d = self.config.tokens, self.config.hidden_size
        low_tokens = tokens if self.config.kind.has_low_state else 0
        H_init, L_init = self.H_init.to(self.dtype), self.L_init.to(self.dtype)
        return Carry(H_init.expand(rows, tokens, d), L_init.expand(rows, low_tokens, d))

    def embed(self, inputs: Tensor, puzzle_rows: Tensor) -> Tensor:
        """The injected input x̃ `[B, S, d]` of tokens `[B, L]` and puzzle embeddings `[B, E]`."""
        config, tokens = self.config, self.embed_tokens(inputs)
        missing = config.puzzle_positions * config.hidden_size - config.puzzle_width
        front = F.pad(puzzle_rows, (0, missing))
        front = front.view(len(inputs), config.puzzle_positions, config.hidden_size)
        x = torch.cat((front, tokens), dim=1).to(self.dtype)
        if self.embed_pos is not None:
            x = (x + self.embed_pos.embedding_weight.to(self.dtype)) * math.sqrt(0.5)
        return x * math.sqrt(config.hidden_size)

    def update(self, letter: str, carry: Carry, x: Tensor) -> Carry:
        """Update one state under the injected input `x` `[B, S, d]`: z_L for L, z_H for H.

        Of HRM, z_L = f_L(z_L + z_H + x̃) or z_H = f_H(z_H + z_L) (HRM paper, section 2).
        """
        rule, values = self.config.kind.updates[letter], {**carry._asdict(), "x": x}
        state, *injected = (values[name] for name in (rule.state, *rule.injected))
        injection = reduce(torch.add, injected) if injected else torch.zeros_like(state)
        updated = self.get_submodule(f"{rule.network}_level")(state, injection, self.rotary)
        return carry._replace(**{f"z_{letter}": updated})

    def recur(self, carry: Carry, x: Tensor) -> Carry:
        """One segment of updates under the injected input `x` `[B, S, d]`.

        Only the updates that `hrm.recurrence` keeps have a gradient (HRM paper, "Approximate
        gradient": the last of each state); those before, and with them the carry, are constants.
        """
        updates, kept = segment_updates(self.config).word, kept_updates(self.config).word
        with torch.no_grad():
            for letter in updates[: -len(kept)]:
                carry = self.update(letter, carry, x)
        for letter in kept:
            carry = self.update(letter, carry, x)
        return carry

    def states(self, carry: Carry, x: Tensor) -> Iterator[tuple[str, Carry]]:
        """Each update of one segment as its letter and the carry after it."""
        for letter in segment_updates(self.config).word:
            carry = self.update(letter, carry, x)
            yield letter, carry

    def q_values(self, z_H: Tensor) -> tuple[Tensor, Tensor]:
        """Q-logits `[B]` of halting and of continuing, read from z_H at the first position."""
        q: Tensor = self.q_head(z_H[:, 0]).float()
        return q[:, 0], q[:, 1]

    def forward(self, carry: Carry, x: Tensor) -> tuple[Carry, Output]:
        """Run one segment on `x = embed(...)`: the next one's carry and the heads' output."""
        state = self.recur(carry, x)
        logits = self.lm_head(state.z_H)[:, self.config.puzzle_positions :]
        output = Output(logits, *self.q_values(state.z_H))
        return Carry(state.z_H.detach(), state.z_L.detach()), output
