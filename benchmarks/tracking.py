"""What it costs the driver that a sweep is tracked in MLflow, against Ray's own callback.

    python benchmarks/tracking.py [--trials 40] [--rounds 3]

The same simulated sweep as in driver.py, of three replicates a trial, runs without tracking, and
with it into a new SQLite database. `loop` is processor time of the driver's own thread, in which
decisions wait; `process` that of all its threads until everything is stored. The baseline hands
the same reports, with the keys that Tune adds, to Ray's MLflowLoggerCallback, which runs in the
loop. Prints a Markdown table: median and range over the rounds, in milliseconds a report.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from driver import SEARCHES, grown, spec_of
from measuring import conditions, spread

from sweep_platform.spec.metrics import measured
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.tracking.mlflow_store import open_store
from sweep_platform.tracking.mlflow_tracker import MlflowTracker
from sweep_platform.tracking.tracker import TrackerThread

REPLICATES, REPORTS = 3, 2
"""Of a trial, and of a replicate."""
TUNE_KEYS = {
    "timestamp": 1.0,
    "time_this_iter_s": 1.0,
    "time_total_s": 1.0,
    "pid": 1,
    "time_since_restore": 1.0,
    "iterations_since_restore": 1,
}


def main() -> None:
    """Measure the three, round by round, and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--trials", type=int, default=40)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    print(conditions("mlflow", "ray", "optuna"))
    print(f"\n{options.rounds} rounds of {options.trials} trials, ms a report: median (range)\n")
    ways = {"without tracking": untracked, "tracked": tracked, "Ray's callback alone": stock}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for way in ways.values():  # the first time, packages are imported
        with tempfile.TemporaryDirectory() as place:
            each(way, Path(place), 2)
    for _ in range(options.rounds):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as place:
                found[name].append(each(way, Path(place), options.trials))
    print("| | loop | process |\n|--|--:|--:|")
    for name, times in found.items():
        loop, process = zip(*times, strict=True)
        print(f"| {name} | {spread(loop, 2)} | {spread(process, 2)} |")
    print_ratios(found)


def print_ratios(found: dict[str, list[tuple[float, float]]]) -> None:
    """Print what tracking adds, and what the baseline costs against that, round by round."""
    extra = [
        tuple(b - a for a, b in zip(without, tracked, strict=True))
        for without, tracked in zip(found["without tracking"], found["tracked"], strict=True)
    ]
    times = [
        theirs[1] / ours[1]
        for theirs, ours in zip(found["Ray's callback alone"], extra, strict=True)
    ]
    print(f"\nTracking adds {spread([one[0] for one in extra], 2)} ms to the loop and ", end="")
    print(f"{spread([one[1] for one in extra], 2)} ms to the process;")
    print(f"the callback takes {spread(times, 1)} times as much as that.")


def each(way: Callable[[Path, int], float], place: Path, trials: int) -> tuple[float, float]:
    """Milliseconds a report of the loop's thread, as `way` returns them, and of the process."""
    began = time.process_time()
    loop = way(place, trials)
    reports = trials * REPLICATES * REPORTS
    return 1000 * loop / reports, 1000 * (time.process_time() - began) / reports


def untracked(place: Path, trials: int) -> float:
    """Run the sweep; seconds of this thread."""
    began = time.thread_time()
    for _ in grown(place / "sweep", spec(trials)):
        pass
    return time.thread_time() - began


def tracked(place: Path, trials: int) -> float:
    """The same while a thread sends what is recorded to MLflow."""
    sweep = grown(place / "sweep", spec(trials))
    began = time.thread_time()
    next(sweep)
    first = time.thread_time() - began
    folder = SweepFolder(place / "sweep")
    folder.session_started()
    tracker = MlflowTracker(folder, f"sqlite:///{place}/mlflow.db")
    tracker.check()
    thread = TrackerThread(tracker, print)
    thread.start()
    began = time.thread_time()
    for _ in sweep:
        pass
    loop = time.thread_time() - began
    folder.session_ended(SessionEnd.DONE)
    assert thread.stop(patience=600) == 0, "all was sent"
    return first + loop


class Trial:
    """As much of a trial of Tune's as the callback looks at."""

    def __init__(self, number: int) -> None:
        self.trial_id, self.config = f"{number:08d}", {"N": 1, "T": 2, "learning_rate": 1e-3}


def stock(place: Path, trials: int) -> float:
    """Ray's callback, handed the reports of as many replicates."""
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    uri = f"sqlite:///{place}/mlflow.db"
    open_store(uri)
    callback = MLflowLoggerCallback(tracking_uri=uri, experiment_name="stock")
    callback.setup()
    generator = np.random.default_rng(0)
    began = time.thread_time()
    for number in range(trials * REPLICATES):
        trial: Any = Trial(number)
        callback.log_trial_start(trial)
        for half in range(1, REPORTS + 1):
            callback.log_trial_result(half, trial, result(half, generator))
        callback.log_trial_end(trial)
    return time.thread_time() - began


def result(half: int, generator: np.random.Generator) -> dict[str, Any]:
    """A result as Tune hands it on, with the metrics of our report."""
    from driver import progress_of

    metrics = measured(progress_of(100, half, 10**9, 10**6, float(generator.random())))
    return {**metrics, **TUNE_KEYS, "training_iteration": half}


def spec(trials: int) -> Any:
    """The search of three replicates."""
    return spec_of(trials, "random", SEARCHES[THREE])


THREE = "Three replicates, proposals that follow from the seed alone"

if __name__ == "__main__":
    main()
