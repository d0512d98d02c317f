"""The folder of a run, a single one or a trial of a sweep: one layout, and one rule to go on.

    run.json         which puzzles, model and training, and the costs; written before it runs
    metrics.jsonl    a line for each report; no step is there twice
    answers.parquet  of a single run: which puzzles each evaluation solved; see `AnswerFile`
    answers.parts    those of a run that goes on, as they came; merged at its end
    sessions.jsonl   a line whenever training begins or goes on
    checkpoint.pt    all that the run needs to go on
    error.txt        the traceback of a run that broke
    outcome.json     how the run ended; missing while it may go on
    lock             held by the one process that writes here

A checkpoint holds the reports and answers so far. A run that goes on appends those that its files
lack; lines of later steps stay, since the steps give the same numbers when they are taken again:
to the bit on a CPU with as many threads, and to rounding elsewhere.
Imports no torch, so that readers stay light.
"""

import json
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from hrm.progress import Measurement
from puzzle_datasets.common.bounded import Moment
from puzzle_datasets.common.files import (
    append_json_line,
    exclusive,
    write_json,
)
from puzzle_datasets.common.options import make
from puzzle_datasets.common.reading import ANY_SIZE, Reader, parse_json
from puzzle_datasets.common.records import ContradictionError, MisfitError, record_from
from puzzle_datasets.common.text import shown

FORMAT = 1
SECTIONS = ("dataset", "model", "training", "costs")
"""Sections that `run.json` has at least."""

_UNFINISHED = {"lock", ".run.json.partial"}
"""Files that a run that died while it began may leave."""

_RESTORE = "restore it, or start anew"

_TAIL = 1 << 16
"""Bytes at the end of a file in which its last line is looked for."""

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
    ended: Moment

    def __post_init__(self) -> None:
        if self.state is RunState.RUNNING:
            raise ContradictionError("tells of an end, and that it runs")


