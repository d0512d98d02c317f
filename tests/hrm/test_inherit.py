"""A training may begin with the weights that another one left, and takes nothing else over."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hrm.checkpoints import checkpoint
from hrm.checkpoints.checkpoint import CheckpointError
from hrm.config import ModelConfig, TrainingConfig
from hrm.model.flops import step_flops
from hrm.model.reasoning_model import weight_shapes
from hrm.progress import Progress
from hrm.training.trainer import Trainer
from puzzle_datasets.storage.dataset import PuzzleDataset

CPU = torch.device("cpu")
MakeModel = Callable[..., ModelConfig]
MakeTraining = Callable[..., TrainingConfig]
CLOCK = (
    "device_seconds",
    "examples_per_second",
    "peak_memory_bytes",
    "device_busy",
    "energy_joules",
)

pytestmark = pytest.mark.usefixtures("one_thread")


def numbers(progress: Progress) -> dict[str, Any]:
    return {name: value for name, value in vars(progress).items() if name not in CLOCK}


@pytest.fixture
def left(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining, tmp_path: Path
) -> tuple[Trainer, Path]:
    """A trained ancestor, and its last checkpoint."""
    model = model_config()
    trainer, path = (
        Trainer(model, training_config(model, steps=4, ema=0.9), arc, CPU),
        tmp_path / "a.pt",
    )
    list(trainer.run(path))
    return trainer, path


def test_it_begins_where_its_ancestor_ended(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    left: tuple[Trainer, Path],
) -> None:
    """With equal N and T it evaluates as its ancestor did last, and begins with its loss."""
    ancestor, path = left
    model = model_config()
    training = training_config(model, steps=4, ema=0.9, seed=7)
    heir, other = (Trainer(model, training, arc, CPU) for _ in range(2))
    heir.inherit(path)
    assert heir.evaluate() == ancestor.evaluate() != other.evaluate()
    other.model.load_state_dict(ancestor.model.state_dict())
    other._learner.average.values.copy_(ancestor._learner.average.values)  # type: ignore[union-attr]
    first, *_ = heir.run()
    expected, *_ = other.run()
    assert first.loss == expected.loss, "the loss of the ancestor's weights on the heir's puzzles"
    spent = 4 * step_flops(ancestor.model_config, ancestor.config)
    assert (first.inherited_flops, expected.inherited_flops) == (spent, 0)
    assert (
        first.lineage_flops == spent + first.training_flops == spent + step_flops(model, training)
    )
    assert (first.step, first.learning_rate) == (1, expected.learning_rate)


@pytest.mark.parametrize("changes", [{"N": 3}, {"T": 1}, {"M_max": 5}, {"mode": "lean"}])
def test_what_changes_no_shape_may_differ(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    left: tuple[Trainer, Path],
    changes: dict[str, Any],
) -> None:
    model = model_config(**changes)
    assert weight_shapes(model) == weight_shapes(model_config())
    heir = Trainer(model, training_config(model, steps=2), arc, CPU)
    heir.inherit(left[1])
    for name, value in left[0].model.state_dict().items():
        assert heir.model.state_dict()[name].equal(value)
    assert heir._learner.average is None, "and this one keeps none"


@pytest.mark.parametrize("changes", [{"hidden_size": 64}, {"L_layers": 2}, {"model": "trm"}])
def test_weights_of_other_shapes_are_refused(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    left: tuple[Trainer, Path],
    changes: dict[str, Any],
) -> None:
    model = model_config(**changes)
    assert weight_shapes(model) != weight_shapes(model_config())
    heir = Trainer(model, training_config(model, steps=2), arc, CPU)
    before = {name: value.clone() for name, value in heir.model.state_dict().items()}
    with pytest.raises(CheckpointError, match="weights of other shapes than this model's"):
        heir.inherit(left[1])
    for name, value in heir.model.state_dict().items():
        assert value.equal(before[name])


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "other puzzles": lambda content: content["settings"]["dataset"].update(fingerprint="other"),
    "no finite numbers": lambda content: content["state"]["learner"]["model"]["H_init"].fill_(
        float("nan")
    ),
    "an average that is none": lambda content: content["state"]["learner"].update(average="all"),
    "FLOPs that are none": lambda content: content["state"].update(inherited_flops=-1),
    "no weights": lambda content: content["state"]["learner"].update(model={}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_ancestor_is_refused(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    left: tuple[Trainer, Path],
    damage: str,
) -> None:
    model, path = model_config(), left[1]
    content = checkpoint.load(path)
    DAMAGES[damage](content)
    checkpoint.save(path, content)
    heir = Trainer(model, training_config(model, steps=2), arc, CPU)
    with pytest.raises(CheckpointError):
        heir.inherit(path)
    assert next(heir.run()).inherited_flops == 0


def test_an_heir_that_is_cut_short_goes_on_to_the_same_numbers(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    left: tuple[Trainer, Path],
    tmp_path: Path,
) -> None:
    """Also before its first report, and its own heir counts both that came before."""
    model, own = model_config(N=1), tmp_path / "b.pt"
    training = training_config(model, steps=40, ema=0.9)
    whole, cut, resumed = (Trainer(model, training, arc, CPU) for _ in range(3))
    for trainer in (whole, cut):
        trainer.inherit(left[1])
    expected = [numbers(one) for one in whole.run()]
    assert list(cut.run(own, stop=lambda: cut.step == 1)) == [], "40 steps report every second"
    resumed.restore(own)
    assert [numbers(one) for one in resumed.run(own)] == expected
    grandchild = Trainer(model, replace(training, seed=9), arc, CPU)
    grandchild.inherit(own)
    assert next(grandchild.run()).inherited_flops == expected[-1][
        "training_flops"
    ] + 4 * step_flops(left[0].model_config, left[0].config)


def test_the_average_of_an_ancestor_without_one_begins_with_its_weights(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining, tmp_path: Path
) -> None:
    model, path = model_config(), tmp_path / "a.pt"
    ancestor = Trainer(model, training_config(model, steps=2), arc, CPU)
    list(ancestor.run(path))
    heir = Trainer(model, training_config(model, steps=2, ema=0.9, seed=3), arc, CPU)
    heir.inherit(path)
    assert heir.evaluate() == ancestor.evaluate()
