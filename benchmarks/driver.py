"""What the driver spends on a trial as a sweep grows: proposing, placing, recording, deciding.

    python benchmarks/driver.py [--trials 100 1000 10000] [--window 50] [--sampler random]

A sweep in a real folder with a real study grows to the largest size. Its workers are simulated:
four jobs run at once and report twice, with an evaluation half way and one at the end. Of the
last trials before each size the driver's processor time is taken, files included. Measured are a
search with rungs and one replicate, and one with three replicates whose proposals follow from the
seed alone. Prints a Markdown table: median and range over the window, in milliseconds a trial,
and the ratio to the smallest size.
"""

import argparse
import statistics
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from measuring import conditions, spread

from hrm.progress import Curve, Measurement, Progress
from sweep_platform.plan.budget import Budget
from sweep_platform.search.scheduler import TrialScheduler
from sweep_platform.search.search import open_search
from sweep_platform.search.stages.live import Job
from sweep_platform.space.knobs import Shape
from sweep_platform.spec.schema import (
    BudgetSpec,
    Choices,
    DatasetSpec,
    Range,
    RungSpec,
    SearchSpec,
    SweepSpec,
)
from sweep_platform.store.folder import SweepFolder, SweepRecord
from sweep_platform.store.messages import TrialReport
from sweep_platform.store.trial import Outcome, TrialRecord

SHAPE = Shape(vocab_size=12, seq_len=81, num_puzzle_identifiers=1)
CONCURRENCY = 4
Result = TypeVar("Result")
KINDS = ("start", "report", "end")


class NoDisplay:
    """Shows nothing, but counts the trials that ended."""

    ended = 0

    def job_started(self, job: Job, resumed: bool = False) -> None: ...

    def job_measured(self, job: Job, progress: Progress) -> None: ...

    def job_ended(self, job: Job, outcome: Outcome) -> None: ...

    def trial_ended(self, record: TrialRecord, outcome: Outcome) -> None:
        self.ended += 1

    def note(self, text: str) -> None:
        raise RuntimeError(text)


