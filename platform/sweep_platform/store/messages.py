"""What driver and worker say to each other: a job goes down, reports come up, decisions go down.

Messages carry a version and travel as text, so that a worker of other code is refused in words
in place of failing on a key.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from hrm.evaluation.per_puzzle import PuzzleAnswers, answers_from
from hrm.progress import Measurement, measurement_from
from puzzle_datasets.common.errors import RunError
from sweep_platform.common.notice import Notice
from sweep_platform.store.replicate import Purpose, Replicate

VERSION = 7


class Decision(StrEnum):
    """What the driver wants of a trial; a worker saves a checkpoint before it obeys any other
    than CONTINUE.

    PAUSE and STOP differ in what becomes of the trial: a paused one may go on, so its checkpoint
    has to be kept; a stopped one has ended. LEAVE is a PAUSE after which the worker ends as well,
    for its host is about to go.
    """

    CONTINUE = "continue"
    PAUSE = "pause"
    STOP = "stop"
    LEAVE = "leave"


class MessageError(RunError):
    """A message is of another version of this code."""


@dataclass(frozen=True, kw_only=True)
class TrialJob:
    """What a worker is to train: one or more replicates of one configuration.

    Attributes:
        trial: number of the trial in the sweep.
        model: the resolved `hrm.config.ModelConfig`.
        training: the resolved `hrm.config.TrainingConfig`, with the seed of the first replicate.
        replicates: those to train.
        dataset: the puzzles' folder, name and fingerprint.
        device: `cpu` or `cuda`.
        threads: of the CPU, for each process.
        device_share: part of a GPU's memory that each process may take.
        micro_batch: puzzles that pass through the model at a time at most, as others of this width
            found out; None where none did.
        energy: whether the energy that it takes has to be measured.
        ancestor: the key and SHA-256 of the checkpoint whose weights training begins with, and
            `words` for it; None from scratch.
        processes: that train together on one host, each on a GPU of its own where there are GPUs.
        checkpoints: address of the checkpoint store: a folder, or a URL of a storage.
        keep: checkpoints that stay in a storage; None for a folder.
        puzzles: where a host that does not see the puzzles' folder takes them from, the fields of
            a `PuzzleSource`.
        key: under which the trial's checkpoints are kept there, each below its label.
        channel: name under which the driver's decisions are found.
    """

    trial: int
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    replicates: tuple[Replicate, ...]
    dataset: Mapping[str, str]
    device: str
    threads: int
    checkpoints: str
    key: str
    channel: str
    processes: int = 1
    device_share: float = 1.0
    micro_batch: int | None = None
    energy: bool = False
    ancestor: Mapping[str, str] | None = None
    keep: int | None = None
    puzzles: Mapping[str, Any] = field(default_factory=dict)

    @property
    def replicate_key(self) -> str:
        """The key of its one replicate, for its checkpoint and for decisions."""
        [replicate] = self.replicates
        return f"{self.key}/{replicate.label}"

    def to_text(self) -> str:
        """The message as text."""
        return _to_text(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "TrialJob":
        """Read the message back. Raises `MessageError` where it is of another version."""
        fields = _fields(text)
        fields["replicates"] = tuple(map(_replicate, fields["replicates"]))
        return cls(**fields)


class Fault(StrEnum):
    """What is at fault where work on a trial broke off; only the first is a result of the trial.

    TRIAL: its configuration. WORKER: the worker, which ended by itself. MACHINE: the host, which
    lacks something. NODE: nobody, for the host has left the cluster.
    """

    TRIAL = "trial"
    WORKER = "worker"
    MACHINE = "machine"
    NODE = "node"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a trial broke: a sentence, and the traceback where the fault may be ours."""

    reason: str
    traceback: str | None = None
    fault: Fault = Fault.TRIAL


@dataclass(frozen=True, kw_only=True)
class TrialReport:
    """What a worker has measured of one replicate, or why it broke.

    Attributes:
        trial: number of the trial in the sweep.
        replicate: label of the replicate in the trial.
        measurements: in the order of their steps. After a resume the first report repeats those
            that the checkpoint kept; the driver drops what it has.
        answers: which puzzles were solved in those that came with an evaluation.
        session: on what, and with which versions, training begins or goes on; in the first report.
        warnings: what a person at the driver has to see.
        failure: set in the last report of a replicate that broke.
    """

    trial: int
    replicate: str
    measurements: tuple[Measurement, ...] = ()
    answers: tuple[PuzzleAnswers, ...] = ()
    session: Mapping[str, Any] | None = None
    warnings: tuple[Notice, ...] = ()
    failure: Failure | None = None

    def to_text(self) -> str:
        """The message as text."""
        plain = asdict(replace(self, answers=()))
        return _to_text({**plain, "answers": [one.to_plain() for one in self.answers]})

    @classmethod
    def from_text(cls, text: str) -> "TrialReport":
        """Read the message back. Raises `MessageError` where it is of another version."""
        fields = _fields(text)
        fields["measurements"] = tuple(map(measurement_from, fields["measurements"]))
        fields["answers"] = tuple(map(answers_from, fields["answers"]))
        fields["warnings"] = tuple(Notice(**one) for one in fields["warnings"])
        if fields["failure"] is not None:
            failure = fields["failure"]
            fields["failure"] = Failure(**{**failure, "fault": Fault(failure["fault"])})
        return cls(**fields)


def _replicate(fields: Mapping[str, Any]) -> Replicate:
    return Replicate(**{**fields, "purpose": Purpose(fields["purpose"])})


def _to_text(message: Mapping[str, Any]) -> str:
    return json.dumps({"version": VERSION, **message})


def _fields(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(text)
    version = fields.pop("version", None)
    if version != VERSION:
        raise MessageError(
            f"driver and worker run different code (messages of version {version} and {VERSION}); "
            "install the same version on every host"
        )
    return fields
