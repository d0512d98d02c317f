"""A space file becomes one specification, or one sentence that says where and what to write."""

import re
from pathlib import Path

import pytest

from hrm.models import MODELS
from sweep_platform.common.errors import InputError
from sweep_platform.space.configuration import ANY_SHAPE, configured
from sweep_platform.space.space_file import SpaceFile, overridden
from sweep_platform.spec.schema import Choices, Range, SweepSpec

SHIPPED = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))
SPACE = """\
name: toy
dataset: {name: arc-agi-1, canvas: 6, tasks: 4, augmentations: 2, held_out: all}
space:
  N: {choices: [1, 2]}
  T: {choices: [1, 2]}
  hidden_size: {choices: [32, 64]}
model: {H_layers: 1, L_layers: 1, head_dim: 32}
training: {batch_size: 8}
budget: {trials: 4, flops_per_trial: 1e8}
"""

SPACES = Path(__file__).parents[2] / "sweeps"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "toy.yaml"


def resolved(path: Path, text: str, *settings: str, scale: str | None = None) -> SweepSpec:
    path.write_text(text)
    space = SpaceFile.read(path)
    space.check()
    return space.resolve(scale, settings)


def refusal(path: Path, text: str, *settings: str, scale: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        resolved(path, text, *settings, scale=scale)
    message = str(caught.value).replace(str(path), "toy.yaml")
    assert "\n" not in message
    assert message.endswith((".", "?"))
    for foreign in ("input should", "Input should", "dictionary", "instance of", "tuple"):
        assert foreign not in message
    return message


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_space_resolves_at_each_scale(shipped: Path) -> None:
    space = SpaceFile.read(shipped)
    space.check()
    assert {"laptop", "gpu"} <= set(space.scales)
    for scale in (None, *space.scales):
        assert space.resolve(scale).space


def arc(scale: str | None) -> SweepSpec:
    return SpaceFile.read(Path(__file__).parents[2] / "sweeps" / "arc.yaml").resolve(scale)


def test_arc_at_gpu_is_the_published_setting() -> None:
    spec = arc("gpu")
    assert spec.dataset.model_dump() == {
        "name": "arc-agi-1",
        "canvas": 30,
        "tasks": "all",
        "augmentations": 1000,
        "held_out": "evaluation",
        "concept_arc": None,
        "also": None,
        "seed": 0,
    }
    assert spec.training["batch_size"] == 768
    assert (spec.model["H_layers"], spec.model["L_layers"], spec.model["head_dim"]) == (4, 4, 64)
    widths = spec.space["hidden_size"].choices
    assert 512 in widths
    assert max(widths) > 512
    assert spec == arc(None)


def test_arc_at_laptop_has_a_sweep_s_worth() -> None:
    spec = arc("laptop")
    assert spec.dataset.tasks == 31
    assert spec.replicates >= 3
    assert spec.evaluation.views > 1
    assert spec.confirm is not None
    assert set(spec.space) == {"N", "T", "hidden_size", "M_max"}
    assert all(len(set(knob.choices)) >= 2 for knob in spec.space.values())
    assert spec.budget.minutes < 10


WRONG = [
    # What is changed in SPACE, into what, and what the sentence has to name.
    ("name: toy", "name: ../x", "line 1", "`name` is '../x'", "letters"),
    ("name: toy", "name: 12", "line 1", "`name` is 12", "quotes"),
    ("name: toy\n", "", "toy.yaml: ", "`name` is missing", "add it"),
    ("name: toy", "name: toy\nbudgte: 1", "line 2", "`budgte`", "did you mean budget?"),
    ("name: toy", "name: toy\nscale: {}", "line 2", "`scale`", "did you mean scales?"),
    ("trials: 4", "trails: 4", "line 9", "`budget.trails`", "did you mean trials?"),
    ("tasks: 4", "task: 4", "line 2", "`dataset.task`", "did you mean tasks"),
    (
        "{choices: [1, 2]}",
        "{choises: [1]}",
        "line 4",
        "`space.N.choises`",
        "did you mean choices?",
    ),
    ("{choices: [1, 2]}", "{low: 1, hihg: 2}", "line 4", "`space.N.hihg`", "did you mean high?"),
    ("  N:", "  NN:", "line 4", "`space.NN`", "did you mean N?"),
    ("H_layers", "H_layer", "line 7", "`model.H_layer`", "did you mean H_layers?"),
    ("H_layers", "batch_size", "line 7", "`model.batch_size`", "write it below `training`"),
    ("batch_size", "batchsize", "line 8", "`training.batchsize`", "did you mean batch_size?"),
    ("T: {choices: [1, 2]}", "T: {choices: [0, 2]}", "line 5", "`space.T`", "from 1"),
    ("model: {", "model: {M_max: 0, ", "line 7", "`model.M_max`", "from 1"),
    ("T: {choices: [1, 2]}", "T: {low: 3, high: 1}", "line 5", "`space.T`", "swap them"),
    ("T: {choices: [1, 2]}", "T: {low: 3}", "line 5", "`space.T.high` is missing", "add it"),
    ("T: {choices: [1, 2]}", "T: {choices: []}", "line 5", "`space.T.choices`", "at least 1"),
    ("T: {choices: [1, 2]}", "T: {choices: [1, 1]}", "line 5", "`space.T`", "each value once"),
    ("T: {choices: [1, 2]}", "T: {choices: [1, true]}", "line 5", "`space.T`", "twice"),
    ("T: {choices: [1, 2]}", "T: {choices: [1, a]}", "`space.T.choices.1` is 'a'", "whole number"),
    ("T: {choices: [1, 2]}", "T: {choices: [1, 2.5]}", "`space.T.choices.1`", "whole number"),
    ("T: {choices: [1, 2]}", "T: {choices: [1, ~]}", "`space.T.choices.1` is empty", "write"),
    ("T: {choices: [1, 2]}", "T: {choices: [[1]]}", "`space.T.choices.0`", "write"),
    ("T: {choices: [1, 2]}", "T: {choices: 3}", "`space.T.choices` is 3", "write a list"),
    ("T: {choices: [1, 2]}", "T: {choices: [1], low: 1}", "`space.T.low`", "choices or a range"),
    ("T: {choices: [1, 2]}", "T: [1, 2]", "line 5", "`space.T`", "write {choices: [1, 2]}"),
    ("T: {choices: [1, 2]}", "T: 3", "line 5", "`space.T` is 3", "write {choices: [1, 2]}"),
    ("T: {choices: [1, 2]}", "T:", "line 5", "`space.T` is empty", "write {choices: [1, 2]}"),
    ("T: {choices: [1, 2]}", "T: {low: a, high: 2}", "`space.T.low` is 'a'", "write a number"),
    ("T: {choices: [1, 2]}", "T: {low: 1.0, high: 2}", "`space.T.low` is 1.0", "whole number"),
    ("T: {choices: [1, 2]}", "T: {low: 1, high: 3, step: 0.5}", "`space.T`", "whole step"),
    ("T: {choices: [1, 2]}", "T: {low: 1, high: 3, step: 0}", "`space.T.step` is 0", "above 0"),
    ("T: {choices: [1, 2]}", "T: {low: 1, high: 1000000000}", "`space.T`", "larger step"),
    ("T: {choices: [1, 2]}", "T: {low: 1, high: .inf}", "`space.T`", "give numbers below"),
    ("T: {choices: [1, 2]}", "beta1: {low: .nan, high: .nan}", "`space.beta1`", "give numbers"),
    ("T: {choices: [1, 2]}", "beta1: {low: 0, high: 0.9, step: 1e-300}", "larger step"),
    ("T: {choices: [1, 2]}", "beta1: {low: 0, high: 0.9, log: true}", "above 0"),
    ("T: {choices: [1, 2]}", "beta1: {low: 0.1, high: 0.9, log: true, step: 0.1}", "keep one"),
    ("T: {choices: [1, 2]}", "beta1: {low: 0.1, high: 1.5}", "`space.beta1`", "below 1"),
    ("T: {choices: [1, 2]}", "num_heads: {choices: [1, 2]}", "`model.head_dim`", "keep one"),
    ("T: {choices: [1, 2]}", "head_dim: {choices: [8]}", "`space.head_dim`", "below `model`"),
    ("[32, 64]", "[32, 48]", "line 6", "`space.hidden_size`", "48", "multiple of head_dim=32"),
    ("head_dim: 32", "num_heads: 5", "line 6", "`space.hidden_size`", "multiple of num_heads=5"),
    ("head_dim: 32", "head_dim: 0", "line 7", "`model.head_dim` is 0", "at least 2"),
    ("head_dim: 32", "head_dim: 15", "line 7", "`model.head_dim` is 15", "multiple of 2"),
    ("head_dim: 32", "head_dim: 32, num_heads: 1", "`model.head_dim`", "keep one"),
    ("model: {", "model: {T: 1, ", "line 7", "`model.T`", "`space.T`", "keep one"),
    ("H_layers: 1", "H_layers: 1.0", "`model.H_layers` is 1.0", "whole number"),
    ("H_layers: 1", "H_layers: [1]", "line 7", "`model.H_layers`", "write"),
    ("H_layers: 1", "expansion: .inf", "`model.expansion`", "0.01"),
    ("batch_size: 8", "loss: stable", "`training.loss` is 'stable'", "'stablemax' or 'softmax'"),
    ("batch_size: 8", "learning_rate: .nan", "`training.learning_rate`", "above 0"),
    ("batch_size: 8", "batch_size: 8, micro_batch: 9", "`training.micro_batch`", "at most"),
    ("arc-agi-1", "arc-agi-3", "line 2", "`dataset.name` is 'arc-agi-3'", "did you mean arc-agi-"),
    ("canvas: 6", "canvas: 0", "line 2", "`dataset.canvas`", "from 1 to 30"),
    ("canvas: 6", "canvas: 31", "line 2", "`dataset.canvas`", "from 1 to 30"),
    ("canvas: 6", "canvas: true", "line 2", "`dataset.canvas` is True", "whole number"),
    ("tasks: 4", "tasks: some", "`dataset.tasks` is 'some'", "of at least 1 or all"),
    ("tasks: 4", "tasks: 0", "`dataset.tasks`", "at least 1"),
    ("held_out: all", "held_out: none", "`dataset.held_out`", "evaluation or all"),
    ("held_out: all", "seed: -1", "`dataset.seed`", "a whole number from 0"),
    ("trials: 4", "trials: -1", "line 9", "`budget.trials` is -1", "at least 1"),
    ("trials: 4", "trials: 010", "`budget.trials` is '010'", "whole number"),
    ("trials: 4", "trials: 4, minutes: .inf", "`budget.minutes`", "finite"),
    ("1e8", ".nan", "`budget.flops_per_trial` is nan", "finite"),
    ("1e8", "0", "`budget.flops_per_trial` is 0", "above 0"),
    ("name: toy", "name: toy\nrungs: {at: [0.5, 1]}", "line 2", "`rungs.at.1`", "below 1"),
    ("name: toy", "name: toy\nrungs: {at: [0]}", "`rungs.at.0`", "above 0"),
    ("name: toy", "name: toy\nrungs: {at: 0.5}", "`rungs.at` is 0.5", "write a list"),
    ("name: toy", "name: toy\nrungs: [0.5]", "`rungs`", "`key: value` settings below it"),
    ("name: toy", "name: toy\nrungs:", "`rungs` is empty", "settings below it"),
    ("name: toy", "name: toy\nevaluation: {at: [2]}", "`evaluation.at.0`", "at most 1"),
    ("name: toy", "name: toy\nevaluation: {puzzles: 0}", "`evaluation.puzzles`", "or 'all'"),
    ("name: toy", "name: toy\nevaluation: {views: 0}", "`evaluation.views` is 0", "at least 1"),
    ("name: toy", "name: toy\nevaluation: {confirm_share: 1}", "confirm_share`", "below 1"),
    ("batch_size: 8", "eval_views: 2", "`training.eval_views` is no known setting"),
    (
        "name: toy",
        "name: toy\nobjectives: [exact_accuracy, pass_2]",
        "line 2",
        "`objectives.1` is pass_2, which takes the votes of several views",
        "set `evaluation.views` to 2 or more",
    ),
    ("name: toy", "name: toy\nobjectives: [accuracy]", "did you mean exact_accuracy?"),
    ("name: toy", "name: toy\nobjectives: []", "`objectives`", "at least 1"),
    (
        "name: toy",
        "name: toy\nobjectives: [exact_accuracy, exact_accuracy]",
        "`objectives`",
        "each once",
    ),
    ("name: toy", "name: toy\nsearch: {sampler: cma}", "`search.sampler`", "cma-es"),
    ("name: toy", "name: toy\nresources: {cpus: 0}", "`resources.cpus` is 0", "at least 0.001"),
    ("name: toy", "name: toy\nresources: {cpus: 1e-7}", "`resources.cpus`", "at least 0.001"),
    ("name: toy", 'name: "to\\0y"', "line 1", "`name` holds a NUL"),
    ("H_layers: 1", "expansion: 1e-300", "`model.expansion`", "0.01"),
    ("name: toy", "name: toy\nresources: {gpus: 1.5}", "line 2", "`resources`", "whole ones"),
    ("name: toy", "name: toy\nresources: {processes: 2}", "line 2", "give as many `cpus`"),
    (
        "name: toy",
        "name: toy\nresources: {gpus: 2, processes: 3}",
        "`resources` has 3 processes for 2 gpus",
        "leave `processes` out",
    ),
    ("name: toy", "name: toy\nresources: {accelerator_type: H100}", "`resources`", "set `gpus`"),
    (
        "name: toy",
        "name: toy\nobjectives: [device_seconds]\nrungs: {at: [0.5]}",
        "line 3",
        "`rungs.at`",
        "add `exact_accuracy` to `objectives`",
    ),
    ("name: toy", "name: toy\nseed: -1", "`seed` is -1", "at least 0"),
    ("name: toy", "name: toy\nseed: 99999999999999999999", "`seed`", "at most"),
    ("name: toy", "name: toy\nscales: [a]", "line 2", "`scales`", "write scale names"),
    ("name: toy", "name: toy\nscales:\n  a:\n", "line 3", "`scales.a`", "write some"),
    ("name: toy", "name: toy\nscales: {a: {scales: {}}}", "top of a file"),
]


@pytest.mark.parametrize(
    ("old", "new", "parts"), [(old, new, parts) for old, new, *parts in WRONG]
)
def test_what_is_refused(path: Path, old: str, new: str, parts: list[str]) -> None:
    assert old in SPACE
    message = refusal(path, SPACE.replace(old, new, 1))
    assert message.startswith("toy.yaml")
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "objectives: [pass_1]",
            "`objectives.0` is pass_1, which takes the votes of several views",
        ),
        (
            "evaluation: {views: 2}",
            "`evaluation.views` is 2, but Sudoku puzzles have no views that vote",
        ),
    ],
)
def test_puzzles_without_views_have_no_votes(path: Path, more: str, said: str) -> None:
    lines = ["name: toy", "dataset: {name: sudoku, side: 4}", more, *SPACE.splitlines()[2:]]
    assert said in refusal(path, "\n".join(lines))


