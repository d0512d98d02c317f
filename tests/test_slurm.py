"""`deploy/slurm/sweep.sbatch` in a real Slurm: a controller and two nodes on loopback.

Skipped where Slurm is not installed, or several of its nodes can't live on one machine.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import TrialState

ROOT = Path(__file__).parents[1]
PATIENCE = 600.0
NEEDED = ("slurmctld", "slurmd", "sbatch", "scontrol", "munged")
SPACE = """\
name: tiny
dataset: {name: sudoku, side: 4, train: 64, test: 32}
space: {N: {choices: [1, 2]}, T: {choices: [1, 2]}}
model: {hidden_size: 32, num_heads: 2, H_layers: 1, L_layers: 1, M_max: 2}
training: {batch_size: 8, warmup_steps: 0}
budget: {trials: 4, flops_per_trial: 4e10}
"""
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={root}/munge/socket,cred_expire=10
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/%n.log
SlurmctldPort={ports[0]}
MinJobAge=600
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cpus} State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""

pytestmark = [pytest.mark.slow, pytest.mark.chaos]


class Slurm:
    """A Slurm of our own, and the folder from which jobs are sent."""

    def __init__(self, root: Path) -> None:
        self.root, self.home = root, root / "home"
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(root / "slurm.conf"),
            "HRM_PYTHON": sys.executable,
            "HRM_PROJECT": str(ROOT),
            "HRM_CPUS": "1",
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "platform", ROOT / "datasets"))),
        }

    def ask(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.environment, cwd=self.home, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def send(self, *words: str) -> str:
        """Send a sweep as a job; returns the job's number."""
        script = str(ROOT / "deploy/slurm/sweep.sbatch")
        return self.ask("sbatch", "--parsable", "--nodes=2", script, *words).strip()

    def state(self, job: str) -> str:
        words = self.ask("scontrol", "show", "job", job).split()
        return next(word.partition("=")[2] for word in words if word.startswith("JobState="))

    def log(self, job: str) -> str:
        path = self.home / f"hrm-sweep-{job}.log"
        return path.read_text() if path.exists() else ""


def wait_for(condition: Callable[[], Any], said: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, said()
        time.sleep(0.2)


def free_ports(number: int) -> list[int]:
    with ExitStack() as held:
        servers = [
            held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)
        ]
        return [server.getsockname()[1] for server in servers]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        pytest.skip(f"Slurm is not installed: no {', '.join(missing)}")
    if os.getuid() != 0:
        pytest.skip("slurmd runs jobs as root alone")
    root = tmp_path_factory.mktemp("slurm")
    for name in ("munge", "state", "n1", "n2", "home"):
        (root / name).mkdir()
    slurm = Slurm(root)
    (slurm.home / "tiny.yaml").write_text(SPACE)
    host = socket.gethostname().partition(".")[0]
    configuration = CONFIGURATION.format(
        root=root, host=host, user="root", ports=free_ports(3), cpus=psutil.cpu_count()
    )
    (root / "slurm.conf").write_text(configuration)
    with ExitStack() as running:
        for command in (
            _munged(root),
            ["slurmctld", "-D"],
            *(["slurmd", "-D", "-N", n] for n in ("n1", "n2")),
        ):
            log = running.enter_context((root / f"{command[0]}.out").open("a"))
            process = psutil.Popen(command, env=slurm.environment, stdout=log, stderr=log)
            running.callback(_end, process)
            time.sleep(0.5)
        wait_for(
            lambda: slurm.ask("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == "2",
            lambda: (root / "slurmctld.log").read_text(),
        )
        yield slurm


def _munged(root: Path) -> list[str]:
    """The daemon by which Slurm's processes know each other, with a key of its own."""
    munge = root / "munge"
    key = munge / "key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    places = {"key-file": key, "pid-file": munge / "pid", "log-file": munge / "log"}
    places |= {"seed-file": munge / "seed", "socket": munge / "socket"}
    options = [f"--{name}={path}" for name, path in places.items()]
    return ["munged", "--foreground", "--force", *options]


def _end(process: psutil.Popen) -> None:
    process.terminate()
    process.wait(30)


def states(sweep: SweepFolder) -> list[TrialState | None]:
    return [outcome and outcome.state for outcome in (trial.outcome() for trial in sweep.trials())]


def test_a_job_that_slurm_wants_back_goes_on_where_it_was(slurm: Slurm) -> None:
    job = slurm.send("--space", "tiny.yaml")
    sweep = SweepFolder(slurm.home / "runs/tiny")
    wait_for(lambda: TrialState.COMPLETE in states(sweep), lambda: slurm.log(job))
    slurm.ask("scancel", "--signal=TERM", "--batch", job)
    wait_for(lambda: slurm.state(job) == "PENDING", lambda: slurm.log(job))
    assert len(sweep.sessions()) == 1
    assert sweep.sessions()[0].end == "interrupted"
    slurm.ask("scontrol", "update", f"JobId={job}", "StartTime=now")
    wait_for(lambda: slurm.state(job) in ("COMPLETED", "FAILED"), lambda: slurm.log(job))
    assert slurm.state(job) == "COMPLETED", slurm.log(job)
    assert states(sweep) == [TrialState.COMPLETE] * 4
    assert len(sweep.sessions()) == 2
    assert "2 nodes" in slurm.log(job)
    for trial in sweep.trials():
        for replicate in trial.replicates():
            steps = [measured.progress.step for measured in replicate.measurements()]
            assert steps == sorted(set(steps))


def test_a_bad_space_ends_the_job_with_its_sentence(slurm: Slurm) -> None:
    job = slurm.send("--space", "nowhere.yaml", "--out", "runs/bad")
    wait_for(lambda: slurm.state(job) in ("COMPLETED", "FAILED"), lambda: slurm.log(job))
    assert "nowhere.yaml" in slurm.log(job)
    assert "ExitCode=2:0" in slurm.ask("scontrol", "show", "job", job)
