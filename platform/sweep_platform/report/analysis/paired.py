"""Differences between configurations, paired by seed and task, with what chance alone would give.

Seeds and tasks are two samples: another seed learns otherwise, and other tasks are easier or
harder. So the variance of a mean is put together of what seeds, tasks and the rest contribute (an
analysis of variance with two crossed random effects), and Student's t asked with the degrees of
freedom that Satterthwaite's approximation gives. Drawing seeds and tasks anew (a bootstrap) counts
the rest up to three times: of three seeds and 31 tasks it told half as many gains from chance.
`benchmarks/paired_statistics.py` simulates both.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student
from statsmodels.stats.multitest import multipletests

from sweep_platform.report.analysis.answers import Accuracies
from sweep_platform.report.analysis.difference import Difference

FEWEST = 3
"""Seeds and tasks below which no interval is given."""

LEAST = 0.2
"""Share of the rest below which no variance is believed.

The normal's 1.96 by Student's t of three seeds is about its square root: an interval of so few is
never narrower than chance in single puzzles alone would have it.
"""

ROUNDING = 1e-6
"""Accuracies that differ by less are the same: they are kept in single precision."""


def interval(solved: Accuracies, weights: Accuracies) -> Difference:
    """The mean of accuracies, or of differences, `[seeds, tasks]` over tasks of these weights."""
    seeds, tasks = solved.shape
    solved = solved.astype(float)
    mean = float(np.average(solved.mean(axis=0), weights=weights))
    size = _effect_size(solved @ weights / weights.sum())
    # Where all are alike, nothing tells how much others would differ.
    if seeds < FEWEST or tasks < FEWEST or np.ptp(solved) == 0:
        return Difference(mean=mean, effect_size=size, seeds=seeds, tasks=tasks)
    error, freedom = _standard_error((solved - mean) * weights / weights.mean())
    margin = float(student.ppf(0.975, freedom)) * error
    return Difference(
        mean=mean,
        low=mean - margin,
        high=mean + margin,
        effect_size=size,
        p=float(2 * student.sf(abs(mean) / error, freedom)),
        seeds=seeds,
        tasks=tasks,
    )


def _effect_size(of_seeds: Accuracies) -> float | None:
    """Cohen's d_z: the mean of the seeds in standard deviations of theirs."""
    if len(of_seeds) < 2 or np.ptp(of_seeds) < ROUNDING:
        return None
    return float(of_seeds.mean() / of_seeds.std(ddof=1))


def _standard_error(deviations: Accuracies) -> tuple[float, float]:
    """Of the mean of deviations `[seeds, tasks]`, with its degrees of freedom.

    From the mean squares of seeds, tasks and rest, of which the rest is in both of the others and
    so is taken off once. Chance can make that too small, or negative: a fifth of the rest is the
    least, and the smaller of the two samples, less one, the fewest degrees of freedom.
    """
    seeds, tasks = deviations.shape
    of_seeds, of_tasks = deviations.mean(axis=1, keepdims=True), deviations.mean(axis=0)
    rest = deviations - of_seeds - of_tasks + deviations.mean()
    degrees = np.array([seeds - 1, tasks - 1, (seeds - 1) * (tasks - 1)])
    sums = tasks * np.square(of_seeds).sum(), seeds * np.square(of_tasks).sum(), (rest**2).sum()
    squares = np.array(sums) / degrees
    total = max(squares[0] + squares[1] - squares[2], LEAST * squares[2])
    freedom = total**2 / (squares**2 / degrees).sum()
    return float(np.sqrt(total / deviations.size)), float(max(freedom, min(seeds, tasks) - 1))


def corrected(p_values: Sequence[float]) -> list[float]:
    """P-values of several comparisons at once, corrected as Holm did: the least by their number.

    >>> corrected([0.04, 0.01, 0.5])
    [0.08, 0.03, 0.5]
    """
    if not p_values:
        return []
    _, told, *_ = multipletests(p_values, method="holm")
    return [float(one) for one in told]
