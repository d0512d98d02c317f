"""How often differences are told from chance, of simulated ones: variances against a bootstrap.

    python benchmarks/paired_statistics.py

Two configurations solve puzzles by chance; tasks differ in difficulty, suit one of the two, and
seeds come out otherwise, all in log odds. Where nothing differs, 5 % should be told from chance.

Then interactions, targets and curves: how often nothing is taken for something, how often
something is found, and how many intervals hold the truth.
"""

import argparse
import platform

import numpy as np
import numpy.typing as npt
import scipy
from scipy.special import expit
from scipy.stats import ttest_1samp
from statsmodels.duration.survfunc import survdiff

from sweep_platform.report.analysis.compute.scaling import Estimate, scaling
from sweep_platform.report.analysis.paired import interval

Table = npt.NDArray[np.float64]
CASES = [(0.0, 0.0), (0.7, 0.0), (0.0, 0.4), (0.7, 0.4), (1.5, 0.1)]
RESAMPLES = 2_000


def drawn(
    generator: np.random.Generator, shape: tuple[int, int], gain: float, case: tuple[float, float]
) -> Table:
    """Differences `[seeds, tasks]` of two configurations, the second better by a gain."""
    seeds, tasks = shape
    of_tasks, of_seeds = case
    hard = generator.normal(-0.5, 1.5, tasks)
    each = []
    for shift in (0.0, gain):
        odds = shift + hard + generator.normal(0, of_tasks, tasks)
        odds = odds + generator.normal(0, of_seeds, (seeds, 1))
        each.append((generator.random(shape) < 1 / (1 + np.exp(-odds))).astype(float))
    difference: Table = each[1] - each[0]
    return difference


def by_variances(table: Table, _: np.random.Generator) -> float:
    """The p-value of the report."""
    return interval(table, np.ones(table.shape[1])).p or 1.0


def by_seeds(table: Table, _: np.random.Generator) -> float:
    """Student's t over the seeds' means alone."""
    return float(ttest_1samp(table.mean(axis=1), 0.0).pvalue)


def by_bootstrap(table: Table, generator: np.random.Generator) -> float:
    """Seeds and tasks drawn anew, together; with Student's t over seeds, the larger of the two."""
    seeds, tasks = table.shape
    of_seeds = generator.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES)
    of_tasks = generator.multinomial(tasks, np.full(tasks, 1 / tasks), RESAMPLES)
    means = np.einsum("bs,st,bt->b", of_seeds, table, of_tasks, optimize=True)
    beyond = min((means <= 0).sum(), (means >= 0).sum())
    return max(min(1.0, 2.0 * (beyond + 1) / (RESAMPLES + 1)), by_seeds(table, generator))


def contrasts(generator: np.random.Generator, gain: float) -> bool:
    """Whether an interaction, of four configurations and five seeds, is told from chance."""
    rates = 0.4 + np.array([gain, 0.0, 0.0, 0.0])
    hard = generator.normal(0, 0.1, 100)
    high, *others = ((generator.random((5, 100)) < rate + hard).astype(float) for rate in rates)
    table = (high - others[0]) - (others[1] - others[2])
    return (interval(table, np.ones(100)).p or 1.0) < 0.05


def targets(generator: np.random.Generator, factor: float) -> bool:
    """Whether FLOPs to a target are told apart, of ten trials each, censored at 2."""
    times = generator.exponential(1.0, 20) * np.repeat([1.0, factor], 10)
    groups = np.repeat([0, 1], 10)
    return bool(survdiff(np.minimum(times, 2.0), (times < 2.0).astype(int), groups)[1] < 0.05)


def curves(generator: np.random.Generator, seeds: int) -> bool:
    """Whether the interval of the compute for a target holds the truth, over some seeds."""
    flops = 10 ** np.linspace(8, 11, 7)
    middles = 9.5 + generator.normal(0, 0.1, (seeds, 1))
    accuracy = 0.8 * expit((np.log10(flops) - middles) * 3)
    found = scaling(flops, accuracy + generator.normal(0, 0.01, accuracy.shape), 0.4)
    needed = getattr(found, "needed", None)
    return isinstance(needed, Estimate) and needed.low < 10**9.5 < needed.high


def others(runs: int) -> None:
    """Print how often each of these is so."""
    cases = [
        ("interaction of nothing, told from chance", contrasts, 0.0),
        ("interaction of 20 points, told from chance", contrasts, 0.2),
        ("equal costs of a target, told apart", targets, 1.0),
        ("costs that differ fourfold, told apart", targets, 4.0),
        ("compute for a target, in its interval, 3 seeds", curves, 3),
        ("compute for a target, in its interval, 5 seeds", curves, 5),
    ]
    for words, way, case in cases:
        generator = np.random.default_rng(1)
        share = np.mean([way(generator, case) for _ in range(runs)])
        print(f"{words:50} {100 * float(share):5.1f} %")


def main() -> int:
    """Simulate each case, with and without a gain, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--others", action="store_true", help="all but differences in pairs")
    asked = parser.parse_args()
    runs = asked.runs
    print(f"{platform.machine()}, numpy {np.__version__}, scipy {scipy.__version__}; n = {runs}")
    if asked.others:
        others(runs)
        return 0
    print("seeds tasks gain  tasks' seeds' | variances bootstrap seeds alone (% told from chance)")
    ways = (by_variances, by_bootstrap, by_seeds)
    for shape in ((3, 31), (3, 200), (5, 31), (5, 200)):
        for gain in (0.0, 0.6):
            for case in CASES:
                generator = np.random.default_rng(1)
                tables = [drawn(generator, shape, gain, case) for _ in range(runs)]
                told = [[way(one, generator) < 0.05 for one in tables] for way in ways]
                shares = " ".join(f"{100 * float(np.mean(one)):9.1f}" for one in told)
                print(f"{shape[0]:5} {shape[1]:5} {gain:4} {case[0]:7} {case[1]:6} | {shares}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
