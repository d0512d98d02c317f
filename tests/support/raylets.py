"""A Ray cluster on this machine whose nodes are processes of their own, to be lost and to join."""

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"
PATIENT = {"RAY_raylet_start_wait_time_s": "180"}
"""On a busy machine a node is not up in Ray's half a minute."""

_NOTHING: dict[str, object] = {
    **{key: {} for key in ("docker", "file_mounts")},
    **{key: [] for key in ("initialization_commands", "setup_commands", "cluster_synced_files")},
    **{key: [] for key in ("head_setup_commands", "worker_setup_commands")},
    **{key: [] for key in ("head_start_ray_commands", "worker_start_ray_commands")},
    **{"file_mounts_sync_continuously": False, "auth": {"ssh_user": "nobody"}},
}
"""What a launcher's file has that Ray's stand-in for a cloud has no use for."""


class Raylet:
    """One node of a cluster, started as `ray start --block` starts it."""

    def __init__(self, process: psutil.Popen, out: Path) -> None:
        self.process, self._out = process, out

    @property
    def is_up(self) -> bool:
        """Whether the cluster knows of the node, which its command says."""
        assert self.process.poll() is None, self._out.read_text()
        return "Ray runtime started" in self._out.read_text()

    @property
    def parts(self) -> list[psutil.Process]:
        """The node's processes that live, those of its workers among them."""
        if not self.process.is_running():
            return []
        return [self.process, *self.process.children(recursive=True)]

    def kill(self) -> None:
        """Let the node be gone at once, as when a machine loses its power."""
        for part in self.parts:
            part.kill()
        self.process.wait()

    def notify(self) -> None:
        """Let the node know that it is about to end, as a cloud does with a spot machine."""
        self.process.terminate()

    def workers(self) -> list[psutil.Process]:
        """The processes that run trials here."""
        return self.running("ray::ImplicitFunc")

    def running(self, word: str) -> list[psutil.Process]:
        """The processes here whose command has this word."""
        found = []
        for one in self.parts:
            with suppress(psutil.Error):  # it has ended
                if word in " ".join(one.cmdline()):
                    found.append(one)
        return found


class Raylets:
    """A head without a place for trials, and nodes that a test starts and ends.

    An autoscaler of the head's starts `most` further ones as it thinks fit, none where that is 0.
    """

    def __init__(self, folder: Path, environment: dict[str, str], most: int = 0) -> None:
        with socket.create_server((LOOPBACK, 0)) as free:
            self._port = free.getsockname()[1]
        self._folder, self._environment = folder, environment
        self.nodes: list[Raylet] = []
        head = ("--head", f"--port={self._port}", "--num-cpus=0")
        if most == 0:
            self.head = self._start(*head)
            return
        config = folder / "autoscaling.json"
        config.write_text(json.dumps(self._autoscaling(most)))
        fake = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
        self.head = self._start(*head, f"--autoscaling-config={config}", **fake)

    @property
    def address(self) -> str:
        """Where a driver finds the cluster."""
        return f"{LOOPBACK}:{self._port}"

    def _autoscaling(self, most: int) -> dict[str, object]:
        """What a launcher would tell the head: nodes of one CPU core, which end after 6 s idle."""
        one = {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": most}
        none = {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0}
        return {
            **_NOTHING,
            "cluster_name": "fake",
            "max_workers": most,
            "upscaling_speed": 1.0,
            "idle_timeout_minutes": 0.1,
            "provider": {
                **{"type": "fake_multinode", "gcs_address": self.address},
                **{"use_node_id_as_ip": True, "disable_node_updaters": True},
            },
            "head_node_type": "ray.head.default",
            "available_node_types": {"ray.head.default": none, "worker": one},
        }

    def join(self, cpus: int = 1, *before: str, **environment: str) -> Raylet:
        """Let another node join; the words `before` run its command in their own way."""
        options = (f"--address={self.address}", f"--num-cpus={cpus}")
        self.nodes.append(self._start(*options, before=before, **environment))
        return self.nodes[-1]

    def end(self) -> None:
        """End all nodes."""
        for raylet in (*self.nodes, self.head):
            raylet.kill()

    def _start(self, *options: str, before: tuple[str, ...] = (), **environment: str) -> Raylet:
        common = ["--block", f"--node-ip-address={LOOPBACK}", "--disable-usage-stats"]
        common += ["--min-worker-port=0", "--max-worker-port=0"]
        if "--head" in options:
            common += ["--include-dashboard=false", f"--temp-dir={self._folder}"]
        command = [*before, sys.executable, "-m", "ray.scripts.scripts", "start"]
        path = self._folder / f"node{len(self.nodes)}{'-head' * ('--head' in options)}.out"
        with path.open("w") as out:
            process = psutil.Popen(
                [*command, *common, *options],
                env={**PATIENT, **self._environment, **environment},
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=os.fspath(self._folder),
            )
        return Raylet(process, path)
