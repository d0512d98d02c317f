"""`python -m hrm.train`: what it writes and says, and what it refuses."""

import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from hrm.checkpoints import checkpoint
from hrm.runs.folder import Outcome, RunFolder, RunState
from hrm.train import main

MEASURED = (
    "device_seconds",
    "examples_per_second",
    "peak_memory_bytes",
    "device_busy",
    "energy_joules",
)
TINY = [
    *("--hidden-size", "32", "--head-dim", "16", "--H-layers", "1", "--L-layers", "1"),
    *("--N", "1", "--M-max", "3", "--batch-size", "8", "--learning-rate", "1e-3"),
    *("--warmup-steps", "2", "--evaluate-at", "0.5", "1", "--threads", "1", "--device", "cpu"),
]
PROMPTLY = ["--checkpoint-seconds", "0"]
MANY = 400
"""Steps of a run that a test stops: so many that no machine takes them before the signal comes."""


@pytest.fixture
def words(arc_folder: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """A tiny run in the folder `run`, and further words."""

    def make(*further: str, steps: int = 40) -> list[str]:
        place = ["--dataset", str(arc_folder), "--out", str(tmp_path / "run")]
        return [*place, *TINY, "--steps", str(steps), *further]

    return make


def reports(out: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line["progress"].items() if k not in MEASURED} for line in lines]


def sessions(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "sessions.jsonl").read_text().splitlines()]


def weights(out: Path) -> dict[str, torch.Tensor]:
    content: dict[str, torch.Tensor] = checkpoint.load(out / "checkpoint.pt")["state"]["learner"][
        "model"
    ]
    return content


