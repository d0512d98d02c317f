"""The Hierarchical Reasoning Model: two recurrent modules, H slow and L fast, and two heads.

Module and buffer names are those of the published code, so that a published state dict loads once
its prefix is stripped. Shapes: B rows, L tokens of a puzzle, S = L + 1 positions (the puzzle's
embedding comes first), d hidden size, V vocabulary.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hrm.config import ModelConfig
from hrm.embedding import PuzzleEmbedding
from hrm.layers import (
    Attention,
    Embedding,
    Linear,
    RotaryPositions,
    SwiGLU,
    rms_norm,
    truncated_normal_,
)

Q_HEAD_BIAS = -5.0
"""Both Q-values start near zero, so that no row halts before it has learnt to."""


class Carry(NamedTuple):
    """What a segment hands to the next, without gradient: z_H and z_L, both `[B, S, d]`."""

    z_H: Tensor
    z_L: Tensor


class Output(NamedTuple):
    """What the heads say after a segment: logits `[B, L, V]` and the Q-logits `[B]` in float32."""

    logits: Tensor
    q_halt: Tensor
    q_continue: Tensor


class Block(nn.Module):
    """A post-norm transformer block: x = RMS(x + Attention(x)); x = RMS(x + SwiGLU(x))."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm_eps = config.norm_eps
        self.self_attn = Attention(config.hidden_size, config.num_heads)
        self.mlp = SwiGLU(config.hidden_size, config.swiglu_width)

    def forward(self, x: Tensor, rotary: RotaryPositions | None) -> Tensor:
        """`[B, S, d] -> [B, S, d]`."""
        x = rms_norm(x + self.self_attn(x, rotary), self.norm_eps)
        return rms_norm(x + self.mlp(x), self.norm_eps)


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


class HierarchicalReasoningModel(nn.Module):
    """HRM as published; weights are undefined until `initialise` or `load_state_dict`.

    The modules compute in `dtype`; weights are float32 whatever it is.
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
        else:
            self.rotary = RotaryPositions(config.tokens, config.head_dim, config.rope_theta)
        self.H_level = ReasoningModule(config, config.H_layers)
        self.L_level = ReasoningModule(config, config.L_layers)
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
        shape = (rows, self.config.tokens, self.config.hidden_size)
        H_init, L_init = self.H_init.to(self.dtype), self.L_init.to(self.dtype)
        return Carry(H_init.expand(shape), L_init.expand(shape))

    def embed(self, inputs: Tensor, puzzle_rows: Tensor) -> Tensor:
        """The injected input x̃ `[B, S, d]` of tokens `[B, L]` and puzzle embeddings `[B, d]`."""
        tokens = self.embed_tokens(inputs)
        x = torch.cat((puzzle_rows.unsqueeze(1), tokens), dim=1).to(self.dtype)
        if self.embed_pos is not None:
            x = (x + self.embed_pos.embedding_weight.to(self.dtype)) * math.sqrt(0.5)
        return x * math.sqrt(self.config.hidden_size)

    def recur(self, carry: Carry, x: Tensor) -> Carry:
        """One segment: N·T updates of z_L and N of z_H under the injected input `x` `[B, S, d]`.

        Only the last update of each state keeps a gradient (HRM paper, "Approximate gradient");
        those before it, and with them the carry, count as constants.
        """
        z_H, z_L = carry
        with torch.no_grad():
            for step in range(1, self.config.N * self.config.T):
                z_L = self.L_level(z_L, z_H + x, self.rotary)
                if step % self.config.T == 0:
                    z_H = self.H_level(z_H, z_L, self.rotary)
        z_L = self.L_level(z_L, z_H + x, self.rotary)
        z_H = self.H_level(z_H, z_L, self.rotary)
        return Carry(z_H, z_L)

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
