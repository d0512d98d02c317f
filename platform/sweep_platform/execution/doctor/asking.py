"""Asks every node of the connected cluster how it is, each on the node itself."""

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweep_platform.common.errors import InputError
from sweep_platform.common.text import root_cause
from sweep_platform.execution.cluster import Node, nodes
from sweep_platform.execution.doctor.faults import Answer
from sweep_platform.execution.doctor.node import NodeState, Question, examine
from sweep_platform.spec.schema import ResourceSpec

PATIENCE = 180.0
"""Seconds that nodes have: Ray starts a worker there, which loads torch once."""


def ask_nodes(
    question: Question, resources: ResourceSpec | None = None, patience: float = PATIENCE
) -> list[Answer]:
    """What every living node of the connected cluster says, by its address.

    `resources` are those of a trial: a node that has no place for one is told apart. Nodes that
    leave the cluster, or have left it before they answered, are left out.
    """
    staying = [node for node in nodes().nodes if not node.leaving]
    tasks = [_on(node, examine, question) for node in staying]
    until = time.monotonic() + patience
    answers = [_answer(node, task, until) for node, task in zip(staying, tasks, strict=True)]
    still = {node.id for node in nodes().nodes if not node.leaving}
    addresses = _addresses()
    found = [
        replace(
            answer,
            place=addresses.get(node.id, node.host),
            for_trials=resources is None or node.slots(resources) > 0,
        )
        for node, answer in zip(staying, answers, strict=True)
        if answer.state is not None or node.id in still
    ]
    return sorted(found, key=lambda answer: answer.place)


def _addresses() -> dict[str, str]:
    """The address of each node, by its id."""
    import ray

    return {node["NodeID"]: str(node["NodeManagerAddress"]) for node in ray.nodes()}


def _on(node: Node, function: Callable[..., Any], *arguments: Any) -> Any:
    """The promise of what a function returns on a node."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node.id, soft=False)
    options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": there}
    return ray.remote(**options)(function).remote(*arguments)


def _answer(node: Node, task: Any, until: float) -> Answer:
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    try:
        state = ray.get(task, timeout=max(0.0, until - time.monotonic()))
        skew = _skew(node, max(1.0, until - time.monotonic()))
    except GetTimeoutError:
        return Answer(place=node.host, gpus=node.gpus, silence="no word in time")
    except RayError as error:
        return Answer(place=node.host, gpus=node.gpus, silence=root_cause(error))
    return Answer(place=node.host, gpus=node.gpus, state=state, skew=skew)


def _clock() -> float:
    return time.time()


def _skew(node: Node, patience: float) -> float:
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
