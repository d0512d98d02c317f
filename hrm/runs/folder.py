"""The folder of a single run: what was asked for, how it went, and its checkpoint.

`config.json` is written once, when the run begins. `sessions.jsonl` gets a line whenever training
begins or goes on: from which step, on what, and with which versions. `progress.jsonl` gets a line
for each report; after a resume it is cut back to the checkpoint, so that no step is there twice.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeGuard

from hrm.config import ConfigError
from hrm.files import naming, write_whole
from hrm.progress import Progress, progress_from

LOCK = ".lock"
UNFINISHED = {LOCK, ".config.json.partial"}
"""What a run that died while it began may leave."""
SECTIONS = {"dataset", "model", "training"}


class RunFolder:
    """One run's files. The process that writes them holds the lock from `begin` to `close`.

    Raises `ConfigError` where the folder is not one of a run, or not free.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config, self.checkpoint = path / "config.json", path / "checkpoint.pt"
        self.progress, self.sessions = path / "progress.jsonl", path / "sessions.jsonl"
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
        if self.path.exists() and {f.name for f in self.path.iterdir()} - UNFINISHED:
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
        lines = zip(self._lines(), self.reports(), strict=True)
        kept = [line for line, progress in lines if progress.step <= step]
        _write(self.progress, "".join(f"{line}\n" for line in kept))

    def add(self, progress: Progress) -> None:
        """Append a report; it is on disk when this returns."""
        _append(self.progress, asdict(progress))

    def begin_session(self, session: Mapping[str, Any]) -> None:
        """Append what a session says of itself; it is on disk when this returns."""
        _append(self.sessions, session)

    def reports(self) -> list[Progress]:
        """All reports so far; raises `ConfigError` where a line is damaged."""
        return [self._report(number, line) for number, line in enumerate(self._lines(), 1)]

    def close(self) -> None:
        """Let others write here."""
        self._open.close()

    def _lines(self) -> list[str]:
        if not self.progress.exists():
            return []
        return self.progress.read_text(errors="replace").split("\n")[:-1]

    def _report(self, number: int, line: str) -> Progress:
        try:
            progress = progress_from(json.loads(line))
        except (ValueError, LookupError, TypeError) as error:
            raise self._damaged_report(number) from error
        if not isinstance(progress.step, int):
            raise self._damaged_report(number)
        return progress

    def _damaged_report(self, number: int) -> ConfigError:
        return ConfigError(
            f"{self.progress} is damaged in line {number}; "
            "mend or remove that line, or move the file away."
        )

    def _read_config(self) -> dict[str, Any]:
        try:
            content = json.loads(self.config.read_text())
        except ValueError as error:
            raise ConfigError(f"{self.config} is no JSON; restore it, or start anew.") from error
        if not _whole(content):
            raise ConfigError(
                f"{self.config} lacks {' or '.join(sorted(SECTIONS))}, or a part of it; "
                "restore it, or start anew."
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


def _whole(content: Any) -> TypeGuard[dict[str, Any]]:
    """Whether this is a `config.json` with all that is read from it."""
    if not isinstance(content, dict) or SECTIONS - content.keys():
        return False
    if not all(isinstance(content[section], dict) for section in SECTIONS):
        return False
    dataset = content["dataset"]
    return all(isinstance(dataset.get(name), str) for name in ("folder", "fingerprint"))


def _append(path: Path, record: Mapping[str, Any]) -> None:
    with naming(path), path.open("a") as file:
        file.write(json.dumps(record) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _write(path: Path, text: str) -> None:
    write_whole(path, lambda stream: stream.write(text.encode()))