def main() -> None:
    """Grow both sweeps and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--trials", type=int, nargs="+", default=[100, 1_000, 10_000])
    arguments.add_argument("--window", type=int, default=50)
    arguments.add_argument("--sampler", default="random")
    options = arguments.parse_args()
    print(conditions("optuna", "numpy"))
    print(f"\nSampler {options.sampler}; ms of processor time a trial: median (range)")
    for words, changes in SEARCHES.items():
        print(f"\n{words}\n\n| trials | a trial | ratio | {' | '.join(KINDS)} |")
        print("|--:" * (3 + len(KINDS)) + "|")
        with tempfile.TemporaryDirectory() as name:
            spec = spec_of(max(options.trials), options.sampler, changes)
            of_trials = list(grown(Path(name, "sweep"), spec))
        print_sizes(of_trials, sorted(options.trials), options.window)


def print_sizes(of_trials: list[Counter[str]], sizes: list[int], window: int) -> None:
    """Print one row for each size."""
    first = 0.0
    for size in sizes:
        last = of_trials[size - window : size]
        whole = [sum(one.values()) for one in last]
        first = first or statistics.median(whole)
        parts = (f"{statistics.median(one[kind] for one in last):.2f}" for kind in KINDS)
        ratio = statistics.median(whole) / first
        print(f"| {size:,} | {spread(whole, 2)} | {ratio:.2f} | {' | '.join(parts)} |")


SEARCHES = {
    "One replicate, a rung at half of the training": {
        "rungs": RungSpec(at=(0.5,)),
        "deterministic": False,
    },
    "Three replicates, proposals that follow from the seed alone": {
        "replicates": 3,
        "deterministic": True,
    },
}


def spec_of(trials: int, sampler: str, changes: dict[str, object]) -> SweepSpec:
    """A search over five knobs, one of them endless."""
    fields = dict(changes)
    search = SearchSpec(sampler=sampler, deterministic=fields.pop("deterministic"))
    return SweepSpec(
        name="benchmark",
        dataset=DatasetSpec(name="sudoku"),
        space={
            "N": Choices(choices=(1, 2, 4, 8)),
            "T": Range(low=1, high=8),
            "hidden_size": Choices(choices=(64, 128, 256)),
            "M_max": Choices(choices=(1, 4, 16)),
            "learning_rate": Range(low=1e-4, high=1e-2, log=True),
        },
        budget=BudgetSpec(trials=trials, flops_per_trial=1e18),
        search=search,
        **fields,
    )


def grown(root: Path, spec: SweepSpec) -> Iterator[Counter[str]]:
    """Run a whole sweep; milliseconds that each trial took, by what was done, as trials end."""
    folder = SweepFolder(root)
    folder.create(record_of(spec))
    search = open_search(folder, spec, SHAPE, {"fingerprint": "5f0c"}, concurrency=CONCURRENCY)
    display, generator = NoDisplay(), np.random.default_rng(0)
    scheduler = TrialScheduler(search, Budget(spec.budget), display, lambda: CONCURRENCY)
    running: deque[tuple[str, Job]] = deque()
    spent, keys, told = Counter[str](), 0, 0
    while True:
        while len(running) < CONCURRENCY:
            keys += 1
            job = timed(spent, "start", scheduler.start, str(keys))
            if job is None:
                break
            running.append((str(keys), job))
        if not running:
            return
        key, job = running.popleft()
        for half in (1, 2):
            sent = report(job, half, generator)
            timed(spent, "report", scheduler.report, key, sent)
        timed(spent, "end", scheduler.ended, key)
        if display.ended > told:
            told += 1
            yield spent
            spent = Counter()


def timed(
    spent: Counter[str], kind: str, work: Callable[..., Result], *arguments: object
) -> Result:
    """Do something, and add the milliseconds of processor time that it took."""
    began = time.process_time()
    result = work(*arguments)
    spent[kind] += 1000 * (time.process_time() - began)
    return result


def record_of(spec: SweepSpec) -> SweepRecord:
    """The record of a sweep."""
    return SweepRecord(
        id="benchmark",
        name=spec.name,
        created=0.0,
        space_file="benchmark.yaml",
        scale="none",
        spec=spec.model_dump(mode="json"),
        dataset={"name": "sudoku", "fingerprint": "5f0c"},
        environment={},
    )


def report(job: Job, half: int, generator: np.random.Generator) -> TrialReport:
    """What a worker sends half way and at the end; more compute solves a little more."""
    record = job.record
    ability = np.log(record.inference_flops) / 50 + 0.2 * generator.random()
    accuracy = round(float(ability) * half / 2, 3)
    progress = progress_of(
        record.total_steps, half, record.training_flops, record.inference_flops, accuracy
    )
    return TrialReport(
        trial=record.number,
        replicate=job.replicate.label,
        measurements=(Measurement(time_ms=half, progress=progress),),
    )


def progress_of(
    steps: int, half: int, training_flops: int, inference_flops: int, accuracy: float
) -> Progress:
    """Progress half way or at the end of so many steps."""
    curve = Curve(
        exact_accuracy=(accuracy,),
        token_accuracy=(accuracy,),
        inference_flops=(inference_flops,),
        puzzles=1_000,
    )
    return Progress(
        step=steps * half // 2,
        total_steps=steps,
        training_flops=training_flops * half // 2,
        loss=1.0,
        lm_loss=1.0,
        train_exact_accuracy=0.0,
        mean_segments=1.0,
        learning_rate=1e-3,
        examples=steps * half // 2,
        device_seconds=float(half),
        examples_per_second=1.0,
        peak_memory_bytes=1,
        curve=curve,
    )


if __name__ == "__main__":
    main()
