"""The code that a Ray worker runs: one job, from its checkpoint to its last report.

A worker writes checkpoints and nothing else. What it measures goes to the driver in reports, and
into the checkpoint as well: after a resume the first report repeats it, in case a driver that died
has not recorded it.
"""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep_platform.common.notice import Notice
from sweep_platform.execution.faults import HostError, failure_of, lacks_memory
from sweep_platform.execution.host import at_hand
from sweep_platform.execution.processes.group import train_together
from sweep_platform.space.dataset import DatasetAddress
from sweep_platform.store.messages import (
    Decision,
    Failure,
    Fault,
    MessageError,
    TrialJob,
    TrialReport,
)

if TYPE_CHECKING:
    from hrm.distributed import ProcessGroup
    from hrm.progress import Measurement
    from hrm.training.trainer import Trainer


def run_job(config: dict[str, Any]) -> None:
    """Run one job as a Ray Tune function; `config` holds it as text.

    Only a lost worker is worth another try, so errors do not leave this function: they are
    reported, and end the trial for good.
    """
    from ray import tune

    from sweep_platform.execution.decisions import DecisionChannel, DecisionWatch, Pulse
    from sweep_platform.execution.environment import take_over

    try:
        job = TrialJob.from_text(config["job"])
    except MessageError as error:
        failure = Failure(reason=str(error))
        tune.report({"report": TrialReport(trial=-1, replicate="", failure=failure).to_text()})
        return
    take_over(job.channel)
    channel = DecisionChannel(job.channel)
    watch = DecisionWatch(lambda: channel.read(job.replicate_key))
    pulse = Pulse(lambda count: channel.beat(job.replicate_key, count))
    for report in train(job, watch, pulse):
        tune.report({"report": report.to_text()})
        watch.look()
    if watch.decision is Decision.LEAVE or _of_host(report):
        # Ray would hand the next job to this worker, where none is to run any more.
        raise WorkerLeaves


class WorkerLeaves(RuntimeError):
    """Ends a worker for good, of whose job the driver knows all that there is to know."""


def _of_host(report: TrialReport) -> bool:
    """Whether a worker's last report tells that its host lacks something."""
    return report.failure is not None and report.failure.fault is Fault.MACHINE


def train(
    job: TrialJob,
    stop: Callable[[], bool] = lambda: False,
    alive: Callable[[], object] = lambda: None,
) -> Iterator[TrialReport]:
    """Train a job's replicates, one after another, and yield their reports.

    Where the job is for several processes, it starts them once all that they need is on this host.
    As soon as `stop` is true between two steps, a checkpoint is written and the job ends. Whenever
    something has been done, `alive` is called.
    """
    with _fallbacks() as heard:
        yield from _told(job, heard, _train(job, stop, alive, heard))


def _train(
    job: TrialJob, stop: Callable[[], bool], alive: Callable[[], object], heard: list[Notice]
) -> Iterator[TrialReport]:
    with ExitStack() as held:
        while (found := at_hand.at_hand(job, held, heard)) is None:
            yield _report(job)
            if stop():
                return
        puzzles, store, checkpoint = found
        here = replace(job, dataset=asdict(puzzles))
        publish = partial(store.publish, job.replicate_key)
        if job.processes == 1:
            yield from _train_here(here, checkpoint, stop, alive, publish, heard)
        else:
            yield from train_together(here, checkpoint, stop, alive, publish)
        while not store.stored(job.replicate_key, at_hand.AWAY_SECONDS):
            yield _report(job)


def lead(
    job: TrialJob,
    checkpoint: Path,
    stop: Callable[[], bool],
    alive: Callable[[], object],
    saved: Callable[[int], object],
    group: ProcessGroup,
) -> Iterator[TrialReport]:
    """Train a job as the first process of a group, and yield its reports; the others `follow`.

    The job names the puzzles on this host, where the checkpoint is held by whoever started the
    group and hears of what step one was `saved`.
    """
    with _fallbacks() as heard:
        work = _train_here(job, checkpoint, stop, alive, saved, heard, group)
        yield from _told(job, heard, work)


def follow(
    job: TrialJob, checkpoint: Path, stop: Callable[[], bool], group: ProcessGroup
) -> Iterator[TrialReport]:
    """Train a job as a process of a group behind its first; yield why that broke, if it did."""
    try:
        trainer = _taken_up(job, checkpoint, [], group)
        for _ in trainer.run(checkpoint, stop=stop):
            pass
    except Exception as error:
        yield _report(job, failure=failure_of(error))


def _train_here(
    job: TrialJob,
    checkpoint: Path,
    stop: Callable[[], bool],
    alive: Callable[[], object],
    saved: Callable[[int], object],
    heard: list[Notice],
    group: ProcessGroup | None = None,
) -> Iterator[TrialReport]:
    """Train a job in this process, by puzzles and a checkpoint that are on this host."""
    from hrm.runs.report import session_record

    trainer = _taken_up(job, checkpoint, heard, group)
    trainer.alive = alive
    heard += [] if heard else _shortfall(trainer)
    session, answers = session_record(trainer), tuple(trainer.answers)
    yield _report(job, *trainer.measurements, session=session, answers=answers)
    for _ in trainer.run(checkpoint, stop=stop, saved=lambda: saved(trainer.step)):
        last = trainer.measurements[-1]
        answers = tuple(trainer.answers[-1:]) if last.progress.curve else ()
        yield _report(job, last, answers=answers)


