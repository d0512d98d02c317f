"""The Hierarchical Reasoning Model: two recurrent modules, H slow and L fast, and two heads.

What all models of the harness share is `ReasoningModel`; a model adds what one update does.
Module and buffer names are those of the published code, so that a published state dict loads once
its prefix is stripped. Shapes: B rows, L tokens of a puzzle, S = L + 1 positions (the puzzle's
embedding comes first), d hidden size, V vocabulary.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hrm.config import TWO_STATE_MODELS, ModelConfig
from hrm.model.embedding import PuzzleEmbedding
from hrm.model.layers import (
    Attention,
    Embedding,
    Linear,
    RotaryPositions,
    SwiGLU,
    rms_norm,
    truncated_normal_,
)
from hrm.model.recurrence import kept_updates, networks, segment_updates

Q_HEAD_BIAS = -5.0
"""Both Q-values start near zero, so that no row halts before it has learnt to."""


class Carry(NamedTuple):
    """What a segment hands to the next, without gradient: z_H and z_L, both `[B, S, d]`.

    z_L is `[B, 0, d]` in a model of one state.
    """

    z_H: Tensor
    z_L: Tensor


class Output(NamedTuple):
    """What the heads say after a segment: logits `[B, L, V]` and the Q-logits `[B]` in float32."""

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


class ReasoningModel(nn.Module):
    """What HRM and its baselines share: embeddings, the loop over a segment's updates, two heads.

    A subclass says in `update` what an update does; the order of updates and which of them keep a
    gradient are `hrm.model.recurrence`'s. Weights are undefined until `initialise` or
    `load_state_dict`. Modules compute in `dtype`; weights are float32 whatever it is.
    """

    def __init__(self, config: ModelConfig, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.config = config
        self.dtype = dtype
        d = config.hidden_size
        self.embed_tokens = Embedding(config.vocab_size, d)
        self.puzzle_emb = PuzzleEmbedding(config.num_puzzle_identifiers, d)
        self.embed_pos: Embedding | None = None
        self.rotary: RotaryPositions | None = None
        if config.positions == "learned":
            self.embed_pos = Embedding(config.tokens, d)
        elif config.mixing == "attention":
            self.rotary = RotaryPositions(config.tokens, config.head_dim, config.rope_theta)
        for letter, layers in networks(config).items():
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
        low_tokens = tokens if self.config.model in TWO_STATE_MODELS else 0
        H_init, L_init = self.H_init.to(self.dtype), self.L_init.to(self.dtype)
        return Carry(H_init.expand(rows, tokens, d), L_init.expand(rows, low_tokens, d))

    def embed(self, inputs: Tensor, puzzle_rows: Tensor) -> Tensor:
        """The injected input x̃ `[B, S, d]` of tokens `[B, L]` and puzzle embeddings `[B, d]`."""
        tokens = self.embed_tokens(inputs)
        x = torch.cat((puzzle_rows.unsqueeze(1), tokens), dim=1).to(self.dtype)
        if self.embed_pos is not None:
            x = (x + self.embed_pos.embedding_weight.to(self.dtype)) * math.sqrt(0.5)
        return x * math.sqrt(self.config.hidden_size)

    def update(self, letter: str, carry: Carry, x: Tensor) -> Carry:
        """Update one state under the injected input `x` `[B, S, d]`: z_L for L, z_H for H."""
        raise NotImplementedError

    def recur(self, carry: Carry, x: Tensor) -> Carry:
        """One segment of updates under the injected input `x` `[B, S, d]`.

        Only the updates that `hrm.model.recurrence` keeps have a gradient (HRM paper, "Approximate
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
        """Q-logits `[B]` of halting and of continuing, read from z_H at the puzzle's position."""
        q: Tensor = self.q_head(z_H[:, 0]).float()
        return q[:, 0], q[:, 1]

    def forward(self, carry: Carry, x: Tensor) -> tuple[Carry, Output]:
        """Run one segment on `x = embed(...)`: the next one's carry and the heads' output."""
        state = self.recur(carry, x)
        logits = self.lm_head(state.z_H)[:, 1:]
        return Carry(state.z_H.detach(), state.z_L.detach()), Output(
            logits, *self.q_values(state.z_H)
        )


class HierarchicalReasoningModel(ReasoningModel):
    """HRM as published, and without hierarchy where the updates alternate (`hrm-flat`)."""

    H_level: ReasoningModule
    L_level: ReasoningModule

    def update(self, letter: str, carry: Carry, x: Tensor) -> Carry:
        """z_L = f_L(z_L + z_H + x̃) or z_H = f_H(z_H + z_L) (HRM paper, section 2)."""
        z_H, z_L = carry
        if letter == "L":
            return Carry(z_H, self.L_level(z_L, z_H + x, self.rotary))
        return Carry(self.H_level(z_H, z_L, self.rotary), z_L)
