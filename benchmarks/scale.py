"""Where one driver breaks: a thousand workers, each of which reports every second.

    python benchmarks/scale.py [--workers 100 300 1000] [--rounds 10] [--length 10] [--ray]

Workers are simulated on a clock of their own, on which the driver takes the time that it really
took: `TrialScheduler` with a real folder and a real study records and decides one report after the
other, so that reports wait where it is slower than they come. Each worker runs `rounds` trials, of
`length` seconds on average, which are evaluated at their end. Printed are the reports that the
driver handles in a second, with their trials' beginnings and ends; the share of that time in which
it computed (else it waited for the disk); how long after a report its decision falls (the lag:
median, 99th percentile, worst); and the memory that it gained. With `--ray`, a real Ray Tune whose
trials do nothing but report says how many reports it hands on in a second.
"""

import argparse
import heapq
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from driver import SEARCHES, SHAPE, NoDisplay, progress_of, record_of, spec_of
from measuring import conditions

from hrm.progress import Measurement
from sweep_platform.plan.budget import Budget
from sweep_platform.search.scheduler import TrialScheduler
from sweep_platform.search.search import open_search
from sweep_platform.search.stages.live import Job
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.messages import TrialReport

PERIOD = 1.0
"""Seconds between two reports of a worker."""


@dataclass(order=True)
class Event:
    """A report that a worker sends at a time of the simulated clock, its last one if so."""

    at: float
    key: str
    job: Job = field(compare=False)
    number: int = field(compare=False)
    of: int = field(compare=False)


class Cluster:
    """Workers on a simulated clock, and the driver that answers them one after another."""

    def __init__(self, root: Path, workers: int, trials: int, length: float) -> None:
        spec = spec_of(trials, "random", SEARCHES["One replicate, a rung at half of the training"])
        folder = SweepFolder(root)
        folder.create(record_of(spec))
        dataset = {"fingerprint": "5f0c"}
        search = open_search(folder, spec, SHAPE, dataset, concurrency=workers)
        self.scheduler = TrialScheduler(search, Budget(spec.budget), NoDisplay(), lambda: workers)
        self._generator, self._length = np.random.default_rng(0), length
        self._events: list[Event] = []
        self._now, self._keys = 0.0, 0
        self.busy = self.computed = 0.0
        self.lags: list[float] = []
        self.reports = 0
        self._workers = workers

    def run(self) -> None:
        """Run until every trial has ended."""
        self._fill()
        while self._events:
            event = heapq.heappop(self._events)
            self._now = max(self._now, event.at)
            self._answer(event)
            self.lags.append(self._now - event.at)

    def _fill(self) -> None:
        """Start jobs until none is to start; each begins to report when it was placed."""
        while len(self._events) < self._workers:
            self._keys += 1
            key = str(self._keys)
            job = self._do(lambda key=key: self.scheduler.start(key))
            if job is None:
                return
            count = 1 + int(self._generator.poisson(self._length / PERIOD - 1))
            first = self._now + PERIOD * self._generator.random()
            heapq.heappush(self._events, Event(first, key, job, 1, count))

    def _answer(self, event: Event) -> None:
        sent = _report(event, self._generator)
        self._do(lambda: self.scheduler.report(event.key, sent))
        self.reports += 1
        if event.number < event.of:
            following = Event(event.at + PERIOD, event.key, event.job, event.number + 1, event.of)
            heapq.heappush(self._events, following)
            return
        self._do(lambda: self.scheduler.ended(event.key))
        self._fill()

    def _do(self, work: Callable[[], Any]) -> Any:
        """Let the driver do something, for as long as it takes on this machine, files included."""
        began, computed = time.monotonic(), time.process_time()
        result = work()
        took = time.monotonic() - began
        self.computed += time.process_time() - computed
        self._now, self.busy = self._now + took, self.busy + took
        return result


def _report(event: Event, generator: np.random.Generator) -> TrialReport:
    record, last = event.job.record, event.number == event.of
    accuracy = round(float(generator.random()), 3)
    whole = progress_of(2 * event.of, 2, record.training_flops, record.inference_flops, accuracy)
    share = event.number / event.of
    spent = {"step": 2 * event.number, "training_flops": int(record.training_flops * share)}
    fields = {**whole.__dict__, **spent, **({} if last else {"curve": None})}
    measured = Measurement(time_ms=event.number, progress=type(whole)(**fields))
    label = event.job.replicate.label
    return TrialReport(trial=record.number, replicate=label, measurements=(measured,))


def main() -> None:
    """Print a row for each number of workers."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--workers", type=int, nargs="+", default=[100, 300, 1_000])
    arguments.add_argument("--rounds", type=int, default=10)
    arguments.add_argument("--length", type=float, default=10.0)
    arguments.add_argument("--ray", action="store_true")
    options = arguments.parse_args()
    print(conditions("optuna", "ray", "numpy"))
    heading = ("workers", "trials", "reports", "handled a second", "computing")
    print(f"\n| {' | '.join((*heading, 'lag: median', '99 %', 'worst', 'memory'))} |")
    print("|--:" * 9 + "|")
    for workers in options.workers:
        print(row(workers, workers * options.rounds, options.length), flush=True)
    if options.ray:
        print(f"\nRay Tune alone hands on {through_ray():,.0f} reports a second (8 trials)")


def row(workers: int, trials: int, length: float) -> str:
    """Run one sweep; its row of the table."""
    process = psutil.Process()
    before = process.memory_info().rss
    with tempfile.TemporaryDirectory() as name:
        cluster = Cluster(Path(name, "sweep"), workers, trials, length)
        cluster.run()
    gained = (process.memory_info().rss - before) / 1e6
    rate = cluster.reports / cluster.busy
    lags = sorted(cluster.lags)
    worst = [statistics.median(lags), lags[int(0.99 * (len(lags) - 1))], lags[-1]]
    seconds = " | ".join(f"{lag:.3f} s" for lag in worst)
    counts = f"{workers:,} | {trials:,} | {cluster.reports:,}"
    share = f"{cluster.computed / cluster.busy:.0%}"
    return f"| {counts} | {rate:,.0f} | {share} | {seconds} | {gained:+,.0f} MB |"


def through_ray(reports: int = 500, trials: int = 8) -> float:
    """Reports a second that Ray Tune hands on where trials do nothing else."""
    from ray import tune

    from sweep_platform.execution.connection import connected

    def report_only(config: dict[str, Any]) -> None:
        for number in range(reports):
            tune.report({"report": "x" * 1_000, "number": number})

    arrived: list[float] = []

    class Counting(tune.Callback):  # type: ignore[misc]
        def on_trial_result(self, *_: Any, **__: Any) -> None:
            arrived.append(time.monotonic())

    with connected(None), tempfile.TemporaryDirectory() as name:
        tune.Tuner(
            tune.with_resources(report_only, {"cpu": 0.1}),
            tune_config=tune.TuneConfig(num_samples=trials),
            run_config=tune.RunConfig(storage_path=name, verbose=0, callbacks=[Counting()]),
        ).fit()
    middle = arrived[len(arrived) // 4 : -len(arrived) // 4]
    return (len(middle) - 1) / (middle[-1] - middle[0])


if __name__ == "__main__":
    main()
