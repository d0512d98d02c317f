"""Look at every host of a cluster, or at this one, before a sweep spends anything there."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from puzzle_datasets.common.exit_status import say
from sweep_platform.common.databases import database_file
from sweep_platform.common.errors import InputError
from sweep_platform.execution.cluster import hardware_at, this_machine
from sweep_platform.execution.doctor.asking import ask_nodes, marked, this_host
from sweep_platform.execution.doctor.faults import Answer, Fault, faults
from sweep_platform.execution.doctor.node import Question, examine
from sweep_platform.execution.doctor.table import table
from sweep_platform.execution.environment import hand_down, take_back
from sweep_platform.execution.probe import is_open
from sweep_platform.spec.schema import ResourceSpec, SweepSpec
from sweep_platform.store.storage.objects import absolute
from sweep_platform.tracking.mlflow_store import open_store
from sweep_platform.tracking.tracker import TrackingError

_OPEN = Fault(
    place="the cluster",
    problem="takes work from whoever reaches it, which may be any program",
    remedy="start it with a token (docs/security.md says how), or on a network of its own",
    stops=False,
)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the hosts said, and what is wrong."""

    answers: Sequence[Answer]
    faults: Sequence[Fault | TrackingError]


def doctor(
    address: str | None, folders: Sequence[Path], storage: str | None, tracking_uri: str | None
) -> bool:
    """Print a table of the hosts and a sentence a fault; returns whether there is none.

    Hosts have to share the `folders` unless there is a `storage`, whose address is tried on each.
    `tracking_uri` is MLflow's store, if it is to be asked.
    Raises `InputError`: no cluster answers, a folder can't be written, the URL is no storage's.
    """
    if storage is not None:
        absolute(storage)
    with hardware_at(address):
        found = look(address, folders, storage=storage, tracking_uri=tracking_uri)
    say(table(found.answers, storage is not None))
    for fault in found.faults:
        say(str(fault))
    if not found.faults:
        say("No fault was found.")
    return not found.faults


def look(
    address: str | None,
    folders: Sequence[Path],
    *,
    storage: str | None = None,
    resources: ResourceSpec | None = None,
    tracking_uri: str | None = None,
) -> Findings:
    """Ask the hosts of the connected cluster, or this one; `resources` are a trial's, if known."""
    with marked(folders) as marks:
        here = examine(Question(marks=marks, storage=storage))
        if address is None:
            answers = [this_host(here, this_machine().gpus)]
        else:
            with _handed_down() as channel:
                question = Question(marks=marks, storage=storage, channel=channel)
                answers = ask_nodes(question, resources)
    gpus = resources is None or bool(resources.gpus)
    wrong: list[Fault | TrackingError]
    wrong = [*faults(here, answers, gpus=gpus, storage=storage is not None)]
    if address is not None and is_open(address):
        wrong.append(_OPEN)
    if tracking_uri is not None and (trouble := _of_tracking(tracking_uri)) is not None:
        wrong.append(trouble)
    return Findings(answers=answers, faults=wrong)


@contextmanager
def _handed_down() -> Iterator[str]:
    """Let hosts know how this one reaches a storage; yields the name of the channel."""
    channel = uuid.uuid4().hex
    hand_down(channel)
    try:
        yield channel
    finally:
        take_back(channel)


def require_healthy(address: str, folder: Path, spec: SweepSpec) -> None:
    """Raise `InputError` for a fault of the connected cluster that stops a sweep; tell the others.

    `folder` is the sweep's.
    """
    storage = spec.storage.url if spec.storage else None
    for fault in look(address, (folder,), storage=storage, resources=spec.resources).faults:
        if isinstance(fault, Fault) and fault.stops:
            raise InputError.of(fault.place, fault.problem, fault.remedy)
        say(f"warning: {fault}")


def _of_tracking(uri: str) -> TrackingError | None:
    """What is wrong with MLflow's store; a database file that is yet to be made is no fault."""
    file = database_file(uri)
    if file is not None and not file.exists():
        return None
    try:
        open_store(uri)
    except TrackingError as error:
        return error
    return None
