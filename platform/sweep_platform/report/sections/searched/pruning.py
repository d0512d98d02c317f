"""What rungs did: what stopping or pausing spared, and what it cost by those that were audited."""

from collections.abc import Iterator
from statistics import median

from puzzle_datasets.common.text import counted, flops, percent
from sweep_platform.report import blocks, tables, wording
from sweep_platform.report.analysis.points import trials_front
from sweep_platform.space.training_budget import flops_at
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.pruning.told import MEASURES, Compared
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import SweepSummary, TrialSummary
from sweep_platform.store.trial import TrialState


def _correlation(name: str) -> tables.Column[Compared]:
    title = name.replace("_", " ").capitalize()
    return tables.Column(
        title,
        lambda row: f"{row.foretold[name]:.2f}" if name in row.foretold else wording.NOTHING,
        data={name: lambda row: row.foretold.get(name)},
    )


_COLUMNS: tuple[tables.Column[Compared], ...] = (
    tables.Column("Rung", lambda row: percent(row.rung), data={"rung": lambda row: row.rung}),
    tables.Column(
        "Compared by",
        lambda row: row.by.replace("_", " "),
        words=True,
        data={"by": lambda row: row.by},
    ),
    tables.Column("Trials", lambda row: str(row.trials), data={"trials": lambda row: row.trials}),
    *map(_correlation, MEASURES),
)


def pruning(sweep: SweepSummary) -> Iterator[blocks.Block]:
    """What was spared at rungs and what it cost; nothing where there were none."""
    spec = SweepSpec.model_validate(sweep.record.spec)
    if not spec.rungs.at:
        return
    rungs = ", ".join(percent(rung) for rung in spec.rungs.at)
    yield blocks.Paragraph(
        f"Trials were compared at rungs at {rungs} of each training, by "
        f"{_compared(spec.rungs.compare)}: {_paused(sweep)}{_spared(sweep, spec)}{_audit(sweep)}"
    )
    if learnt := [one for one in sweep.rungs.compared if one.foretold]:
        yield blocks.Paragraph(
            "How well a measure at a rung foretold the ends of this sweep's own trials, by rank "
            "correlation (Kendall's; 1 is perfect, 0 is chance):"
        )
        yield tables.table("rungs", _COLUMNS, learnt)


def _compared(by: str) -> str:
    named = {"objectives": "the objectives", "auto": "what foretold the ends best so far"}
    return named.get(by, by.replace("_", " "))


def _paused(sweep: SweepSummary) -> str:
    """How many paused at each rung, and how many of these were promoted; empty for none."""
    told = [
        f"at {percent(one.rung)} {counted(one.trials, 'trial')} paused, of which {one.promoted} "
        f"{'was' if one.promoted == 1 else 'were'} promoted later"
        for one in sweep.rungs.paused
    ]
    still = sum(one.state is TrialState.PAUSED for one in sweep.trials)
    waits = f" {counted(still, 'trial')} may still be promoted;" if told and still else ""
    return f"{'; '.join(told)};{waits} " if told else ""


def _spared(sweep: SweepSummary, spec: SweepSpec) -> str:
    """What those spared that were stopped at a rung; where that was not kept, all that were."""
    at_rungs = sweep.rungs.stopped
    stopped = [
        trial
        for trial in sweep.trials
        if trial.state is TrialState.STOPPED and (at_rungs is None or trial.number in at_rungs)
    ]
    promotes = spec.rungs.rule == "promotion"
    if not stopped:
        return "all went on in the end." if promotes else "none was stopped."
    where = " stopped, at rungs or otherwise," if at_rungs is None else " stopped at them,"
    where = " never went on from them," if promotes and at_rungs is not None else where
    each = ((flops_at(spec, trial.record.parameters), _spent(trial)) for trial in stopped)
    spared = sum(max(0.0, spec.first_replicates * whole - spent) for whole, spent in each)
    said = f"{counted(len(stopped), 'trial')}{where} which spared {flops(spared)}"
    return f"{said} of training."


def _spent(trial: TrialSummary) -> float:
    measured = (one for one in trial.replicates if one.replicate.purpose is Purpose.MEASURE)
    return float(sum(one.last.training_flops for one in measured if one.last))


def _audit(sweep: SweepSummary) -> str:
    """What became of trials that were to stop and were trained to the end."""
    audited = {one.trial for one in sweep.rungs.audited}
    ended = [one for one in sweep.complete if one.number in audited]
    others = [one for one in sweep.complete if one.number not in audited]
    if not ended:
        return "" if not audited else " The trials that were spared for an audit have not ended."
    front = {point.trial for point in trials_front(sweep.complete)}
    best = max(ended, key=_accuracy)
    were = f"{'was' if len(ended) == 1 else 'were'} to stop"
    costs = "stopping costs"
    if SweepSpec.model_validate(sweep.record.spec).rungs.rule == "promotion":
        were, costs = "would never have been promoted", "pausing costs"
    said = (
        f" To see what {costs}, {counted(len(ended), 'trial')} that {were} went on "
        f"to the end (audit): the best of them, trial {best.number}, solves "
        f"{percent(_accuracy(best))}"
    )
    if others:
        middle = median(map(_accuracy, others))
        above = sum(_accuracy(one) > middle for one in ended)
        said += (
            f", the best of the others {percent(max(map(_accuracy, others)))}; {above} of "
            f"{len(ended)} ended above the median of the others"
        )
    lost = [one.number for one in ended if one.number in front]
    named = ", ".join(map(str, lost))
    return f"{said}; {f'on the front: {named}' if lost else 'none is on the front'}."


def _accuracy(trial: TrialSummary) -> float:
    assert trial.final is not None, "a complete trial was evaluated"
    return trial.final.exact_accuracy[-1]