@pytest.mark.parametrize("name", ["pass_1", "pass_2", "pass_1_tasks", "pass_2_tasks"])
def test_votes_of_several_views_may_be_the_objective(path: Path, name: str) -> None:
    more = f"objectives: [{name}]\nevaluation: {{views: 2}}\nrungs: {{at: [0.5]}}\n"
    assert resolved(path, SPACE + more).objectives == (name,)


def test_a_typo_in_another_scale_is_found_too(path: Path) -> None:
    text = SPACE + "scales:\n  a: {}\n  b:\n    budget:\n      trails: 3\n"
    message = refusal(path, text, scale="a")
    assert message == "toy.yaml, line 14: `budget.trails` is no known key; did you mean trials?"


def test_a_typo_behind_an_anchor_is_found_where_it_stands(path: Path) -> None:
    text = SPACE + "scales:\n  a: &a\n    budget: {trails: 3}\n  b:\n    <<: *a\n    seed: 3\n"
    assert refusal(path, text).startswith("toy.yaml, line 12: `budget.trails` is no known key")


def test_unknown_scales_are_refused_with_those_there_are(path: Path) -> None:
    message = refusal(path, SPACE + "scales: {a: {}, b: {}}", scale="c")
    assert message == "toy.yaml has no scale `c`; choose from a, b."
    assert refusal(path, SPACE, scale="c") == "toy.yaml has no scale `c`; leave it out."


