"""The parts of a block: initialisation, linear maps, norm, rotary positions, attention, SwiGLU.

Parameters are float32 and cast to the input's type at each call, so that bfloat16 training keeps
float32 weights. Shapes: B rows, S positions, d hidden size, h heads, k width of a head.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CUT = 2.0
"""Initial weights lie within this many standard deviations of the untruncated normal."""


def truncated_normal_(tensor: Tensor, std: float, generator: torch.Generator) -> Tensor:
    """Fill with a normal cut at ±2 sigma whose standard deviation after the cut is `std`.

    Cutting N(0, s²) at ±c s leaves the variance s² (1 - 2 c φ(c) / (2 Φ(c) - 1)), φ and Φ being
    the standard normal's density and distribution; s is chosen so that its root is `std`. Samples
    come from the inverse of the distribution: if u is uniform on ±erf(c/√2), then √2 erfinv(u) is
    the cut normal.
    """
    mass = math.erf(CUT / math.sqrt(2))
    density = math.exp(-CUT * CUT / 2) / math.sqrt(2 * math.pi)
    sigma = std / math.sqrt(1 - 2 * CUT * density / mass)
    with torch.no_grad():
        uniform = torch.empty(tensor.shape).uniform_(-mass, mass, generator=generator)
        normal = uniform.erfinv_().mul_(math.sqrt(2) * sigma)
        return tensor.copy_(normal.clamp_(-CUT * sigma, CUT * sigma))


class Linear(nn.Module):
    """A linear map `[..., in] -> [..., out]`."""

    def __init__(self, in_features: int, out_features: int, *, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.empty(out_features)) if bias else None

    def initialise(self, generator: torch.Generator) -> None:
        """LeCun normal weight: standard deviation 1/√in."""
        truncated_normal_(self.weight, self.weight.shape[1] ** -0.5, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` times the transposed weight, plus the bias where there is one."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)


class Embedding(nn.Module):
    """A trained table `[rows, d]`."""

    def __init__(self, rows: int, hidden_size: int) -> None:
        super().__init__()
        self.embedding_weight = nn.Parameter(torch.empty(rows, hidden_size))

    def initialise(self, generator: torch.Generator) -> None:
        """Standard deviation 1/√d; the model scales what it reads by √d."""
        truncated_normal_(self.embedding_weight, self.embedding_weight.shape[1] ** -0.5, generator)

    def forward(self, indices: Tensor) -> Tensor:
        """Rows `[..., d]` of integer `indices` `[...]`."""
        return F.embedding(indices, self.embedding_weight)


class PuzzleEmbedding(nn.Module):
    """One learned row per puzzle identity `[identities, width]`, zero at first.

    The table is a buffer: a step reads the rows of its batch as a leaf, autograd fills that leaf's
    gradient, and SignSGD (`hrm.training.optim`) writes the rows back, so that no gradient of the
    size of the table ever exists. An embedding of width 0 has nothing to save.
    """

    def __init__(self, num_puzzle_identifiers: int, width: int) -> None:
        super().__init__()
        table = torch.zeros(num_puzzle_identifiers, width)
        self.register_buffer("weights", table, persistent=width > 0)
        self.weights: Tensor

    def forward(self, identifiers: Tensor) -> Tensor:
        """Rows `[B, width]` of `identifiers` `[B]`, as a copy that knows nothing of the table."""
        if self.weights.shape[1] == 0:
            return self.weights.new_zeros(len(identifiers), 0)
        return self.weights[identifiers]


def rms_norm(x: Tensor, eps: float) -> Tensor:
    """Scale `x` `[..., d]` to root mean square 1 over d, in float32, without learned scale."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


class RotaryPositions(nn.Module):
    """Angles of rotary positions (Su et al., arXiv 2104.09864): position times theta^(-2 i / k).

    Coordinates i and i + k/2 form the pair that is rotated. The sine carries the sign of the
    rotation, so that one roll of the coordinates replaces splitting and negating them.
    """

    def __init__(self, positions: int, head_dim: int, theta: float) -> None:
        super().__init__()
        half = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
        angles = torch.outer(torch.arange(positions, dtype=torch.float32), theta**-half)
        cos, sin = angles.cos(), angles.sin()
        self.register_buffer("cos", torch.cat((cos, cos), -1).unsqueeze(1), persistent=False)
        self.register_buffer("sin", torch.cat((-sin, sin), -1).unsqueeze(1), persistent=False)
        self.cos: Tensor
        self.sin: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Rotate queries or keys `[B, S, h, k]`, in float32."""
        wide = x.float()
        swapped = wide.roll(x.shape[-1] // 2, -1)
        return torch.addcmul(wide * self.cos, swapped, self.sin).to(x.dtype)


class Attention(nn.Module):
    """Bidirectional multi-head self-attention without biases."""

    def __init__(self, hidden_size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv_proj = Linear(hidden_size, 3 * hidden_size)
        self.o_proj = Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, rotary: RotaryPositions | None) -> Tensor:
        """`[B, S, d] -> [B, S, d]`; queries and keys are rotated by `rotary` if given."""
        batch, positions, d = x.shape
        heads = self.num_heads
        qkv = self.qkv_proj(x).view(batch, positions, 3 * heads, d // heads)
        query_key, value = qkv.split((2 * heads, heads), dim=2)
        if rotary is not None:
            query_key = rotary(query_key)
        query, key = query_key.transpose(1, 2).split(heads, dim=1)
        mixed = F.scaled_dot_product_attention(query, key, value.transpose(1, 2))
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(batch, positions, d))
        return out


class SwiGLU(nn.Module):
    """Gated feed-forward (Shazeer, arXiv 2002.05202): down(silu(gate x) * up x)."""

    def __init__(self, hidden_size: int, width: int) -> None:
        super().__init__()
        self.gate_up_proj = Linear(hidden_size, 2 * width)
        self.down_proj = Linear(width, hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, S, d] -> [B, S, d]`."""
        gate, up = self.gate_up_proj(x).chunk(2, dim=-1)
        out: Tensor = self.down_proj(F.silu(gate) * up)
        return out
