"""Published checkpoints are loaded and exported; `test_parity` proves the outputs."""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hrm.canonical import canonical
from hrm.checkpoints import published
from hrm.checkpoints.checkpoint import CheckpointError
from hrm.checkpoints.published_settings import TRM
from hrm.config import ModelConfig, TrainingConfig
from hrm.evaluation.accuracy import evaluate
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.loading.batch import Batch

CASES = Path(__file__).parent / "parity_cases"
PUBLISHED = "_orig_mod.model.inner."
TINY = ModelConfig(
    vocab_size=5,
    seq_len=4,
    num_puzzle_identifiers=3,
    hidden_size=8,
    num_heads=2,
    H_layers=1,
    L_layers=1,
    M_max=2,
)


def made(config: ModelConfig, dtype: torch.dtype = torch.float32) -> ReasoningModel:
    """A model whose every weight is drawn, those that start at zero included."""
    model = ReasoningModel(config, dtype)
    generator = torch.Generator().manual_seed(1)
    model.initialise(generator)
    for tensor in (model.puzzle_emb.weights, model.q_head.weight.data):
        tensor.normal_(generator=generator)
    return model


@torch.inference_mode()
def outputs(model: ReasoningModel) -> list[Tensor]:
    config = model.config
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randint(config.vocab_size, (3, config.seq_len), generator=generator)
    x = model.embed(inputs, model.puzzle_emb(torch.arange(3) % config.num_puzzle_identifiers))
    carry, first = model(model.initial_carry(3), x)
    carry, second = model(carry, x)
    return [*first, *second, *carry]


