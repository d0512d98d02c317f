"""Time and memory of a report of many trials, from copies of a finished sweep's trials.

    python benchmarks/report.py runs/sudoku --trials 500

copies trials of the sweep until there are so many, each with a learning rate of its own as a
further knob, so that no two are alike, and writes the report of that folder and of the sweep
itself, each in a process of its own. Processor time counts all threads.
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from measuring import conditions, spread

from puzzle_datasets.common.exit_status import guarded, say
from sweep_platform.store.folder import SweepFolder

SCRIPT = Path(__file__).resolve().parents[1] / "sweeps" / "report.py"


def main() -> int:
    """Measure both folders in turn."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("sweep", type=Path, help="a finished sweep's folder")
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    return guarded("report", lambda: measure(given.sweep, given.trials, given.rounds))


def measure(source: Path, trials: int, rounds: int) -> int:
    """Print the medians and their spread."""
    say(conditions("altair", "numpy", "scipy", "statsmodels"))
    with tempfile.TemporaryDirectory() as place:
        few, many = Path(place) / "few", Path(place) / "many"
        shutil.copytree(source, few)
        multiply(source, many, trials)
        found: dict[Path, list[tuple[float, float]]] = {few: [], many: []}
        for _ in range(rounds):
            for folder, times in found.items():
                times.append(written(folder))
        for folder, times in found.items():
            count = len(SweepFolder(folder).trials())
            clock, processor = zip(*times, strict=True)
            size = (folder / "report" / "report.html").stat().st_size
            say(f"{count} trials: {spread(clock, 1)} s on the clock")
            say(f"  {spread(processor, 1)} s of processor time")
            say(f"  n = {rounds}; report.html has {size / 1e6:.1f} MB")
        ratio = statistics.median(t for t, _ in found[many]) / statistics.median(
            t for t, _ in found[few]
        )
        say(f"ratio of the medians on the clock: {ratio:.2f}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    say(f"most memory of any of these processes: {peak / 1e6:.2f} GB")
    return 0


def multiply(source: Path, target: Path, count: int) -> None:
    """A sweep with copies of another's trials, each with a learning rate of its own."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("trials", "report"))
    sweep, own = SweepFolder(target), SweepFolder(source).trials()
    record = sweep.record()
    space = {**record.spec["space"], "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
    sweep.create(replace(record, spec={**record.spec, "space": space}))
    rates = 10 ** np.random.default_rng(0).uniform(-4, -2, count)
    for number, rate in enumerate(rates.tolist()):
        one = own[number % len(own)]
        former = one.record()
        signature = f"{number:010x}{former.signature[10:]}"
        trial = sweep.trial(number, signature)
        shutil.copytree(one.root, trial.root, ignore=shutil.ignore_patterns("*.pt"))
        changed = replace(
            former,
            number=number,
            signature=signature,
            parameters={**former.parameters, "learning_rate": rate},
            training={**former.training, "learning_rate": rate},
        )
        trial.create(changed)
        for replicate in trial.replicates():
            replicate.create(changed, replicate.replicate())


def written(folder: Path) -> tuple[float, float]:
    """Seconds on the clock and of processor time that a report took."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, SCRIPT, folder], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begun, processor


if __name__ == "__main__":
    sys.exit(main())