class OutcomeFile:
    """How a run, or something made of runs, ended or paused; no file while it may go on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Outcome | None:
        """Return the end or pause; None where there is none. Raises `ConfigError`: damaged."""
        if not self.path.exists():
            return None
        return Reader(self.path, ConfigError, _RESTORE).record(Outcome)

    def write(self, outcome: Outcome) -> None:
        """Write how it ended or paused. What has ended stays so, unless it begins again."""
        self._require_no_end()
        write_json(self.path, asdict(outcome))

    def go_on(self) -> None:
        """Let what was paused go on."""
        self._require_no_end()
        self.path.unlink(missing_ok=True)

    def begin_again(self) -> None:
        """Let what has ended go on."""
        self.path.unlink(missing_ok=True)

    def _require_no_end(self) -> None:
        before = self.read()
        assert before is None or not before.state.is_final, f"{self.path} tells of an end"


class RunFiles:
    """The files of one run, whoever keeps it; what `run.json` holds is known to a subclass.

    Readers may come at any time, also while the run writes. Raises `ConfigError` where a file is
    damaged, or of another version.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.checkpoint, self.metrics = root / "checkpoint.pt", root / "metrics.jsonl"
        self.error, self.lock = root / "error.txt", root / "lock"
        self.answers = root / "answers.parquet"
        self._run, self._outcome = root / "run.json", OutcomeFile(root / "outcome.json")
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

    def _read(
        self, known: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None
    ) -> dict[str, Any]:
        """What `run.json` holds; a `known` model and training, but for its seed, need no check.

        Raises `ConfigError`: it is damaged, or of another version.
        """
        content = Reader(self._run, ConfigError, _RESTORE).object(FORMAT)
        lacking = [name for name in SECTIONS if not isinstance(content.get(name), dict)]
        if lacking:
            raise ConfigError.of(self._run, f"lacks {lacking[0]}", _RESTORE)
        model, training = content["model"], content["training"]
        try:
            own = {name: value for name, value in training.items() if name != "seed"}
            if known != (model, own) or type(training.get("seed")) is not int:
                require_settings(model, training)
        except MisfitError as error:
            raise ConfigError.of(self._run, error.problem, _RESTORE) from error
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
        remedy, before = "mend or remove that line", -1
        reports = Reader(self.metrics, ConfigError, remedy).records(Measurement)
        for line, one in enumerate(reports, start=1):
            if (step := one.progress.step) <= before:
                problem = f"is damaged: line {line} has step {step} after step {before}"
                raise ConfigError.of(self.metrics, problem, remedy)
            before = step
            yield one

    def report_times(self) -> Iterator[int]:
        """When each report was made, in Unix ms; the rest of it is not looked at."""
        for line in Reader(self.metrics, ConfigError, "mend or remove that line").lines():
            if isinstance(line, dict) and isinstance(time_ms := line.get("time_ms"), int):
                yield time_ms

    def last_measurement(self) -> Measurement | None:
        """The last report, without a look at those before it; None before the first."""
        if not self.metrics.exists():
            return None
        remedy = "mend or remove its last line"
        with Reader(self.metrics, ConfigError, remedy, ANY_SIZE).opened() as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, end - _TAIL))
            lines = stream.read().split(b"\n")[:-1]  # behind the last end a writer may have died
        if not lines:
            return None
        if len(lines) == 1 and end > _TAIL:  # its beginning is further back
            return max(self.measurements(), key=lambda one: one.progress.step, default=None)
        try:
            return record_from(parse_json(lines[-1].decode()), Measurement)
        except (MisfitError, UnicodeDecodeError) as error:
            problem = f"is damaged: its last line {getattr(error, 'problem', 'is no text')}"
            raise ConfigError.of(self.metrics, problem, remedy) from error

    def begin_session(self, session: Mapping[str, Any]) -> None:
        """Note on what, and with which versions, training begins or goes on."""
        append_json_line(self._sessions, session)

    def host(self) -> str | None:
        """The host on which training went on last; None where the record does not say."""
        lines = Reader(self._sessions, ConfigError, "mend or remove that line").lines()
        hosts = [line.get("host") for line in lines if isinstance(line, dict)]
        return next((host for host in reversed(hosts) if isinstance(host, str)), None)

    def end(self, outcome: Outcome) -> None:
        """Write how the run ended or paused. One that has ended stays, unless it begins again."""
        self._outcome.write(outcome)

    def resume(self) -> None:
        """Let a paused run go on."""
        self._outcome.go_on()

    def begin_again(self) -> None:
        """Let a run that has ended go on from its checkpoint, if it has one."""
        self._outcome.begin_again()
        self.error.unlink(missing_ok=True)

    def outcome(self) -> Outcome | None:
        """The end of the run, or its pause; None while it runs, or where its process was lost."""
        return self._outcome.read()

    def _unfit(self, problem: str, remedy: str) -> ConfigError:
        return ConfigError.of(self.root, problem, remedy)


def require_settings(
    model: Mapping[str, Any], training: Mapping[str, Any], without: str = ""
) -> None:
    """Raise `MisfitError` unless a record has all settings of a model and training, `without` one.

    Said of the file that holds them as `model` and `training`.
    """
    known: tuple[tuple[str, type[Any], Mapping[str, Any]], ...]
    known = ("model", ModelConfig, model), ("training", TrainingConfig, training)
    for section, settings, values in known:
        for item in fields(settings):
            if item.name not in values and item.name != without:
                raise MisfitError(f"lacks the key '{section}.{item.name}'")
        try:
            _require_possible(cast(Hashable, settings), json.dumps(values))
        except ConfigError as error:
            what = f"{shown(error.value)} as {section}.{error.field}"
            raise MisfitError(f"has {what}, which is impossible here") from error


@lru_cache(maxsize=4096)
def _require_possible(settings: Any, values: str) -> None:
    """Raise `ConfigError` where settings, as JSON, are none; a sweep's have most in common."""
    make(settings, json.loads(values), ConfigError)


class RunFolder(RunFiles):
    """The folder of a single run.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = RunFolder(Path(name, "run"))
    ...     folder.create({"dataset": {}, "model": {"N": 2}, "training": {}, "costs": {}})
    ...     folder.exists(), folder.outcome(), list(folder.measurements())
    (True, None, [])
    """

    def create(self, record: Mapping[str, Any]) -> None:
        """Write `run.json`: `SECTIONS`, and others that the caller knows of."""
        self._write(record)

    def record(self) -> dict[str, Any]:
        """The content of `run.json`. Raises `ConfigError` where it is damaged or foreign."""
        return self._read()
