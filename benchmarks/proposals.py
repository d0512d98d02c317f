"""What a proposal costs the driver with thousands of trials in the study, by sampler.

    python benchmarks/proposals.py [--trials 2000] [--proposals 20] [--samplers tpe nsga2 ...]

A real folder and study grow by random proposals, as in driver.py; then each sampler opens a copy
of them and starts jobs of new trials: what is drawn again for it was tried, or can't be built, is
in the time, as are the trial's records. `auto` is what the space and the budget make of it.
Prints a Markdown table of processor time: median and range, and the share that the first draw
takes apart, which looks through the study once.
"""

import argparse
import shutil
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
from driver import CONCURRENCY, SHAPE, NoDisplay, record_of, report
from measuring import conditions, spread

from sweep_platform.plan.budget import Budget
from sweep_platform.search.scheduler import TrialScheduler
from sweep_platform.search.search import open_search
from sweep_platform.space.rules.sampling import chosen_sampler
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder

MIXED: dict[str, dict[str, Any]] = {
    "N": {"low": 1, "high": 8},
    "T": {"low": 1, "high": 8},
    "hidden_size": {"choices": [64, 128, 256]},
    "M_max": {"choices": [1, 4, 16]},
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
}
RANGES = {name: knob for name, knob in MIXED.items() if "low" in knob}
BUDGETS = {**MIXED, "training_flops": {"low": 1e16, "high": 1e18, "log": True}}
SPACES: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    "two objectives": (MIXED, {}, ("auto", "tpe", "nsga2", "random", "quasi-random")),
    "one objective, ranges": (
        RANGES,
        {"objectives": ["exact_accuracy"]},
        ("auto", "tpe", "cma-es", "gp"),
    ),
    "training compute as a knob": (BUDGETS, {}, ("auto", "tpe", "nsga2", "front")),
}
"""Knobs, what else a space says, and the samplers that are measured there."""


def spec_of(name: str, sampler: str, trials: int) -> SweepSpec:
    """A search with room for some more than these trials."""
    knobs, rest, _ = SPACES[name]
    each = {} if "training_flops" in knobs else {"flops_per_trial": 1e18}
    content = {
        "name": "benchmark",
        "dataset": {"name": "sudoku"},
        "space": knobs,
        "budget": {"trials": trials + 1_000, **each},
        "search": {"sampler": sampler},
        **rest,
    }
    return SpaceFile.of(content).resolve(None)


def opened(folder: SweepFolder, spec: SweepSpec, trials: int) -> TrialScheduler:
    """A driver of a sweep that has so many trials."""
    search = open_search(folder, spec, SHAPE, {"fingerprint": "5f0c"}, concurrency=CONCURRENCY)
    return TrialScheduler(search, Budget(spec.budget, trials=trials), NoDisplay(), lambda: 10**6)


def grow(folder: SweepFolder, spec: SweepSpec, trials: int) -> None:
    """Let a sweep come to so many trials that have ended."""
    folder.create(record_of(spec))
    scheduler, generator = opened(folder, spec, 0), np.random.default_rng(0)
    running = deque[tuple[str, Any]]()
    for number in range(trials):
        job = scheduler.start(str(number))
        assert job is not None
        running.append((str(number), job))
        if len(running) == CONCURRENCY or number == trials - 1:
            while running:
                key, one = running.popleft()
                for half in (1, 2):
                    scheduler.report(key, report(one, half, generator))
                scheduler.ended(key)


def costs(place: Path, name: str, sampler: str, trials: int, proposals: int) -> list[float]:
    """Milliseconds of processor time of each proposal by a sampler, the first one first."""
    copy = shutil.copytree(place / "grown", place / "copy")
    spec, found = spec_of(name, sampler, trials), list[float]()
    scheduler = opened(SweepFolder(copy), spec, trials)
    for number in range(proposals):
        began = time.process_time()
        assert scheduler.start(f"new {number}") is not None
        found.append(1000 * (time.process_time() - began))
    shutil.rmtree(copy)
    return found


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--trials", type=int, default=2_000)
    arguments.add_argument("--proposals", type=int, default=20)
    arguments.add_argument("--samplers", nargs="+")
    options = arguments.parse_args()
    print(conditions("optuna", "numpy", "torch"))
    print(
        f"\n{options.trials:,} trials in the study; ms of a proposal, {options.proposals} each\n"
    )
    print("| space | sampler | first | then: median (range) |\n|---|---|--:|--:|")
    for name, (_, _, samplers) in SPACES.items():
        with tempfile.TemporaryDirectory() as folder:
            grown = SweepFolder(Path(folder, "grown"))
            grow(grown, spec_of(name, "random", options.trials), options.trials)
            for sampler in samplers:
                if options.samplers and sampler not in options.samplers:
                    continue
                many = options.proposals if sampler != "gp" else min(3, options.proposals)
                first, *rest = costs(Path(folder), name, sampler, options.trials, many)
                own = chosen_sampler(spec_of(name, sampler, options.trials)).name
                words = f"`{sampler}`" + (f" ({own})" if own != sampler else "")
                print(f"| {name} | {words} | {first:.0f} | {spread(rest, 0)} |", flush=True)


if __name__ == "__main__":
    main()
