"""A sweep of thousands of trials, as a user has it, on workers that are simulated.

    python benchmarks/sweep_at_scale.py [--trials 10000] [--place FOLDER] [--sampler auto]

`sweeps/run.py`'s code runs whole: space, puzzles, study, folder, MLflow's thread into an SQLite
file, display. In place of Ray stand workers that report at once, half way and at the end, each
with a curve and answers; they wait while MLflow is far behind, as trials of minutes would. After
the last trial but four the driver is killed. Then measured are `--resume` up to the moment at
which trials start, and until MLflow has all, `hrm-sweep status`, and `sweeps/report.py`. Each is a
process of its own.

Prints a Markdown table: processor and clock time, in the first and the last tenth of the trials
the time of a trial and of a report (that of the driver's own thread, in which decisions wait, and
of all threads), and the driver's memory. Processor time grows with what else a machine does, so a
piece of work that stays the same is timed beside it. A `--place` in which the sweep ran before is
measured again without running it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import psutil
from driver import CONCURRENCY
from measuring import conditions

from hrm.evaluation.per_puzzle import PuzzleAnswers
from hrm.progress import Curve, Measurement, Progress
from sweep_platform.search.scheduler import TrialScheduler
from sweep_platform.search.stages.live import Job
from sweep_platform.store.messages import TrialReport
from sweep_platform.tracking.mlflow_tracker import MlflowTracker

ROOT = Path(__file__).parents[1]
UNIT = json.dumps([{"number": number, "words": "x" * 40} for number in range(2_000)])
"""What is read at each look: how long that takes tells how busy the machine is."""

PUZZLES, BEHIND, LEFT = 100, 200, 4
"""Test puzzles; trials that MLflow may be behind; trials under way when the driver is killed."""


def space(trials: int, sampler: str) -> dict[str, Any]:
    """A search with rungs over five knobs, two of them endless."""
    return {
        "name": "scale",
        "dataset": {"name": "sudoku", "side": 4, "clues": 6, "train": 100, "test": PUZZLES},
        "space": {
            "N": {"low": 1, "high": 8},
            "T": {"low": 1, "high": 8},
            "hidden_size": {"choices": [32, 64, 128]},
            "M_max": {"choices": [1, 2, 4, 8]},
            "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
            "weight_decay": {"low": 1e-3, "high": 1.0, "log": True},
        },
        "model": {"head_dim": 32, "H_layers": 1, "L_layers": 1},
        "budget": {"trials": trials, "flops_per_trial": 1e15},
        "rungs": {"at": [0.5]},
        "search": {"sampler": sampler},
        "resources": {"cpus": 0.1, "gpus": 0},
    }


@dataclass(frozen=True)
class Look:
    """The driver after so many trials: seconds of its processors, reports, and memory (MB).

    `loop` is its own thread's, of which `reporting` went to reports; `process` is all threads'.
    `unit` are those that pieces of work took which are always the same, one a look.
    """

    trials: int
    loop: float
    reporting: float
    process: float
    clock: float
    reports: int
    memory: float
    unit: float
    looks: int


class Workers:
    """Stands for Ray: hands jobs out and reports what they would, until few are left."""

    def __init__(self, until: int, note: Callable[[Look], None]) -> None:
        self._until, self._note = until, note
        self._generator = np.random.default_rng(0)
        self._process = psutil.Process()
        self.ended = self.reports = self.seen = self._looks = 0
        self._spared = self._reporting = self._unit = 0.0

    def run(self, scheduler: TrialScheduler, job: Callable[[Job], Any], *_: Any) -> None:
        """Run what the scheduler starts; kill this process where enough trials have ended."""
        running: deque[tuple[str, Job]] = deque()
        keys = 0
        while self.ended < self._until:
            while len(running) < CONCURRENCY:
                keys += 1
                started = scheduler.start(str(keys))
                if started is None:
                    break
                job(started).to_text()
                running.append((str(keys), started))
            scheduler.should_end()
            key, one = running.popleft()
            self._train(scheduler, key, one)
            scheduler.ended(key)
            self.ended += 1
            if self.ended % 10 == 0:
                self._note(self.look())
            while self.ended - self.seen > BEHIND:
                time.sleep(0.05)
        while self.seen < self.ended:
            time.sleep(0.05)
        self._note(self.look())
        os._exit(0)

    def look(self) -> Look:
        """The driver as it is now, without what the workers took of it."""
        memory = self._process.memory_info().rss / 1e6
        began = time.thread_time()
        json.loads(UNIT)
        took = time.thread_time() - began
        self._unit, self._spared, self._looks = (
            self._unit + took,
            self._spared + took,
            self._looks + 1,
        )
        loop, process = time.thread_time(), time.process_time()
        return Look(
            trials=self.ended,
            loop=loop - self._spared,
            reporting=self._reporting,
            process=process - self._spared,
            clock=time.monotonic(),
            reports=self.reports,
            memory=memory,
            unit=self._unit,
            looks=self._looks,
        )

    def _train(self, scheduler: TrialScheduler, key: str, job: Job) -> None:
        for half in (1, 2):
            began = time.thread_time()
            text = report(job, half, self._generator).to_text()
            sent = time.thread_time()
            self._spared += sent - began
            scheduler.report(key, TrialReport.from_text(text))
            self._reporting += time.thread_time() - sent
            self.reports += 1


def report(job: Job, half: int, generator: np.random.Generator) -> TrialReport:
    """What a worker sends half way and at the end; more compute solves a little more."""
    record, segments = job.record, int(job.record.model["M_max"])
    ability = np.log(record.inference_flops) / 60 + 0.1 * generator.random()
    shares = np.minimum(0.99, ability * half / 2 * np.linspace(0.5, 1, segments))
    solved = generator.random((PUZZLES, 1)) < shares
    exact = tuple(float(one) for one in solved.mean(0))
    step, flops = record.total_steps * half // 2, record.training_flops * half // 2
    curve = Curve(
        exact_accuracy=exact,
        token_accuracy=tuple((1 + one) / 2 for one in exact),
        inference_flops=tuple(
            record.inference_flops * m // segments for m in range(1, segments + 1)
        ),
        puzzles=PUZZLES,
    )
    progress = Progress(
        step=step,
        total_steps=record.total_steps,
        training_flops=flops,
        loss=1.0 / half,
        lm_loss=1.0 / half,
        train_exact_accuracy=0.5,
        mean_segments=1.0,
        learning_rate=1e-3,
        examples=step,
        device_seconds=60.0 * half,
        examples_per_second=100.0,
        peak_memory_bytes=10**9,
        curve=curve,
    )
    numbers = np.arange(PUZZLES, dtype=np.int32)
    answers = PuzzleAnswers(
        step=step,
        training_flops=flops,
        puzzles=numbers,
        views=0 * numbers,
        tasks=numbers,
        solved=solved,
        halted_at=0 * numbers + segments,
        vote_rank=0 * numbers,
    )
    return TrialReport(
        trial=record.number,
        replicate=job.replicate.label,
        measurements=(Measurement(time_ms=int(time.time() * 1000), progress=progress),),
        answers=(answers,),
        session={"host": "simulated", "device": "cpu"} if half == 1 else None,
    )


def drive(place: Path, resume: bool) -> None:
    """Run or resume the sweep in this process, until it is killed; writes `driver.jsonl`."""
    from sweep_platform import run_sweep
    from sweep_platform.commands import run as command
    from sweep_platform.driver import session
    from sweep_platform.execution import cluster, decisions, placement, ray_tune
    from sweep_platform.search.losses import Hosts

    wanted = json.loads((place / "space.json").read_text())
    out = (place / f"{'resume' if resume else 'run'}.jsonl").open("w")

    def note(look: Look) -> None:
        print(json.dumps(asdict(look)), file=out, flush=True)

    until = 0 if resume else wanted["budget"]["trials"] - LEFT
    workers = Workers(until, note)

    def run_trials(*arguments: Any) -> None:
        note(replace(workers.look(), clock=time.time() - psutil.Process().create_time()))
        while resume and not workers.seen:
            time.sleep(0.05)
        note(replace(workers.look(), clock=time.time() - psutil.Process().create_time()))
        workers.run(*arguments)

    sync = MlflowTracker.sync

    def counted(tracker: MlflowTracker) -> None:
        ended = workers.ended or int(resume)
        sync(tracker)
        workers.seen = max(workers.seen, ended)

    with ExitStack() as replaced:
        for kind, name, stand_in in (
            (ray_tune, "run_trials", run_trials),
            (placement, "Demand", mock.MagicMock()),
            (command, "connected", lambda _: nullcontext()),
            (cluster.Resources, "hosts", lambda *_: Hosts({}, frozenset())),
            (session.SweepSession, "_slots", lambda *_: CONCURRENCY),
            (session.SweepSession, "_watched", lambda *_: nullcontext()),
            (decisions.DecisionChannel, "send", lambda *_: None),
            (MlflowTracker, "sync", counted),
        ):
            replaced.enter_context(mock.patch.object(kind, name, stand_in))
        run_sweep(
            wanted,
            out=place / "sweep",
            resume=resume,
            data=place / "data",
            tracking_uri=f"sqlite:///{place}/mlflow.db",
        )


def timed(*command: str) -> tuple[float, float]:
    """Run a command; its seconds by the clock and of processors."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    taken = time.monotonic() - began
    return taken, usage.ru_utime + usage.ru_stime


