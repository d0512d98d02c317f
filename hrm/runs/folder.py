"""The folder of a run, a single one or a trial of a sweep: one layout, and one rule to go on.

    run.json        which puzzles, model and training, and the costs; written once, before it runs
    metrics.jsonl   a line for each report; no step is there twice
    sessions.jsonl  a line whenever training begins or goes on
    checkpoint.pt   all that the run needs to go on
    error.txt       the traceback of a run that broke
    outcome.json    how the run ended; missing while it may go on
    lock            held by the one process that writes here

A checkpoint holds the reports so far. A run that goes on appends those that `metrics.jsonl` lacks;
lines of later steps stay, since the steps give the same numbers when they are taken again: to the
bit on a CPU with as many threads, and to rounding elsewhere.
Imports no torch, so that readers stay light.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from hrm.config import ConfigError
from hrm.progress import Measurement
from puzzle_datasets.common.files import (
    append_json_line,
    exclusive,
    write_json,
)
from puzzle_datasets.common.reading import Reader
from puzzle_datasets.common.records import require_moment

FORMAT = 1
SECTIONS = ("dataset", "model", "training", "costs")
"""Sections that `run.json` has at least."""

_UNFINISHED = {"lock", ".run.json.partial"}
"""Files that a run that died while it began may leave."""

_RESTORE = "restore it, or start anew"

_FORMER = ("config.json", "progress.jsonl", "trial.json")
"""Files of runs before there was a format."""


class RunState(StrEnum):
    """State of a run. Complete, stopped and failed are final: it goes on only where asked to."""

    RUNNING = "running"
    PAUSED = "paused"
    """Set aside with a checkpoint, and may go on."""
    COMPLETE = "complete"
    """Spent its whole training budget."""
    STOPPED = "stopped"
    """Ended early on purpose."""
    FAILED = "failed"
    """Broke; it is tried again only where somebody asks for it."""

    @property
    def is_final(self) -> bool:
        """Return True if a run in this state does not go on by itself."""
        return self in (RunState.COMPLETE, RunState.STOPPED, RunState.FAILED)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of a run, or its pause: `reason` is a sentence, `ended` Unix seconds."""

    state: RunState
    reason: str
    ended: float

    def __post_init__(self) -> None:
        require_moment("ended", self.ended)


class RunFiles:
    """The files of one run, whoever keeps it; what `run.json` holds is known to a subclass.

    Readers may come at any time, also while the run writes. Raises `ConfigError` where a file is
    damaged, or of another version.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.checkpoint, self.metrics = root / "checkpoint.pt", root / "metrics.jsonl"
        self.error, self.lock = root / "error.txt", root / "lock"
        self._run, self._outcome = root / "run.json", root / "outcome.json"
        self._sessions = root / "sessions.jsonl"
        self._last_step: int | None = None

    def exists(self) -> bool:
        """Return True if a run was created here."""
        return self._run.exists()

    @property
    def created(self) -> float:
        """Unix seconds when the run was created."""
        return self._run.stat().st_mtime

    def require_free(self) -> None:
        """Refuse a folder that holds anything but what a run that died while it began left.

        Raises `ConfigError` where it does; its field is the folder.
        """
        if self.root.exists() and not self.root.is_dir():
            raise self._unfit("is no folder", "give another one")
        names = {path.name for path in self.root.iterdir()} if self.root.exists() else set()
        if names.intersection(_FORMER):
            raise self._unfit("holds a run of an older version", "give another folder")
        if names - _UNFINISHED:
            raise self._unfit("holds other files", "give another folder")

    @contextmanager
    def locked(self, *, wait: bool) -> Iterator[None]:
        """Make the folder, and be its one writer inside this context.

        Raises `ConfigError` where another process writes here, and `wait` is false.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(exclusive(self.lock, wait=wait))
            except BlockingIOError as error:
                problem = "is in use by another process"
                raise self._unfit(problem, "wait for it or give another folder") from error
            yield

    def _write(self, content: Mapping[str, Any]) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        write_json(self._run, {"format": FORMAT, **content})

    def _read(self) -> dict[str, Any]:
        content = Reader(self._run, ConfigError, _RESTORE).object(FORMAT)
        lacking = [name for name in SECTIONS if not isinstance(content.get(name), dict)]
        if lacking:
            raise ConfigError.of(self._run, f"lacks {lacking[0]}", _RESTORE)
        return content

    def append(self, measurements: Iterable[Measurement]) -> list[Measurement]:
        """Add the reports of steps later than all that are there, and return those.

        They are on disk when this returns.
        """
        added = []
        for measurement in measurements:
            if measurement.progress.step > self.last_step:
                append_json_line(self.metrics, measurement.plain())
                self._last_step = measurement.progress.step
                added.append(measurement)
        return added

    @property
    def last_step(self) -> int:
        """Step of the last report, 0 where there is none. For the one writer: read once."""
        if self._last_step is None:
            self._last_step = max((one.progress.step for one in self.measurements()), default=0)
        return self._last_step

    def measurements(self) -> Iterator[Measurement]:
        """All reports so far, in the order of their steps."""
        reader = Reader(self.metrics, ConfigError, "mend or remove that line")
        return reader.records(Measurement)

    def begin_session(self, session: Mapping[str, Any]) -> None:
        """Note on what, and with which versions, training begins or goes on."""
        append_json_line(self._sessions, session)

    def end(self, outcome: Outcome) -> None:
        """Write how the run ended or paused. One that has ended stays, unless it begins again."""
        before = self.outcome()
        assert before is None or not before.state.is_final, f"{self.root} has ended"
        write_json(self._outcome, asdict(outcome))

    def resume(self) -> None:
        """Let a paused run go on."""
        before = self.outcome()
        assert before is None or not before.state.is_final, f"{self.root} has ended"
        self._outcome.unlink(missing_ok=True)

    def outcome(self) -> Outcome | None:
        """The end of the run, or its pause; None while it runs, or where its process was lost."""
        if not self._outcome.exists():
            return None
        return Reader(self._outcome, ConfigError, _RESTORE).record(Outcome)

    def _unfit(self, problem: str, remedy: str) -> ConfigError:
        return ConfigError.of(self.root, problem, remedy)


class RunFolder(RunFiles):
    """The folder of a single run.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = RunFolder(Path(name, "run"))
    ...     folder.create({"dataset": {}, "model": {"N": 2}, "training": {}, "costs": {}})
    ...     folder.record()["model"], folder.outcome(), list(folder.measurements())
    ({'N': 2}, None, [])
    """

    def create(self, record: Mapping[str, Any]) -> None:
        """Write `run.json`: `SECTIONS`, and others that the caller knows of."""
        self._write(record)

    def record(self) -> dict[str, Any]:
        """The content of `run.json`. Raises `ConfigError` where it is damaged or foreign."""
        return self._read()
