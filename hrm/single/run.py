"""One training run from its settings to its result, alone or as one of several processes."""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch

from hrm.commands.interrupts import stop_requests
from hrm.commands.outcome import DONE, INTERRUPTED, say
from hrm.config import ConfigError
from hrm.flops import total_steps
from hrm.single import lines
from hrm.single.folder import RunFolder
from hrm.single.settings import Request, Settings, dataset_folder, settled
from hrm.trainer import Trainer
from hrm.world import World
from puzzle_datasets.dataset import PuzzleDataset


class SingleRun:
    """A run in a folder of its own; all processes of `world` make one and `train` at once.

    The first process writes and speaks for all. Raises `ConfigError`, `DatasetError` and
    `CheckpointError` for what the user can mend.
    """

    def __init__(self, request: Request, device: torch.device, world: World) -> None:
        self.world, self.folder = world, RunFolder(request.out)
        saved = world.shared(lambda: self.folder.settings(request.resume))
        place = dataset_folder(request, saved)
        dataset = PuzzleDataset.open(place)
        _require_same_puzzles(request, dataset, saved)
        self.settings = settled(request, dataset.manifest, saved)
        self.trainer = Trainer(self.settings.model, self.settings.training, dataset, device, world)
        record = _record(self.settings, dataset, str(place.resolve()), device, world)
        world.shared(lambda: self.folder.begin(record))

    def train(self, seconds: float) -> int:
        """Train from the last checkpoint to the end; return the exit status.

        A checkpoint is written every so many `seconds`, and when a signal stops the run.
        """
        self._go_back()
        trainer = self.trainer
        if trainer.done:
            self._say("This run is finished.")
            self._say_result()
            return DONE
        self._say_beginning()
        with stop_requests() as stop:
            for progress in trainer.run(self.folder.checkpoint, seconds, stop):
                self.world.shared(partial(self.folder.add, progress))
                self._say(lines.report(progress))
        if not trainer.done:
            again = f"add --resume to go on from {self.folder.checkpoint}"
            self._say(f"Interrupted after step {trainer.step:,}; {again}.")
            return INTERRUPTED
        self._say_result()
        return DONE

    def close(self) -> None:
        """Let others write in the folder."""
        self.folder.close()

    def _go_back(self) -> None:
        """Restore the checkpoint, if there is one, and forget what was reported since."""
        if self.world.shared(self.folder.checkpoint.exists):
            self.trainer.restore(self.folder.checkpoint)
        self.world.shared(lambda: self.folder.forget_after(self.trainer.step))

    def _say(self, text: str) -> None:
        if self.world.rank == 0:
            say(text)

    def _say_beginning(self) -> None:
        trainer, training = self.trainer, self.settings.training
        name = trainer.dataset.manifest.name
        places = f"{self.world.size} processes with " if self.world.size > 1 else ""
        machine = f"{places}{trainer.device.type}"
        steps = total_steps(self.settings.model, training)
        self._say(lines.beginning(self.settings.model, training, steps, name, machine))
        if training.warmup_steps >= steps:
            self._say(f"Note: all steps are warm-up; give a --warmup-steps below {steps:,}.")
        if trainer.step:
            self._say(f"Going on after step {trainer.step:,}.")

    def _say_result(self) -> None:
        if self.world.rank != 0:
            return
        reports = self.folder.reports()
        evaluated = [progress for progress in reports if progress.curve is not None]
        if evaluated:
            say(lines.result(evaluated[-1]))
        say(f"Checkpoint {self.folder.checkpoint}, reports {self.folder.progress}.")


def _require_same_puzzles(
    request: Request, dataset: PuzzleDataset, saved: Mapping[str, Any] | None
) -> None:
    if saved is None or saved["dataset"]["fingerprint"] == dataset.manifest.fingerprint:
        return
    raise ConfigError(
        f"--dataset holds other puzzles than {request.out} was begun with; "
        f"give {saved['dataset']['folder']}, or another --out."
    )


def _record(
    settings: Settings, dataset: PuzzleDataset, place: str, device: torch.device, world: World
) -> dict[str, Any]:
    """What `config.json` says."""
    manifest, model, training = dataset.manifest, settings.model, settings.training
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "dataset": {
            "folder": place,
            "name": manifest.name,
            "fingerprint": manifest.fingerprint,
        },
        "model": asdict(model),
        "training": asdict(training),
        "speed": {
            "mode": model.mode,
            "execution": training.execution,
            "precision": training.precision,
            "device": device.type,
            "gpu": gpu,
            "processes": world.size,
            "threads": torch.get_num_threads(),
        },
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }
