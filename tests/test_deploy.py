"""The files for clusters: that they name what this project has, and hide what is secret.

What KubeRay and Ray's launcher make of them on machines of a cloud is not tried here.
"""

import re
import shlex
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from sweep_platform.cli import parser
from sweep_platform.space.space_file import SpaceFile

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PINNED = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if not line.startswith("#")
)


def manifest(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def command_in(text: str) -> list[str]:
    """What a text hands to sweeps/run.py."""
    words = shlex.split(text)
    return words[1 + next(i for i, word in enumerate(words) if word.endswith("sweeps/run.py")) :]


def test_the_ray_job_runs_a_sweep_that_can_be_run() -> None:
    job = manifest("kuberay/sweep.yaml")
    options = parser().parse_args(command_in(job["spec"]["entrypoint"]))
    assert options.start_or_resume
    assert options.address == "auto"
    space = ROOT / options.space.relative_to("/opt/hrm-sweeps")
    resolved = SpaceFile.read(space).resolve(options.scale, options.set)
    assert resolved.resources.gpus == 1
    assert resolved.storage is not None
    assert resolved.storage.mirror


def test_the_ray_job_runs_the_ray_that_was_tested() -> None:
    cluster = manifest("kuberay/sweep.yaml")["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == PINNED["ray"]
    groups = (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    images = {pod["template"]["spec"]["containers"][0]["image"] for pod in groups}
    assert len(images) == 1
    assert cluster["authOptions"]["mode"] == "token"


@pytest.mark.parametrize("file", sorted(DEPLOY.rglob("*.*"), key=str), ids=lambda path: path.name)
def test_no_secret_stands_in_a_file(file: Path) -> None:
    for name, value in re.findall(
        r"(\w*(?:SECRET|TOKEN|PASSWORD)\w*)[:=] *(\S+)", file.read_text()
    ):
        assert value in ('""', '"$("$python"', "token"), f"{file.name} sets {name}"


def test_the_launcher_takes_its_file() -> None:
    config = prepare_config(manifest("aws/cluster.yaml"))
    validate_config(config)
    assert config["available_node_types"]["head"]["resources"]["CPU"] == 0
    text = re.sub(r" \\\n#\s*", " ", (DEPLOY / "aws/cluster.yaml").read_text())
    command = re.search(r"'(cd [^']+)'", text)
    assert command is not None
    options = parser().parse_args(command_in(command[1]))
    assert options.start_or_resume


def test_the_launcher_copies_every_file_of_the_project() -> None:
    """It hands each pattern to rsync, for which one without a slash fits at any depth."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    files = [Path(line) for line in listed.stdout.splitlines()]
    assert files
    for pattern in manifest("aws/cluster.yaml")["rsync_exclude"]:
        anchored = pattern.startswith("/")
        plain = pattern.lstrip("/").removeprefix("**/")
        for file in files:
            parts = file.parts[:1] if anchored else file.parts
            assert not any(fnmatch(part, plain) for part in parts), f"{pattern} leaves out {file}"


def test_the_image_is_made_of_what_is_here() -> None:
    text = (DEPLOY / "container/Containerfile").read_text()
    for line in re.findall(r"^COPY (.+)", text, re.MULTILINE):
        assert all((ROOT / name).exists() for name in line.split()[:-1]), line
    extras = re.search(r'"\.\[(.+)\]"', text)
    assert extras is not None
    project = (ROOT / "pyproject.toml").read_text()
    assert all(re.search(rf"^{name} = ", project, re.MULTILINE) for name in extras[1].split(","))