def assert_equal(one: list[Tensor], other: list[Tensor]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def weights_in(folder: Path, step: int = 0) -> dict[str, Tensor]:
    content: dict[str, Tensor] = torch.load(folder / f"step_{step}", weights_only=True)
    return content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    published.export_published(made(TINY), tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def change(folder: Path) -> Callable[..., None]:
    """Change settings of the checkpoint's `arch`; None removes one."""

    def edit(**settings: Any) -> None:
        file = folder / "all_config.yaml"
        content = yaml.safe_load(file.read_text())
        arch = content["arch"] | settings
        content["arch"] = {key: value for key, value in arch.items() if value is not None}
        file.write_text(yaml.safe_dump(content))

    return edit


def without_length(folder: Path) -> None:
    """Leave the checkpoint as published ones are: without the length of a puzzle."""
    file = folder / "all_config.yaml"
    content = yaml.safe_load(file.read_text())
    del content["seq_len"]
    file.write_text(yaml.safe_dump(content))


sizes = st.integers(1, 3)
configs = st.builds(
    lambda heads, width, **rest: ModelConfig(num_heads=heads, hidden_size=heads * width, **rest),
    heads=sizes,
    width=st.sampled_from((2, 4, 6)),
    vocab_size=st.integers(1, 7),
    seq_len=st.integers(1, 6),
    num_puzzle_identifiers=st.integers(1, 4),
    N=sizes,
    T=sizes,
    puzzle_emb_ndim=st.none() | st.integers(0, 20),
    H_layers=st.integers(1, 2),
    L_layers=st.integers(1, 2),
    M_max=sizes,
    expansion=st.sampled_from((1.0, 2.5, 120.0)),
    halt_exploration=st.floats(0, 1),
    positions=st.sampled_from(("rope", "learned")),
    rope_theta=st.sampled_from((100.0, 1e4)),
    norm_eps=st.sampled_from((1e-5, 1e-6, 0.03)),
)
trainings = st.builds(
    TrainingConfig,
    training_flops=st.just(1.0),
    loss=st.sampled_from(("stablemax", "softmax")),
    learning_rate=st.floats(1e-8, 1.0),
)


@settings(max_examples=15, deadline=None)
@given(configs, trainings, st.sampled_from((torch.float32, torch.bfloat16)))
def test_what_is_exported_is_loaded(
    config: ModelConfig, training: TrainingConfig, dtype: torch.dtype
) -> None:
    with tempfile.TemporaryDirectory() as name:
        first, second = Path(name, "first"), Path(name, "second")
        model = made(config, dtype)
        published.export_published(model, first, 7, training)
        loaded = published.load_published(first)
        assert canonical(loaded.config, training) == canonical(config, training)
        assert loaded.dtype == dtype
        assert_equal(outputs(model), outputs(loaded))
        published.export_published(loaded, second, 7, training)
        assert yaml.safe_load((first / "all_config.yaml").read_text()) == yaml.safe_load(
            (second / "all_config.yaml").read_text()
        )
        there, back = weights_in(first, 7), weights_in(second, 7)
        assert list(there) == list(back)
        assert_equal(list(there.values()), list(back.values()))
        assert_equal(
            list(loaded.state_dict().values()),
            list(published.load_published(second).state_dict().values()),
        )


@pytest.mark.parametrize("case", ["learned_softmax", "rope_stablemax"])
def test_an_export_is_what_the_published_trainer_wrote(case: str, tmp_path: Path) -> None:
    meta = json.loads((CASES / case / "meta.json").read_text())
    theirs = yaml.safe_load((CASES / case / "all_config.yaml").read_text())
    training = TrainingConfig(
        training_flops=1.0,
        loss=meta["loss_type"].removesuffix("_cross_entropy"),
        batch_size=meta["batch_size"],
        learning_rate=meta["lr"],
        puzzle_learning_rate=meta["puzzle_emb_lr"],
        weight_decay=meta["weight_decay"],
        puzzle_weight_decay=meta["puzzle_emb_weight_decay"],
        warmup_steps=0,
        seed=theirs["seed"],
    )
    model = published.load_published(CASES / case, seq_len=meta["seq_len"])
    published.export_published(
        model, tmp_path / "run", training=training, data_path=theirs["data_path"]
    )
    ours = yaml.safe_load((tmp_path / "run" / "all_config.yaml").read_text())
    assert ours.pop("seq_len") == meta["seq_len"]
    assert ours["arch"].pop("forward_dtype") == "float32"
    assert ours["arch"].pop("rms_norm_eps") == 1e-5
    assert ours["arch"].pop("rope_theta") == 10000.0
    assert ours == theirs
    there, here = weights_in(CASES / case), weights_in(tmp_path / "run")
    assert set(there) == set(here)
    assert_equal(list(there.values()), [here[name] for name in there])


def test_a_loaded_model_can_be_trained(folder: Path) -> None:
    model = published.load_published(folder)
    assert all(p.requires_grad and p.dtype == torch.float32 for p in model.parameters())
    assert not any(b.requires_grad for b in model.buffers())
    x = model.embed(torch.zeros(2, 4, dtype=torch.int64), model.puzzle_emb(torch.tensor([0, 1])))
    model(model.initial_carry(2), x)[1].logits.sum().backward()
    assert model.lm_head.weight.grad is not None


PREFIXES = ["_orig_mod.model.inner.", "model.inner.", "_orig_mod.", "inner.", ""]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_weights_load_whatever_wrapped_the_model(prefix: str, folder: Path) -> None:
    expected = outputs(published.load_published(folder))
    bare = {k.removeprefix(PUBLISHED): v for k, v in weights_in(folder).items()}
    torch.save({prefix + name: tensor for name, tensor in bare.items()}, folder / "step_0")
    assert_equal(outputs(published.load_published(folder)), expected)


def test_the_last_step_is_loaded_unless_one_is_named(folder: Path) -> None:
    for step in (10, 9):
        model = made(TINY)
        model.H_init.fill_(step)
        published.export_published(model, folder, step)
    torch.save({}, folder / "step_11_all_preds.0")
    assert published.load_published(folder).H_init[0] == 10
    assert published.load_published(folder, step=9).H_init[0] == 9
    with pytest.raises(CheckpointError, match=r"no step_11; choose from its steps: 0, 9, 10\.$"):
        published.load_published(folder, step=11)


def test_weights_are_found_under_the_name_they_have_on_the_hub(folder: Path) -> None:
    expected = outputs(published.load_published(folder))
    (folder / "step_0").rename(folder / "checkpoint")
    assert_equal(outputs(published.load_published(folder)), expected)
    (folder / "checkpoint").unlink()
    with pytest.raises(CheckpointError, match="has no file step_N"):
        published.load_published(folder)


def test_the_stored_initial_states_tell_in_what_the_model_computes(
    folder: Path, change: Callable[..., None]
) -> None:
    change(forward_dtype=None)
    assert published.load_published(folder).dtype == torch.float32
    content = weights_in(folder)
    for name in ("H_init", "L_init"):
        content[PUBLISHED + name] = content[PUBLISHED + name].bfloat16()
    torch.save(content, folder / "step_0")
    model = published.load_published(folder)
    assert model.dtype == torch.bfloat16
    assert model.H_init.dtype == torch.float32
    assert published.load_published(folder, dtype=torch.float32).dtype == torch.float32
    change(forward_dtype="float16")
    assert published.load_published(folder).dtype == torch.float16


def test_a_bfloat16_model_is_exported_with_initial_states_of_its_type(tmp_path: Path) -> None:
    published.export_published(made(TINY, torch.bfloat16), tmp_path)
    types = {name.removeprefix(PUBLISHED): t.dtype for name, t in weights_in(tmp_path).items()}
    assert {types.pop(name) for name in ("H_init", "L_init")} == {torch.bfloat16}
    assert set(types.values()) == {torch.float32}
    arch = yaml.safe_load((tmp_path / "all_config.yaml").read_text())["arch"]
    assert arch["forward_dtype"] == "bfloat16"


def test_defaults_and_numbers_are_read_as_the_published_code_reads_them(
    folder: Path, change: Callable[..., None]
) -> None:
    change(rope_theta=None, rms_norm_eps="1e-5", expansion=4)
    assert published.load_published(folder).config == TINY
    change(rms_norm_eps=None)
    assert published.load_published(folder).config == TINY
    change(rms_norm_eps="1e-3")
    assert published.load_published(folder).config == replace(TINY, norm_eps=1e-3)


def test_the_length_is_asked_for_where_no_file_says_it(folder: Path) -> None:
    without_length(folder)
    with pytest.raises(CheckpointError, match=r"give seq_len, or put the dataset\.json"):
        published.load_published(folder)
    with pytest.raises(CheckpointError, match=r"seq_len is 0 in .*; give a whole number"):
        published.load_published(folder, seq_len=0)
    assert published.load_published(folder, seq_len=9).config.seq_len == 9


@pytest.mark.parametrize("name", ["dataset.json", "manifest.json"])
def test_the_length_is_read_from_the_data_set(name: str, folder: Path) -> None:
    without_length(folder)
    (folder / name).write_text('{"seq_len": 6, "vocab_size": 5}')
    assert published.load_published(folder).config.seq_len == 6
    with pytest.raises(CheckpointError, match=rf"6 by \S+{name} but 9 by what was given"):
        published.load_published(folder, seq_len=9)
    for content in ("{", "[]", "{}", '{"seq_len": 0}', '{"seq_len": true}'):
        (folder / name).write_text(content)
        with pytest.raises(
            CheckpointError, match=rf"{name} (has seq_len|is no JSON|holds no JSON object)"
        ):
            published.load_published(folder)


def test_learned_positions_tell_the_length(tmp_path: Path) -> None:
    published.export_published(made(replace(TINY, positions="learned")), tmp_path)
    without_length(tmp_path)
    assert published.load_published(tmp_path).config.seq_len == 4
    with pytest.raises(CheckpointError, match=r"4 by \S+step_0 but 5 by what was given"):
        published.load_published(tmp_path, seq_len=5)


UNFIT_SETTINGS = [
    ({"name": "hrm.hrm_act_v2@Other"}, "name", "only hrm.hrm_act_v1"),
    ({"puzzle_emb_ndim": -1}, "puzzle_emb_ndim", "give a whole number of at least 0"),
    ({"mlp_t": True}, "mlp_t", "take a checkpoint that was trained without it"),
    ({"H_cycles": None}, "H_cycles", "restore it"),
    ({"L_cycles": 0}, "L_cycles", "give a whole number"),
    ({"H_layers": True}, "H_layers", "give a whole number"),
    ({"expansion": "much"}, "expansion", "give a number"),
    ({"expansion": [4]}, "expansion", "give a number"),
    ({"expansion": 1e12}, "expansion", "give a number from 0.01 to 1000"),
    ({"rms_norm_eps": False}, "rms_norm_eps", "give a number"),
    ({"rope_theta": float("nan")}, "rope_theta", "give a number"),
    ({"halt_exploration_prob": 2}, "halt_exploration_prob", "give a number from 0 to 1"),
    ({"num_heads": 3}, "hidden_size", "give a multiple of num_heads=3"),
    ({"pos_encodings": "none"}, "pos_encodings", "only rope, learned can be loaded"),
    ({"forward_dtype": "int8"}, "forward_dtype", "only float32, bfloat16, float16"),
    ({"forward_dtype": []}, "forward_dtype", "only float32"),
    ({"name": TRM, "no_ACT_continue": False}, "no_ACT_continue", "only True can be loaded"),
    ({"name": TRM, "pos_encodings": "none"}, "pos_encodings", "only rope, learned"),
    ({"name": TRM, "puzzle_emb_len": "many"}, "puzzle_emb_len", "give a whole number"),
]


@pytest.mark.parametrize(("settings", "key", "remedy"), UNFIT_SETTINGS)
def test_settings_of_another_model_are_refused(
    settings: dict[str, Any], key: str, remedy: str, folder: Path, change: Callable[..., None]
) -> None:
    change(**settings)
    with pytest.raises(CheckpointError) as refused:
        published.load_published(folder)
    assert refused.value.field == f"arch.{key}"
    assert refused.value.remedy.startswith(remedy)
    assert "all_config.yaml" in str(refused.value)


@pytest.mark.parametrize(
    "text", [b"arch: [", b"\xff\xfe\xfa", b"a: !!python/name:os.system", b"[" * 500]
)
def test_what_is_no_yaml_is_refused(text: bytes, folder: Path) -> None:
    (folder / "all_config.yaml").write_bytes(text)
    with pytest.raises(CheckpointError, match=r"all_config\.yaml is (not readable YAML|no text)"):
        published.load_published(folder)


def test_yaml_of_something_else_is_refused(folder: Path) -> None:
    file = folder / "all_config.yaml"
    file.write_text("- arch")
    with pytest.raises(CheckpointError, match=r"all_config\.yaml holds no settings"):
        published.load_published(folder)
    file.write_text("arch: hrm")
    with pytest.raises(CheckpointError, match="has no section 'arch'"):
        published.load_published(folder)
    file.unlink()
    with pytest.raises(CheckpointError, match=r"all_config\.yaml does not exist"):
        published.load_published(folder)


def test_a_machine_without_yaml_is_told_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(CheckpointError, match="needs PyYAML; run 'pip install pyyaml'"):
        published.load_published(folder)
    with pytest.raises(CheckpointError, match="needs PyYAML"):
        published.export_published(made(TINY), folder.with_name("other"))
    assert not folder.with_name("other").exists()


def test_damaged_weights_are_refused(folder: Path) -> None:
    file = folder / "step_0"
    whole = file.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match="step_0 is no whole checkpoint"):
            published.load_published(folder)
    file.write_bytes(b"\x80\x02q\x01.")  # a pickle that takes from an empty stack
    with pytest.raises(CheckpointError, match="step_0 is no whole checkpoint"):
        published.load_published(folder)


def test_no_code_of_a_checkpoint_is_run(folder: Path) -> None:
    ran = folder / "ran"

    class Code:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (ran,)

    torch.save(weights_in(folder) | {"code": Code()}, folder / "step_0")
    with pytest.raises(CheckpointError, match=r"step_0 holds .*getattr, "):
        published.load_published(folder)
    assert not ran.exists()


@pytest.mark.parametrize("content", [[], {"format": 1}, {3: torch.zeros(1)}])
def test_files_of_something_else_are_refused(content: object, folder: Path) -> None:
    torch.save(content, folder / "step_0")
    with pytest.raises(CheckpointError, match=r"step_0 holds .*, not weights by name"):
        published.load_published(folder)


UP = "H_level.layers.0.mlp.gate_up_proj.weight"
UNFIT_WEIGHTS = [
    (UP, None, rf"{UP} \(512, 8\) is missing"),
    (UP, torch.zeros(512, 7), rf"{UP} is \(512, 7\) where \(512, 8\) is needed"),
    (UP, torch.zeros(512, 8).long(), f"{UP} is of torch.int64, not float32, bfloat16, float16"),
    ("H_init", None, r"H_init \(8,\) is missing"),
    ("lm_head.weight", torch.zeros(6, 8), r"lm_head.weight is \(6, 8\) where \(5, 8\) is needed"),
    ("surplus", torch.zeros(2), r"surplus \(2,\) has no place in the model"),
    (
        "puzzle_emb.weights",
        torch.zeros(3, 9),
        r"puzzle_emb.weights is \(3, 9\) where 8 columns are needed",
    ),
]


@pytest.mark.parametrize(("name", "tensor", "message"), UNFIT_WEIGHTS)
def test_weights_of_another_model_are_refused(
    name: str, tensor: Tensor | None, message: str, folder: Path
) -> None:
    content = weights_in(folder)
    content.pop(PUBLISHED + name, None)
    if tensor is not None:
        content[PUBLISHED + name] = tensor
    torch.save(content, folder / "step_0")
    with pytest.raises(CheckpointError, match=rf"does not fit all_config\.yaml: {message}; take"):
        published.load_published(folder)


def test_a_checkpoint_without_embeddings_is_refused(folder: Path) -> None:
    torch.save({}, folder / "step_0")
    with pytest.raises(CheckpointError, match=r"embed_tokens\S+ of 8 columns is missing"):
        published.load_published(folder)


def test_settings_of_a_giant_take_no_memory(folder: Path, change: Callable[..., None]) -> None:
    change(expansion=1e3, L_layers=10_000)
    with pytest.raises(CheckpointError, match="15 tensors, too few for the 10,001 layers"):
        published.load_published(folder)


@pytest.mark.parametrize(
    "changes", [{"model": m} for m in ("hrm-flat", "trm", "looped", "transformer")]
)
def test_baselines_are_not_exported(changes: dict[str, Any], tmp_path: Path) -> None:
    model = made(replace(TINY, **changes))
    with pytest.raises(CheckpointError) as refused:
        published.export_published(model, tmp_path / "run")
    assert (refused.value.field, refused.value.value) == ("model", changes["model"])
    assert not (tmp_path / "run").exists()


def test_what_has_no_published_form_is_not_exported(tmp_path: Path) -> None:
    for changes in ({"mixing": "mlp"}, {"puzzle_emb_len": 3}):
        with pytest.raises(CheckpointError, match="which the published code does not know"):
            published.export_published(made(replace(TINY, **changes)), tmp_path)
    with pytest.raises(CheckpointError, match=r"dtype is torch\.float64; build"):
        published.export_published(ReasoningModel(TINY, torch.float64), tmp_path)
    with pytest.raises(CheckpointError, match="step is -1"):
        published.export_published(made(TINY), tmp_path, -1)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CheckpointError, match="step_0 exists; export another step"):
        published.export_published(made(TINY), folder)
    other = replace(TINY, N=3)
    with pytest.raises(CheckpointError, match=r"another run's, with arch\.H_cycles 2, not 3"):
        published.export_published(made(other), folder, 1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_export_that_dies_leaves_no_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: Any, stream: Any) -> None:
        stream.write(b"half a checkpoint")
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", die)
        with pytest.raises(
            CheckpointError, match=r"can't be written \(no space left\); make room"
        ):
            published.export_published(made(TINY), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["all_config.yaml"]
    published.export_published(made(TINY), tmp_path)
    assert isinstance(published.load_published(tmp_path), ReasoningModel)


def test_a_file_is_no_folder_to_export_into(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(CheckpointError, match="run can't be written"):
        published.export_published(made(TINY), tmp_path / "run")


def test_a_lean_model_halts_where_it_did(tmp_path: Path) -> None:
    model = made(replace(TINY, mode="lean"))
    with torch.no_grad():
        model.q_head.weight.normal_(generator=torch.Generator().manual_seed(3))
        model.q_head.bias.copy_(torch.tensor([-0.1, 5.0]))
    published.export_published(model, tmp_path)
    loaded = published.load_published(tmp_path)
    tokens = torch.randint(
        0, TINY.vocab_size, (40, TINY.seq_len), generator=torch.Generator().manual_seed(4)
    )
    batch = Batch(tokens, tokens, torch.zeros(40, dtype=torch.int32))
    before, after = (evaluate(one, [batch], 3).halting.segments for one in (model, loaded))
    assert after == before
    assert 0 < before[0] < 1
