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

from hrm.checkpoints import official
from hrm.checkpoints.checkpoint import CheckpointError
from hrm.config import ModelConfig, TrainingConfig
from hrm.evaluation.fixed import evaluate
from hrm.model.baselines import build_model
from hrm.model.reasoning_model import HierarchicalReasoningModel, ReasoningModel
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
    model = build_model(config, dtype)
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
    official.export(made(TINY), tmp_path / "run")
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
        official.export(model, first, 7, training)
        loaded = official.load(first)
        assert loaded.config == config
        assert loaded.dtype == dtype
        assert_equal(outputs(model), outputs(loaded))
        official.export(loaded, second, 7, training)
        assert yaml.safe_load((first / "all_config.yaml").read_text()) == yaml.safe_load(
            (second / "all_config.yaml").read_text()
        )
        there, back = weights_in(first, 7), weights_in(second, 7)
        assert list(there) == list(back)
        assert_equal(list(there.values()), list(back.values()))
        assert_equal(
            list(loaded.state_dict().values()),
            list(official.load(second).state_dict().values()),
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
    model = official.load(CASES / case, seq_len=meta["seq_len"])
    official.export(model, tmp_path / "run", training=training, data_path=theirs["data_path"])
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
    model = official.load(folder)
    assert all(p.requires_grad and p.dtype == torch.float32 for p in model.parameters())
    assert not any(b.requires_grad for b in model.buffers())
    x = model.embed(torch.zeros(2, 4, dtype=torch.int64), model.puzzle_emb(torch.tensor([0, 1])))
    model(model.initial_carry(2), x)[1].logits.sum().backward()
    assert model.lm_head.weight.grad is not None


PREFIXES = ["_orig_mod.model.inner.", "model.inner.", "_orig_mod.", "inner.", ""]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_weights_load_whatever_wrapped_the_model(prefix: str, folder: Path) -> None:
    expected = outputs(official.load(folder))
    bare = {k.removeprefix(PUBLISHED): v for k, v in weights_in(folder).items()}
    torch.save({prefix + name: tensor for name, tensor in bare.items()}, folder / "step_0")
    assert_equal(outputs(official.load(folder)), expected)


def test_the_last_step_is_loaded_unless_one_is_named(folder: Path) -> None:
    for step in (10, 9):
        model = made(TINY)
        model.H_init.fill_(step)
        official.export(model, folder, step)
    torch.save({}, folder / "step_11_all_preds.0")
    assert official.load(folder).H_init[0] == 10
    assert official.load(folder, step=9).H_init[0] == 9
    with pytest.raises(CheckpointError, match=r"no step_11; choose from its steps: 0, 9, 10\.$"):
        official.load(folder, step=11)


def test_weights_are_found_under_the_name_they_have_on_the_hub(folder: Path) -> None:
    expected = outputs(official.load(folder))
    (folder / "step_0").rename(folder / "checkpoint")
    assert_equal(outputs(official.load(folder)), expected)
    (folder / "checkpoint").unlink()
    with pytest.raises(CheckpointError, match="has no file step_N"):
        official.load(folder)


def test_the_stored_initial_states_tell_in_what_the_model_computes(
    folder: Path, change: Callable[..., None]
) -> None:
    change(forward_dtype=None)
    assert official.load(folder).dtype == torch.float32
    content = weights_in(folder)
    for name in ("H_init", "L_init"):
        content[PUBLISHED + name] = content[PUBLISHED + name].bfloat16()
    torch.save(content, folder / "step_0")
    model = official.load(folder)
    assert model.dtype == torch.bfloat16
    assert model.H_init.dtype == torch.float32
    assert official.load(folder, dtype=torch.float32).dtype == torch.float32
    change(forward_dtype="float16")
    assert official.load(folder).dtype == torch.float16


def test_a_bfloat16_model_is_exported_with_initial_states_of_its_type(tmp_path: Path) -> None:
    official.export(made(TINY, torch.bfloat16), tmp_path)
    types = {name.removeprefix(PUBLISHED): t.dtype for name, t in weights_in(tmp_path).items()}
    assert {types.pop(name) for name in ("H_init", "L_init")} == {torch.bfloat16}
    assert set(types.values()) == {torch.float32}
    arch = yaml.safe_load((tmp_path / "all_config.yaml").read_text())["arch"]
    assert arch["forward_dtype"] == "bfloat16"


def test_defaults_and_numbers_are_read_as_the_published_code_reads_them(
    folder: Path, change: Callable[..., None]
) -> None:
    change(rope_theta=None, rms_norm_eps="1e-5", expansion=4)
    assert official.load(folder).config == TINY
    change(rms_norm_eps=None)
    assert official.load(folder).config == TINY
    change(rms_norm_eps="1e-3")
    assert official.load(folder).config == replace(TINY, norm_eps=1e-3)


def test_the_length_is_asked_for_where_no_file_says_it(folder: Path) -> None:
    without_length(folder)
    with pytest.raises(CheckpointError, match=r"give seq_len, or put the dataset\.json"):
        official.load(folder)
    with pytest.raises(CheckpointError, match="seq_len is 0; give a whole number"):
        official.load(folder, seq_len=0)
    assert official.load(folder, seq_len=9).config.seq_len == 9


@pytest.mark.parametrize("name", ["dataset.json", "manifest.json"])
def test_the_length_is_read_from_the_data_set(name: str, folder: Path) -> None:
    without_length(folder)
    (folder / name).write_text('{"seq_len": 6, "vocab_size": 5}')
    assert official.load(folder).config.seq_len == 6
    with pytest.raises(CheckpointError, match=rf"6 by \S+{name} but 9 by what was asked for"):
        official.load(folder, seq_len=9)
    for content in ("{", "[]", "{}", '{"seq_len": 0}', '{"seq_len": true}'):
        (folder / name).write_text(content)
        with pytest.raises(CheckpointError, match=rf"{name} has .*seq_len"):
            official.load(folder)


def test_learned_positions_tell_the_length(tmp_path: Path) -> None:
    official.export(made(replace(TINY, positions="learned")), tmp_path)
    without_length(tmp_path)
    assert official.load(tmp_path).config.seq_len == 4
    with pytest.raises(CheckpointError, match=r"4 by \S+step_0 but 5 by what was asked for"):
        official.load(tmp_path, seq_len=5)


UNFIT_SETTINGS = [
    ({"name": "hrm.hrm_act_v2@Other"}, "arch.name is 'hrm.hrm_act_v2@Other'; only hrm.hrm_act_v1"),
    ({"puzzle_emb_ndim": 0}, "arch.puzzle_emb_ndim is 0; only 8 can be loaded"),
    ({"puzzle_emb_ndim": None}, "arch.puzzle_emb_ndim is 0; only 8 can be loaded"),
    ({"mlp_t": True}, "arch.mlp_t is no setting of the published model"),
    ({"H_cycles": None}, "lacks arch.H_cycles"),
    ({"L_cycles": 0}, "arch.L_cycles is 0; give a whole number"),
    ({"H_layers": True}, "arch.H_layers is True; give a whole number"),
    ({"expansion": "much"}, "arch.expansion is 'much'; give a number"),
    ({"expansion": [4]}, r"arch.expansion is \[4\]; give a number"),
    ({"rms_norm_eps": False}, "arch.rms_norm_eps is False; give a number"),
    ({"rope_theta": float("nan")}, "arch.rope_theta is nan; give a number"),
    ({"halt_exploration_prob": 2}, "arch.halt_exploration_prob is 2.0; give a number from 0 to 1"),
    ({"num_heads": 3}, "arch.hidden_size is 8; give a multiple of num_heads=3"),
    ({"pos_encodings": "none"}, "arch.pos_encodings is 'none'; only rope, learned can be loaded"),
    ({"forward_dtype": "int8"}, "arch.forward_dtype is 'int8'; only float32, bfloat16, float16"),
    ({"forward_dtype": []}, r"arch.forward_dtype is \[\]; only float32"),
]


@pytest.mark.parametrize(("settings", "message"), UNFIT_SETTINGS)
def test_settings_of_another_model_are_refused(
    settings: dict[str, Any], message: str, folder: Path, change: Callable[..., None]
) -> None:
    change(**settings)
    with pytest.raises(CheckpointError, match=rf"all_config\.yaml:? {message}"):
        official.load(folder)


@pytest.mark.parametrize(
    "text", [b"arch: [", b"\xff\xfe\xfa", b"a: !!python/name:os.system", b"[" * 500]
)
def test_what_is_no_yaml_is_refused(text: bytes, folder: Path) -> None:
    (folder / "all_config.yaml").write_bytes(text)
    with pytest.raises(CheckpointError, match=r"all_config\.yaml is not readable YAML"):
        official.load(folder)


def test_yaml_of_something_else_is_refused(folder: Path) -> None:
    file = folder / "all_config.yaml"
    file.write_text("- arch")
    with pytest.raises(CheckpointError, match=r"all_config\.yaml holds no settings"):
        official.load(folder)
    file.write_text("arch: hrm")
    with pytest.raises(CheckpointError, match="has no section 'arch'"):
        official.load(folder)
    file.unlink()
    with pytest.raises(CheckpointError, match=r"all_config\.yaml does not exist"):
        official.load(folder)


def test_a_machine_without_yaml_is_told_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(CheckpointError, match="needs PyYAML; run 'pip install pyyaml'"):
        official.load(folder)
    with pytest.raises(CheckpointError, match="needs PyYAML"):
        official.export(made(TINY), folder.with_name("other"))
    assert not folder.with_name("other").exists()


def test_damaged_weights_are_refused(folder: Path) -> None:
    file = folder / "step_0"
    whole = file.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match="step_0 is no whole checkpoint"):
            official.load(folder)
    file.write_bytes(b"\x80\x02q\x01.")  # a pickle that takes from an empty stack
    with pytest.raises(CheckpointError, match="step_0 is no whole checkpoint"):
        official.load(folder)


def test_no_code_of_a_checkpoint_is_run(folder: Path) -> None:
    ran = folder / "ran"

    class Code:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (ran,)

    torch.save(weights_in(folder) | {"code": Code()}, folder / "step_0")
    with pytest.raises(CheckpointError, match="step_0 is no whole checkpoint"):
        official.load(folder)
    assert not ran.exists()


@pytest.mark.parametrize("content", [[], {"format": 1}, {3: torch.zeros(1)}])
def test_files_of_something_else_are_refused(content: object, folder: Path) -> None:
    torch.save(content, folder / "step_0")
    with pytest.raises(CheckpointError, match="step_0 holds no weights by name"):
        official.load(folder)


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
        r"puzzle_emb.weights is \(3, 9\) where \(num_puzzle_identifiers, 8\) is needed",
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
        official.load(folder)


def test_a_checkpoint_without_embeddings_is_refused(folder: Path) -> None:
    torch.save({}, folder / "step_0")
    with pytest.raises(CheckpointError, match=r"lacks embed_tokens\S+ \(vocab_size, 8\)"):
        official.load(folder)


def test_settings_of_a_giant_take_no_memory(folder: Path, change: Callable[..., None]) -> None:
    change(expansion=1e12)
    with pytest.raises(CheckpointError, match=r"mlp\.gate_up_proj\.weight is \(512, 8\) where"):
        official.load(folder)


