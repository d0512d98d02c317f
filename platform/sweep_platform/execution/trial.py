"""What a Ray worker runs: one trial, from its folder to its last report.

The folder is all that a trial needs and all that it leaves. Reports to Ray carry the same progress
to the driver, which decides whether the trial goes on.
"""

from __future__ import annotations

import json
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrm.progress import Progress
from sweep_platform.common.files import exclusive, write_bytes
from sweep_platform.space.dataset import DatasetAddress
from sweep_platform.store.folder import TrialFolder

if TYPE_CHECKING:
    from hrm.training.trainer import Trainer


def run_trial(config: dict[str, Any]) -> None:
    """Run one trial as a Ray Tune function.

    Reports `progress`, beside it `warned` where the trial cannot run as it was asked to, or
    `failed` with a sentence where it broke: that ends it for good. Only a lost worker is worth
    another try, so errors do not leave this function.
    """
    from ray import tune

    from hrm.training.learner import NonFiniteLoss

    trial = TrialFolder(Path(config["folder"]))
    with exclusive(trial.lock, wait=True), _overheard() as warned:
        try:
            trainer = _trainer(trial, config)
            warned += [] if warned else _shortfall(trainer)
            for progress in _train(trial, trainer):
                # As text, since Ray flattens what is nested before the scheduler sees it.
                report = {"progress": json.dumps(asdict(progress))}
                if warned:
                    report["warned"] = warned.pop()
                tune.report(report)
        except NonFiniteLoss as error:
            tune.report({"failed": str(error)})
        except Exception as error:
            with suppress(OSError):
                write_bytes(trial.error, traceback.format_exc().encode())
            tune.report({"failed": _sentence(error)})


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """Collect warnings that the person at the driver has to know of; a worker's output is lost.

    A `CompileFallback` comes once in the life of a worker, also where the compiler fails later
    than `Trainer.execution` was found.
    """
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


def _sentence(error: Exception) -> str:
    """An error on one line; `error.txt` has the rest."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _trainer(trial: TrialFolder, config: dict[str, Any]) -> Trainer:
    """The trial as its last checkpoint left it."""
    import torch

    from hrm.config import ModelConfig, TrainingConfig
    from hrm.training.trainer import Trainer

    torch.set_num_threads(config["threads"])
    device = torch.device(config["device"])
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("this host's torch finds no GPU; install a CUDA build, or set gpus: 0")
    record = trial.record()
    training = {**record.training, "evaluate_at": tuple(record.training["evaluate_at"])}
    puzzles = DatasetAddress(**config["dataset"]).open()
    trainer = Trainer(ModelConfig(**record.model), TrainingConfig(**training), puzzles, device)
    if trial.checkpoint.exists():
        trainer.restore(trial.checkpoint)
    return trainer


def _shortfall(trainer: Trainer) -> list[str]:
    """What the person at the driver has to know of how blocks run, in this trial as in others."""
    asked, real = trainer.config.execution, trainer.execution
    if asked == real:
        return []
    device = {"cpu": "a CPU", "cuda": "this GPU"}[trainer.device.type]
    return [
        f"training.execution is {asked}, but on {device} trials run {real}; docs/spaces.md says "
        "what each needs"
    ]


def _train(trial: TrialFolder, trainer: Trainer) -> Iterator[Progress]:
    """Train to the end; each report is on disk before it is passed on."""
    for progress in trainer.run(trial.checkpoint):
        trial.append(progress)
        yield progress
