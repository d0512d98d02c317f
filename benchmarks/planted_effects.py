"""How often what was planted in simulated sweeps is found, and how often nothing is taken for it.

    python benchmarks/planted_effects.py

Interactions, costs of a target and scaling curves: nothing should be told from chance in 5 % of
runs, and 95 % of intervals should hold the truth. Importance: the planted knob should come first.
The path: its order should be the planted one as often as the binomial law of solved tasks
promises. The front's hypervolume: that of what was measured, and how far above the planted one.
"""

import argparse
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
from scipy.special import expit
from scipy.stats import binom

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from planted import TASKS as PLANTED_TASKS
from planted import planted

from sweep_platform.report.analysis.compute.hypervolume import Growth, growth
from sweep_platform.report.analysis.compute.log_rank import log_rank
from sweep_platform.report.analysis.compute.scaling import Estimate, scaling
from sweep_platform.report.analysis.knobs import importance
from sweep_platform.report.analysis.knobs.path import Path as Steps
from sweep_platform.report.analysis.knobs.path import path
from sweep_platform.report.analysis.paired import interval

Table = npt.NDArray[np.float64]
Way = Callable[[np.random.Generator], bool]
SEEDS, TASKS = 5, 100


def contrasts(generator: np.random.Generator, gain: float) -> bool:
    """Whether an interaction of four configurations is told from chance, which is all there is."""
    rates = 0.4 + np.array([gain, 0.0, 0.0, 0.0])
    hard = generator.normal(0, 0.1, TASKS)
    each = [(generator.random((SEEDS, TASKS)) < rate + hard).astype(float) for rate in rates]
    return told(each)


def varied_contrasts(generator: np.random.Generator, gain: float) -> bool:
    """The same where tasks suit one or the other, and seeds come out otherwise, in log odds."""
    hard = generator.normal(-0.5, 1.5, TASKS)
    each = []
    for shift in (gain, 0.0, 0.0, 0.0):
        odds = shift + hard + generator.normal(0, 0.7, TASKS)
        odds = odds + generator.normal(0, 0.4, (SEEDS, 1))
        each.append((generator.random((SEEDS, TASKS)) < expit(odds)).astype(float))
    return told(each)


def told(corners: list[Table]) -> bool:
    """Whether the contrast of four corners is told from chance at 5 %."""
    high, *others = corners
    table = (high - others[0]) - (others[1] - others[2])
    return (interval(table, np.ones(TASKS)).p or 1.0) < 0.05


def targets(generator: np.random.Generator, factor: float, trials: int = 10) -> bool:
    """Whether FLOPs to a target are told apart, of so many trials each, censored at 2."""
    times = generator.exponential(1.0, 2 * trials) * np.repeat([1.0, factor], trials)
    groups = np.repeat([0, 1], trials)
    return (log_rank(np.minimum(times, 2.0), (times < 2.0).astype(int), groups) or 1.0) < 0.05


def curves(generator: np.random.Generator, seeds: int) -> bool:
    """Whether the interval of the compute for a target holds the truth, over some seeds."""
    flops = 10 ** np.linspace(8, 11, 7)
    middles = 9.5 + generator.normal(0, 0.1, (seeds, 1))
    accuracy = 0.8 * expit((np.log10(flops) - middles) * 3)
    found = scaling(flops, accuracy + generator.normal(0, 0.01, accuracy.shape), 0.4)
    needed = getattr(found, "needed", None)
    return isinstance(needed, Estimate) and needed.low < 10**9.5 < needed.high


GRID = [
    {"N": n, "T": t, "hidden_size": w} for n in (1, 2, 4) for t in (1, 2, 4) for w in (8, 16, 32)
]
importance.RESAMPLES = 1  # of intervals nothing is asked here, and they take the time


def first(generator: np.random.Generator, gain: float, by: str) -> bool:
    """Whether T comes first by a measure of importance, of 27 configurations with three seeds.

    Doubling T gains so much accuracy, doubling the width 3 points, doubling N nothing.
    """
    sweep = planted(
        GRID,
        lambda k, _: 0.3 + gain * np.log2(k["T"]) + 0.03 * np.log2(k["hidden_size"] / 8),
        seed=int(generator.integers(2**31)),
        evaluations=1,
    )
    found = importance.importances(sweep, generator)
    assert isinstance(found, tuple)
    return max(found, key=lambda one: getattr(one, by).share).knob == "T"


def steps(generator: np.random.Generator, gain: float) -> bool:
    """Whether the path goes by T, then by N: T gains so much, N 10 points."""
    sweep = planted(
        [{"N": n, "T": t} for n in (1, 2) for t in (1, 2)],
        lambda k, _: 0.2 + gain * (k["T"] == 2) + 0.1 * (k["N"] == 2),
        seed=int(generator.integers(2**31)),
        evaluations=1,
        base={"N": 1, "T": 1},
    )
    found = path(sweep)
    return isinstance(found, Steps) and [one.knob for one in found.steps] == ["T", "N"]


