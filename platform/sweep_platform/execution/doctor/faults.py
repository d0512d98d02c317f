"""What is wrong with the hosts of a cluster, as sentences with their remedies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from puzzle_datasets.common.text import byte_size, counted
from sweep_platform.execution.doctor.node import PACKAGES, NodeState

LEAST_FREE = 2_000_000_000
"""Bytes that Ray, puzzles and checkpoints on their way may need in a host's temporary folder."""

MOST_SKEW = 2.0
"""Seconds by which two clocks may differ before times in records mislead."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a node of the cluster answered.

    Attributes:
        place: the address by which Ray knows it.
        gpus: that Ray would hand out there.
        state: what it said, None where it said nothing.
        silence: why it said nothing.
        skew: seconds by which its clock is ahead of the driver's, as well as that can be told.
        for_trials: whether it has a place for a trial.
    """

    place: str
    gpus: float = 0.0
    state: NodeState | None = None
    silence: str = ""
    skew: float = 0.0
    for_trials: bool = True


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that is wrong: as text, a sentence with the remedy.

    `stops` is true where a sweep must not start.
    """

    place: str
    problem: str
    remedy: str
    stops: bool = True

    def __str__(self) -> str:
        return f"{self.place} {self.problem}; {self.remedy}."


def faults(
    driver: NodeState, answers: Sequence[Answer], *, gpus: bool = False, storage: bool = False
) -> list[Fault]:
    """What is wrong, in the order of the nodes.

    A node that is silent or has no place for a trial keeps no sweep from starting where another
    has one. `gpus` says whether trials want a GPU, `storage` whether checkpoints and puzzles go to
    a storage, so that no folder has to be shared.
    """
    some = any(answer.state is not None and answer.for_trials for answer in answers)
    found: list[Fault] = []
    for answer in answers:
        of_node = _of_silence(answer)
        if answer.state is not None:
            of_node = _of_node(driver, answer, gpus, storage)
        spared = not answer.for_trials or (answer.state is None and some)
        found += [replace(one, stops=False) if spared else one for one in of_node]
    return found


def _of_silence(answer: Answer) -> Iterator[Fault]:
    remedy = "look at its Ray logs, restart Ray there, or take it out of the cluster"
    problem = f"did not answer ({answer.silence})"
    yield Fault(place=f"node {answer.place}", problem=problem, remedy=remedy)


def _of_node(driver: NodeState, answer: Answer, gpus: bool, storage: bool) -> Iterator[Fault]:
    assert answer.state is not None
    place = f"host {answer.state.host} ({answer.place})"
    yield from _of_versions(place, driver, answer.state)
    if answer.state.broken is not None:
        remedy = "install what this project needs there (pip install -c constraints.txt .)"
        problem = f"can't load what trains a trial ({answer.state.broken})"
        yield Fault(place=place, problem=problem, remedy=remedy)
    yield from _of_gpus(place, answer, gpus)
    yield from _of_places(place, answer.state, storage)
    yield from _of_clock(place, answer.skew)


def _of_versions(place: str, driver: NodeState, state: NodeState) -> Iterator[Fault]:
    """Faults of what is installed: the numbers of a sweep must not depend on the host."""
    for name in PACKAGES:
        here, wanted = state.versions.get(name), driver.versions.get(name)
        if wanted is None:
            continue
        if here is None:
            remedy = f"install {name}=={_public(wanted)} there"
            yield Fault(place=place, problem=f"has no {name}", remedy=remedy)
        elif _public(here) != _public(wanted):
            problem = f"has {name} {here} where the driver has {wanted}"
            remedy = f"install {name}=={_public(wanted)} there"
            yield Fault(place=place, problem=problem, remedy=remedy)
    if state.python != driver.python:
        problem = f"runs Python {state.python}, the driver {driver.python}"
        yield Fault(
            place=place,
            problem=problem,
            remedy="install the same there",
            stops=state.python.split(".")[:2] != driver.python.split(".")[:2],
        )


def _public(version: str) -> str:
    """A version without what tells its build: 2.13.0+cpu and 2.13.0+cu130 compute alike."""
    return version.partition("+")[0]


def _of_gpus(place: str, answer: Answer, wanted: bool) -> Iterator[Fault]:
    """Faults of GPUs that Ray would hand out and torch does not see."""
    state = answer.state
    if state is None or not answer.gpus or state.gpus >= answer.gpus:
        return
    if "torch" not in state.versions:
        return
    problem = f"offers {counted(int(answer.gpus), 'GPU')}, of which torch sees {state.gpus}"
    remedy = "start Ray there with as many --num-gpus as there are"
    if state.cuda is None:
        problem += f", for torch {state.versions['torch']} is a CPU build"
        remedy = "install a CUDA build of torch there, or set `resources.gpus` to 0"
    elif state.cards:
        remedy = "update the NVIDIA driver there, or install torch for its CUDA version"
    yield Fault(place=place, problem=problem, remedy=remedy, stops=wanted)


def _of_places(place: str, state: NodeState, storage: bool) -> Iterator[Fault]:
    """Faults of disk, shared folders and storage."""
    if state.free < LEAST_FREE:
        problem = f"has {byte_size(state.free)} left for temporary files"
        remedy = f"free {byte_size(LEAST_FREE)}, or set TMPDIR before `ray start`"
        yield Fault(place=place, problem=problem, remedy=remedy, stops=False)
    if state.storage is not None:
        remedy = "give it the driver's credentials and network, or correct the address"
        problem = f"can't use the storage ({state.storage.rstrip('.')})"
        yield Fault(place=place, problem=problem, remedy=remedy)
    for mark, seen in state.shared.items():
        if not seen and not storage:
            problem = f"does not see {Path(mark).parent}"
            remedy = "mount it there under the same path, or give --storage"
            yield Fault(place=place, problem=problem, remedy=remedy)


def _of_clock(place: str, skew: float) -> Iterator[Fault]:
    if abs(skew) > MOST_SKEW:
        how = "ahead of" if skew > 0 else "behind"
        problem = f"has a clock {abs(skew):.1f} s {how} the driver's"
        remedy = "start a time service there, such as chrony"
        yield Fault(place=place, problem=problem, remedy=remedy, stops=False)
