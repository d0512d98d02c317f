"""The section on every trial."""

from collections import Counter
from collections.abc import Iterator

from puzzle_datasets.common.text import counted
from sweep_platform.report import blocks, tables, wording
from sweep_platform.report.analysis.points import final_point, knob_names
from sweep_platform.report.analysis.targets import reached
from sweep_platform.spec.metrics import OF_VOTES
from sweep_platform.store.summary import SweepSummary, TrialSummary
from sweep_platform.store.trial import TrialState


def trials_section(sweep: SweepSummary) -> Iterator[blocks.Block]:
    """Every trial with its knobs, its state, its result and its cost."""
    if not sweep.trials:
        return

    columns: tuple[tables.Column[TrialSummary], ...] = (
        tables.number("Trial", lambda trial: trial.number),
        *map(_knob, knob_names(trial.knobs for trial in sweep.trials)),
        _states(sweep),
        *_RESULTS,
        *(map(_voted, sorted(OF_VOTES)) if any(trial.votes for trial in sweep.trials) else ()),
        *map(_reaches, sweep.record.spec.get("targets", ())),
    )
    yield blocks.Heading("All trials")
    yield tables.table("trials", columns, sweep.trials, muted=lambda trial: not _measures(trial))
    yield blocks.Paragraph(
        "Solved is exact accuracy: every token of the puzzle's target is right. Inference is per "
        "puzzle at M_max segments, training without evaluations; parameters are without puzzle "
        "embeddings, device time is with evaluations; speed is rows through one segment. Peak "
        "memory is the device's on a GPU; on a CPU it is that of the worker process, which may "
        "have run other trials before."
    )


def _knob(name: str) -> tables.Column[TrialSummary]:
    return tables.Column(
        name,
        lambda trial: wording.knob(trial.knobs, name),
        data={name: lambda trial: trial.knobs.get(name)},
    )


def _states(sweep: SweepSummary) -> tables.Column[TrialSummary]:
    """A column on how trials stand, with the reason of those that are not complete."""

    def state(trial: TrialSummary) -> str:
        return _state(sweep, trial)

    return tables.Column(
        "State",
        lambda trial: state(trial) if _measures(trial) else f"{state(trial)}: {trial.reason}",
        words=True,
        data={"state": state, "reason": lambda trial: trial.reason},
    )


def _reaches(target: float) -> tables.Column[TrialSummary]:
    """A column on the training FLOPs to an accuracy."""
    name = f"To {100 * target:g} %"
    return tables.metric("training_flops", lambda trial: reached(trial, target), name)


def _voted(key: str) -> tables.Column[TrialSummary]:
    """A column on votes: pass@1 or pass@2, of test inputs or of whole tasks."""
    return tables.metric(key, lambda trial: getattr(trial.votes, key) if trial.votes else None)


_RESULTS: tuple[tables.Column[TrialSummary], ...] = (
    tables.solved(final_point),
    tables.metric("token_accuracy", lambda t: t.final.token_accuracy[-1] if t.final else None),
    tables.metric("inference_flops", lambda t: t.record.inference_flops),
    tables.metric("parameter_count", lambda t: t.record.parameter_count),
    tables.metric("training_flops", lambda t: t.training_flops),
    tables.metric("training_flops", lambda t: t.record.training_flops, "Planned"),
    tables.metric("device_seconds", lambda t: t.device_seconds),
    tables.metric("examples_per_second", lambda t: t.last.examples_per_second if t.last else None),
    tables.metric("peak_memory_bytes", lambda t: t.last.peak_memory_bytes if t.last else None),
)


def by_state(sweep: SweepSummary) -> str:
    """Number of trials in each state: "12 trials: 9 complete, 1 failed, 2 stopped"."""
    counts = Counter(_state(sweep, trial) for trial in sweep.trials)
    names = [f"{counts[state]} {state}" for state in sorted(counts)]
    total = counted(len(sweep.trials), "trial")
    return f"{total}: {', '.join(names)}" if names else total


def _measures(trial: TrialSummary) -> bool:
    """Whether it was trained to the end and measured: what tuned alone is in no comparison."""
    return trial.complete and bool(trial.measured)


def _state(sweep: SweepSummary, trial: TrialSummary) -> str:
    """A state's name; a trial without an outcome runs only where a driver may be at work."""
    if trial.complete and not trial.measured:
        return "tuned only"
    state = trial.state
    return "unfinished" if state is TrialState.RUNNING and not sweep.open else str(state)
