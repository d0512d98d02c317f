"""Reaching a Ray cluster, and what its resources allow; Ray itself is not started here."""

import os
import socket
from pathlib import Path

import pytest

from sweep_platform.common.errors import InputError
from sweep_platform.execution import cluster
from sweep_platform.execution.cluster import Hardware, Node
from sweep_platform.execution.probe import require_ray
from sweep_platform.spec.schema import ResourceSpec


@pytest.mark.parametrize(
    ("hardware", "resources", "slots"),
    [
        (Hardware((Node(2, 0),)), ResourceSpec(), 2),
        (Hardware((Node(2, 0),)), ResourceSpec(cpus=0.5), 4),
        (Hardware((Node(3, 0),)), ResourceSpec(cpus=0.3), 10),
        (Hardware((Node(2, 0),)), ResourceSpec(cpus=4), 0),
        (Hardware((Node(2, 0),)), ResourceSpec(gpus=1), 0),
        (Hardware((Node(64, 8),)), ResourceSpec(cpus=4, gpus=1), 8),
        (Hardware((Node(4, 0), Node(4, 0))), ResourceSpec(cpus=8), 0),
        (Hardware((Node(6, 0), Node(6, 0))), ResourceSpec(cpus=4), 2),
        (Hardware((Node(64, 4),)), ResourceSpec(gpus=0.3), 12),
        (Hardware((Node(8, 8),)), ResourceSpec(cpus=4, gpus=1), 2),
        (Hardware((Node(64, 2),)), ResourceSpec(cpus=4, gpus=0.25), 8),
        (Hardware((Node(64, 8), Node(64, 3))), ResourceSpec(gpus=4), 2),
        (Hardware((Node(4, 0), Node(3, 0))), ResourceSpec(cpus=2, processes=2), 3),
        (Hardware((Node(8, 8, leaving=True), Node(8, 8))), ResourceSpec(gpus=1), 8),
        (
            Hardware((Node(8, 8, kinds=frozenset({"H100"})), Node(8, 8))),
            ResourceSpec(gpus=2, accelerator_type="H100"),
            4,
        ),
    ],
)
def test_places(hardware: Hardware, resources: ResourceSpec, slots: int) -> None:
    assert hardware.slots(resources) == slots


def test_scales() -> None:
    assert Hardware((Node(2, 0),)).scales() == ("laptop",)
    assert Hardware((Node(16, 1),)).scales() == ("gpu",)
    assert Hardware((Node(96, 8),)).scales() == ("cluster", "gpu")
    assert Hardware((Node(16, 1), Node(16, 1))).scales() == ("cluster", "gpu")


def test_hardware_in_words() -> None:
    assert str(Hardware((Node(2.0, 0.0),))) == "2 CPU cores, 0 GPUs"
    assert str(Hardware((Node(1.0, 1.0),))) == "1 CPU core, 1 GPU"
    assert str(Hardware((Node(32.0, 4.0), Node(32.0, 4.0)))) == "64 CPU cores, 8 GPUs, 2 nodes"


HIDING = [("NoDevFiles", 0), ("-1", 0), ("0,-1,1", 1), ("GPU-8f2a,GPU-1b3c", 2)]


@pytest.mark.parametrize(
    ("visible", "gpus"), [(None, 2), ("", 0), ("0", 1), ("0,1", 2), ("0,1,2,3", 2), *HIDING]
)
def test_hidden_gpus_do_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, visible: str | None, gpus: int
) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho one\necho two\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert cluster.this_machine().gpus == gpus


def refusal(address: str) -> str:
    with pytest.raises(InputError) as caught:
        require_ray(address)
    message = str(caught.value)
    assert "\n" not in message
    assert address in message
    return message


@pytest.mark.parametrize(
    "address", ["localhost", "localhost:", ":6379", "localhost:x", "localhost:99999", "", "ray://"]
)
def test_what_is_no_address(address: str) -> None:
    assert "write HOST:PORT or auto" in refusal(address)


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_closed_port(scheme: str) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        message = refusal(f"{scheme}127.0.0.1:{reserved.getsockname()[1]}")
    assert "is not answered by a Ray cluster" in message
    assert "refused" in message
    assert "ray start --head" in message


@pytest.mark.parametrize("address", ["nosuchhost.invalid:6379", "a..b:6379", "h" * 300 + ":1"])
def test_an_unknown_host(address: str) -> None:
    assert "is not answered by a Ray cluster" in refusal(address)
