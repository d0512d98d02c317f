import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from hrm.evaluation.accuracy import evaluate
from hrm.model.flops import step_flops
from hrm.training.learner import Learner, NonFiniteLoss
from hrm.training.trainer import Trainer
from puzzle_datasets.loading.batch import Batch, Share
from puzzle_datasets.storage.dataset import PuzzleDataset

MakeModel = Callable[..., ModelConfig]
MakeTraining = Callable[..., TrainingConfig]
CPU = torch.device("cpu")
GOLDEN = Path(__file__).with_name("golden_losses.json")


class CountedBatches:
    """Stands for the loader: random tokens, whose labels are the tokens plus one."""

    def __init__(
        self,
        dataset: PuzzleDataset,
        *,
        batch_size: int,
        seed: int,
        device: torch.device,
        share: Share,
    ) -> None:
        assert (device.type, share.world_size) == ("cpu", 1)
        self.manifest = dataset.manifest
        self.batch_size = batch_size
        self.generator = torch.Generator().manual_seed(seed)

    def next_batch(self) -> Batch:
        def draw(high: int, *shape: int) -> torch.Tensor:
            return torch.randint(0, high, shape, generator=self.generator, dtype=torch.int32)

        vocab_size = self.manifest.vocab_size
        tokens = draw(vocab_size, self.batch_size, self.manifest.seq_len)
        identifiers = draw(self.manifest.num_puzzle_identifiers, self.batch_size)
        return Batch(tokens, (tokens + 1) % vocab_size, identifiers)


