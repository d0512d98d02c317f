"""Differences between configurations, paired by seed and task, with what chance alone would give.

Seeds and tasks are two samples: another seed learns otherwise, and other tasks are easier or
harder. So both are drawn anew, together, some thousand times (a bootstrap of two crossed ways).
Few seeds hide how much seeds differ, so that Student's t over seeds is asked as well, and of the
two the wider interval and the larger p are told.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import ttest_1samp

from sweep_platform.report.analysis.answers import Accuracies
from sweep_platform.report.analysis.difference import Difference

RESAMPLES = 10_000
MANY = 2_000
"""Tasks beyond which a tenth of the resamples does."""

FEWEST = 3
"""Seeds and tasks below which no interval is given."""


def interval(
    solved: Accuracies, weights: Accuracies, generator: np.random.Generator
) -> Difference:
    """The mean of accuracies, or of differences, `[seeds, tasks]` over tasks of these weights."""
    seeds, tasks = solved.shape
    mean = float(np.average(solved.mean(axis=0), weights=weights))
    # Where all are alike, resamples are too, and would feign an interval without width.
    if seeds < FEWEST or tasks < FEWEST or np.ptp(solved) == 0:
        return Difference(mean=mean, seeds=seeds, tasks=tasks)
    means = np.concatenate(
        [_resampled(solved, weights, count, generator) for count in _blocks(tasks)]
    )
    low, high = np.quantile(means, (0.025, 0.975))
    beyond = min((means <= 0).sum(), (means >= 0).sum())
    p = min(1.0, 2.0 * (beyond + 1) / (len(means) + 1))
    of_seeds = solved @ weights / weights.sum()
    if np.ptp(of_seeds) > 0:
        student = ttest_1samp(of_seeds, 0.0)
        ends = student.confidence_interval(0.95)
        low, high, p = min(low, ends.low), max(high, ends.high), max(p, student.pvalue)
    return Difference(
        mean=mean, low=float(low), high=float(high), p=float(p), seeds=seeds, tasks=tasks
    )


def _blocks(tasks: int) -> Iterator[int]:
    """Resamples in blocks that fit into some ten megabytes; fewer where tasks are many."""
    left = RESAMPLES if tasks <= MANY else RESAMPLES // 10
    most = max(1, 2_000_000 // tasks)
    while left > 0:
        yield min(most, left)
        left -= most


def _resampled(
    solved: Accuracies, weights: Accuracies, count: int, generator: np.random.Generator
) -> Accuracies:
    """Means over seeds and tasks that were drawn anew, so many times."""
    seeds, tasks = solved.shape
    of_seeds = generator.multinomial(seeds, np.full(seeds, 1 / seeds), count).astype(float)
    of_tasks = generator.multinomial(tasks, np.full(tasks, 1 / tasks), count) * weights
    sums = np.einsum("bs,st,bt->b", of_seeds, solved, of_tasks, optimize=True)
    means: Accuracies = sums / (of_seeds.sum(axis=1) * of_tasks.sum(axis=1))
    return means


def corrected(p_values: Sequence[float]) -> list[float]:
    """P-values of several comparisons at once, corrected as Holm did: the least by their number.

    >>> corrected([0.04, 0.01, 0.5])
    [0.08, 0.03, 0.5]
    """
    order = np.argsort(p_values, kind="stable")
    result, least = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        result[index] = least
    return result
