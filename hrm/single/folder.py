"""The folder of a single run: what was asked for, how it went, and its checkpoint.

`config.json` is written once, when the run begins. `progress.jsonl` gets a line for each report;
after a resume it is cut back to the checkpoint, so that no step is there twice.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hrm.config import ConfigError
from hrm.progress import Progress, progress_from

LOCK = ".lock"
SECTIONS = {"dataset", "model", "training"}


class RunFolder:
    """One run's files. The process that writes them holds the lock from `begin` to `close`.

    Raises `ConfigError` where the folder is not one of a run, or not free.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config, self.checkpoint = path / "config.json", path / "checkpoint.pt"
        self.progress = path / "progress.jsonl"
        self._open = ExitStack()

    def settings(self, resume: bool) -> dict[str, Any] | None:
        """What the run here was begun with; None where none was.

        Raises `ConfigError` if the folder is in use and it is not said to resume.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"{self.path} is no folder; give another --out.")
        if self.config.exists() and not resume:
            raise ConfigError(
                f"{self.path} holds a run already; add --resume to go on with it, "
                "or give another --out."
            )
        if self.config.exists():
            return self._read_config()
        if self.path.exists() and any(f.name != LOCK for f in self.path.iterdir()):
            raise ConfigError(f"{self.path} holds other files; give another --out.")
        return None

    def begin(self, config: Mapping[str, Any]) -> None:
        """Make the folder, unless it was made, and write `config.json` if it isn't there."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self._lock()
            if not self.config.exists():
                _write(self.config, json.dumps(config, indent=2) + "\n")
        except BaseException:
            self.close()
            raise

    def forget_after(self, step: int) -> None:
        """Drop the reports of steps after `step`, and a line that was not written to its end."""
        kept = [line for line in self._lines() if json.loads(line)["step"] <= step]
        _write(self.progress, "".join(f"{line}\n" for line in kept))

    def add(self, progress: Progress) -> None:
        """Append a report; it is on disk when this returns."""
        with _naming(self.progress), self.progress.open("a") as file:
            file.write(json.dumps(asdict(progress)) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def reports(self) -> list[Progress]:
        """All reports so far."""
        return [progress_from(json.loads(line)) for line in self._lines()]

    def close(self) -> None:
        """Let others write here."""
        self._open.close()

    def _lines(self) -> Iterable[str]:
        if not self.progress.exists():
            return []
        return self.progress.read_text().split("\n")[:-1]

    def _read_config(self) -> dict[str, Any]:
        try:
            content = json.loads(self.config.read_text())
        except ValueError as error:
            raise ConfigError(f"{self.config} is no JSON; restore it, or start anew.") from error
        if not isinstance(content, dict) or SECTIONS - content.keys():
            raise ConfigError(
                f"{self.config} lacks {' or '.join(sorted(SECTIONS))}; restore it, or start anew."
            )
        return content

    def _lock(self) -> None:
        file = self._open.enter_context((self.path / LOCK).open("a"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"{self.path} is in use by another process; wait for it or give another --out."
            ) from error


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error of the disk name the file, which one met while writing does not."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write(path: Path, text: str) -> None:
    """Replace a file, whole or not at all."""
    temporary = path.with_name(f".{path.name}.partial")
    with _naming(path):
        with temporary.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