def test_losses_are_those_of_before(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If a change of the mathematics is wanted, put the new losses in the file and say why."""
    # Golden losses speak of this package alone, whatever order the real loader draws in.
    monkeypatch.setattr("hrm.training.trainer.TrainLoader", CountedBatches)
    model = model_config()
    training = training_config(model, steps=25, lr_min_ratio=0.1)
    reports = list(Trainer(model, training, arc, CPU).run())
    assert [progress.step for progress in reports] == list(range(1, 26))
    losses = [progress.loss for progress in reports]
    # Rounding, 6e-8 of a value, moves the weights that decide nothing; the losses follow each
    # other far closer than this on every instruction set that was tried.
    assert losses == pytest.approx(json.loads(GOLDEN.read_text()), rel=1e-4), losses


def test_real_tasks_are_learnt(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining
) -> None:
    model = model_config()
    training = training_config(
        model, 120, batch_size=16, learning_rate=3e-3, puzzle_weight_decay=0.0
    )
    reports = list(Trainer(model, training, arc, CPU).run())
    assert reports[-1].lm_loss < 0.75 * reports[0].lm_loss


def test_reports_follow_from_the_configuration(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining
) -> None:
    model = model_config(M_max=1)
    training = training_config(model, steps=50, evaluate_at=(0.25, 1.0))
    trainer = Trainer(model, training, arc, CPU)
    reports = list(trainer.run())
    assert trainer.done
    assert [p.step for p in reports] == sorted({*range(2, 51, 2), 12, 50})
    assert [p.step for p in reports if p.curve] == [12, 50]
    assert [p.training_flops for p in reports] == [
        p.step * step_flops(model, training) for p in reports
    ]
    assert reports[-1].training_flops <= training.training_flops
    # With one segment a puzzle every row halts at every step.
    assert [p.examples for p in reports] == [8 * p.step for p in reports]
    assert {p.mean_segments for p in reports} == {1.0}
    assert reports[-1].curve is not None
    assert reports[-1].curve.puzzles == training.eval_puzzles
    assert len(reports[-1].curve.exact_accuracy) == 1
    assert list(trainer.run()) == []


def test_running_rows_take_no_examples(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining
) -> None:
    model = model_config(M_max=5)
    trainer = Trainer(model, training_config(model, steps=20), arc, CPU)
    with torch.no_grad():
        # No row wants to halt, so all stay for M_max segments.
        assert trainer.model.q_head.bias is not None
        trainer.model.q_head.bias.copy_(torch.tensor([-5.0, 5.0]))
    reports = list(trainer.run())
    assert [p.examples for p in reports] == [8 * (1 + (p.step - 1) // 5) for p in reports]
    assert [p.mean_segments for p in reports] == [0.0] * 4 + [5.0] * 16


@pytest.mark.parametrize("M_max", [1, 3])
def test_micro_batches_change_rounding_alone(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    float64: Any,
    M_max: int,
) -> None:
    model = model_config(M_max=M_max)
    training = training_config(model, steps=4)
    close = {"rtol": float64.CLOSE, "atol": float64.CLOSE}
    with float64.in_float64():
        whole, split = (
            Trainer(model, config, arc, CPU)
            for config in (training, replace(training, micro_batch=3))
        )
        for one, other in zip(whole.run(), split.run(), strict=True):
            assert one.loss == pytest.approx(other.loss, rel=float64.CLOSE)
            assert (one.examples, one.mean_segments) == (other.examples, other.mean_segments)
    torch.testing.assert_close(whole.model.state_dict(), split.model.state_dict(), **close)


def test_a_loss_that_is_not_finite_ends_training_before_the_update(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining
) -> None:
    model = model_config()
    trainer = Trainer(model, training_config(model, steps=20), arc, CPU)
    reports = trainer.run()
    next(reports)
    with torch.no_grad():
        trainer.model.embed_tokens.embedding_weight.fill_(float("nan"))
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    with pytest.raises(NonFiniteLoss, match="The loss is nan at step 2 of 20") as caught:
        next(reports)
    assert "; lower learning_rate 0.001 or puzzle_learning_rate 0.01, or raise" in str(
        caught.value
    )
    assert trainer.step == 1
    for name, value in trainer.model.state_dict().items():
        assert value.equal(before[name]) or name == "embed_tokens.embedding_weight"


@pytest.mark.usefixtures("emulated_bfloat16")
def test_bfloat16_trains(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining
) -> None:
    model = model_config()
    wide, narrow = (
        list(Trainer(model, training_config(model, 20, precision=precision), arc, CPU).run())
        for precision in ("float32", "bfloat16")
    )
    # bfloat16 keeps 8 bits: 0.4 % of a value, of which a mean over rows and tokens shows less.
    # Over five seeds the losses differ by at most 0.3 %.
    for one, other in ((narrow[0].loss, wide[0].loss), (narrow[-1].lm_loss, wide[-1].lm_loss)):
        assert one == pytest.approx(other, rel=0.03)
    assert narrow[0].loss != wide[0].loss


def test_equal_seeds_give_equal_runs_and_others_do_not(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining
) -> None:
    model = model_config()
    first, again, other = (
        [p.loss for p in Trainer(model, training_config(model, 5, seed=seed), arc, CPU).run()]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_runs_of_all_seeds_are_evaluated_on_the_same_puzzles(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining
) -> None:
    model = model_config()
    trainers = [
        Trainer(model, training_config(model, steps=1, seed=seed), arc, CPU) for seed in range(4)
    ]
    weights = trainers[0].model.state_dict()
    for trainer in trainers:
        trainer.model.load_state_dict(weights)
    assert len({trainer.evaluate() for trainer in trainers}) == 1


def test_a_dataset_of_another_shape_is_refused(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining
) -> None:
    model = model_config(seq_len=81)
    with pytest.raises(ConfigError, match=r"seq_len is 81, .* has 16; give 16"):
        Trainer(model, training_config(model, steps=1), arc, CPU)


def test_bfloat16_is_refused_where_it_would_be_emulated(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hrm.model.devices._computes_bfloat16", lambda device: False)
    model = model_config()
    with pytest.raises(ConfigError, match="precision is 'bfloat16', which this CPU lacks; give f"):
        Trainer(model, training_config(model, 1, precision="bfloat16"), arc, CPU)


def test_an_average_of_the_weights_is_what_is_evaluated(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining
) -> None:
    model = model_config()
    trainer = Trainer(model, training_config(model, 12, ema=0.9), arc, CPU)
    name, seen = "lm_head.weight", []
    expected = trainer.model.state_dict()[name].clone()
    for step, _ in enumerate(trainer.run(), start=1):
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * trainer.model.state_dict()[name]
        seen.append(trainer.model.state_dict()[name].clone())
    average = trainer._learner.average
    assert average is not None
    with average.in_place():
        assert trainer.model.state_dict()[name].allclose(expected, atol=1e-6)
        averaged = evaluate(trainer.model, trainer.evaluation_batches(), model.M_max)
    assert trainer.evaluate() == averaged
    assert trainer.model.state_dict()[name].equal(seen[-1])
    assert not seen[-1].allclose(expected, atol=1e-4)


@pytest.mark.parametrize("mode", ["exact", "lean"])
def test_a_step_never_waits_for_the_device(
    model_config: MakeModel, training_config: MakeTraining, mode: str
) -> None:
    """A tensor of the meta device has no values, so that reading one on the host is an error."""
    meta = torch.device("meta")
    model = model_config(mode=mode)
    training = training_config(model, 3, ema=0.9, micro_batch=4)
    generators = [torch.Generator().manual_seed(seed) for seed in range(2)]
    learner = Learner(
        model, training, 3, meta, initialisation=generators[0], exploration=generators[1]
    )
    tokens = torch.zeros(8, model.seq_len, dtype=torch.int32)
    batch = Batch(tokens, tokens, torch.zeros(8, dtype=torch.int32)).to(meta)
    for _ in range(3):
        learner.step(batch)
    assert learner.steps == 3
    with pytest.raises(NotImplementedError, match="meta"):
        learner.require_finite()
