"""How soon each sampler finds the front of accuracy and training compute, on a formula.

    python benchmarks/samplers.py --samplers random tpe front --seeds 20 --trials 40

Each trial has a budget, a number of cycles and a learning rate. Accuracy rises with the logarithm
of the budget; the more there is of it, the more cycles are best. Printed are the share of the
greatest area below a front that was reached, and the training FLOPs to shares of it.
"""

import argparse
import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import optuna

from puzzle_datasets.common.exit_status import guarded, say
from sweep_platform.report.analysis.compute.hypervolume import Steps
from sweep_platform.search.samplers import distribution, sampler
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.spec.schema import SweepSpec

LOW, HIGH = 8, 11
"""Powers of ten of the budgets."""

BEST_RATE = 10**-2.6
SHARES = (0.5, 0.6, 0.7, 0.8)


def accuracy(point: dict[str, Any]) -> float:
    """What a trial of these knobs comes to."""
    tens = math.log10(point["training_flops"]) - LOW
    rate = math.log10(point["learning_rate"] / BEST_RATE) / 0.6
    cycles = ((point["N"] - 1) / 7 - 0.15 - 0.7 * tens / 3) / 0.3
    return (0.25 + 0.25 * tens) * math.exp(-(rate**2) - cycles**2)


def space(name: str, seed: int, trials: int) -> SweepSpec:
    """The space that is searched."""
    content = {
        "name": "formula",
        "dataset": {"name": "sudoku", "side": 4, "train": 10, "test": 10},
        "space": {
            "training_flops": {"low": 10.0**LOW, "high": 10.0**HIGH, "log": True},
            "N": {"low": 1, "high": 8},
            "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
        },
        "model": {"hidden_size": 32, "num_heads": 1},
        "budget": {"trials": trials},
        "search": {"sampler": name, "startup_trials": 8},
        "seed": seed,
    }
    return SpaceFile.of(content).resolve(None)


def searched(name: str, seed: int, trials: int) -> Iterator[tuple[float, float]]:
    """Training FLOPs spent and area below the front, after each trial."""
    spec, below, spent = space(name, seed, trials), Steps(HIGH), 0.0
    study = optuna.create_study(directions=["maximize", "minimize"])
    for number in range(trials):
        study.sampler = sampler(spec, number)
        trial = study.ask({name: distribution(knob) for name, knob in spec.space.items()})
        flops, found = trial.params["training_flops"], accuracy(trial.params)
        study.tell(trial, [found, flops])
        below.add(math.log10(flops), found)
        spent += flops
        yield spent, below.area


def greatest_area() -> float:
    """The area below the front of all points, at a thousand budgets each at its best knobs."""
    below = Steps(HIGH)
    for number in range(1001):
        flops = 10 ** (LOW + (HIGH - LOW) * number / 1000)
        rest = {"training_flops": flops, "learning_rate": BEST_RATE}
        below.add(math.log10(flops), max(accuracy({**rest, "N": n}) for n in range(1, 9)))
    return below.area


def spent_to(area: float, course: Sequence[tuple[float, float]]) -> float:
    """Training FLOPs until the area below the front was that large; infinite if it never was."""
    return next((spent for spent, reached in course if reached >= area), math.inf)


def main() -> int:
    """Print a table of the samplers, medians over seeds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--samplers", nargs="+", default=["random", "tpe", "nsga2", "front"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=40)
    given = parser.parse_args()
    return guarded("samplers", lambda: compare(given.samplers, given.seeds, given.trials))


def compare(samplers: Sequence[str], seeds: int, trials: int) -> int:
    """Print a row for each sampler: its end, and FLOPs to shares of the greatest area."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    say("| sampler | area at the end | " + " | ".join(f"FLOPs to {s:.0%}" for s in SHARES) + " |")
    say("|---" * (2 + len(SHARES)) + "|")
    whole = greatest_area()
    for name in samplers:
        courses = [list(searched(name, seed, trials)) for seed in range(seeds)]
        end = statistics.median(course[-1][1] / whole for course in courses)
        cells = [f"{end:.0%}"]
        for share in SHARES:
            spent = [spent_to(share * whole, course) for course in courses]
            reached = sum(map(math.isfinite, spent))
            middle = statistics.median(spent)
            cells.append(f"{middle:.1e}" if math.isfinite(middle) else f"({reached} of {seeds})")
        say(f"| `{name}` | " + " | ".join(cells) + " |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
