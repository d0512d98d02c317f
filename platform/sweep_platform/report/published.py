"""Results that others published, and whether a sweep was measured on the same puzzles.

One table, of percent solved as printed: HRM's paper (arXiv 2506.21734v3, Figure 1), TRM's (arXiv
2510.04871v1, tables 4 and 5), which also prints the results of HRM and of chain-of-thought models.
Inference FLOPs were published of none of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweep_platform.store.summary import SweepSummary

_HRM, _TRM = "HRM paper (arXiv 2506.21734), Figure 1", "TRM paper (arXiv 2510.04871), tables 4, 5"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A method's result on a set, as a share, and where it stands."""

    method: str
    share: float
    source: str


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """A set on which results were published.

    Attributes:
        settings: those of a sweep's `dataset` that make it the same puzzles on the same canvas.
        test_pairs: how many it is scored on.
        metric: key of the metric that was published.
        results: in the order of the papers.
    """

    settings: Mapping[str, Any]
    test_pairs: int
    metric: str
    results: tuple[Published, ...]


_METHODS = {
    "HRM, 27M": _HRM,
    "direct prediction, 8 layers": _HRM,
    "DeepSeek R1": _TRM,
    "Claude 3.7, 8K": _HRM,
    "Claude 3.7, 16K": _TRM,
    "o3-mini-high": _TRM,
    "TRM-Att, 7M": _TRM,
    "TRM-MLP": _TRM,
}
"""Methods in the order of the columns below."""


def _results(*percents: float | None) -> tuple[Published, ...]:
    pairs = zip(_METHODS.items(), percents, strict=True)
    return tuple(
        Published(method=method, share=percent / 100, source=source)
        for (method, source), percent in pairs
        if percent is not None
    )


_ARC: Mapping[str, Any] = {"canvas": 30, "tasks": "all", "held_out": "evaluation"}
_FILES: Mapping[str, Any] = {"csv": None, "min_rating": None, "test_subsample": None}

SETS = (
    PublishedSet(
        settings={"name": "arc-agi-1", **_ARC},
        test_pairs=419,
        metric="pass_2",
        results=_results(40.3, 21.0, 15.8, 21.2, 28.6, 34.5, 44.6, 29.6),
    ),
    PublishedSet(
        settings={"name": "arc-agi-2", **_ARC},
        test_pairs=167,
        metric="pass_2",
        results=_results(5.0, 0.0, 1.3, None, 0.7, 3.0, 7.8, 2.4),
    ),
    PublishedSet(
        settings={"name": "sudoku-extreme", "subsample": 1000, **_FILES},
        test_pairs=422_786,
        metric="exact_accuracy",
        results=_results(55.0, 0.0, 0.0, 0.0, None, 0.0, 74.7, 87.4),
    ),
    PublishedSet(
        settings={"name": "maze-hard", "subsample": None, **_FILES},
        test_pairs=1000,
        metric="exact_accuracy",
        results=_results(74.5, 0.0, 0.0, 0.0, None, 0.0, 85.3, 0.0),
    ),
)


def published_set(sweep: SweepSummary) -> PublishedSet | None:
    """The published set that a sweep was measured on, whole; None for any other puzzles."""
    asked = sweep.record.spec.get("dataset", {})
    evaluation = sweep.record.spec.get("evaluation", {})
    whole = evaluation.get("puzzles") == "all" and not evaluation.get("confirm_share")
    scored = sweep.record.dataset.get("counts", {}).get("test_pairs")
    for one in SETS:
        same = all(key in asked and asked[key] == value for key, value in one.settings.items())
        if same and whole and scored == one.test_pairs:
            return one
    return None
