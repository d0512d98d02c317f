"""One training run from its settings to its result, alone or as one of several processes."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from hrm.commands.interrupts import stop_requests
from hrm.commands.outcome import DONE, INTERRUPTED, say
from hrm.config import ConfigError, ema_decay
from hrm.distributed import World
from hrm.runs import lines, records
from hrm.runs.folder import RunFolder
from hrm.runs.settings import Request, dataset_folder, settled
from hrm.training.trainer import Trainer
from puzzle_datasets.storage.dataset import PuzzleDataset


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
        settings = settled(request, dataset.manifest, saved)
        self.trainer = Trainer(settings.model, settings.training, dataset, device, world)
        record = records.of_run(self.trainer, str(place.resolve()))
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
        session = records.of_session(trainer)
        self.world.shared(partial(self.folder.begin_session, session))
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
        trainer, steps = self.trainer, self.trainer.total_steps
        places = f"{self.world.size} processes with " if self.world.size > 1 else ""
        self._say(lines.beginning(trainer, f"{places}{trainer.device.type}"))
        if trainer.config.warmup_steps >= steps:
            self._say(f"Note: all steps are warm-up; give a --warmup-steps below {steps:,}.")
        if trainer.step:
            self._say(f"Going on after step {trainer.step:,}.")

    def _say_result(self) -> None:
        if self.world.rank != 0:
            return
        reports = self.folder.reports()
        evaluated = [progress for progress in reports if progress.curve is not None]
        if evaluated:
            decay = ema_decay(self.trainer.model_config, self.trainer.config)
            say(lines.result(evaluated[-1], decay))
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