@pytest.mark.parametrize(
    "changes", [{"model": m} for m in ("hrm-flat", "trm", "looped", "transformer")]
)
def test_baselines_are_not_exported(changes: dict[str, Any], tmp_path: Path) -> None:
    model = made(replace(TINY, **changes))
    with pytest.raises(CheckpointError, match=f"knows no model {changes['model']} with"):
        official.export(model, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_has_no_published_form_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="knows no model hrm with mixing=mlp"):
        official.export(made(replace(TINY, mixing="mlp")), tmp_path)
    with pytest.raises(CheckpointError, match=r"a model of torch\.float64 can't be exported"):
        official.export(build_model(TINY, torch.float64), tmp_path)
    with pytest.raises(CheckpointError, match="step is -1"):
        official.export(made(TINY), tmp_path, -1)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CheckpointError, match="step_0 exists; export another step"):
        official.export(made(TINY), folder)
    other = replace(TINY, N=3)
    with pytest.raises(
        CheckpointError, match=r"another run's, with arch\.H_cycles 2 instead of 3"
    ):
        official.export(made(other), folder, 1)
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
            official.export(made(TINY), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["all_config.yaml"]
    official.export(made(TINY), tmp_path)
    assert isinstance(official.load(tmp_path), HierarchicalReasoningModel)


def test_a_file_is_no_folder_to_export_into(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(CheckpointError, match="run can't be written"):
        official.export(made(TINY), tmp_path / "run")


def test_a_lean_model_halts_where_it_did(tmp_path: Path) -> None:
    model = made(replace(TINY, mode="lean"))
    with torch.no_grad():
        model.q_head.weight.normal_(generator=torch.Generator().manual_seed(3))
        model.q_head.bias.copy_(torch.tensor([-0.1, 5.0]))
    official.export(model, tmp_path)
    loaded = official.load(tmp_path)
    tokens = torch.randint(
        0, TINY.vocab_size, (40, TINY.seq_len), generator=torch.Generator().manual_seed(4)
    )
    batch = Batch(tokens, tokens, torch.zeros(40, dtype=torch.int32))
    before, after = (evaluate(one, [batch], 3).halting.segments for one in (model, loaded))
    assert after == before
    assert 0 < before[0] < 1
