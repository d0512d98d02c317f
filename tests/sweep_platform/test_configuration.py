"""Points that come to the same are one configuration; knobs without a use are known."""

import itertools
import json
from dataclasses import asdict
from typing import Any

import pytest
import torch

from hrm.config import ModelConfig, TrainingConfig
from hrm.models import MODELS
from sweep_platform.common.errors import InputError
from sweep_platform.space import knobs as space
from sweep_platform.space.check import check_space
from sweep_platform.space.configuration import (
    configured,
    inactive_knobs,
    unused_knobs,
)
from sweep_platform.space.rules.counting import MOST_COUNTED, size
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.spec.yaml_source import Source

SHAPE = space.Shape(vocab_size=12, seq_len=9, num_puzzle_identifiers=5)
NAMES: dict[str, Any] = {
    "model": {"choices": list(MODELS)},
    "mode": {"choices": ["exact", "lean"]},
    "gradient": {"choices": ["native", "one_step", "cycle", "last_k", "bptt"]},
    "mixing": {"choices": ["attention", "mlp"]},
}


def meaning(spec: SweepSpec, **parameters: Any) -> str:
    return configured(spec, SHAPE, parameters).canonical


def refusal(spec: SweepSpec) -> str:
    with pytest.raises(InputError) as caught:
        check_space(spec, Source(tree={}, locations={}, name="toy.yaml"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("fixed", "one", "other"),
    [
        ({"model": "transformer"}, {"N": 1, "M_max": 2}, {"N": 3, "M_max": 9}),
        ({"model": "hrm-flat"}, {"N": 2, "T": 3}, {"N": 3, "T": 2}),
        ({"model": "looped", "H_layers": 2, "L_layers": 2}, {"N": 2, "T": 1}, {"N": 1, "T": 3}),
        ({"model": "trm"}, {"H_layers": 1}, {"H_layers": 4}),
        ({"model": "trm"}, {"ema": None}, {"ema": 0.999}),
        ({"model": "hrm"}, {"ema": None}, {"ema": 0}),
        ({"model": "hrm"}, {"gradient": "native"}, {"gradient": "one_step"}),
        ({"N": 1, "T": 1}, {"gradient": "one_step"}, {"gradient": "bptt"}),
        ({"M_max": 1}, {"mode": "exact"}, {"mode": "lean"}),
        ({"M_max": 1}, {"halt_exploration": 0.1}, {"halt_exploration": 0.2}),
        ({"mixing": "mlp"}, {"num_heads": 1}, {"num_heads": 2}),
        ({"mixing": "attention"}, {"expansion": 2.0}, {"expansion": 4.0}),
        ({"mixing": "mlp"}, {"expansion": 2.0}, {"expansion": 4.0}),
        ({}, {"eval_batch_size": None}, {"eval_batch_size": 3}),
        ({}, {"micro_batch": None}, {"micro_batch": 8}),
    ],
    ids=str,
)
def test_points_that_come_to_the_same(make_spec, fixed: Any, one: Any, other: Any) -> None:
    spec = make_spec(model={"hidden_size": 32, **fixed})
    assert meaning(spec, **one) == meaning(spec, **other)


@pytest.mark.parametrize(
    ("fixed", "one", "other"),
    [
        ({"model": "hrm"}, {"N": 2, "T": 3}, {"N": 3, "T": 2}),
        ({"model": "hrm"}, {"H_layers": 1}, {"H_layers": 4}),
        ({"model": "hrm"}, {"ema": None}, {"ema": 0.999}),
        ({"model": "hrm"}, {"mode": "exact"}, {"mode": "lean"}),
        ({"model": "hrm"}, {"execution": "eager"}, {"execution": "compiled"}),
        ({"model": "trm"}, {"gradient": "native"}, {"gradient": "one_step"}),
        ({}, {"expansion": 4.0}, {"expansion": 40.0}),
        ({}, {"micro_batch": None}, {"micro_batch": 4}),
        ({}, {"model": "hrm"}, {"model": "hrm-flat"}),
        ({}, {"mixing": "attention"}, {"mixing": "mlp"}),
    ],
    ids=str,
)
def test_points_that_differ(make_spec, fixed: Any, one: Any, other: Any) -> None:
    spec = make_spec(model={"hidden_size": 32, "num_heads": 2, **fixed})
    assert meaning(spec, **one) != meaning(spec, **other)


def test_equal_meaning_is_equal_training(make_spec) -> None:
    """What a meaning leaves out changes no loss: of many points, some coincide, and all agree."""
    from hrm.model.act import empty_slots, refill, train_segment
    from hrm.model.losses import TOKEN_LOSSES
    from hrm.model.reasoning_model import ReasoningModel
    from puzzle_datasets.loading.batch import Batch

    spec = make_spec(model={"hidden_size": 16, "num_heads": 2, "M_max": 2})
    tokens = torch.arange(18, dtype=torch.int32).view(2, 9) % 12
    batch = Batch(tokens, tokens, torch.zeros(2, dtype=torch.int32))

    def loss(model_config: ModelConfig) -> float:
        model = ReasoningModel(model_config)
        model.initialise(torch.Generator().manual_seed(0))
        slots = refill(model, empty_slots(model, 2), batch)
        bound = torch.zeros(2, dtype=torch.int32) if model_config.M_max > 1 else None
        rows = model.puzzle_emb(batch.puzzle_identifiers).requires_grad_()
        total = train_segment(model, slots, rows, bound, TOKEN_LOSSES["softmax"]).loss.total
        total.backward()
        assert rows.grad is not None
        gradients = [p.grad.sum() for p in model.parameters() if p.grad is not None]
        return float(total.detach() + rows.grad.sum() + sum(gradients))

    losses: dict[str, set[float]] = {}
    for name, N, T, H_layers in itertools.product(MODELS, (1, 2), (1, 2), (1, 2)):
        chosen = {"model": name, "N": N, "T": T, "H_layers": H_layers, "L_layers": 1}
        one = configured(spec, SHAPE, chosen)
        losses.setdefault(one.canonical, set()).add(loss(one.model))
    assert len(losses) < 2 * 2 * 2 * len(MODELS)
    assert all(len(found) == 1 for found in losses.values())


def test_signatures_tell_puzzles_apart(make_spec) -> None:
    one = configured(make_spec(), SHAPE, {"N": 1, "T": 1})
    assert one.signature("a") != one.signature("b")


def test_idle_knobs(make_spec) -> None:
    spec = make_spec(space={**NAMES, "N": {"choices": [1, 2]}, "T": {"low": 1, "high": 3}})
    point = {"mode": "exact", "gradient": "native", "mixing": "mlp", "N": 2, "T": 2}
    assert inactive_knobs(spec, SHAPE, {"model": "hrm", **point}) == ()
    assert set(inactive_knobs(spec, SHAPE, {"model": "trm", **point})) == {"mode"}
    expected = {"mode", "gradient", "N", "T"}
    assert set(inactive_knobs(spec, SHAPE, {"model": "transformer", **point})) == expected


def test_long_puzzles_tell_expansions_apart_that_short_ones_do_not(make_spec) -> None:
    """A space is checked before its puzzles are known, so it is not refused for such a knob."""
    knobs = {"expansion": {"choices": [2.0, 4.0]}}
    spec = make_spec(space=knobs, model={"hidden_size": 32, "num_heads": 2, "mixing": "mlp"})
    long = space.Shape(vocab_size=12, seq_len=900, num_puzzle_identifiers=5)
    point = {"expansion": 2.0}
    assert (inactive_knobs(spec, SHAPE, point), size(spec, SHAPE).count) == (("expansion",), 1)
    assert (inactive_knobs(spec, long, point), size(spec, long).count) == ((), 2)
    assert unused_knobs(spec) == set()


def test_a_knob_with_one_value_is_not_idle(make_spec) -> None:
    spec = make_spec(space={"N": {"choices": [2]}}, model={"model": "transformer"})
    assert unused_knobs(spec) == set()


@pytest.mark.parametrize(
    ("knob", "fixed"),
    [
        ({"N": {"low": 1, "high": 4}}, {"model": "transformer"}),
        ({"mode": {"choices": ["exact", "lean"]}}, {"model": "trm"}),
        ({"gradient_steps": {"choices": [2, 3]}}, {"gradient": "cycle"}),
        ({"expansion": {"low": 2.0, "high": 4.0}}, {"hidden_size": 32, "num_heads": 2}),
    ],
    ids=str,
)
def test_a_knob_without_any_use_is_refused(make_spec, knob: Any, fixed: Any) -> None:
    name = next(iter(knob))
    said = refusal(make_spec(space=knob, model=fixed))
    assert said.startswith(f"toy.yaml: `space.{name}` changes nothing")
    assert said.endswith("leave it out.")


def test_a_knob_that_one_model_uses_is_accepted(make_spec) -> None:
    spec = make_spec(space={**NAMES, "gradient_steps": {"low": 2, "high": 4}})
    check_space(spec, Source(tree={}, locations={}, name="toy.yaml"))


def test_gradients_that_a_model_cannot_have_are_refused(make_spec) -> None:
    spec = make_spec(
        space={
            "model": {"choices": ["looped", "hrm"]},
            "gradient": {"choices": ["bptt", "last_k"]},
            "gradient_steps": {"low": 1, "high": 4},
        }
    )
    assert "`space.gradient_steps` is 1; give at least 2" in refusal(spec)


def test_the_size_counts_what_differs(make_spec) -> None:
    knobs = {"model": NAMES["model"], "N": {"choices": [1, 2]}, "M_max": {"choices": [1, 2, 4]}}
    counted = size(make_spec(space=knobs), SHAPE)
    assert space.size(make_spec(space=knobs)) == 30
    assert (counted.count, counted.exact) == (4 * 2 * 3 + 1, True)


def test_a_large_space_has_at_most_so_many(make_spec) -> None:
    counted = size(make_spec(space={"N": {"low": 1, "high": MOST_COUNTED + 1}}), SHAPE)
    assert (counted.count, counted.exact) == (MOST_COUNTED + 1, False)


def test_records_say_what_was_left_to_the_model(make_spec) -> None:
    spec = make_spec(space={"model": NAMES["model"]}, training={"batch_size": 8})
    averages = {name: configured(spec, SHAPE, {"model": name}).training.ema for name in MODELS}
    assert averages == {name: 0.999 if name == "trm" else 0.0 for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
def test_a_configuration_survives_its_record(make_spec, name: str) -> None:
    one = configured(make_spec(space=NAMES), SHAPE, {"model": name, "mode": "lean"})
    kept = json.loads(json.dumps({"model": asdict(one.model), "training": asdict(one.training)}))
    training = {**kept["training"], "evaluate_at": tuple(kept["training"]["evaluate_at"])}
    assert ModelConfig(**kept["model"]) == one.model
    assert TrainingConfig(**training) == one.training
