"""Summaries of sweeps that were never run, whose accuracies follow a stated rule."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sweep_builders import sweep_record

from hrm.progress import Curve, Progress
from sweep_platform.report.analysis.answers import Answered
from sweep_platform.report.analysis.evidence import evidence_of
from sweep_platform.store.replicate import Purpose, replicates
from sweep_platform.store.summary import Evaluation, ReplicateSummary, SweepSummary, TrialSummary
from sweep_platform.store.trial import TrialRecord, TrialState

Rule = Callable[[Mapping[str, Any], float], float]
"""The expected accuracy of a configuration after a share of its training."""

TASKS, BUDGET = 40, 1e9


def planted(
    knobs: Sequence[Mapping[str, Any]],
    rule: Rule,
    *,
    seed: int = 0,
    seeds: int = 3,
    evaluations: int = 3,
    inactive: Sequence[tuple[str, ...]] = (),
    **spec: Any,
) -> SweepSummary:
    """A sweep of complete trials, each task solved by chance; a trial ends every minute."""
    generator = np.random.default_rng(seed)
    given: dict[int, tuple[Answered, ...]] = {}
    trials = []
    for number, values in enumerate(knobs):
        unused = inactive[number] if inactive else ()
        rates = [rule(values, (n + 1) / evaluations) for n in range(evaluations)]
        given[number] = tuple(
            _answered(generator.random((seeds, TASKS)) < rate, BUDGET * (n + 1) / evaluations)
            for n, rate in enumerate(rates)
        )
        trials.append(_trial(number, values, unused, given[number]))
    record = sweep_record()
    sweep = SweepSummary(
        folder="nowhere",
        record=replace(record, spec={**record.spec, **spec}, created=0.0),
        trials=tuple(trials),
        sessions=(),
        wall_seconds=0.0,
        open=False,
    )
    evidence_of(sweep)._read.update(
        {number: {Purpose.MEASURE: found} for number, found in given.items()}
    )
    return sweep


def _answered(solved: Any, flops: float) -> Answered:
    return Answered(
        training_flops=flops,
        replicates=np.arange(len(solved)),
        tasks=np.arange(solved.shape[1]),
        solved=solved.astype(np.float32),
        weights=np.ones(solved.shape[1]),
    )


def _trial(
    number: int, values: Mapping[str, Any], unused: tuple[str, ...], given: Sequence[Answered]
) -> TrialSummary:
    cost = 1000 * int(np.prod([v for v in values.values() if isinstance(v, int)]))
    record = TrialRecord(
        number=number,
        study_number=number,
        signature=f"{number:016x}",
        parameters=dict(values),
        inactive=unused,
        model={},
        training={},
        dataset={},
        parameter_count=1,
        total_steps=1,
        training_flops=int(BUDGET),
        inference_flops=cost,
    )
    return TrialSummary(
        record=record,
        state=TrialState.COMPLETE,
        reason="",
        ended=60.0 * (number + 1),
        replicates=tuple(
            _replicate(one, [float(at.solved[one.number].mean()) for at in given], given, cost)
            for one in replicates(0, Purpose.MEASURE, len(given[0].replicates))
        ),
    )


def _replicate(
    one: Any, accuracies: list[float], given: Sequence[Answered], cost: int
) -> ReplicateSummary:
    curves = [
        Curve(
            exact_accuracy=(accuracy / 2, accuracy),
            token_accuracy=(accuracy, accuracy),
            inference_flops=(cost // 2, cost),
            puzzles=TASKS,
        )
        for accuracy in accuracies
    ]
    spent = [int(at.training_flops) for at in given]
    return ReplicateSummary(
        replicate=one,
        state=TrialState.COMPLETE,
        reason="",
        ended=0.0,
        last=_progress(spent[-1]),
        evaluations=tuple(
            Evaluation(training_flops=flops, curve=curve, halting=None)
            for flops, curve in zip(spent, curves, strict=True)
        ),
    )


def _progress(flops: int) -> Progress:
    return Progress(
        step=1,
        total_steps=1,
        training_flops=flops,
        loss=1.0,
        lm_loss=1.0,
        train_exact_accuracy=0.0,
        mean_segments=1.0,
        learning_rate=1e-3,
        examples=1,
        device_seconds=1.0,
        examples_per_second=1.0,
        peak_memory_bytes=1,
        curve=None,
        halting=None,
    )
