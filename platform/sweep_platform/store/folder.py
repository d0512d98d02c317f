"""The sweep's folder: the truth about a sweep, from which everything else can be rebuilt.

    runs/<sweep>/
        sweep.json              what is swept, on which data, by which code
        sessions.jsonl          when a driver started and how it ended
        study.journal           the Optuna study
        trials/0003-5f0c…/      one folder a trial, see `sweep_platform.store.trial`
        steering/               what people told it, see `sweep_platform.store.steering.messages`
        report/                 report.html, report.md and the charts

The driver alone writes here, but for messages to it. Readers may come at any time, also while the
sweep runs.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from puzzle_datasets.common.bounded import Amount, Count, Moment, Positive
from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.files import (
    append_json_line,
    exclusive,
    write_json,
)
from puzzle_datasets.common.reading import Reader
from puzzle_datasets.common.records import ContradictionError, MisfitError
from puzzle_datasets.common.text import shown
from sweep_platform.common.errors import InputError
from sweep_platform.store.sections import require_sections
from sweep_platform.store.steering.messages import Messages
from sweep_platform.store.trial import TrialFolder

FORMAT = 3
"""Of all records in the folder; a sweep of another format is refused, never misread."""

LONGEST_NAME = 255
"""Bytes of a folder's name, as file systems have it."""

PUT_BACK = "put the trial's folder back, or start another sweep by --out"
_RESTORE = "restore it, go on with the code that began the sweep, or start another sweep by --out"


class SessionEnd(StrEnum):
    """How a session ended."""

    DONE = "done"
    INCOMPLETE = "incomplete"
    """Time was up before every trial had come to its end."""
    INTERRUPTED = "interrupted"
    FAILED = "failed"


NO_SCALE = "none"
"""What is recorded as the scale where the space has none."""


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """What is swept and where it ran; written when the sweep is created.

    Attributes:
        id: unique name of this sweep; trackers file under it.
        name: the sweep's name, that of its folder.
        created: Unix time in seconds.
        space_file: the YAML file as it was named on the command line.
        scale: the scale that was chosen.
        spec: the fully resolved specification.
        dataset: folder, name, fingerprint and counts of the puzzles.
        environment: versions, git commit and hardware of the driver.
        tracking_uri: where MLflow is, its secrets hidden; None if that is not known.
        experiment: MLflow's number of the experiment there; None if that is not known.
        root: the absolute path of the folder, as of the last session; None in older records.
        steered: number of the last message whose extension the budget has.
        samplers: what proposed, and why `auto` chose it; several where it chose anew in a later
            session. Empty in older records, and of designs.
        learned: in words, what was taken over of each sweep of `learn_from`, and what left out.
        asked: what the space said when the sweep began, by dotted keys; none in older records.
        forked: the absolute path of the sweep with whose trials it began; None without.
        format: of the folder's records.
    """

    id: str
    name: str
    created: Moment
    space_file: str
    scale: str
    spec: dict[str, Any]
    dataset: dict[str, Any]
    environment: dict[str, Any]
    tracking_uri: str | None = None
    experiment: str | None = None
    root: str | None = None
    steered: Count = 0
    samplers: tuple[str, ...] = ()
    learned: tuple[str, ...] = ()
    asked: dict[str, Any] = field(default_factory=dict)
    forked: str | None = None
    format: Positive = FORMAT

    def __post_init__(self) -> None:
        for name in ("id", "name"):
            if not getattr(self, name):
                raise ContradictionError(f"has an empty {name}")
        if not is_name(self.name):
            raise ContradictionError(f"has {shown(self.name)} as name, which no folder can have")


def is_name(name: str) -> bool:
    """Whether a sweep may be called so: as one of a folder's names, which can be shown."""
    fits = len(name.encode(errors="replace")) <= LONGEST_NAME and "/" not in name
    return fits and name.isprintable()


