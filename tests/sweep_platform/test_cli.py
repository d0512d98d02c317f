"""The command line: quick to answer, plain about bad input, and true in its numbers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hrm.model.flops import inference_flops, parameter_count, total_steps
from puzzle_datasets.common import text as units
from sweep_platform import cli
from sweep_platform.space import dataset as puzzles
from sweep_platform.space import knobs as space
from sweep_platform.space.space_file import SpaceFile

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "ray", "mlflow", "optuna", "pydantic", "pyarrow", "numpy"}
SPACE = """\
name: toy
dataset: {name: arc-agi-1, canvas: 3, tasks: 4, augmentations: 2, held_out: all}
space:
  N: {choices: [1, 2]}
  T: {choices: [1, 3]}
model: {hidden_size: 32, num_heads: 2, H_layers: 1, L_layers: 1}
training: {batch_size: 8}
budget: {trials: 4, flops_per_trial: 1e9}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cwd").mkdir()
    (tmp_path / "toy.yaml").write_text(SPACE)
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path


def run(*arguments: str) -> int:
    try:
        return cli.main(arguments)
    except SystemExit as left:
        return left.code


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--space"], ["--spce", "x"], ["solve", "x"], []]
)
def test_help_and_mistakes_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import json, sys\n"
        "from sweep_platform import cli\n"
        "try: status = cli.main(sys.argv[1:])\n"
        "except SystemExit as left: status = left.code\n"
        "print(json.dumps([status, sorted(sys.modules)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    status, modules = json.loads(done.stdout.splitlines()[-1])
    assert status == (0 if arguments == ["--help"] else 2)
    assert not HEAVY & set(modules)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--spac", "toy.yaml"],
        ["--space", "toy.yaml", "--dry"],
        ["--space", "toy.yaml", "--tracking", "x"],
        ["--space", "toy.yaml", "surplus"],
        ["--space", "toy.yaml", "--set"],
    ],
)
def test_abbreviations_and_surplus_are_refused(
    here: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert capsys.readouterr().err.startswith("hrm-sweep: ")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--space", "none.yaml"], "none.yaml does not exist"),
        (["--space", "../toy.yaml", "--scale", "gpu"], "has no scale `gpu`"),
        (["--space", "../toy.yaml", "--set", "seed"], "is not key=value"),
        (["--space", "../toy.yaml", "--trials", "0"], "--trials 0: `budget.trials` is 0"),
        (["--space", "../toy.yaml", "--trials", "-3"], "`budget.trials` is -3"),
        (["--space", "../toy.yaml", "--seed", "x"], "--seed x: `seed` is 'x'"),
        (["--space", "../toy.yaml", "--resume"], "holds no sweep to resume"),
        (["--space", "../toy.yaml", "--address", "nowhere"], "write HOST:PORT or auto"),
        (["--space", "../toy.yaml", "--set", "resources.cpus=4096"], "lower `resources`"),
        (["--space", "../toy.yaml", "--out", "../toy.yaml/x"], "cannot be written"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    here: Path, arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("hrm-sweep: ")
    assert part in error
    assert error.count("\n") == 1
    assert not list((here / "cwd").iterdir())


def test_a_dry_run_restores_no_mirror(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--space", "../toy.yaml", "--dry-run", "--resume", "s3://bucket/sweeps/toy")
    assert run(*words) == 2
    assert "leave --dry-run out" in capsys.readouterr().err


def test_a_dry_run_prints_the_plan_and_leaves_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--space", "../toy.yaml", "--dry-run", "--trials", "3", "--seed", "5") == 0
    printed = capsys.readouterr().out
    assert not list((here / "cwd").iterdir())
    begun = here / "cwd" / "runs" / "toy"
    begun.mkdir(parents=True)
    (begun / "sweep.json").touch()
    assert run("--space", "../toy.yaml", "--dry-run") == 0, "also beside a sweep of that name"
    assert "runs/toy holds a sweep of 0 trials" in capsys.readouterr().out
    assert "seed: 5" not in printed
    assert run("--space", "../toy.yaml", "--dry-run", "--verbose", "--seed", "5") == 0
    assert "seed: 5" in capsys.readouterr().out
    assert "3 trials of 4 configurations" in printed
    spec = SpaceFile.read(here / "toy.yaml").resolve(None)
    shape = puzzles.planned_shape(spec.dataset)
    for parameters in ({"N": 1, "T": 1}, {"N": 2, "T": 3}):
        model = space.model_config(spec, shape, parameters)
        training = space.training_config(spec, parameters)
        shown = " ".join(f"{name}={value}" for name, value in parameters.items())
        row = next(line for line in printed.splitlines() if f" {shown} " in line)
        assert f" {parameter_count(model):,} " in row
        assert f" {units.flops(inference_flops(model, model.M_max))} a puzzle " in row
        assert f" {total_steps(model, training):,} " in row


def test_options_come_before_shorthands(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--space", "../toy.yaml", "--dry-run", "--set", "budget.trials=9", "--trials", "2"]
    assert run(*command) == 0
    assert "2 trials of 4 configurations" in capsys.readouterr().out


def test_one_of_a_kind_is_called_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    knobs = ["--set", "space.N={choices: [1]}", "--set", "space.T={choices: [1]}"]
    assert run("--space", "../toy.yaml", "--dry-run", *knobs, "--trials", "1") == 0
    assert "1 trial of 1 configuration, " in capsys.readouterr().out


def test_the_scripts_answer_help() -> None:
    for script in ("run.py", "report.py"):
        done = subprocess.run(
            [sys.executable, str(ROOT / "sweeps" / script), "--help"], capture_output=True
        )
        assert done.returncode == 0
        assert b"usage" in done.stdout


def test_a_word_that_is_no_verb_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["exprot", "runs/a"]) == 2
    assert "'exprot' is no verb; did you mean export?" in capsys.readouterr().err
