import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from hrm.training.optim import AdamAtan2, SignSGD, schedule

# Neither moment may underflow to zero alone: the arc tangent of nothing by nothing has no value.
numbers = st.integers(-1000, 1000).map(lambda hundredth: hundredth / 100)
rates = st.floats(1e-5, 0.1)


def adam_atan2(
    p: float, gradients: list[float], rate: float, betas: tuple[float, float], decay: float
) -> float:
    """The update written out for one number."""
    m = v = 0.0
    for step, g in enumerate(gradients, start=1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        p -= p * rate * decay
        p -= rate / (1 - betas[0] ** step) * math.atan2(m, math.sqrt(v / (1 - betas[1] ** step)))
    return p


@given(
    start=numbers,
    gradients=st.lists(numbers, min_size=1, max_size=6),
    rate=rates,
    betas=st.tuples(st.floats(0.1, 0.99), st.floats(0.1, 0.99)),
    decay=st.floats(0, 1),
)
def test_adam_atan2_is_its_definition(
    start: float,
    gradients: list[float],
    rate: float,
    betas: tuple[float, float],
    decay: float,
) -> None:
    parameter = nn.Parameter(torch.tensor([start], dtype=torch.float64))
    optimizer = AdamAtan2([parameter], *betas, decay)
    for gradient in gradients:
        optimizer.flat.gradients[0] = gradient
        optimizer.step(rate)
    expected = adam_atan2(start, gradients, rate, betas, decay)
    assert parameter.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(scale=st.floats(1e-3, 1e3), gradients=st.lists(numbers, min_size=1, max_size=5))
def test_adam_atan2_does_not_see_the_scale_of_the_loss(
    scale: float, gradients: list[float]
) -> None:
    ends = []
    for factor in (1.0, scale):
        parameter = nn.Parameter(torch.ones(1, dtype=torch.float64))
        optimizer = AdamAtan2([parameter], 0.9, 0.95, 0.1)
        for gradient in gradients:
            optimizer.flat.gradients[0] = gradient * factor
            optimizer.step(1e-2)
        ends.append(parameter.item())
    assert ends[0] == pytest.approx(ends[1], abs=1e-9)


def test_adam_atan2_resumes_to_the_bit() -> None:
    def gradient(step: int) -> Tensor:
        return torch.randn(5, generator=torch.Generator().manual_seed(step))

    first, second, third = (
        AdamAtan2([nn.Parameter(torch.ones(5))], 0.9, 0.95, 0.1) for _ in range(3)
    )
    for step in range(6):
        if step == 3:
            third.load_state_dict(second.state_dict())
            third.flat.values.copy_(second.flat.values)
        for optimizer in (first, second if step < 3 else third):
            optimizer.flat.gradients[:5] = gradient(step)
            optimizer.step(1e-2)
    assert first.flat.values.equal(third.flat.values)
    assert not first.flat.values.equal(second.flat.values)


@st.composite
def rows_and_gradients(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    identifiers = draw(st.lists(st.integers(0, 5), min_size=1, max_size=8))
    # Whole numbers, so that sums do not depend on their order.
    values = st.lists(st.integers(-3, 3), min_size=3, max_size=3)
    gradients = [draw(values) for _ in identifiers]
    return torch.tensor(identifiers, dtype=torch.int32), torch.tensor(gradients).float()


@given(batch=rows_and_gradients(), rate=rates, decay=st.floats(0, 1), data=st.data())
def test_sign_sgd_moves_present_rows_by_the_sign_of_their_sum(
    batch: tuple[Tensor, Tensor], rate: float, decay: float, data: st.DataObject
) -> None:
    identifiers, gradients = batch
    start = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    table = start.clone()
    SignSGD(table, decay).step(rate, identifiers, gradients)
    for identifier in range(6):
        present = identifiers == identifier
        if present.any():
            sign = gradients[present].sum(0).sign()
            expected = start[identifier] * (1 - rate * decay) - rate * sign
            assert table[identifier].allclose(expected, atol=1e-7)
        else:
            assert table[identifier].equal(start[identifier])
    order = torch.tensor(data.draw(st.permutations(range(len(identifiers)))))
    shuffled = start.clone()
    SignSGD(shuffled, decay).step(rate, identifiers[order], gradients[order])
    assert shuffled.equal(table)


def test_schedule_warms_up_then_falls_to_its_floor() -> None:
    ratios = [schedule(step, 10, 110, 0.1) for step in range(1, 111)]
    assert ratios[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert ratios[59] == pytest.approx(0.55)
    assert ratios[-1] == pytest.approx(0.1)
    assert ratios[9:] == sorted(ratios[9:], reverse=True)
    assert {schedule(step, 0, 50, 1.0) for step in range(1, 51)} == {1.0}
