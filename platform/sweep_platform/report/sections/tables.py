"""The report's tables: the front, the knobs, and every trial."""

from collections.abc import Sequence

from puzzle_datasets.common.text import byte_size, flops, percent, seconds
from sweep_platform.common.text import knobs
from sweep_platform.report import wording
from sweep_platform.report.analysis.front import KnobValue, Point, final_point, knob_names
from sweep_platform.report.pages.blocks import Row, Table
from sweep_platform.store.summary import SweepSummary, TrialSummary
from sweep_platform.store.trial import TrialState

_COSTS = ("Parameters", "Training spent", "Planned", "Device time", "Rows/s", "Peak memory")


def by_state(sweep: SweepSummary) -> str:
    """How many trials stand how: "12 trials: 9 complete, 1 failed, 2 stopped"."""
    names = [f"{sweep.states[state]} {_state(sweep, state)}" for state in sorted(sweep.states)]
    total = wording.count(len(sweep.trials), "trial")
    return f"{total}: {', '.join(names)}" if names else total


def _state(sweep: SweepSummary, state: TrialState) -> str:
    """A trial without an outcome runs only where a driver may be at work."""
    if state is TrialState.RUNNING and not sweep.open:
        return "unfinished"
    return str(state)


def front_table(sweep: SweepSummary, best: Sequence[Point]) -> Table:
    """The points of the front, by FLOPs."""
    named = {trial.number: knobs(trial.knobs) for trial in sweep.trials}
    rows = (
        (
            str(point.trial),
            str(point.segments),
            named[point.trial],
            wording.accuracy(point),
            wording.interval(point),
            flops(point.inference_flops),
        )
        for point in best
    )
    return Table(
        columns=("Trial", "Segments M", "Knobs", "Solved", "95 % interval", "Inference"),
        rows=tuple(Row(cells) for cells in rows),
        words=frozenset({"Knobs"}),
    )


def knob_table(values: Sequence[KnobValue]) -> Table:
    """Every value of every knob with the accuracy and the compute of its trials."""
    rows = (
        (
            row.knob,
            wording.value(row.value),
            str(row.trials),
            percent(row.median_accuracy),
            percent(row.best_accuracy),
            flops(row.median_inference_flops),
        )
        for row in values
    )
    return Table(
        columns=("Knob", "Value", "Trials", "Median solved", "Best", "Median inference"),
        rows=tuple(Row(cells) for cells in rows),
        words=frozenset({"Knob"}),
    )


def trial_table(sweep: SweepSummary) -> Table:
    """Every trial with its knobs, its standing, its result and its cost."""
    names = knob_names(trial.knobs for trial in sweep.trials)
    return Table(
        columns=("Trial", *names, "State", "Solved", "Tokens right", "Inference", *_COSTS),
        rows=tuple(
            Row(_cells(sweep, trial, names), muted=not trial.complete) for trial in sweep.trials
        ),
        words=frozenset({"State"}),
    )


def _cells(sweep: SweepSummary, trial: TrialSummary, names: list[str]) -> tuple[str, ...]:
    point, last = final_point(trial), trial.last
    state = _state(sweep, trial.state)
    return (
        str(trial.number),
        *(wording.knob(trial.knobs, name) for name in names),
        state if trial.complete else f"{state}: {trial.reason}",
        wording.accuracy(point) if point else wording.NOTHING,
        percent(trial.final.token_accuracy[-1]) if trial.final else wording.NOTHING,
        flops(trial.record.inference_flops),
        f"{trial.record.parameter_count:,}",
        flops(trial.training_flops),
        flops(trial.record.training_flops),
        seconds(trial.device_seconds),
        f"{last.examples_per_second:,.0f}" if last else wording.NOTHING,
        byte_size(last.peak_memory_bytes) if last else wording.NOTHING,
    )
