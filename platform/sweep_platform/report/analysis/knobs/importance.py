"""How much of the accuracy's variation each knob explains, by two measures of Optuna's.

PED-ANOVA asks what parts the most accurate quarter of the trials from all of them; fANOVA how much
of the variance, over the whole space, each knob explains alone. Intervals come from drawing the
trials anew, so that they tell how far the answer hangs on which configurations were tried. They
are no interval over seeds.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.storages import InMemoryStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, create_trial

from puzzle_datasets.common.text import counted
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.points import final_points, knob_names, ordered
from sweep_platform.store.summary import SweepSummary

FEWEST = 10
"""Complete trials below which nothing is said of importance."""

RESAMPLES = 40
"""Drawn anew for an interval: of 500 trials and five knobs they take seconds, not minutes."""

MOST = 1_000
"""Complete trials that it is told by; of more, so many are drawn, for all would take minutes."""

TOP = 0.25
"""Share of the trials that PED-ANOVA takes for the best."""

T = TypeVar("T")

Shares = dict[str, float]
"""Of each knob, by an evaluator; they sum to one, or there are none where all trials are level."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """A knob's share of the importance of all knobs, from 0 to 1, with its 95 % interval."""

    share: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Importance:
    """A knob's importance for exact accuracy.

    Attributes:
        fanova: None for a knob that some of the trials have no use for, which fANOVA can't take.
        trials: complete ones that have a use for it, of those that it is told by.
    """

    knob: str
    ped_anova: Share
    fanova: Share | None
    trials: int


def importances(
    sweep: SweepSummary, generator: np.random.Generator
) -> tuple[Importance, ...] | Unknown:
    """The importance of each knob that varies, the greatest by PED-ANOVA first."""
    found = _drawn(final_points(sweep.complete), generator)
    if reason := _little([point.exact_accuracy for _, point in found]):
        return Unknown(reason)
    spaces = _distributions([trial.knobs for trial, _ in found])
    if not spaces:
        return Unknown("No importance is given: no knob varies among the complete trials.")
    trials = [_trial(trial.knobs, point.exact_accuracy, spaces) for trial, point in found]
    by_ped, by_forest = _shares(trials, generator)
    told = [
        Importance(
            knob=knob,
            ped_anova=share,
            fanova=by_forest.get(knob),
            trials=sum(knob in trial.params for trial in trials),
        )
        for knob, share in by_ped.items()
    ]
    return tuple(sorted(told, key=lambda one: -one.ped_anova.share))


def _drawn(found: Sequence[T], generator: np.random.Generator) -> Sequence[T]:
    """As many as it is told by at most, in their order."""
    if len(found) <= MOST:
        return found
    return [found[place] for place in sorted(generator.choice(len(found), MOST, replace=False))]


def _little(accuracies: Sequence[float]) -> str:
    """Why accuracies of trials can't tell importance; empty where they can."""
    if len(accuracies) < FEWEST:
        count = counted(len(accuracies), "complete trial")
        return f"No importance is given from {count}: it takes {FEWEST}."
    if len(set(accuracies)) < 2:
        return "No importance is given: all complete trials are equally accurate."
    if np.quantile(accuracies, 1 - TOP, method="higher") == min(accuracies):
        return (
            f"No importance is given: no more than {TOP:.0%} of complete trials are above the "
            "least accurate."
        )
    return ""


def _shares(
    trials: Sequence[FrozenTrial], generator: np.random.Generator
) -> list[dict[str, Share]]:
    """The share of each knob by PED-ANOVA and by fANOVA, with intervals from draws of trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of each study that is made
    ways = (
        PedAnovaImportanceEvaluator(target_quantile=TOP),
        FanovaImportanceEvaluator(n_trees=8, max_depth=6, seed=int(generator.integers(2**31))),
    )
    draws = generator.integers(len(trials), size=(RESAMPLES, len(trials)))
    whole = _evaluated(ways, trials)
    drawn = [_evaluated(ways, [trials[place] for place in draw]) for draw in draws]
    return [
        {knob: _share(knob, shares, [one[way] for one in drawn]) for knob in shares}
        for way, shares in enumerate(whole)
    ]


def _share(knob: str, whole: Shares, drawn: list[Shares]) -> Share:
    share = whole[knob]
    low, high = np.quantile([one.get(knob, 0.0) for one in drawn], (0.025, 0.975))
    # Trees and kernels see repeated trials otherwise than the whole: never beside its share.
    return Share(share=share, low=min(float(low), share), high=max(float(high), share))


def _evaluated(evaluators: Sequence[Any], trials: Sequence[FrozenTrial]) -> list[Shares]:
    """What each evaluator makes of these trials."""
    if len({trial.value for trial in trials}) < 2:
        return [{} for _ in evaluators]
    storage = InMemoryStorage()
    identity = storage.create_new_study([StudyDirection.MAXIMIZE])
    for trial in trials:
        storage.create_new_trial(identity, template_trial=trial)
    study = Study(storage.get_study_name_from_id(identity), storage)
    with warnings.catch_warnings():
        # Of trials drawn anew, so many may be the least accurate: their shares are then equal. And
        # so few may have a use for a knob: the interval over the draws then tells that.
        for text in ("Target and region quantiles", "Some regimes for parameter"):
            warnings.filterwarnings("ignore", text, UserWarning)
        return [_normal(evaluator.evaluate(study)) for evaluator in evaluators]


def _normal(found: Shares) -> Shares:
    positive = {name: max(float(one), 0.0) for name, one in found.items()}
    total = sum(positive.values())
    return {name: one / total if total else 0.0 for name, one in positive.items()}


def _trial(
    knobs: dict[str, Any], accuracy: float, spaces: dict[str, BaseDistribution]
) -> FrozenTrial:
    own = {name: space for name, space in spaces.items() if name in knobs}
    return create_trial(
        params={name: _value(knobs[name], space) for name, space in own.items()},
        distributions=own,
        value=accuracy,
    )


def _value(value: Any, space: BaseDistribution) -> Any:
    return float(value) if isinstance(space, FloatDistribution) else value


def _distributions(configurations: list[dict[str, Any]]) -> dict[str, BaseDistribution]:
    """Of each knob that varies or that some have no use for, by the values that were tried."""
    found: dict[str, BaseDistribution] = {}
    for name in knob_names(configurations):
        values = ordered({knobs[name] for knobs in configurations if name in knobs})
        if len(values) < 2:
            continue
        if all(isinstance(value, int | float) for value in values):
            wide = values[0] > 0 and values[-1] >= 100 * values[0]
            found[name] = FloatDistribution(values[0], values[-1], log=wide)
        else:
            found[name] = CategoricalDistribution(values)
    return found