@dataclass(frozen=True, kw_only=True)
class Session:
    """One driver's work on a sweep; `ended` and `end` stay None if it was killed.

    `over` is why the search was over before its budget was spent, None where it was not.
    `trials` is how many there were at its end, `replicates` how many each had, by its number; None
    and none in older records. `told` is true once the tracker has all that the folder has,
    `mirrored` once its mirror does. `seconds` is what it took without pauses, by a clock that
    never jumps; None in older records.
    """

    started: Moment
    ended: Moment | None = None
    seconds: Amount | None = None
    end: SessionEnd | None = None
    over: str | None = None
    trials: Count | None = None
    replicates: tuple[Count, ...] = ()
    told: bool = False
    mirrored: bool = False


@dataclass(frozen=True, kw_only=True)
class _Noted:
    """A line of sessions.jsonl: a session's start, its end, or who has it all since then."""

    started: Moment | None = None
    ended: Moment | None = None
    seconds: Amount | None = None
    end: SessionEnd | None = None
    over: str | None = None
    trials: Count | None = None
    replicates: tuple[Count, ...] = ()
    told: bool = False
    mirrored: bool = False


class SweepFolder:
    """Files of one sweep.

    `journal` is the Optuna study's, `lock` held by the one driver that runs the sweep,
    `checkpoints` the address of the store that keeps them, `messages` are those to the driver.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.journal = root / "study.journal"
        self.lock, self.checkpoints = root / "lock", str((root / "trials").absolute())
        self.messages = Messages(root / "steering")

    @property
    def report(self) -> Path:
        """The folder of the report; see `require_no_link`."""
        self.require_no_link()
        return self.root / "report"

    def require_no_link(self) -> None:
        """Raise `InputError` where the report would replace files that a link leads to."""
        for place in (self.root / "report", self.root / "report" / "tables"):
            if place.is_symlink():
                problem = "is a link, which no report is written through"
                raise InputError.of(place, problem, "remove the link")

    def exists(self) -> bool:
        """Whether a sweep was created here."""
        return (self.root / "sweep.json").exists()

    def create(self, record: SweepRecord) -> None:
        """Write what is swept. The folder counts as a sweep from here on."""
        self.root.mkdir(parents=True, exist_ok=True)
        write_json(self.root / "sweep.json", asdict(record))

    def discard(self) -> None:
        """Remove what there is before the first session."""
        for path in (self.root / "sweep.json", self.journal, self.lock):
            path.unlink(missing_ok=True)

    def record(self) -> SweepRecord:
        """Read what is swept. Raises `InputError`: there is nothing, or in another format."""
        if not self.exists():
            remedy = "name the folder of a sweep, such as runs/arc"
            raise InputError.of(self.root, "holds no sweep.json", remedy)
        path = self.root / "sweep.json"
        record = Reader(path, InputError, _RESTORE).record(SweepRecord, FORMAT)
        try:
            require_sections(record.spec, record.dataset, record.environment)
        except MisfitError as error:
            raise InputError.of(path, error.problem, _RESTORE) from None
        return record

    def trial(self, number: int, signature: str) -> TrialFolder:
        """The folder of a trial, made or not."""
        return TrialFolder(self.root / "trials" / trial_name(number, signature))

    def trials(self) -> list[TrialFolder]:
        """Every trial that was created, by number. Raises `InputError`: one is not there."""
        found = sorted((_number(path), path) for path in self._in_trials() if _is_created(path))
        for number, (own, folder) in enumerate(found):
            if own != number:
                problem = f"holds {folder.name} where trial {number} is to be"
                raise InputError.of(folder.parent, problem, PUT_BACK)
        return [TrialFolder(folder) for _, folder in found]

    def keeps(self, job: str) -> bool:
        """Whether the checkpoint of a job, by its key, lies here."""
        return (self.root / "trials" / job / "checkpoint.pt").exists()

    def _in_trials(self) -> list[Path]:
        """What people see in the folder of trials."""
        place = self.root / "trials"
        if place.exists() and not place.is_dir():
            raise InputError.of(place, "is no folder", PUT_BACK)
        found = place.iterdir() if place.exists() else ()
        return [path for path in found if not path.name.startswith(".")]

    def session_started(self) -> None:
        """Note that a driver took up the sweep."""
        self._note({"started": time.time()})

    def session_ended(
        self, end: SessionEnd, over: str | None = None, seconds: float | None = None
    ) -> None:
        """Note how the driver ended, and what trials there are if that can be told.

        `over` is why the search was over before its budget was spent, `seconds` what the session
        took without pauses, where that was measured.
        """
        content: dict[str, Any] = {"ended": time.time(), "end": end}
        content |= {} if seconds is None else {"seconds": seconds}
        content |= {} if over is None else {"over": over}
        with suppress(OSError, UserError):  # the report tells of a trial that is missing
            counts = [len(trial.replicates()) for trial in self.trials()]
            content |= {"trials": len(counts), "replicates": counts}
        self._note(content)

    def session_told(self) -> None:
        """Note that the tracker has all that is here."""
        self._note({"told": True})

    def session_mirrored(self) -> None:
        """Note that the mirror has all that is here, but for this note."""
        self._note({"mirrored": True})

    def _note(self, content: dict[str, Any]) -> None:
        if not self.exists():
            remedy = "resume the sweep where it is now"
            raise InputError.of(self.root, "was moved or removed while the sweep ran", remedy)
        append_json_line(self.root / "sessions.jsonl", content)

    def sessions(self) -> list[Session]:
        """Every driver's work, oldest first."""
        sessions: list[Session] = []
        path, remedy = self.root / "sessions.jsonl", "mend or remove that line"
        for one in Reader(path, InputError, remedy).records(_Noted):
            if one.started is not None:
                sessions.append(Session(started=one.started))
            elif sessions and (one.told or one.mirrored):
                last = sessions[-1]
                told, mirrored = last.told or one.told, last.mirrored or one.mirrored
                sessions[-1] = replace(last, told=told, mirrored=mirrored)
            elif sessions:
                ended = replace(sessions[-1], ended=one.ended, end=one.end, over=one.over)
                counted = replace(ended, trials=one.trials, replicates=one.replicates)
                sessions[-1] = replace(counted, seconds=one.seconds)
        return sessions


