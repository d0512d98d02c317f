"""What is measured of a model's states, against plain recomputation and known covariances."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hrm.config import ConfigError, ModelConfig
from hrm.dynamics.measure import (
    CovarianceAccumulator,
    Move,
    follow,
    forward_residual,
    measure,
    moves,
    participation_ratio,
)
from hrm.dynamics.pictures import SegmentTrace, hardest, traces
from hrm.model.reasoning_model import Carry, ReasoningModel
from puzzle_datasets.loader import evaluation_batches
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.dataset import PuzzleDataset

MakeModel = Callable[..., ModelConfig]


def built(config: ModelConfig, seed: int = 0) -> ReasoningModel:
    model = ReasoningModel(config, torch.float32)
    model.initialise(torch.Generator().manual_seed(seed))
    return model


def batches(arc: PuzzleDataset, rows: int = 3, limit: int = 6) -> list[Batch]:
    return list(evaluation_batches(arc, batch_size=rows, limit=limit, seed=0))


def normal(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def ratio_of(*pieces: Tensor) -> float:
    cloud = CovarianceAccumulator(pieces[0].shape[-1], torch.device("cpu"))
    for piece in pieces:
        cloud.add(piece)
    return participation_ratio(cloud.covariance)


@pytest.mark.parametrize("directions", [1, 3, 8])
def test_a_round_cloud_in_k_directions_uses_k(directions: int) -> None:
    cloud = normal(20_000, directions) @ torch.linalg.qr(normal(8, directions)).Q.T
    assert ratio_of(cloud + 5) == pytest.approx(directions, rel=0.02)


def test_a_line_uses_one_direction_and_a_point_none() -> None:
    line = torch.outer(normal(50), normal(6, seed=1))
    assert ratio_of(line + normal(6, seed=2)) == pytest.approx(1)
    assert ratio_of(torch.ones(50, 6)) == pytest.approx(0, abs=1e-9)


@given(st.integers(0, 1000), st.floats(0.01, 100), st.floats(-10, 10))
def test_the_ratio_knows_no_size_turn_or_place(seed: int, size: float, shift: float) -> None:
    cloud = normal(40, 5, seed=seed) * torch.tensor([3.0, 2, 1, 0.5, 0.1])
    turn = torch.linalg.qr(normal(5, 5, seed=seed + 1)).Q
    assert ratio_of(size * (cloud @ turn) + shift) == pytest.approx(ratio_of(cloud), rel=1e-6)


@given(st.integers(0, 1000), st.integers(1, 19))
def test_pieces_add_up_to_the_eigenvalues_definition(seed: int, cut: int) -> None:
    cloud = normal(20, 4, seed=seed) * torch.tensor([4.0, 3, 2, 1])
    eigenvalues = torch.linalg.eigvalsh(torch.cov(cloud.T, correction=0))
    expected = eigenvalues.sum() ** 2 / eigenvalues.square().sum()
    assert ratio_of(cloud[:cut], cloud[cut:]) == pytest.approx(float(expected))


def test_a_residual_is_a_length_over_the_length_of_a_state() -> None:
    before = torch.zeros(2, 2, 4)
    after = before.clone()
    after[0, 0] = torch.tensor([3.0, 4, 0, 0])
    after[1] = 2.0
    found = forward_residual(Move(1, 1, "z_H", before, after))
    assert found.tolist() == pytest.approx([5 / 2 / 2, 2])


@pytest.mark.parametrize("model", ["hrm", "hrm-flat", "trm", "looped"])
def test_moves_are_the_updates_of_all_segments(
    arc: PuzzleDataset, model_config: MakeModel, model: Any
) -> None:
    built_model = built(model_config(model=model, N=2, T=2))
    batch = batches(arc)[0]
    found = list(moves(built_model, batch, 2))
    x = built_model.embed(batch.inputs, built_model.puzzle_emb(batch.puzzle_identifiers))
    carry = built_model.initial_carry(len(batch.inputs))
    latest = {"z_H": carry.z_H, "z_L": carry.z_L}
    for move in found:
        assert torch.equal(move.before, latest[move.state])
        latest[move.state] = move.after
    for _ in range(2):
        carry = built_model.recur(carry, x)
    assert torch.equal(latest["z_H"], carry.z_H)
    assert torch.equal(latest["z_L"], carry.z_L)
    assert [move.number for move in found] == list(range(1, len(found) + 1))
    assert [move.segment for move in found] == sorted(len(found) // 2 * [1, 2])


def test_moves_of_a_transformer_are_its_blocks(
    arc: PuzzleDataset, model_config: MakeModel
) -> None:
    model = built(model_config(model="transformer", H_layers=2, L_layers=1))
    batch = batches(arc)[0]
    found = list(moves(model, batch, 1))
    x = model.embed(batch.inputs, model.puzzle_emb(batch.puzzle_identifiers))
    assert [move.state for move in found] == 3 * ["layers"]
    assert torch.equal(found[0].before, x)
    assert torch.equal(found[-1].after, model.update("H", Carry(x, x), x).z_H)


def test_trajectories_are_means_over_puzzles_however_they_are_batched(
    arc: PuzzleDataset, model_config: MakeModel, float64: Any
) -> None:
    with float64.in_float64():
        model = built(model_config())
        one, three = follow(model, batches(arc, 1), 2), follow(model, batches(arc, 3), 2)
    pairs = zip(one.residuals, three.residuals, strict=True)
    assert all(a.residual == pytest.approx(b.residual, rel=float64.CLOSE) for a, b in pairs)
    assert [found.puzzles for found in three.participation] == [3, 3, 6, 6]
    for state in ("z_H", "z_L"):
        assert one.dimension(state) == pytest.approx(three.dimension(state), rel=float64.CLOSE)
        assert 1 < one.dimension(state) < 32


def test_dimensions_are_those_of_all_states(arc: PuzzleDataset, model_config: MakeModel) -> None:
    model = built(model_config())
    [batch] = batches(arc, 6)
    states = [move.after for move in moves(model, batch, 2) if move.state == "z_H"]
    expected = ratio_of(torch.cat(states).detach())
    assert follow(model, [batch], 2).dimension("z_H") == pytest.approx(expected, rel=1e-5)


def test_training_is_compared_with_fresh_weights(
    arc: PuzzleDataset, model_config: MakeModel
) -> None:
    fresh, other = (built(model_config(), seed) for seed in (0, 1))
    same = measure("HRM", fresh, lambda: batches(arc), 2)
    assert same.trajectories == same.untrained
    assert same.segments == 2
    assert sum(same.evaluation.halting.segments) == pytest.approx(1)
    changed = measure("HRM", other, lambda: batches(arc), 2)
    assert changed.untrained == same.untrained
    assert changed.trajectories != same.trajectories
    with pytest.raises(ConfigError, match="segments is 0"):
        measure("HRM", fresh, lambda: batches(arc), 0)


def test_weights_too_large_for_numbers_are_told(
    arc: PuzzleDataset, model_config: MakeModel
) -> None:
    model = built(model_config())
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(3e38)
    with pytest.raises(ConfigError, match="no finite numbers"):
        measure("one", model, lambda: batches(arc), 2)


def test_stories_are_the_predictions_after_each_segment(
    arc: PuzzleDataset, model_config: MakeModel
) -> None:
    model = built(model_config(mode="lean"))
    batch = batches(arc)[0]
    carry = model.initial_carry(3)
    x = model.embed(batch.inputs, model.puzzle_emb(batch.puzzle_identifiers))
    found = traces(model, batch, 3)
    for segment in range(3):
        carry, output = model(carry, x)
        said = torch.stack([trace.predictions[segment] for trace in found])
        assert torch.equal(said, output.logits.argmax(-1).int())
    assert all(trace.halts_at == 0 for trace in found)
    with torch.no_grad():
        model.q_head.bias.fill_(5)  # type: ignore[union-attr]
    assert all(trace.halts_at == 1 for trace in traces(model, batch, 3))


@pytest.mark.parametrize(
    ("exact", "solved_at"),
    [([1, 1, 1], 1), ([0, 1, 1], 2), ([1, 0, 1], 3), ([1, 1, 0], 0), ([0, 0, 0], 0)],
)
def test_solved_is_what_stays_solved(exact: list[int], solved_at: int) -> None:
    tokens = torch.zeros(4, dtype=torch.int32)
    flags = torch.tensor(exact, dtype=torch.bool)
    assert SegmentTrace(tokens, tokens, tokens.expand(3, 4), flags, flags).solved_at == solved_at


def test_the_most_telling_puzzles_are_those_solved_last(
    arc: PuzzleDataset, model_config: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_out = iter([[1, 0, 3], [0, 2, 3]])

    def made_up(model: ReasoningModel, batch: Batch, segments: int) -> list[SegmentTrace]:
        tokens = torch.zeros(1, dtype=torch.int32)
        rows = torch.arange(1, segments + 1)
        solved = [rows >= at if at else rows < 0 for at in next(given_out)]
        return [SegmentTrace(tokens, tokens, tokens, exact, exact) for exact in solved]

    monkeypatch.setattr("hrm.dynamics.pictures.traces", made_up)
    found = hardest(built(model_config()), batches(arc), 3, 4)
    assert [trace.solved_at for trace in found] == [3, 3, 2, 1]