def _told(
    job: TrialJob, heard: list[Notice], reports: Iterator[TrialReport]
) -> Iterator[TrialReport]:
    """Reports with what was heard meanwhile; the last one says why they broke off, if they did."""
    try:
        for report in reports:
            yield replace(report, warnings=(*report.warnings, *_taken(heard)))
    except Exception as error:
        yield replace(_report(job, failure=failure_of(error)), warnings=_taken(heard))


def _taken(heard: list[Notice]) -> tuple[Notice, ...]:
    """What was heard up to now, which is told once."""
    warnings = tuple(heard)
    del heard[: len(warnings)]  # another thread may have added one by now
    return warnings


def _report(job: TrialJob, *measurements: Measurement, **fields: Any) -> TrialReport:
    [replicate] = job.replicates
    return TrialReport(
        trial=job.trial, replicate=replicate.label, measurements=measurements, **fields
    )


@contextmanager
def _fallbacks() -> Iterator[list[Notice]]:
    """Collect warnings of blocks that are not compiled; what a worker prints is lost."""
    from hrm.model.compiled import CompileFallback

    heard: list[Notice] = []
    show = warnings.showwarning

    def hear(message: Warning | str, *where: Any, **details: Any) -> None:
        if isinstance(message, CompileFallback):
            heard.append(Notice(str(message).rstrip(".")))
        show(message, *where, **details)

    with warnings.catch_warnings():
        warnings.showwarning = hear
        yield heard


def _taken_up(
    job: TrialJob, checkpoint: Path, heard: list[Notice], group: ProcessGroup | None
) -> Trainer:
    """The job's replicate as its last checkpoint left it; anew where that is damaged.

    Raises `CheckpointError` where this host can't read it now: it stays.
    """
    from hrm.checkpoints.checkpoint import CheckpointError

    trainer = _trainer(job, group)
    if not checkpoint.exists():
        return _begun(job, trainer, checkpoint, heard)
    try:
        trainer.restore(checkpoint)
    except CheckpointError as error:
        if error.unread or lacks_memory(error):
            raise
        which = f"trial {job.trial} {job.replicates[0].words}"
        heard.append(Notice(f"{which} begins anew: {error.field} {error.problem}"))
        # Half of the other trainer may be restored.
        return _begun(job, _trainer(job, group), checkpoint, heard)
    return trainer


def _begun(job: TrialJob, trainer: Trainer, checkpoint: Path, heard: list[Notice]) -> Trainer:
    """A trainer with the weights of the job's ancestor, if it has one.

    From scratch, and that is said, where these are gone.
    """
    from hrm.checkpoints.checkpoint import CheckpointError

    if job.ancestor is None:
        return trainer
    ancestor = at_hand.ancestor_beside(checkpoint)
    which = f"trial {job.trial} {job.replicates[0].words}"
    reason = "its checkpoint is gone"
    if ancestor.exists():
        try:
            trainer.inherit(ancestor)
            return trainer
        except CheckpointError as error:
            if error.unread or lacks_memory(error):
                raise
            reason = error.problem
    text = f"{which} begins from scratch, and not with the weights of {job.ancestor['words']}"
    heard.append(Notice(f"{text}: {reason}"))
    return trainer


def _trainer(job: TrialJob, group: ProcessGroup | None) -> Trainer:
    """The job's replicate before its first step."""
    import torch

    from hrm.config import ModelConfig, TrainingConfig
    from hrm.distributed import SINGLE
    from hrm.model.devices import granted_memory
    from hrm.model.memory import require_device_memory, require_memory
    from hrm.training.energy import METERS
    from hrm.training.trainer import Trainer

    torch.set_num_threads(job.threads)
    group = group or SINGLE
    device = torch.device(job.device if group.size == 1 else _own_device(job.device, group.rank))
    if device.type == "cuda" and not torch.cuda.is_available():
        here = f"host {socket.gethostname()}"
        raise HostError(f"torch finds no GPU on {here}; install a CUDA build, or set gpus: 0")
    [replicate] = job.replicates
    of_all = {**job.training, "evaluate_at": tuple(job.training["evaluate_at"])}
    model = ModelConfig(**job.model)
    training = TrainingConfig(**{**of_all, "seed": replicate.seed})
    if device.type == "cpu":
        require_memory(model, training, group.size)
    else:
        granted = granted_memory(device, job.device_share)
        require_device_memory(model, training, granted, group.size)
    puzzles = DatasetAddress(**job.dataset).open()
    trainer = Trainer(model, training, puzzles, device, group, job.micro_batch, job.device_share)
    if job.energy and trainer.energy.joules is None:
        here = f"host {socket.gethostname()}"
        raise HostError(f"the energy of a trial can't be measured on {here}; {METERS}")
    return trainer


def _own_device(kind: str, rank: int) -> str:
    """The device of one of several processes: of GPUs, each takes its own."""
    return kind if kind == "cpu" else f"{kind}:{rank}"


def _shortfall(trainer: Trainer) -> list[Notice]:
    """A sentence where blocks run otherwise than the configuration wants."""
    wanted, real = trainer.config.execution, trainer.execution
    if wanted == real:
        return []
    device = {"cpu": "a CPU", "cuda": "this GPU"}[trainer.device.type]
    text = f"training.execution is {wanted}, but on {device} trials run {real}"
    return [Notice(f"{text}; docs/spaces.md says what each needs")]