def assert_same_run(one: Path, other: Path) -> None:
    assert reports(one) == reports(other)
    for name, value in weights(one).items():
        assert value.equal(weights(other)[name]), name


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def started() -> "Iterator[Callable[[list[str]], subprocess.Popen[str]]]":
    """Starts commands, and kills those that a test leaves running."""
    all_of_them: list[subprocess.Popen[str]] = []

    def start(command: list[str], **variables: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env={**environment(), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        all_of_them.append(process)
        return process

    yield start
    for process in all_of_them:
        process.kill()
        process.communicate()


def wait_for_line(process: "subprocess.Popen[str]", start: str) -> str:
    """Read what it prints up to the first line that starts so."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(start):
            return line
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())


def test_a_run_from_start_to_end(
    words: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words("--seed", "5")) == 0
    out = tmp_path / "run"
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Training hrm (exact, eager, float32) of 58,")
    assert said[0].endswith(" on arc-agi-1: 40 steps, 3.25 GFLOP, on cpu.")
    assert len(said) == 1 + 20 + 2
    assert said[1].startswith("step 2/40 (5.0 %), 163 MFLOP, loss ")
    assert said[10].startswith("step 20/40 (50.0 %)")
    assert " of test puzzles exact, " in said[10]
    assert said[-2].startswith("Exact accuracy ")
    assert said[-1] == f"Checkpoint {out / 'checkpoint.pt'}, reports {out / 'metrics.jsonl'}."

    config = json.loads((out / "run.json").read_text())
    assert config["model"]["hidden_size"] == 32
    assert config["model"]["num_heads"] == 2
    assert config["training"]["seed"] == 5
    assert config["training"]["evaluate_at"] == [0.5, 1.0]
    assert config["dataset"]["name"] == "arc-agi-1"
    assert config["ema_decay"] == 0
    assert config["costs"]["total_steps"] == 40
    assert json.loads((out / "outcome.json").read_text())["state"] == "complete"
    (session,) = sessions(out)
    assert session["step"] == 0
    assert session["speed"]["processes"] == 1
    assert session["versions"]["torch"] == torch.__version__
    steps = [line["step"] for line in reports(out)]
    assert steps == list(range(2, 41, 2))
    assert [line["step"] for line in reports(out) if line["curve"]] == [20, 40]
    settings = checkpoint.load(out / "checkpoint.pt")["settings"]
    assert settings["dataset"]["fingerprint"] == config["dataset"]["fingerprint"]


def test_wilson_interval_of_the_result(
    words: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hrm.evaluation.wilson import wilson
    from hrm.runs import report
    from hrm.runs.folder import RunFolder

    assert main(words(steps=2)) == 0
    last = [*RunFolder(tmp_path / "run").measurements()][-1].progress
    assert last.curve is not None
    low, high = wilson(last.curve.exact_accuracy[-1], last.curve.puzzles)
    line = report.result(last)
    assert f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %) of " in line
    assert f"of {last.curve.puzzles:,} test puzzles after 3 segments each; " in line
    assert line in capsys.readouterr().out


def test_a_finished_run_says_so_and_changes_nothing(
    words: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(steps=2)) == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    capsys.readouterr()
    assert main(["--out", str(tmp_path / "run"), "--resume", "--device", "cpu"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "This run is finished."
    assert said[1].startswith("Exact accuracy ")
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before


def test_killed_and_resumed_equals_undisturbed(
    words: Callable[..., list[str]],
    tmp_path: Path,
    started: Callable[..., "subprocess.Popen[str]"],
) -> None:
    out, alone = tmp_path / "run", tmp_path / "alone"
    assert main([*words(steps=MANY), "--out", str(alone)]) == 0
    process = started(["hrm.train", *words(*PROMPTLY, steps=MANY)])
    wait_for_line(process, f"step 40/{MANY}")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(reports(out)) < 20
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"progress": {"step": 399, "los')  # as a death while writing leaves it
    config = (out / "run.json").read_bytes()
    # Settings that are not given again are those of the run.
    assert main(["--out", str(out), "--resume", "--device", "cpu", "--threads", "1"]) == 0
    assert (out / "run.json").read_bytes() == config
    first, second = sessions(out)
    assert first["step"] == 0
    assert 39 <= second["step"] < MANY
    assert_same_run(out, alone)


def test_no_report_is_there_twice_and_none_is_missing(
    words: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether a run that died left more reports than its checkpoint has, or fewer."""
    out = tmp_path / "run"
    assert main(words(steps=20)) == 0
    expected = reports(out)
    (out / "checkpoint.pt").rename(tmp_path / "kept.pt")
    (out / "outcome.json").unlink()
    assert main(words("--resume", steps=20)) == 0
    assert "Going on" not in capsys.readouterr().out
    assert reports(out) == expected
    lines = (out / "metrics.jsonl").read_text().splitlines(keepends=True)
    (out / "metrics.jsonl").write_text("".join(lines[:7]))
    (tmp_path / "kept.pt").rename(out / "checkpoint.pt")
    assert main(words("--resume", steps=20)) == 0
    assert reports(out) == expected


def test_interrupted_saves_and_goes_on(
    words: Callable[..., list[str]],
    tmp_path: Path,
    started: Callable[..., "subprocess.Popen[str]"],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, alone = tmp_path / "run", tmp_path / "alone"
    process = started(["hrm.train", *words(steps=MANY)])
    wait_for_line(process, f"step 20/{MANY}")
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == ""
    step = checkpoint.load(out / "checkpoint.pt")["state"]["learner"]["steps"]
    last = f"Interrupted after step {step}; add --resume to go on from {out / 'checkpoint.pt'}."
    assert rest.splitlines()[-1] == last
    assert 20 <= step < MANY
    assert main(words("--resume", steps=MANY)) == 0
    assert f"Going on after step {step}." in capsys.readouterr().out
    assert main([*words(steps=MANY), "--out", str(alone)]) == 0
    assert_same_run(out, alone)


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence that a command ends with, and status 2."""
    capsys.readouterr()
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("hrm.train: ")
    assert said.err.endswith(".\n")
    assert said.err.count("\n") == 1
    return said.err.removeprefix("hrm.train: ").strip()


@pytest.mark.parametrize(
    ("further", "expected"),
    [
        (["--hidden-size", "36"], "--hidden-size is 36; give a multiple of head_dim=16."),
        (["--head-dim", "5", "--hidden-size", "35"], "--hidden-size is 35; rope needs a multiple"),
        (["--num-heads", "2"], "--head-dim is 16, and --num-heads is given too; keep one"),
        (["--training-flops", "1e9"], "--steps is 40, and --training-flops is given too; keep"),
        (["--M-max", "0"], "--M-max is 0; give a whole number from 1 to 1000000."),
        (["--steps", "0"], "--steps is 0; give a whole number of at least 1."),
        (
            ["--threads", "1000000000"],
            "--threads is 1000000000; give a whole number from 1 to 1024.",
        ),
        (["--threads", "0"], "--threads is 0; give a whole number from 1 to 1024."),
        (["--width", "64"], "unrecognized arguments: --width 64; see python -m hrm.train --help."),
        (["--device", "tpu"], "--device is 'tpu'; give cpu, cuda or cuda:NUMBER."),
        (["--dataset", "absent"], "absent"),
        (["--checkpoint-seconds", "-1"], "argument --checkpoint-seconds: '-1' is no span of time"),
        (["--checkpoint-seconds", "soon"], "argument --checkpoint-seconds: 'soon' is no span"),
        (["--hidden-size", "160000"], "--hidden-size is 160000, with which training needs about"),
        (["--batch-size", "100000000"], "--batch-size is 100000000, with which training needs"),
        (["--model", "transformer"], "--M-max is 3, which --model transformer has no use for"),
        (["--gradient-steps", "4"], "--gradient-steps is 4, which --gradient native has no use"),
        (["--model", "trm", "--mode", "exact"], "--mode is exact, which --model trm has no use"),
        (
            ["--puzzle-emb-ndim", "0", "--puzzle-learning-rate", "1"],
            "--puzzle-learning-rate is 1.0, which --puzzle-emb-ndim 0 has no use for",
        ),
    ],
)
def test_what_the_user_can_mend_is_one_sentence(
    words: Callable[..., list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    further: list[str],
    expected: str,
) -> None:
    assert expected in refused(words(*further), capsys)
    assert not (tmp_path / "run").exists()


def test_what_the_machine_lacks_is_told(
    words: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert refused(words("--device", "cuda"), capsys) == (
        "--device is 'cuda', but this torch finds no GPU; give cpu."
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert refused(words("--device", "cuda:1"), capsys) == (
        "--device is 'cuda:1', but this torch finds 1 GPU; give cuda:0, "
        "or start at most as many processes as GPUs."
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("hrm.model.devices._computes_bfloat16", lambda device: False)
    assert refused(words("--precision", "bfloat16"), capsys) == (
        "--precision is 'bfloat16', which this CPU lacks; give float32."
    )


def test_a_run_is_neither_overwritten_nor_changed(
    words: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(words(steps=2)) == 0
    before = (out / "checkpoint.pt").read_bytes()
    assert "holds a run already; add --resume" in refused(words(steps=2), capsys)
    changed = refused(words("--resume", "--seed", "3", steps=2), capsys)
    assert changed == (
        f"--seed is 3, but {out} was begun with 0; leave it out, or give another --out."
    )
    assert "--steps is 3, but" in refused(words("--resume", steps=3), capsys)
    file = out / "run.json"
    record = json.loads(file.read_text())
    other = {**record["dataset"], "fingerprint": "another"}
    impossible = {**record["model"], "norm_eps": "small"}
    for damaged, expected in (
        ({**record, "dataset": other}, "--dataset holds other puzzles"),
        ({}, "run.json lacks dataset"),
        ({**record, "format": 9}, "run.json is of format 9"),
        ({**record, "model": 3}, "run.json lacks model"),
        ({**record, "model": impossible}, "run.json has 'small' as model.norm_eps"),
        ({**record, "model": {**record["model"], "warp": 9}}, "run.json has 9 as model.warp"),
    ):
        file.write_text(json.dumps(damaged))
        assert expected in refused(words("--resume", steps=2), capsys)
    assert (out / "checkpoint.pt").read_bytes() == before


def test_runs_of_an_older_version_are_refused(
    words: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    for name in ("config.json", "progress.jsonl"):
        (tmp_path / "run" / name).write_text("{}\n")
    for further in ([], ["--resume"]):
        assert refused(words(*further), capsys) == (
            f"{tmp_path / 'run'} holds a run of an older version; give another folder."
        )


def test_other_files_and_running_runs_are_left_alone(
    words: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "thesis.txt").write_text("words")
    assert "holds other files; give another folder." in refused(words(), capsys)
    (out / "thesis.txt").unlink()
    with (out / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "is in use by another process" in refused(words(), capsys)
    assert main(words(steps=2)) == 0


def test_a_run_that_died_while_it_began_is_begun_again(
    words: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".run.json.partial").write_text('{"dataset')
    assert main(words(steps=2)) == 0
    assert not (tmp_path / "run" / ".run.json.partial").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "has [] as its content, which is not a mapping of keys"),
        ('{"time_ms": 1}', "lacks the key 'progress'"),
    ],
)
def test_a_damaged_report_is_told(
    line: str,
    said: str,
    words: Callable[..., list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(words(steps=2)) == 0
    path = tmp_path / "run" / "metrics.jsonl"
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, line, *rest, ""]))
    assert refused(words("--resume", steps=2), capsys) == (
        f"{path} is damaged: line 2 {said}; mend or remove that line."
    )


def test_averaged_weights_are_named(
    words: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [word for word in words("--model", "trm", steps=2) if word != "--H-layers"]
    own.remove("1")  # the blocks of a module that TRM does not have
    assert main(own) == 0
    first, *_, result, _ = capsys.readouterr().out.splitlines()
    assert first.endswith("on cpu; evaluations are of the averaged weights (decay 0.999).")
    assert result.startswith("Exact accuracy of the averaged weights (decay 0.999) ")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["ema_decay"] == 0.999


def test_the_execution_that_really_runs_is_told(
    words: Callable[..., list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where there is no compiler."""
    monkeypatch.setattr("hrm.model.compiled.compile_blocks", lambda model, mode: False)
    assert main(words("--execution", "compiled", steps=2)) == 0
    assert "(exact, eager, float32)" in capsys.readouterr().out
    assert sessions(tmp_path / "run")[0]["speed"]["execution"] == "eager"
    assert '"execution": "compiled"' in (tmp_path / "run" / "run.json").read_text()


def test_a_truncated_checkpoint_is_told(
    words: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(steps=2)) == 0
    path = tmp_path / "run" / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:1000])
    assert "checkpoint.pt is no whole checkpoint" in refused(words("--resume", steps=2), capsys)


def test_a_full_disk_is_told(
    words: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit on a file's size stands for the disk; here the checkpoint exceeds it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        assert main(words(steps=2)) == 1
        said = capsys.readouterr().err
        assert "checkpoint.pt can't be written (File too large); make room there" in said
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
        assert main([*words(steps=2), "--out", str(tmp_path / "other")]) == 1
        assert "run.json: File too large; make room there" in capsys.readouterr().err
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert main([*words(steps=2), "--out", str(tmp_path / "other")]) == 0
    assert main(words("--resume", steps=2)) == 0


def test_a_loss_that_is_not_finite_fails_for_good(
    words: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rates = ["--learning-rate", "1e3", "--weight-decay", "1e3", "--warmup-steps", "0"]
    assert main(words(*rates)) == 1
    said = capsys.readouterr().err
    assert said.startswith("hrm.train: The loss is ")
    assert "; lower learning_rate 1000 or puzzle_learning_rate" in said
    assert said.endswith(", or raise warmup_steps 0.\n")
    assert json.loads((tmp_path / "run" / "outcome.json").read_text())["state"] == "failed"
    assert "holds a run that failed (The loss is " in refused(words("--resume", *rates), capsys)


def test_a_run_that_was_stopped_does_not_go_on(
    words: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(steps=2)) == 0
    folder = tmp_path / "run"
    ended = {"state": "stopped", "reason": "beaten", "ended": 0.0}
    (folder / "outcome.json").write_text(json.dumps(ended))
    assert "holds a run that stopped (beaten)" in refused(words("--resume", steps=2), capsys)


def test_a_paused_run_goes_on_and_ends(
    words: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "run")
    assert main(words(steps=2)) == 0
    for name in ("outcome.json", "checkpoint.pt"):
        (folder.root / name).unlink()
    folder.end(Outcome(state=RunState.PAUSED, reason="beaten so far", ended=0.0))
    assert main(words("--resume", steps=2)) == 0
    outcome = folder.outcome()
    assert outcome is not None and outcome.state is RunState.COMPLETE


def test_of_two_new_runs_in_one_folder_the_later_is_refused(
    words: Callable[..., list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other run begins and ends after this one found the folder empty."""
    assert main(words(steps=2)) == 0
    before = reports(tmp_path / "run")
    monkeypatch.setattr("hrm.runs.run.saved_run", lambda request, folder: None)
    assert "holds a run already; add --resume" in refused(words(steps=4), capsys)
    assert reports(tmp_path / "run") == before


def test_what_broke_unexpectedly_leaves_its_traceback(
    words: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("our mistake")

    monkeypatch.setattr("hrm.training.trainer.Trainer._report", fail)
    with pytest.raises(ZeroDivisionError):
        main(words(steps=2))
    assert "our mistake" in (tmp_path / "run" / "error.txt").read_text()
    assert not (tmp_path / "run" / "outcome.json").exists()


def test_the_budget_has_as_many_steps_as_asked(words: Callable[..., list[str]]) -> None:
    """Also where a float can't hold the FLOPs: rounding down would lose a step."""
    from hrm.config import ModelConfig, TrainingConfig
    from hrm.model.flops import step_flops, total_steps
    from hrm.runs.settings import _at_least

    model = ModelConfig(vocab_size=12, seq_len=900, num_puzzle_identifiers=7)
    training = TrainingConfig(training_flops=1.0, batch_size=769)
    for steps in (1, 9_999, 10**6 + 1, 10**9 + 7):
        budget = _at_least(steps * step_flops(model, training))
        flops = TrainingConfig(training_flops=budget, batch_size=769)
        assert total_steps(model, flops) == steps


def test_nobody_has_to_read(
    words: Callable[..., list[str]],
    tmp_path: Path,
    started: Callable[..., "subprocess.Popen[str]"],
) -> None:
    """A run whose output is closed goes on in silence."""
    process = started(["hrm.train", *words(steps=20)])
    wait_for_line(process, "Training")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 0
    assert reports(tmp_path / "run")[-1]["step"] == 20
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_puzzles_that_are_lost_during_a_run_are_its_fault(
    words: Callable[..., list[str]],
    arc_folder: Path,
    tmp_path: Path,
    started: Callable[..., "subprocess.Popen[str]"],
) -> None:
    """A set that vanishes was read before; answers that become blank end the run with status 1."""
    folder = Path(shutil.copytree(arc_folder, tmp_path / "sets" / "arc"))
    process = started(["hrm.train", *words("--dataset", str(folder), steps=MANY)])
    wait_for_line(process, f"step 20/{MANY}")
    shutil.rmtree(folder)
    [labels] = folder.parent.glob(".decoded/*/test/labels.npy")
    with labels.open("r+b") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(128)
        stream.write(bytes(size - 128))
    _, errors = process.communicate(timeout=60)
    assert errors == "hrm.train: no puzzle to evaluate has labels; choose another test set.\n"
    assert process.returncode == 1


def test_a_folder_that_is_removed_during_a_run_is_its_fault(
    words: Callable[..., list[str]],
    tmp_path: Path,
    started: Callable[..., "subprocess.Popen[str]"],
) -> None:
    process = started(["hrm.train", *words(steps=MANY)])
    wait_for_line(process, f"step 20/{MANY}")
    shutil.rmtree(tmp_path / "run")
    _, errors = process.communicate(timeout=60)
    assert errors == f"hrm.train: {tmp_path / 'run'} was removed while the run went on.\n"
    assert process.returncode == 1


def test_a_resume_of_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "none"
    assert main(["--out", str(folder), "--resume", "--device", "cpu"]) == 2
    remedy = "name the folder of a run by --out, or give --dataset to begin one"
    expected = f"hrm.train: {folder} holds no run to resume; {remedy}.\n"
    assert capsys.readouterr().err == expected


def test_a_line_before_any_puzzle_ended_has_no_means_over_puzzles(
    words: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(steps=4)) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    assert "in training" not in lines[0]
    assert "3.00 segments" in lines[-1]
