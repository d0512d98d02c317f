"""What a Ray worker runs: one trial, from its folder to its last report.

The folder is all that a trial needs and all that it leaves. Reports to Ray carry the same progress
to the driver, which decides whether the trial goes on.
"""

import json
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hrm.progress import Progress
from sweep_platform.files import exclusive, write_bytes
from sweep_platform.puzzles import DatasetAddress
from sweep_platform.records import TrialFolder

NOTEWORTHY = "without compilation"
"""Part of the warnings of `hrm.compiled`: the trial goes on, but slower than it was asked to."""


def run_trial(config: dict[str, Any]) -> None:
    """Run one trial as a Ray Tune function.

    Reports `progress`, beside it `warned` where the trial cannot run as it was asked to, or
    `failed` with a sentence where it broke: that ends it for good. Only a lost worker is worth
    another try, so errors do not leave this function.
    """
    from ray import tune

    from hrm.learner import NonFiniteLoss

    trial = TrialFolder(Path(config["folder"]))
    with exclusive(trial.lock, wait=True), _overheard() as warned:
        try:
            for progress in _train(trial, config):
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
    """Collect warnings that the person at the driver has to know of; a worker's output is lost."""
    heard: list[str] = []
    show = warnings.showwarning

    def hear(message: Warning | str, *where: Any, **details: Any) -> None:
        if NOTEWORTHY in str(message):
            heard.append(str(message).rstrip("."))
        show(message, *where, **details)

    with warnings.catch_warnings():
        warnings.showwarning = hear
        yield heard


def _sentence(error: Exception) -> str:
    """An error on one line; `error.txt` has the rest."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _train(trial: TrialFolder, config: dict[str, Any]) -> Iterator[Progress]:
    """Train from the last checkpoint on; each report is on disk before it is passed on."""
    import torch

    from hrm.config import ModelConfig, TrainingConfig
    from hrm.trainer import Trainer

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
    for progress in trainer.run(trial.checkpoint):
        trial.append(progress)
        yield progress
