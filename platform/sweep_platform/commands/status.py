"""How a sweep stands, from its folder alone: whether a driver is at work on it or not."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from puzzle_datasets.common.page import printable
from puzzle_datasets.common.text import columns, counted, flops, percent, seconds
from sweep_platform.commands.standing import TrialStanding, spent_seconds, standings
from sweep_platform.common.text import knobs
from sweep_platform.plan.budget import amounts_by_limit, bill
from sweep_platform.plan.jobs import planned_jobs
from sweep_platform.plan.spending import Amounts, Rates
from sweep_platform.report.analysis.points import Point, curve_points, front
from sweep_platform.report.wording import metric, moment
from sweep_platform.space.space_file import overridden
from sweep_platform.space.training_budget import expected_flops
from sweep_platform.spec.metrics import METRIC
from sweep_platform.store.folder import Session, SweepFolder
from sweep_platform.store.steering.course import course_of, extended
from sweep_platform.store.steering.messages import Exchange
from sweep_platform.store.trial import TrialState

SILENT_SECONDS = 600.0
"""A running replicate that has said nothing for so long, while others did, may be stuck."""

MOST_MESSAGES = 10
"""That are shown, the newest."""

_LOCKS = Path("/proc/locks")


@dataclass(frozen=True, kw_only=True)
class Running:
    """A replicate that is under way: what it is, how far, where, and when it was last heard of.

    `share` is of its training budget, `heard` seconds ago, None before its first report.
    """

    trial: int
    replicate: str
    knobs: dict[str, Any]
    share: float
    host: str | None
    heard: float | None

    @property
    def silent(self) -> bool:
        """Whether it may be stuck."""
        return self.heard is not None and self.heard > SILENT_SECONDS


@dataclass(frozen=True, kw_only=True)
class Status:
    """How a sweep stands.

    Attributes:
        name, folder: of the sweep.
        state: running, paused, or how its last session ended; "killed" if that is not recorded.
        driver: process id of the driver that holds the folder on this host, if there is one.
        trials: in each state, `planned` how many there will be.
        training_flops, wall_seconds: that were spent.
        flops_limit: of all replicates that are planned; minutes_limit: None for none.
        limits: what is spent of each other limit of the budget, and the most of it, by setting.
        bill: the same in words, empty where there is none.
        trials_an_hour: that came to an end, None before the first.
        front: the points that no other beats.
        running: replicates that are under way.
        messages: what people told the sweep, and what became of it, the oldest first.
    """

    name: str
    folder: str
    state: str
    driver: int | None
    trials: dict[str, int]
    planned: int
    training_flops: int
    wall_seconds: float
    flops_limit: float
    minutes_limit: float | None
    trials_an_hour: float | None
    front: tuple[Point, ...]
    running: tuple[Running, ...]
    messages: tuple[Exchange, ...] = ()
    limits: dict[str, dict[str, float]] = field(default_factory=dict)
    bill: str = ""

    def plain(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return asdict(self)


def status(folder: SweepFolder) -> Status:
    """Read how a sweep stands. Raises `InputError` where the folder holds none."""
    history, sessions = tuple(folder.messages.history()), folder.sessions()
    record, trials = extended(folder.record(), history), standings(folder)
    spec = overridden(record.spec, f"{folder.root}/sweep.json", ())
    driver, jobs = owner(folder.lock), planned_jobs(spec, spec.trials)
    spent, rates = spent_seconds(folder, sessions, trials), Rates.from_spec(spec)
    in_all = sum((trial.spent for trial in trials), Amounts())
    of_limits = amounts_by_limit(spec.budget, rates, in_all)
    ended, hours = sum(trial.state.is_final for trial in trials), spent / 3600
    at_work = driver is not None
    curves = [(trial.number, curve) for trial in trials if (curve := trial.curve)]
    return Status(
        name=record.name,
        folder=str(folder.root),
        state=_state_at_work(history) if at_work else _last_end(sessions),
        driver=driver,
        trials={state.value: n for state, n in Counter(trial.state for trial in trials).items()},
        planned=jobs.trials,
        training_flops=sum(trial.training_flops for trial in trials),
        wall_seconds=spent,
        flops_limit=expected_flops(spec) * jobs.total,
        minutes_limit=spec.budget.minutes,
        trials_an_hour=ended / hours if ended and hours else None,
        front=tuple(front(point for one in curves for point in curve_points(*one))),
        running=tuple(_running(trials)) if at_work else (),
        messages=history,
        limits={
            limit.value: {"spent": there, "most": most}
            for limit, there, most in of_limits
            if most is not None
        },
        bill=bill(spec.budget, rates, in_all),
    )


def _state_at_work(history: Iterable[Exchange]) -> str:
    return "running" if course_of(history).paused is None else "paused"


def _last_end(sessions: Sequence[Session]) -> str:
    if not sessions:
        return "not begun"
    end = sessions[-1].end
    return "killed" if end is None else end.value


def owner(lock: Path) -> int | None:
    """The process that holds a lock file, as Linux lists it; None where there is none.

    The lock itself is not tried: a driver that starts at that moment would be refused.
    """
    try:
        found = lock.stat()
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return None
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for line in lines:
        fields = line.split()
        if "FLOCK" in fields and place in fields:
            return int(fields[fields.index(place) - 1])
    return None


def _running(trials: Iterable[TrialStanding]) -> Iterator[Running]:
    """The replicates that have neither ended nor been paused."""
    now = time.time()
    for trial in trials:
        for one in trial.replicates if not trial.state.is_final else ():
            if one.state is TrialState.RUNNING:
                last = one.last.progress if one.last else None
                yield Running(
                    trial=trial.number,
                    replicate=one.folder.label,
                    knobs=trial.folder.record().knobs,
                    share=last.step / last.total_steps if last else 0.0,
                    host=one.folder.host(),
                    heard=max(0.0, now - one.folder.metrics.stat().st_mtime) if last else None,
                )


def in_words(found: Status) -> str:
    """The status as people read it."""
    states = ", ".join(f"{number} {state}" for state, number in sorted(found.trials.items()))
    owner = f" by process {found.driver}" if found.driver is not None else ""
    lines = [
        f"{found.name} in {found.folder}: {found.state}{owner}",
        f"{counted(sum(found.trials.values()), 'trial')} of {found.planned}: {states or 'none'}",
        _spent(found),
    ]
    if found.trials_an_hour is not None:
        lines.append(f"{found.trials_an_hour:.3g} trials an hour")
    if found.front:
        lines += ["", "Front", _front_table(found.front)]
    if found.running:
        lines += ["", "Running", _running_table(found.running)]
    for one in found.running:
        if one.silent and one.heard is not None:
            what = f"trial {one.trial} {one.replicate}"
            lines.append(f"{what} has said nothing for {seconds(one.heard)}; it may be stuck.")
    if found.messages:
        lines += ["", "Messages", _messages_table(found.messages[-MOST_MESSAGES:])]
    return "\n".join(lines)


def _spent(found: Status) -> str:
    share = percent(found.training_flops / found.flops_limit)
    compute = f"{flops(found.training_flops)} of {flops(found.flops_limit)} ({share})"
    limit = f" of {seconds(60 * found.minutes_limit)}" if found.minutes_limit else ""
    of_limits = f"; {found.bill}" if found.bill else ""
    return f"Spent: {compute}, {seconds(found.wall_seconds)}{limit}{of_limits}"


def _front_table(front: Sequence[Point]) -> str:
    heading = ("trial", "M", METRIC["exact_accuracy"].column, METRIC["inference_flops"].column)
    rows = [
        (
            str(point.trial),
            str(point.segments),
            point.words,
            metric("inference_flops", point.inference_flops),
        )
        for point in front
    ]
    return columns([heading, *rows])


def _messages_table(messages: Sequence[Exchange]) -> str:
    heading = ("", "sent", "by", "message", "", "answer")
    rows = [
        (
            str(one.message.number),
            moment(one.message.sent),
            printable(one.message.sender),
            printable(one.message.words),
            one.state,
            printable(one.answer.text) if one.answer else "",
        )
        for one in messages
    ]
    return columns([heading, *rows], str.ljust)


def _running_table(running: Sequence[Running]) -> str:
    heading = ("trial", "replicate", "trained", "heard", "host", "knobs")
    rows = [
        (
            str(one.trial),
            one.replicate,
            percent(one.share),
            f"{seconds(one.heard)} ago" if one.heard is not None else "not yet",
            one.host or "",
            knobs(one.knobs),
        )
        for one in running
    ]
    return columns([heading, *rows], str.ljust)