def test_a_scale_lies_on_top_and_settings_on_top_of_that(path: Path) -> None:
    text = SPACE + "scales:\n  big:\n    budget: {trials: 9}\n    space: {N: {low: 1, high: 4}}\n"
    spec = resolved(path, text, "budget.trials=11", "space.T.choices=[3]", scale="big")
    assert spec.budget.trials == 11
    assert spec.budget.flops_per_trial == 1e8
    assert spec.space["N"] == Range(low=1, high=4)
    assert spec.space["T"] == Choices(choices=(3,))
    assert spec.space["hidden_size"] == Choices(choices=(32, 64))


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("budget.trials", ["is not key=value", "--set budget.trials=20"]),
        ("=3", ["is not key=value"]),
        ("budget.trials=", ["`budget.trials` is empty", "whole number"]),
        ("budget.trials=x", ["`budget.trials` is 'x'", "whole number"]),
        ("budget.trails=3", ["`budget.trails` is no known key", "did you mean trials?"]),
        ("budget=3", ["`budget` is 3", "settings below it"]),
        ("a.b.c=3", ["`a` is no known key"]),
        ("budget.trials.x=3", ["`budget.trials`", "whole number"]),
        ("space.N=[1", ["not YAML"]),
        ("space.N=", ["`space.N` is empty", "write {choices: [1, 2]}"]),
        ("scales.a=3", ["top of a file"]),
        ("a" + ".a" * 50 + "=1", ["nested too deep", "at most 50 levels"]),
        ("targets=[0.5, 0.5]", ["`targets` lists a value twice", "each once"]),
        ("space.T={low: 1, high: 3, step: 5}", ["has a step of 5, which leaves 1 alone"]),
        ("seed=1e3", ["`seed` is 1000.0", "whole number"]),
    ],
)
def test_settings_that_are_refused(path: Path, setting: str, parts: list[str]) -> None:
    message = refusal(path, SPACE, setting)
    assert message.startswith(f"--set {setting}")
    for part in parts:
        assert part in message


