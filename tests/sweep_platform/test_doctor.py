"""The doctor: what is told of each host, and what keeps a sweep from starting."""

import dataclasses
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import ray
from raylets import Raylets

from sweep_platform import cli
from sweep_platform.common.errors import InputError
from sweep_platform.execution.doctor.asking import marked
from sweep_platform.execution.doctor.faults import Answer, Fault, faults
from sweep_platform.execution.doctor.node import NodeState, Question, examine
from sweep_platform.execution.doctor.table import table

VERSIONS = {"ray": "2.60.0", "torch": "2.13.0+cpu", "numpy": "2.4.6", "pyarrow": "25.0.1"}
HERE = NodeState(
    host="head",
    python="3.11.7",
    versions=VERSIONS,
    cuda=None,
    gpus=0,
    cards=0,
    free=10**12,
    shared={"/shared/runs/.mark": True},
)


def told(answer: Mapping[str, Any] | None = None, gpus: bool = False, **state: Any) -> list[Fault]:
    there = dataclasses.replace(HERE, host="worker", **state)
    node = Answer(**{"place": "10.0.0.2", "state": there, **(answer or {})})
    return faults(HERE, [Answer(place="10.0.0.1", state=HERE), node], gpus=gpus)


def test_a_sound_cluster_has_no_faults() -> None:
    assert told() == []
    assert told(versions={**VERSIONS, "torch": "2.13.0+cu130"}) == []


@pytest.mark.parametrize(
    ("given", "sentence", "stops"),
    [
        (
            {"versions": {**VERSIONS, "numpy": "1.26.0"}},
            "host worker (10.0.0.2) has numpy 1.26.0 where the driver has 2.4.6; "
            "install numpy==2.4.6 there.",
            True,
        ),
        (
            {"versions": {k: v for k, v in VERSIONS.items() if k != "torch"}},
            "host worker (10.0.0.2) has no torch; install torch==2.13.0 there.",
            True,
        ),
        (
            {"python": "3.12.1"},
            "host worker (10.0.0.2) runs Python 3.12.1, the driver 3.11.7; install the same",
            True,
        ),
        (
            {"python": "3.11.9"},
            "host worker (10.0.0.2) runs Python 3.11.9, the driver 3.11.7; install the same",
            False,
        ),
        (
            {"shared": {"/shared/runs/.mark": False}},
            "host worker (10.0.0.2) does not see /shared/runs; mount it there under the same path",
            True,
        ),
        (
            {"storage": "s3://bucket cannot be read (no such bucket)."},
            "host worker (10.0.0.2) can't use the storage (s3://bucket cannot be read (no such "
            "bucket)); give it the driver's credentials",
            True,
        ),
        (
            {"broken": "No module named 'pydantic'"},
            "host worker (10.0.0.2) can't load what trains a trial (No module named 'pydantic'); "
            "install what this project needs there",
            True,
        ),
        (
            {"answer": {"for_trials": False}, "python": "3.12.1"},
            "host worker (10.0.0.2) runs Python 3.12.1",
            False,
        ),
        ({"free": 10**9}, "host worker (10.0.0.2) has 1 GB left for temporary files", False),
        (
            {"answer": {"skew": -7.25}},
            "host worker (10.0.0.2) has a clock 7.2 s behind the driver's",
            False,
        ),
        (
            {"answer": {"gpus": 2.0}, "gpus": True},
            "host worker (10.0.0.2) offers 2 GPUs, of which torch sees 0, for torch 2.13.0+cpu is "
            "a CPU build; install a CUDA build of torch there, or set `resources.gpus` to 0.",
            True,
        ),
        ({"answer": {"gpus": 2.0}}, "host worker (10.0.0.2) offers 2 GPUs", False),
        (
            {"answer": {"state": None, "silence": "no word in time"}},
            "node 10.0.0.2 did not answer (no word in time); look at its Ray logs",
            False,
        ),
    ],
)
def test_each_fault_is_a_sentence_with_its_remedy(
    given: dict[str, Any], sentence: str, stops: bool
) -> None:
    [fault] = told(**given)
    assert str(fault).startswith(sentence)
    assert "\n" not in str(fault)
    assert fault.stops is stops