def looks(place: Path, name: str) -> list[Look]:
    """What a driver noted."""
    return [Look(**json.loads(line)) for line in (place / f"{name}.jsonl").open()]


def rows(place: Path) -> Iterator[str]:
    """Run all and give each row of the table."""
    wanted = json.loads((place / "space.json").read_text())
    trials, python = wanted["budget"]["trials"], sys.executable
    driver = (python, str(Path(__file__).absolute()), "--place", str(place), "--drive")
    if not (place / "run.jsonl").exists():
        clock, seconds = timed(*driver, "run")
        yield f"the sweep | {clock:,.0f} s, {seconds:,.0f} s of processors | |"
    yield from growth(looks(place, "run"), trials)
    timed(*driver, "resume")
    start, synced, *_ = looks(place, "resume")
    yield f"`--resume` until trials start | {both(start.clock, start.process)} | 60 s |"
    yield f"… until MLflow has all as well | {both(synced.clock, synced.process)} | |"
    yield f"… memory then | {synced.memory:,.0f} MB | |"
    sweep, status = str(place / "sweep"), str(Path(python).with_name("hrm-sweep"))
    for words, goal, line in (
        ("`hrm-sweep status`", "5 s", (status, "status", sweep)),
        ("`hrm-sweep status --json`", "5 s", (status, "status", sweep, "--json")),
        ("`sweeps/report.py`", "2 min", (python, str(ROOT / "sweeps/report.py"), sweep)),
    ):
        yield f"{words} | {both(*timed(*line))} | {goal} |"


