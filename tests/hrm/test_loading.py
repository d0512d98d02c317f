"""A model is loaded from wherever a checkpoint may lie, or refused in a sentence."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hrm.checkpoints import checkpoint, published
from hrm.checkpoints.checkpoint import CheckpointError
from hrm.checkpoints.loading import load_model, require_fit, require_segments, with_steps
from hrm.checkpoints.published_settings import read_yaml
from hrm.config import ConfigError, ModelConfig, TrainingConfig
from hrm.evaluation.accuracy import evaluate
from hrm.model.reasoning_model import ReasoningModel
from hrm.training.trainer import Trainer
from puzzle_datasets.storage.dataset import PuzzleDataset

MakeModel = Callable[..., ModelConfig]
MakeTraining = Callable[..., TrainingConfig]
CPU = torch.device("cpu")


@pytest.fixture
def train(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining, tmp_path: Path
) -> Callable[..., Trainer]:
    """Train a model for three steps and save it as a run does."""

    def run(ema: float = 0.0, precision: str = "float32", **changes: object) -> Trainer:
        config = model_config(**changes)
        trainer = Trainer(
            config, training_config(config, 3, ema=ema, precision=precision), arc, CPU
        )
        list(trainer.run(tmp_path / "checkpoint.pt"))
        return trainer

    return run


@torch.inference_mode()
def answer(model: ReasoningModel, arc: PuzzleDataset) -> Tensor:
    x = model.embed(arc.test.inputs[:3].int(), model.puzzle_emb(arc.test.puzzle_identifier[:3]))
    logits: Tensor = model(model.initial_carry(3), x)[1].logits
    return logits


@pytest.mark.parametrize("model", ["hrm", "trm", "looped", "transformer"])
def test_file_and_folder_give_the_trained_model(
    train: Callable[..., Trainer], arc: PuzzleDataset, tmp_path: Path, model: str
) -> None:
    trainer = train(model=model)
    for path in (tmp_path, tmp_path / "checkpoint.pt"):
        loaded = load_model(path)
        assert torch.equal(answer(loaded.model, arc), answer(trainer.model, arc))
        assert loaded.config == trainer.model_config.effective
        assert loaded.trained_on == arc.manifest.fingerprint
        assert (loaded.step, loaded.averaged) == (3, False)
        require_fit(loaded, arc.manifest)


def test_the_average_is_what_opens(
    train: Callable[..., Trainer], arc: PuzzleDataset, tmp_path: Path
) -> None:
    trainer = train(ema=0.9)
    loaded = load_model(tmp_path)
    assert loaded.averaged
    assert not torch.equal(answer(loaded.model, arc), answer(trainer.model, arc))
    average = trainer._learner.average
    assert average is not None
    with average.in_place():
        assert torch.equal(answer(loaded.model, arc), answer(trainer.model, arc))


def test_evaluating_what_was_opened_repeats_the_runs_own_evaluation(
    train: Callable[..., Trainer], tmp_path: Path
) -> None:
    trainer = train(ema=0.9, model="trm")
    again = evaluate(load_model(tmp_path).model, trainer.evaluation_batches(), 3)
    assert again == trainer.evaluate()


def test_published_folder_and_step_open(
    train: Callable[..., Trainer], arc: PuzzleDataset, tmp_path: Path
) -> None:
    trainer = train(mode="exact")
    folder = tmp_path / "published"
    published.export_published(trainer.model, folder, 3)
    for path in (folder, folder / "step_3"):
        loaded = load_model(path)
        assert torch.equal(answer(loaded.model, arc), answer(trainer.model, arc))
        assert loaded.trained_on is None


def test_what_was_loaded_is_exported_with_its_own_step_and_training(
    train: Callable[..., Trainer], tmp_path: Path
) -> None:
    train(mode="exact")
    published.export_published(load_model(tmp_path), tmp_path / "published")
    settings = read_yaml(tmp_path / "published" / published.CONFIG_FILE)
    assert (settings["lr"], settings["global_batch_size"]) == (1e-3, 8)
    assert settings["arch"]["loss"]["loss_type"] == "stablemax_cross_entropy"
    assert (tmp_path / "published" / "step_3").is_file()


def test_precision_is_the_runs_unless_asked_for(
    train: Callable[..., Trainer], emulated_bfloat16: None, tmp_path: Path
) -> None:
    train(precision="bfloat16")
    assert load_model(tmp_path).model.dtype == torch.bfloat16
    assert load_model(tmp_path, dtype=torch.float32).model.dtype == torch.float32


def test_lacking_precision_is_refused(
    train: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    train()
    monkeypatch.setattr("hrm.model.devices._computes_bfloat16", lambda device: False)
    with pytest.raises(ConfigError, match="dtype is 'bfloat16', which this CPU lacks"):
        load_model(tmp_path, dtype=torch.bfloat16)


def test_missing_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"neither checkpoint\.pt nor all_config\.yaml"):
        load_model(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated_checkpoint_is_refused(
    train: Callable[..., Trainer], tmp_path: Path, share: float
) -> None:
    train()
    file = tmp_path / "checkpoint.pt"
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        load_model(tmp_path)


def _spoil(file: Path, edit: Callable[[dict], None]) -> None:  # type: ignore[type-arg]
    content = checkpoint.load(file)
    edit(content)
    checkpoint.save(file, {key: content[key] for key in ("settings", "state")})


SPOILT: dict[str, tuple[Callable[[dict], object], str]] = {  # type: ignore[type-arg]
    "another shape": (
        lambda c: c["settings"]["model setting"].update(hidden_size=64),
        r"H_init is a tensor \(32,\) of float32, not a tensor \(64,\)",
    ),
    "a tensor less": (lambda c: c["state"]["learner"]["model"].pop("H_init"), "H_init is absent"),
    "a surplus tensor": (
        lambda c: c["state"]["learner"]["model"].update(odd=torch.zeros(2)),
        r"odd is a tensor \(2,\) of float32, not absent",
    ),
    "an unknown setting": (
        lambda c: c["settings"]["model setting"].update(depth=3),
        "another version",
    ),
    "no state": (lambda c: c["state"].pop("learner"), "lacks its learner"),
    "a short average": (
        lambda c: c["state"]["learner"].update(average=torch.zeros(3)),
        r"average is a tensor \(3,\) of float32, not a tensor",
    ),
}


@pytest.mark.parametrize("how", SPOILT)
def test_checkpoint_that_is_not_what_it_says_is_refused(
    train: Callable[..., Trainer], tmp_path: Path, how: str
) -> None:
    train()
    edit, message = SPOILT[how]
    _spoil(tmp_path / "checkpoint.pt", lambda content: (edit(content), None)[1])
    with pytest.raises(CheckpointError, match=message):
        load_model(tmp_path)


@pytest.mark.parametrize("field", ["vocab_size", "seq_len", "num_puzzle_identifiers"])
def test_puzzles_of_another_size_are_refused(
    train: Callable[..., Trainer], arc: PuzzleDataset, tmp_path: Path, field: str
) -> None:
    train()
    size = getattr(arc.manifest, field)
    other = replace(arc.manifest, **{field: size + 1})
    with pytest.raises(ConfigError, match=f"{field} of .* is {size}, but .* has {size + 1}"):
        require_fit(load_model(tmp_path), other)


def test_steps_that_a_model_has_no_use_for_are_refused(model_config: MakeModel) -> None:
    changed = with_steps(model_config(), 3, None)
    assert (changed.N, changed.T) == (3, 2)
    with pytest.raises(ConfigError, match=r"N is 3, but a transformer has no cycles; give 1"):
        with_steps(model_config(model="transformer"), 3, 1)
    with pytest.raises(ConfigError, match="T is 0"):
        with_steps(model_config(), 1, 0)
    with pytest.raises(ConfigError, match="segments is 0; give a whole number of at least 1"):
        require_segments(model_config(), 0)
    with pytest.raises(ConfigError, match="segments is 2, but every segment of a transformer"):
        require_segments(model_config(model="transformer"), 2)