def trial_name(number: int, signature: str) -> str:
    """Name of a trial's folder."""
    return f"{number:04d}-{signature[:10]}"


def _is_created(trial: Path) -> bool:
    """Whether a trial's folder tells what is trained there; a driver may die before it does.

    Raises `InputError`: what has a trial's name is no folder, or its record is gone.
    """
    if os.path.exists(f"{trial}/trial.json"):  # noqa: PTH110 - of thousands, a quarter of the time
        return True
    if _number(trial) >= 0 and not trial.is_dir():
        raise InputError.of(trial, "is no folder, in the place of a trial", PUT_BACK)
    if any(trial.glob("*/run.json")):
        raise InputError.of(trial / "trial.json", "does not exist", PUT_BACK)
    return False


def _number(folder: Path) -> int:
    """The number in the name of a trial's folder; -1 in any other name."""
    number = folder.name.partition("-")[0]
    return int(number) if number.isdecimal() else -1


@contextmanager
def owned(folder: SweepFolder) -> Iterator[None]:
    """Own a sweep's folder; one that is begun here is removed again if no session comes of it.

    Raises `InputError`: it cannot be written, or another driver owns it.
    """
    made = _make(folder.root)
    folder.require_no_link()
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(folder.lock, wait=False))
        except BlockingIOError:
            raise InputError.of(
                folder.root,
                "is in use: another process runs this sweep",
                "wait for it or choose another --out",
            ) from None
        except OSError as error:
            problem = f"cannot be locked ({error.strerror})"
            raise InputError.of(
                folder.lock, problem, "remove it, or choose another --out"
            ) from None
        began = folder.exists()
        try:
            yield
        finally:
            if not began and not folder.sessions():
                folder.discard()
                with suppress(OSError):  # another sweep may have come into a folder of ours
                    for directory in made:
                        directory.rmdir()


def _make(root: Path) -> list[Path]:
    """Make a folder that can be written; returns what had to be made, innermost first."""
    missing = [path for path in (root, *root.parents) if not path.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not os.access(root, os.W_OK | os.X_OK):
            raise PermissionError("permission denied")
    except OSError as error:
        raise InputError.of(root, f"cannot be written ({error})", "choose another --out") from None
    return missing
