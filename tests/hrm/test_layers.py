import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hrm.model.layers import CUT, RotaryPositions, rms_norm, truncated_normal_


@pytest.mark.parametrize("std", [1.0, 0.05])
def test_truncated_normal_has_the_wanted_deviation(std: float) -> None:
    generator = torch.Generator().manual_seed(0)
    sample = truncated_normal_(torch.empty(400_000), std, generator)
    # Deviation of a standard normal cut at two sigma, from tables.
    sigma = std / 0.87962566
    assert sample.std().item() == pytest.approx(std, rel=0.005)
    assert sample.mean().abs().item() < 0.01 * std
    assert sample.abs().max().item() <= CUT * sigma * (1 + 1e-6)
    within_one_sigma = (sample.abs() < sigma).double().mean().item()
    assert within_one_sigma == pytest.approx(0.6827 / 0.9545, abs=0.005)


@given(scale=st.floats(1e-2, 1e3), seed=st.integers(0, 1000))
def test_rms_norm_leaves_no_scale(scale: float, seed: int) -> None:
    x = torch.randn(3, 64, generator=torch.Generator().manual_seed(seed))
    norm = rms_norm(scale * x, eps=1e-12)
    assert norm.square().mean(-1).sqrt().allclose(torch.ones(3))
    assert norm.allclose(rms_norm(x, eps=1e-12), atol=1e-4)


@given(shift=st.integers(0, 20), first=st.integers(0, 10), second=st.integers(0, 10))
def test_rotary_scores_depend_on_distance_alone(shift: int, first: int, second: int) -> None:
    rotary = RotaryPositions(positions=32, head_dim=8, theta=10000.0)
    query, key = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))

    def score(at_query: int, at_key: int) -> float:
        rotated = [rotary(vector.expand(1, 32, 1, 8))[0, :, 0] for vector in (query, key)]
        return float(rotated[0][at_query] @ rotated[1][at_key])

    expected = score(first, second)
    assert score(first + shift, second + shift) == pytest.approx(expected, abs=1e-4)


def test_rotary_turns_pairs_by_position() -> None:
    rotary = RotaryPositions(positions=3, head_dim=4, theta=100.0)
    x = torch.tensor([1.0, 0.0, 0.0, 1.0]).expand(1, 3, 1, 4)
    angle, slow = 2.0, 2.0 / 10
    expected = [math.cos(angle), -math.sin(slow), math.sin(angle), math.cos(slow)]
    assert rotary(x)[0, 2, 0].tolist() == pytest.approx(expected)