def test_a_resolved_specification_survives_its_record(path: Path) -> None:
    spec = resolved(path, SPACE, "rungs.at=[0.5]", "space.M_max={low: 1, high: 8, log: true}")
    assert overridden(spec.model_dump(mode="json"), "sweep.json", ()) == spec
    more = overridden(spec.model_dump(mode="json"), "sweep.json", ("budget.trials=9",))
    assert more.budget.trials == 9
    with pytest.raises(InputError, match=re.escape("--set budget.trials=0: `budget.trials` is 0")):
        overridden(spec.model_dump(mode="json"), "sweep.json", ("budget.trials=0",))


def test_another_set_brings_its_own_settings(path: Path) -> None:
    path.write_text(SPACE)
    chosen = ["dataset.name=sudoku", "dataset.side=6", "dataset.clues=12"]
    spec = SpaceFile.read(path).resolve(None, chosen)
    assert spec.dataset.settings["side"] == 6
    assert "canvas" not in spec.dataset.settings
    again = SpaceFile.read(path).resolve(None, ["dataset={name: arc-agi-1, tasks: 3}"])
    assert (again.dataset.settings["canvas"], again.dataset.settings["tasks"]) == (6, 3)


def test_a_model_and_its_settings_may_be_fixed_or_searched(path: Path) -> None:
    text = SPACE.replace("head_dim: 32}", "head_dim: 32, model: trm, mixing: mlp}")
    spec = resolved(path, text.replace("batch_size: 8", "batch_size: 8, ema: null"))
    assert spec.model["model"] == "trm"
    assert spec.training["ema"] is None
    knobs = ("space.mode={choices: [exact, lean]}", "space.ema={choices: [null, 0.99]}")
    spec = resolved(path, SPACE, *knobs, "training.execution=compiled", "model.gradient=bptt")
    assert spec.space["ema"] == Choices(choices=(None, 0.99))
    assert spec.training["execution"] == "compiled"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("model.model=rnn", "`model.model` is 'rnn'; write 'hrm', 'hrm-flat', 'trm', 'looped'"),
        ("training.execution=fast", "write 'eager', 'compiled' or 'cuda_graphs'"),
        ("training.ema=1", "`training.ema` is 1"),
        ("model.mode=null", "`model.mode` is empty; write 'exact' or 'lean'"),
        ("space.mode={choices: [exact, null]}", "`space.mode.choices.1` is empty"),
        (
            "model.model=transformer",
            "`space.N` changes nothing: with every model of this space its",
        ),
    ],
)
def test_models_and_settings_that_cannot_be(path: Path, setting: str, told: str) -> None:
    assert told in refusal(path, SPACE, setting)


