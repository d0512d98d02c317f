"""The table of a cluster's hosts."""

from collections.abc import Sequence

from puzzle_datasets.common.text import byte_size, columns, exact
from sweep_platform.execution.doctor.faults import Answer
from sweep_platform.execution.doctor.node import PACKAGES

_HEADING = ("node", "host", "python", *PACKAGES, "GPUs", "clock", "disk", "folders", "storage")
_NONE = "-"


def table(answers: Sequence[Answer], storage: bool = False) -> str:
    """One line a node: what is installed, GPUs that torch sees of those offered, clock, places.

    `storage` says whether the nodes were asked about one.
    """
    return columns([_HEADING, *(_row(answer, storage) for answer in answers)], str.ljust)


def _row(answer: Answer, asked: bool) -> tuple[str, ...]:
    state = answer.state
    if state is None:
        return (answer.place, "no answer", *[_NONE] * (len(_HEADING) - 2))
    versions = [state.versions.get(name, _NONE) for name in PACKAGES]
    seen = [*state.shared.values()]
    folders = _NONE if not seen else "shared" if all(seen) else "own"
    storage = _NONE if not asked else "no" if state.storage else "yes"
    build = f" CUDA {state.cuda}" if state.cuda else ""
    return (
        answer.place,
        state.host,
        state.python,
        *versions,
        f"{state.gpus} of {exact(answer.gpus)}{build}",
        f"{answer.skew:+.1f} s",
        f"{byte_size(state.free)} free",
        folders,
        storage,
    )
