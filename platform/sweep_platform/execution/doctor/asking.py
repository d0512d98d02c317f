"""Asks every node of the connected cluster how it is, each on the node itself."""

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sweep_platform.common.errors import InputError
from sweep_platform.common.text import root_cause
from sweep_platform.execution.doctor.faults import Answer
from sweep_platform.execution.doctor.node import NodeState, Question, examine

PATIENCE = 180.0
"""Seconds that nodes have: Ray starts a worker there, which loads torch once."""


def ask_nodes(question: Question, patience: float = PATIENCE) -> list[Answer]:
    """What every living node of the connected cluster says, by its address."""
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    nodes = sorted(alive, key=lambda node: str(node["NodeManagerAddress"]))
    tasks = [_on(node, examine, question) for node in nodes]
    until = time.monotonic() + patience
    return [_answer(node, task, until) for node, task in zip(nodes, tasks, strict=True)]


def _on(node: Mapping[str, Any], function: Callable[..., Any], *arguments: Any) -> Any:
    """The promise of what a function returns on a node."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": there}
    return ray.remote(**options)(function).remote(*arguments)


def _answer(node: Mapping[str, Any], task: Any, until: float) -> Answer:
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    place, gpus = str(node["NodeManagerAddress"]), float(node["Resources"].get("GPU", 0))
    try:
        state = ray.get(task, timeout=max(0.0, until - time.monotonic()))
        skew = _skew(node, max(1.0, until - time.monotonic()))
    except GetTimeoutError:
        return Answer(place=place, gpus=gpus, silence="no word in time")
    except RayError as error:
        return Answer(place=place, gpus=gpus, silence=root_cause(error))
    return Answer(place=place, gpus=gpus, state=state, skew=skew)


def _clock() -> float:
    return time.time()


def _skew(node: Mapping[str, Any], patience: float) -> float:
    """Seconds by which a node's clock is certainly ahead: its time lies outside of the asking."""
    import ray

    sent = time.time()
    clock: float = ray.get(_on(node, _clock), timeout=patience)
    return max(0.0, clock - time.time()) or min(0.0, clock - sent)


def this_host(state: NodeState, gpus: float) -> Answer:
    """This host's answer, where no cluster is asked."""
    return Answer(place="here", gpus=gpus, state=state)


@contextmanager
def marked(folders: Iterable[Path]) -> Iterator[tuple[str, ...]]:
    """A file in each of these folders, by which a host knows them; removed afterwards.

    Of a folder that is yet to be made, it lies in the nearest that is there.
    Raises `InputError` where one can't be written.
    """
    name = f".hrm-sweep-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    marks: list[Path] = []
    try:
        for folder in folders:
            absolute = folder.absolute()
            there = next(path for path in (absolute, *absolute.parents) if path.is_dir())
            if (mark := there / name) not in marks:
                _write(mark)
                marks.append(mark)
        yield tuple(map(str, marks))
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)


def _write(mark: Path) -> None:
    try:
        mark.touch()
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
        raise InputError.of(mark.parent, problem, "choose another folder") from None