def test_silence_keeps_a_sweep_from_starting_where_no_other_node_has_a_place() -> None:
    head = Answer(place="10.0.0.1", state=HERE, for_trials=False)
    [fault] = faults(HERE, [head, Answer(place="10.0.0.2", silence="no word in time")])
    assert fault.stops


def test_a_driver_of_cuda_that_is_too_old() -> None:
    [fault] = told({"gpus": 1.0}, gpus=True, cuda="13.0", cards=1)
    assert "update the NVIDIA driver" in fault.remedy


def test_the_table_has_a_line_a_node() -> None:
    answers = [Answer(place="10.0.0.1", state=HERE), Answer(place="10.0.0.2", silence="gone")]
    heading, first, second = table(answers).splitlines()
    assert heading.split()[:4] == ["node", "host", "python", "ray"]
    assert "2.13.0+cpu" in first
    assert "shared" in first
    assert "no answer" in second


def test_this_host_sees_its_own_marks_and_no_others(tmp_path: Path) -> None:
    with marked([tmp_path, tmp_path / "runs"]) as marks:
        assert len(marks) == 1  # the folder of runs is yet to be made
        state = examine(Question(marks=(*marks, str(tmp_path / "other"))))
    assert list(state.shared.values()) == [True, False]
    assert list(tmp_path.iterdir()) == []
    assert state.versions["torch"]
    assert state.free > 0


def test_a_folder_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"), marked([Path("/proc")]):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_command_looks_at_this_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "node"
    assert lines[-1] == "No fault was found."
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_away_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["doctor", "--tracking-uri", "http://me:secret@127.0.0.1:9"]) == 1
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("--tracking-uri http://***@127.0.0.1:9 ")


@pytest.mark.parametrize("url", ["ftp://host/place", "s3://", "s3://id:secret@bucket/place"])
def test_what_is_no_storage_is_refused_before_any_host_is_asked(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["doctor", "--address", "127.0.0.1:9", "--storage", url]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "secret" not in output.err
    assert len(output.err.splitlines()) == 1


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.chaos
def test_a_node_with_another_numpy_keeps_a_sweep_from_starting(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign/numpy-1.0.dist-info"
    foreign.mkdir(parents=True)
    (foreign / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n")
    here = tmp_path / "here"
    here.mkdir()
    token = secrets.token_hex(32)
    env = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    path = {"PYTHONPATH": str(foreign.parent)}

    def hrm_sweep(*words: str) -> subprocess.CompletedProcess[str]:
        code = "from sweep_platform.cli import main; raise SystemExit(main())"
        command = [sys.executable, "-c", code, *words]
        return subprocess.run(command, cwd=here, env=env, capture_output=True, text=True)

    with tempfile.TemporaryDirectory(prefix="ray") as folder:  # its sockets want a short path
        cluster = Raylets(Path(folder), env)
        try:
            _wait_until(lambda: cluster.head.is_up)
            node = cluster.join(1, **path)
            _wait_until(lambda: node.is_up)
            asked = hrm_sweep("doctor", "--address", cluster.address)
            space = Path(__file__).parents[2] / "sweeps/sudoku.yaml"
            given = ("--space", str(space), "--scale", "laptop", "--address", cluster.address)
            begun = hrm_sweep(*given)
        finally:
            cluster.end()
    rows = [line for line in asked.stdout.splitlines() if ray.__version__ in line.split()]
    assert len(rows) == 2, asked
    assert "has numpy 1.0 where the driver has" in asked.stdout
    assert (asked.returncode, begun.returncode) == (1, 2)
    assert "has numpy 1.0 where the driver has" in begun.stderr
    assert list(here.iterdir()) == []