def test_baselines_train_every_model_once_at_equal_flops() -> None:
    file = SpaceFile.read(Path(__file__).parents[2] / "sweeps" / "baselines.yaml")
    for scale in file.scales:
        spec = file.resolve(scale)
        assert spec.space == {"model": Choices(choices=tuple(MODELS))}
        assert spec.budget.trials == len(MODELS)
        assert spec.rungs.at == ()


def test_baselines_differ_in_nothing_but_the_model() -> None:
    file = SpaceFile.read(Path(__file__).parents[2] / "sweeps" / "baselines.yaml")
    for scale in (None, *file.scales):
        spec = file.resolve(scale)
        every = [configured(spec, ANY_SHAPE, {"model": name}) for name in MODELS]
        assert len({one.training for one in every}) == 1
        assert {one.model.learns_to_continue for one in every} == {False}


def test_a_misspelt_knob_is_named_before_its_form() -> None:
    space = SpaceFile.read(SPACES / "sudoku.yaml")
    with pytest.raises(InputError, match="did you mean hidden_size"):
        space.resolve("laptop", ("space.hiden_size=3",))


def test_another_puzzle_set_at_a_scale() -> None:
    spec = SpaceFile.read(SPACES / "sudoku.yaml").resolve("laptop", ("dataset={name: maze}",))
    assert spec.dataset.name == "maze"


