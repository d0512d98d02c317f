"""What a decision at a rung costs, against the fronts taken off one after the other each time.

    python benchmarks/rungs.py [--decisions 50] [--trials 100 1000 10000]

A study in a real journal holds so many trials that reached a rung, of random accuracy and cost
(more compute solves a little more). Then further trials come, one by one, and each is decided on
and kept, as the driver does it. The baseline decides on the same trials from a list of all
objectives, by the definition of fronts, and keeps nothing. Prints a Markdown table: median and
range over the decisions, in milliseconds of processor time.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import optuna
from measuring import conditions, spread
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from hrm.progress import Curve, Progress
from sweep_platform.search.rungs.entries import read_entries
from sweep_platform.search.rungs.fronts import Values
from sweep_platform.search.rungs.ledger import RungLedger
from sweep_platform.search.rungs.rule import SuccessiveHalving
from sweep_platform.search.studies.opening import HeldLock
from sweep_platform.search.studies.study import Study
from sweep_platform.spec.schema import BudgetSpec, Choices, DatasetSpec, RungSpec, SweepSpec
from sweep_platform.store.trial import TrialRecord

OBJECTIVES = ("exact_accuracy", "inference_flops")
SLOWEST = 1_000
"""The baseline takes minutes a decision beyond so many trials."""


def main() -> None:
    """Measure each size and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--decisions", type=int, default=50)
    arguments.add_argument("--trials", type=int, nargs="+", default=[100, 1_000, 10_000])
    options = arguments.parse_args()
    print(conditions("optuna", "numpy"))
    print(f"\n{options.decisions} decisions each, ms of processor time: median (range)\n")
    print("| trials at the rung | a decision | by the definition | ratio |\n|--:|--:|--:|--:|")
    for trials in options.trials:
        generator = np.random.default_rng(trials)
        values = [drawn(generator) for _ in range(trials + options.decisions)]
        ours = measure_ledger(values, trials)
        row = f"| {trials:,} | {spread(ours, 2)} |"
        if trials > SLOWEST:
            print(f"{row} not measured | |")
            continue
        old = measure_definition(values, trials)
        print(f"{row} {spread(old, 1)} | {np.median(old) / np.median(ours):,.0f} |")


def last(values: list[Values], trials: int) -> range:
    """Indices of the trials that are decided on."""
    return range(trials, len(values))


def drawn(generator: np.random.Generator) -> Values:
    """Accuracy on 1,000 puzzles and inference FLOPs of a trial."""
    cost = float(generator.integers(10**6, 10**9))
    accuracy = 0.5 * np.log(cost) / np.log(10**9) + 0.4 * generator.random()
    return round(float(accuracy), 3), cost


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of processor time."""
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began)


def measure_ledger(values: list[Values], trials: int) -> list[float]:
    """Times of decisions on those after the first `trials`, which are in the study before."""
    with tempfile.TemporaryDirectory() as name:
        study = journal(Path(name, "study.journal"), values, trials)
        rule, entries = (
            SuccessiveHalving(RungSpec(at=(0.5,))),
            read_entries(study, OBJECTIVES, name),
        )
        ledger = RungLedger(study, rule, OBJECTIVES, entries)
        times = []
        for number in last(values, trials):
            record, report = arrival(number, values[number])
            times.append(timed(partial(ledger.decide, record, "measure-0", report)))
        return times


def measure_definition(values: list[Values], trials: int) -> list[float]:
    """Times of the baseline's decisions on the same trials."""
    arrivals = last(values, trials)
    return [timed(partial(by_definition, values[n], values[:n])) for n in arrivals]


def journal(path: Path, values: list[Values], reached: int) -> Study:
    """A study of running trials; the first `reached` of them were at the rung."""
    spec = SweepSpec(
        name="benchmark",
        dataset=DatasetSpec(name="maze"),
        space={"N": Choices(choices=(1, 2))},
        budget=BudgetSpec(trials=len(values), flops_per_trial=1.0),
    )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(path), HeldLock())),
        directions=["maximize", "minimize"],
    )
    for number, one in enumerate(values):
        rungs = {"0.5": {"replicates": {"measure-0": one}, "decision": "continue"}}
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.RUNNING,
                user_attrs={
                    "signature": str(number),
                    **({"rungs": rungs} if number < reached else {}),
                },
            )
        )
    return Study(study, spec)


def arrival(number: int, values: Values) -> tuple[TrialRecord, Progress]:
    """A trial of one replicate and its report at the rung."""
    accuracy, cost = values
    record = TrialRecord(
        number=number,
        study_number=number,
        signature=str(number),
        parameters={},
        model={},
        training={},
        dataset={},
        parameter_count=1,
        total_steps=2,
        training_flops=2,
        inference_flops=int(cost),
    )
    curve = Curve(
        exact_accuracy=(accuracy,), token_accuracy=(1.0,), inference_flops=(int(cost),), puzzles=1
    )
    return record, replace(_REPORT, curve=curve)


_REPORT = Progress(
    step=1,
    total_steps=2,
    training_flops=1,
    loss=1.0,
    lm_loss=1.0,
    train_exact_accuracy=0.0,
    mean_segments=1.0,
    learning_rate=1e-3,
    examples=1,
    device_seconds=1.0,
    examples_per_second=1.0,
    peak_memory_bytes=1,
)


def by_definition(values: Values, earlier: list[Values]) -> int:
    """Number of trials in fronts before that of `values`, with each front looked for anew."""
    rest, before = [values, *earlier], 0
    while True:
        front = [one for one in rest if not any(beats(other, one) for other in rest)]
        if values in front:
            return before
        before += len(front)
        rest = [one for one in rest if one not in front]


def beats(one: Values, other: Values) -> bool:
    """Whether one trial is no dearer and solves more."""
    return one[0] > other[0] and one[1] <= other[1]


if __name__ == "__main__":
    main()
