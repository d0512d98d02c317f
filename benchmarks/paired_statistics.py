"""How often differences are told from chance, of simulated ones: variances against a bootstrap.

    python benchmarks/paired_statistics.py

Two configurations solve puzzles by chance; tasks differ in difficulty, suit one of the two, and
seeds come out otherwise, all in log odds. Where nothing differs, 5 % should be told from chance.
"""

import argparse
import platform

import numpy as np
import numpy.typing as npt
import scipy
from scipy.stats import ttest_1samp

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


def main() -> int:
    """Simulate each case, with and without a gain, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    runs = parser.parse_args().runs
    print(f"{platform.machine()}, numpy {np.__version__}, scipy {scipy.__version__}; n = {runs}")
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