def promised(gain: float) -> float:
    """How often T alone should solve more than N alone, and both together more than each.

    Of equally many N is taken, as the first by name; of equals the cheaper is the best.
    """
    tries = 3 * PLANTED_TASKS
    solved = np.arange(tries + 1)
    by_n, by_t = binom.pmf(solved, tries, 0.3), binom.pmf(solved, tries, 0.2 + gain)
    both = binom.sf(solved, tries, 0.3 + gain)  # more than so many
    base = binom.cdf(solved, tries, 0.2)  # no more; it hardly ever matters
    fewer = np.concatenate([[0.0], np.cumsum(by_n)[:-1]])
    return float((by_t * fewer * both * base).sum())


def excess(generator: np.random.Generator) -> tuple[bool, float]:
    """Whether a front's hypervolume is the area below what was measured, and its share above
    the area below the planted accuracies.
    """
    logs = generator.uniform(0, 3, 12)
    knobs: list[dict[str, Any]] = [{"N": int(10**one)} for one in logs]
    rates = {
        one["N"]: float(rate)
        for one, rate in zip(knobs, generator.uniform(0.1, 0.9, 12), strict=True)
    }
    rule: Any = lambda k, _: rates[k["N"]]  # noqa: E731
    sweep = planted(knobs, rule, seed=int(generator.integers(2**31)), evaluations=1)
    found = growth(sweep)
    assert isinstance(found, Growth)
    measured, true = [], []
    for trial in sweep.complete:
        assert trial.final is not None
        costs = trial.final.inference_flops
        measured += list(zip(costs, trial.final.exact_accuracy, strict=True))
        rate = rates[trial.knobs["N"]]
        true += [(costs[0], rate / 2), (costs[1], rate)]
    got = found.trials[-1].hypervolume
    return bool(np.isclose(got, area(measured))), got / area(true) - 1


def area(points: list[tuple[int, float]]) -> float:
    """The area below the steps of some points, strip by strip, in powers of ten of their cost."""
    costs = sorted({cost for cost, _ in points})
    heights = [max(height for cost, height in points if cost <= at) for at in costs[:-1]]
    return float(np.diff(np.log10(costs)) @ heights)


CASES: tuple[tuple[str, Way], ...] = (
    ("interaction of nothing, told from chance", lambda g: contrasts(g, 0.0)),
    ("the same, seeds and tasks differ", lambda g: varied_contrasts(g, 0.0)),
    ("interaction of 20 points, told from chance", lambda g: contrasts(g, 0.2)),
    ("equal costs of a target, told apart", lambda g: targets(g, 1.0)),
    ("the same, of 5 trials each", lambda g: targets(g, 1.0, 5)),
    ("costs that differ fourfold, told apart", lambda g: targets(g, 4.0)),
    ("compute for a target, in its interval, 3 seeds", lambda g: curves(g, 3)),
    ("compute for a target, in its interval, 5 seeds", lambda g: curves(g, 5)),
    ("T first though the width alone buys, by PED-ANOVA", lambda g: first(g, 0.0, "ped_anova")),
    ("T first, 6 points to the width's 3, by PED-ANOVA", lambda g: first(g, 0.06, "ped_anova")),
    ("T first, 6 points to the width's 3, by fANOVA", lambda g: first(g, 0.06, "fanova")),
    ("T first, 15 points to the width's 3, by PED-ANOVA", lambda g: first(g, 0.15, "ped_anova")),
    ("T first, 15 points to the width's 3, by fANOVA", lambda g: first(g, 0.15, "fanova")),
    (
        f"path by T then N, 15 points to 10 ({promised(0.15):.1%} promised)",
        lambda g: steps(g, 0.15),
    ),
    (f"path by T then N, 20 points to 10 ({promised(0.2):.1%} promised)", lambda g: steps(g, 0.2)),
)


def main() -> int:
    """Print how often each of these is so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400, help="of importance a quarter")
    runs = parser.parse_args().runs
    print(f"{platform.machine()}, numpy {np.__version__}, scipy {scipy.__version__}")
    for words, way in CASES:
        generator = np.random.default_rng(1)
        some = runs // 4 if words.startswith("T first") else runs
        share = np.mean([way(generator) for _ in range(some)])
        print(f"{words:55} {100 * float(share):5.1f} %, n = {some}", flush=True)
    generator = np.random.default_rng(1)
    same, over = zip(*(excess(generator) for _ in range(runs)), strict=True)
    shares = ("that of what was measured", same), ("above the planted one, on average", over)
    for words, each in shares:
        share = 100 * float(np.mean(each))
        print(f"{f'hypervolume {words}':55} {share:5.1f} %, n = {runs}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
