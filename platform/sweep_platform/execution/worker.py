"""The code that a Ray worker runs: one job, from its checkpoint to its last report.

A worker writes checkpoints and nothing else. What it measures goes to the driver in reports, and
into the checkpoint as well: after a resume the first report repeats it, in case a driver that died
has not recorded it.
"""

from __future__ import annotations

import socket
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from puzzle_datasets.common.errors import RunError, UserError
from sweep_platform.common.environment import disk_full
from sweep_platform.space.dataset import DatasetAddress
from sweep_platform.store.checkpoints import open_checkpoints
from sweep_platform.store.messages import Failure, Fault, MessageError, TrialJob, TrialReport

if TYPE_CHECKING:
    from hrm.progress import Measurement
    from hrm.training.trainer import Trainer


def run_job(config: dict[str, Any]) -> None:
    """Run one job as a Ray Tune function; `config` holds it as text.

    Only a lost worker is worth another try, so errors do not leave this function: they are
    reported, and end the trial for good.
    """
    from ray import tune

    from sweep_platform.execution.decisions import DecisionChannel, DecisionWatch

    try:
        job = TrialJob.from_text(config["job"])
    except MessageError as error:
        failure = Failure(reason=str(error))
        tune.report({"report": TrialReport(trial=-1, replicate=0, failure=failure).to_text()})
        return
    channel = DecisionChannel(job.channel)
    watch = DecisionWatch(lambda: channel.read(job.trial))
    for report in train(job, watch):
        tune.report({"report": report.to_text()})
        watch.look()


def train(job: TrialJob, stop: Callable[[], bool] = lambda: False) -> Iterator[TrialReport]:
    """Train a job's replicates, one after another, and yield their reports.

    As soon as `stop` is true between two steps, a checkpoint is written and the job ends.
    """
    store = open_checkpoints(job.checkpoints)
    [replicate] = job.replicates
    from hrm.runs.report import session_record

    with _fallbacks() as heard:

        def report(*measurements: Measurement, **fields: Any) -> TrialReport:
            warnings, heard[:] = tuple(heard), []
            return TrialReport(
                trial=job.trial,
                replicate=replicate.number,
                measurements=measurements,
                warnings=warnings,
                **fields,
            )

        try:
            _require_folder(job)
            with store.hold(job.key) as checkpoint:
                trainer = _taken_up(job, checkpoint, heard)
                heard += [] if heard else _shortfall(trainer)
                yield report(*trainer.measurements, session=session_record(trainer))
                for _ in trainer.run(checkpoint, stop=stop, saved=lambda: store.publish(job.key)):
                    yield report(trainer.measurements[-1])
        except Exception as error:
            yield report(failure=_failure(error))


def _failure(error: Exception) -> Failure:
    """What is told of an error: a disk that is full, or memory, is no fault of the trial."""
    if (full := disk_full(error)) is not None:
        where = full.filename or getattr(error, "field", None) or "the disk"
        reason = f"{where}: {full.strerror} on host {socket.gethostname()}"
        return Failure(reason=reason, fault=Fault.MACHINE)
    if isinstance(error, HostError):
        return Failure(reason=str(error), fault=Fault.MACHINE)
    if isinstance(error, MemoryError):
        return Failure(reason=f"the memory of host {socket.gethostname()} did not suffice")
    if isinstance(error, RunError | UserError):
        return Failure(reason=str(error))
    sentence = f"{type(error).__name__}: {error}".splitlines()[0]
    return Failure(reason=sentence, traceback=traceback.format_exc())


class HostError(RuntimeError):
    """This host lacks what a trial needs of it; as text, a sentence that names the host."""


def _require_folder(job: TrialJob) -> None:
    """Raise `HostError` where this host does not see what the driver has written of the trial."""
    folder = Path(job.checkpoints, job.key)
    if not folder.is_dir():
        raise HostError(f"host {socket.gethostname()} does not see {folder}; mount it there")


@contextmanager
def _fallbacks() -> Iterator[list[str]]:
    """Collect warnings of blocks that are not compiled; what a worker prints is lost."""
    from hrm.model.compiled import CompileFallback

    heard: list[str] = []
    show = warnings.showwarning

    def hear(message: Warning | str, *where: Any, **details: Any) -> None:
        if isinstance(message, CompileFallback):
            heard.append(str(message).rstrip("."))
        show(message, *where, **details)

    with warnings.catch_warnings():
        warnings.showwarning = hear
        yield heard


def _taken_up(job: TrialJob, checkpoint: Path, heard: list[str]) -> Trainer:
    """The job's replicate as its last checkpoint left it; anew where that can't be read."""
    from hrm.checkpoints.checkpoint import CheckpointError

    trainer = _trainer(job)
    if not checkpoint.exists():
        return trainer
    try:
        trainer.restore(checkpoint)
    except CheckpointError as error:
        heard.append(f"trial {job.trial} begins anew: {str(error).partition(';')[0]}")
        return _trainer(job)  # half of the other may be restored
    return trainer


def _trainer(job: TrialJob) -> Trainer:
    """The job's replicate before its first step."""
    import torch

    from hrm.config import ModelConfig, TrainingConfig
    from hrm.training.trainer import Trainer

    torch.set_num_threads(job.threads)
    device = torch.device(job.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RunError("this host's torch finds no GPU; install a CUDA build, or set gpus: 0")
    [replicate] = job.replicates
    training = {**job.training, "evaluate_at": tuple(job.training["evaluate_at"])}
    return Trainer(
        ModelConfig(**job.model),
        TrainingConfig(**{**training, "seed": replicate.seed}),
        DatasetAddress(**job.dataset).open(),
        device,
    )


def _shortfall(trainer: Trainer) -> list[str]:
    """A sentence where blocks run otherwise than the configuration wants."""
    wanted, real = trainer.config.execution, trainer.execution
    if wanted == real:
        return []
    device = {"cpu": "a CPU", "cuda": "this GPU"}[trainer.device.type]
    return [
        f"training.execution is {wanted}, but on {device} trials run {real}; docs/spaces.md says "
        "what each needs"
    ]