@pytest.mark.parametrize(
    "setting",
    [
        "resources.cpus=1e300",
        "budget.trials=" + "9" * 31,
        "budget.flops_per_trial=1e308",
        "seed=" + "7" * 5000,
        "budget.minutes=1e300",
        "scales=false",
        "seed=1\nname: evil",
        ".".join(["a"] * 100_000) + "=1",
    ],
)
def test_what_is_out_of_all_bounds_is_one_short_sentence(setting: str) -> None:
    with pytest.raises(InputError) as caught:
        SpaceFile.read(SPACES / "sudoku.yaml").resolve("laptop", (setting,))
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400


def test_scales_that_are_no_mapping_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text((SPACES / "sudoku.yaml").read_text().partition("scales:")[0] + "scales: false")
    with pytest.raises(InputError, match="`scales` holds no settings"):
        SpaceFile.read(path).check()


@pytest.mark.parametrize(
    "sizes", ["{choices: [8, 16, 9]}", "{low: 8, high: 16}", "{low: 8, high: 16, step: 4}"]
)
def test_every_batch_has_to_be_divisible_among_the_processes_of_a_trial(
    path: Path, sizes: str
) -> None:
    text = SPACE.replace("training: {batch_size: 8}\n", "")
    text = text.replace("space:\n", f"space:\n  batch_size: {sizes}\n")
    assert resolved(path, text)
    two = ("resources.cpus=2", "resources.processes=2")
    if "step" in sizes:
        assert resolved(path, text, *two)
    else:
        message = refusal(path, text, *two)
        assert "is 9, which can't be divided among the 2 processes of a trial" in message
        assert message.endswith("give a multiple of 2.")