def both(clock: float, processor: float) -> str:
    return f"{clock:.1f} s, {processor:.1f} s of processors"


def growth(noted: list[Look], trials: int) -> Iterator[str]:
    """Rows on the first and the last tenth of a driver's trials, each by ten of them."""
    noted = noted[1:]
    tenth = trials // 10
    first = [one for one in noted if one.trials <= tenth]
    last = [one for one in noted if one.trials > trials - LEFT - tenth]
    units = [per(part, "unit", "looks") for part in (first, last)]
    slower = statistics.median(units[1]) / statistics.median(units[0])
    yield f"a piece of work that stays the same | {' → '.join(map(_spread, units))} ms | |"
    for words, name in (("the loop", "loop"), ("all threads", "process")):
        each = [per(part, name, "trials") for part in (first, last)]
        ratio = statistics.median(each[1]) / statistics.median(each[0])
        cells = " → ".join(_spread(one) for one in each)
        alike = f"{ratio:.2f} times, {ratio / slower:.2f} by equal work"
        yield f"a trial, {words} | {cells} ms, {alike} | 2 times |"
    for words, name in (("the loop", "reporting"), ("all that all threads do", "process")):
        each = [per(part, name, "reports") for part in (first, last)]
        yield f"a report, {words} | {' → '.join(_spread(one) for one in each)} ms | 5 ms |"
    memory = [one.memory for one in noted]
    course = f"{memory[0]:,.0f} MB after 20 trials, {max(memory):,.0f} at most"
    yield f"memory | {memory[-1] - memory[0]:+,.0f} MB ({course}) | +300 MB |"


def per(noted: list[Look], name: str, count: str) -> list[float]:
    """Milliseconds of one kind for each trial or report, in blocks."""
    block = max(1, len(noted) // 10)
    marks = noted[::block]
    return [
        1000 * (getattr(b, name) - getattr(a, name)) / (getattr(b, count) - getattr(a, count))
        for a, b in pairwise(marks)
    ]


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def main() -> None:
    """Print the table, or be the driver of it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--trials", type=int, default=10_000)
    arguments.add_argument("--sampler", default="auto")
    arguments.add_argument("--place", type=Path, help="a new folder, which is kept")
    arguments.add_argument("--drive", choices=("run", "resume"), help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.drive:
        drive(options.place, options.drive == "resume")
        return
    print(conditions("optuna", "mlflow", "ray", "numpy"))
    print(
        f"\n{options.trials:,} trials, sampler `{options.sampler}`\n\n| | | goal |\n|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as name:
        place = options.place or Path(name)
        place.mkdir(exist_ok=True)
        (place / "space.json").write_text(json.dumps(space(options.trials, options.sampler)))
        for row in rows(place):
            print(f"| {row}", flush=True)


if __name__ == "__main__":
    main()
