"""One training run from its settings to its result, alone or as one of several processes."""

import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

from hrm.checkpoints.checkpoint import CheckpointError
from hrm.config import ConfigError, ema_decay
from hrm.distributed import ProcessGroup
from hrm.evaluation.answer_file import AnswerFile
from hrm.model.devices import gpu_memory
from hrm.model.memory import main_memory, require_memory
from hrm.runs import report
from hrm.runs.folder import Outcome, RunFolder, RunState
from hrm.runs.settings import Request, dataset_folder, resolved_settings, saved_run, taken
from hrm.runs.signs import signs_of_life
from hrm.training.learner import NonFiniteLoss
from hrm.training.trainer import Trainer
from puzzle_datasets.common.errors import RunError, UserError
from puzzle_datasets.common.exit_status import DONE, INTERRUPTED, say, stop_on_signal
from puzzle_datasets.common.files import write_file
from puzzle_datasets.storage.dataset import PuzzleDataset

PURPOSE = "measure"
"""What a single run is trained for, in the words of its `answers.parquet`."""


class SingleRun:
    """A run in a folder of its own; all processes of `group` make one and `train` at once.

    The first process writes and speaks for all. Use it as a context, which keeps others from
    writing in the folder. Raises `UserError` where settings, puzzles, folder or checkpoint do not
    go together.
    """

    def __init__(self, request: Request, device: torch.device, group: ProcessGroup) -> None:
        self.group, self.folder = group, RunFolder(request.out)
        self._lock = ExitStack()
        saved = group.broadcast(lambda: saved_run(request, self.folder))
        source = dataset_folder(request, saved)
        dataset = PuzzleDataset.open(source)
        if saved is not None and saved["dataset"]["fingerprint"] != dataset.manifest.fingerprint:
            problem = f"holds other puzzles than {request.out} was begun with"
            remedy = f"give {saved['dataset']['folder']}, or another --out"
            raise ConfigError.of("dataset", problem, remedy, dataset.manifest.fingerprint)
        self.model, self.training = resolved_settings(request, dataset.manifest, saved)
        if device.type == "cpu":
            require_memory(self.model, self.training, group.size)
        with self._memory():
            self.trainer = Trainer(self.model, self.training, dataset, device, group)
        self._answers = AnswerFile(self.folder.answers, dataset.group_names)
        record = report.of_run(self.trainer, str(source.resolve()))
        group.broadcast(lambda: self._begin(None if saved else record))

    def __enter__(self) -> "SingleRun":
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.close()

    def train(self, seconds: float) -> int:
        """Train from the last checkpoint to the end; return the exit status.

        A checkpoint is written every so many `seconds`, and when a signal stops the run.
        """
        try:
            with self._memory():
                return self._train(seconds)
        except NonFiniteLoss as error:
            self._end(RunState.FAILED, str(error))
            raise
        except (UserError, RunError, OSError):
            raise
        except Exception:
            with suppress(OSError):
                write_file(self.folder.error, traceback.format_exc().encode())
            raise

    @contextmanager
    def _memory(self) -> Iterator[None]:
        """Blame too little memory on the settings."""
        with gpu_memory("--micro-batch"), main_memory(self.model, self.training):
            yield

    def _begin(self, record: Mapping[str, Any] | None) -> None:
        """Lock the folder and, in a new one, write the record; another may have come first."""
        with ExitStack() as lock:
            lock.enter_context(self.folder.locked(wait=False))
            if record is not None:
                if self.folder.exists():
                    raise taken(self.folder)
                self.folder.create(record)
            self._lock = lock.pop_all()

    def _train(self, seconds: float) -> int:
        trainer = self.trainer
        if self.group.broadcast(self.folder.checkpoint.exists):
            trainer.restore(self.folder.checkpoint)
        self.group.broadcast(self._append)  # also reports that only the checkpoint has
        finished = trainer.done
        if not finished:
            session = report.session_record(trainer)
            self.group.broadcast(self.folder.resume)
            self.group.broadcast(partial(self.folder.begin_session, session))
            with stop_on_signal() as stop:
                # Whoever reads the first line may send a signal, which all have to take well.
                self.group.barrier()
                self._say_beginning()
                signs_of_it = signs_of_life(self._say, partial(report.sign, trainer))
                with _fault_of_the_run(self.folder.root), signs_of_it as signs:
                    for progress in trainer.run(self.folder.checkpoint, seconds, stop):
                        self.group.broadcast(self._append)
                        self._say(report.line(progress))
                        signs.said()
        if not trainer.done:
            again = f"add --resume to go on from {self.folder.checkpoint}"
            self._say(f"Interrupted after step {trainer.step:,}; {again}.")
            return INTERRUPTED
        self.group.broadcast(self._answers.merge)
        self._end(RunState.COMPLETE, report.SPENT)
        if finished:
            self._say("This run is finished.")
        self._say_result()
        return DONE

    def _append(self) -> None:
        """Write the reports that the folder lacks, and the answers that came with them."""
        trainer = self.trainer
        self._answers.add((PURPOSE, 0, one) for one in trainer.answers)
        self.folder.append(trainer.measurements)

    def _end(self, state: RunState, reason: str) -> None:
        """Write how the run ended; what the first process can, others need not wait for."""
        if self.group.rank == 0 and self.folder.outcome() is None:
            self.folder.end(Outcome(state=state, reason=reason, ended=time.time()))

    def _say(self, text: str) -> None:
        if self.group.rank == 0:
            say(text)

    def _say_beginning(self) -> None:
        trainer, steps = self.trainer, self.trainer.total_steps
        several = f"{self.group.size} processes with " if self.group.size > 1 else ""
        self._say(report.beginning(trainer, f"{several}{trainer.device.type}"))
        if trainer.config.warmup_steps >= steps:
            self._say(f"Note: all steps are warm-up; give a --warmup-steps below {steps:,}.")
        if trainer.step:
            self._say(f"Going on after step {trainer.step:,}.")

    def _say_result(self) -> None:
        if self.group.rank != 0:
            return
        reports = [one.progress for one in self.folder.measurements()]
        evaluated = [progress for progress in reports if progress.curve is not None]
        if evaluated:
            decay = ema_decay(self.trainer.model_config, self.trainer.config)
            say(report.result(evaluated[-1], decay))
        say(f"Checkpoint {self.folder.checkpoint}, reports {self.folder.metrics}.")


@contextmanager
def _fault_of_the_run(folder: Path) -> Iterator[None]:
    """Have what goes bad meanwhile be no bad input: puzzles and folder were sound at the start.

    A checkpoint that can't be written stays what it is.
    """
    try:
        yield
    except (UserError, OSError) as error:
        if not folder.is_dir():
            raise RunError(f"{folder} was removed while the run went on.") from error
        if isinstance(error, CheckpointError | OSError):
            raise
        raise RunError(str(error)) from error
