"""The section on how it was searched: what was planned, what became of it, and what it cost."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from puzzle_datasets.common.text import counted, energy, flops, seconds
from sweep_platform.plan.budget import JOULES_A_KWH
from sweep_platform.plan.jobs import planned_jobs
from sweep_platform.plan.spending import Rates
from sweep_platform.report import blocks, tables, wording
from sweep_platform.report.sections.searched.proposing import proposing
from sweep_platform.report.sections.searched.pruning import pruning
from sweep_platform.report.sections.searched.screening import screened, screening
from sweep_platform.report.sections.searched.steering import steering
from sweep_platform.space.training_budget import expected_flops
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SessionEnd
from sweep_platform.store.origins.controlled import controlled
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import ReplicateSummary, SweepSummary, TrialSummary, last_end
from sweep_platform.store.trial import TrialState
from sweep_platform.store.trial_summary import energy_of

MOST_HOSTS = 8
"""That are named."""

MONEY = "currency"
"""The unit of money: that of the price of a GPU's hour."""


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A quantity in words: planned, and spent; numbers are for the table's files."""

    name: str
    planned: float | None
    spent: float
    unit: str = ""

    @property
    def share(self) -> float | None:
        """Of the plan; None where that sets no limit."""
        return self.spent / self.planned if self.planned else None

    def words(self, value: float | None) -> str:
        if value is None:
            return "no limit"
        if self.unit == "FLOP":
            return flops(value)
        if self.unit == MONEY:
            return f"{value:,.2f}"
        if self.unit == "J":
            return energy(value)
        return seconds(value) if self.unit == "s" else f"{value:,.0f}"


_COLUMNS: tuple[tables.Column[_Row], ...] = (
    tables.Column(
        "Quantity",
        lambda row: row.name,
        words=True,
        data={"quantity": lambda row: row.name, "unit": lambda row: row.unit},
    ),
    tables.Column(
        "Planned",
        lambda row: row.words(row.planned),
        data={"planned": lambda row: None if row.planned is None else float(row.planned)},
    ),
    tables.Column(
        "Spent", lambda row: row.words(row.spent), data={"spent": lambda r: float(r.spent)}
    ),
    tables.Column(
        "Share",
        lambda row: wording.NOTHING if row.share is None else f"{row.share:.0%}",
        data={"share": lambda row: row.share},
    ),
)


def plan_section(sweep: SweepSummary) -> Iterator[blocks.Block]:
    """Plan against actual: trials, replicates, training, time; and why they differ."""
    yield blocks.Heading("How it was searched")
    yield tables.table("plan", _COLUMNS, list(_rows(sweep)))
    killed = any(session.ended is None for session in sweep.sessions)
    note = ", those without a recorded end up to their last measurement" if killed else ""
    yield blocks.Paragraph(
        "Planned is what the budget pays for if no trial is stopped early or fails and the space "
        "has as many; of replicates that confirm it is the most there can be, and of those that "
        "measure where trials are screened. Training is without evaluations; time on the clock "
        f"is over {counted(len(sweep.sessions), 'session')}{note}. {_over(sweep)}{_gaps(sweep)}"
        f"{_hosts(sweep)}{_reused(sweep)}{_short_of_memory(sweep)}"
    )
    if sweep.record.forked:
        before = [trial for trial in sweep.trials if _is_older(trial, sweep.record.created)]
        yield blocks.Paragraph(
            f"The sweep began with {counted(len(before), 'complete trial')} of another one, "
            f"{sweep.record.forked}, which count as its own."
        )
    yield from proposing(sweep)
    yield from pruning(sweep)
    yield from screening(sweep)
    yield from steering(sweep)


def _is_older(trial: TrialSummary, created: float) -> bool:
    return trial.ended is not None and trial.ended < created


_BESIDES = (
    (Purpose.TUNE, "that tune"),
    (Purpose.CONFIRM, "that confirm"),
    (Purpose.CONTROL, "as controls"),
)


def _rows(sweep: SweepSummary) -> Iterator[_Row]:
    spec = SweepSpec.model_validate(sweep.record.spec)
    planned = planned_jobs(spec, spec.trials)
    begun = dict.fromkeys(Purpose, 0)
    for trial in sweep.trials:
        for one in trial.replicates:
            begun[one.replicate.purpose] += 1
    yield _Row(name="Trials", planned=planned.trials, spent=len(sweep.trials))
    yield _Row(
        name="Replicates that measure", planned=planned.measure, spent=begun[Purpose.MEASURE]
    )
    for purpose, name in _BESIDES:
        count = getattr(planned, purpose)
        if count or begun[purpose]:
            yield _Row(name=f"Replicates {name}", planned=count, spent=begun[purpose])
    budget, rates = spec.budget, Rates.from_spec(spec)
    total = min(planned.total * expected_flops(spec), budget.flops or math.inf)
    yield _Row(name="Training", planned=total, spent=sweep.training_flops, unit="FLOP")
    limit = None if budget.minutes is None else 60 * budget.minutes
    yield _Row(name="Time on the clock", planned=limit, spent=sweep.wall_seconds, unit="s")
    limit = None if budget.device_hours is None else 3600 * budget.device_hours
    device = rates.devices * sweep.device_seconds
    yield _Row(name="Device time", planned=limit, spent=device, unit="s")
    if budget.price_per_gpu_hour is not None:
        money = rates.money(sweep.device_seconds)
        yield _Row(name="Money", planned=budget.money, spent=money, unit=MONEY)
    joules = energy_of(one for trial in sweep.trials for one in trial.replicates)
    if joules is not None or budget.energy_kwh is not None:
        limit = None if budget.energy_kwh is None else JOULES_A_KWH * budget.energy_kwh
        yield _Row(name="Energy measured", planned=limit, spent=joules or 0.0, unit="J")


def _over(sweep: SweepSummary) -> str:
    """Why the search was over before its budget was spent; empty where it was not."""
    over = sweep.sessions[-1].over if sweep.sessions else None
    return "" if over is None else f"The search was over before its budget was spent: {over}. "


def _gaps(sweep: SweepSummary) -> str:
    """How trials and replicates ended that were not trained to the end, or that they lack."""
    ended = {
        "stopped early": sweep.states[TrialState.STOPPED],
        "failed": sweep.states[TrialState.FAILED],
        "without an end so far": sum(n for s, n in sweep.states.items() if not s.is_final),
    }
    told = [f"{counted(count, 'trial')} {how}" for how, count in ended.items() if count]
    if lacking := _lacking(sweep):
        told.append(f"{counted(lacking, 'replicate')} of complete trials")
    if not told:
        return "All trials that began were trained to the end, with all their replicates."
    return f"Not trained to the end: {', '.join(told)}; the table of trials has the reasons."


def _hosts(sweep: SweepSummary) -> str:
    """On which hosts replicates ran, where those are several; the busiest first."""
    ran = Counter(one.host for trial in sweep.trials for one in trial.replicates if one.host)
    if len(ran) < 2:
        return ""
    named = [f"{host} ({count})" for host, count in ran.most_common(MOST_HOSTS)]
    more = [f"{len(ran) - MOST_HOSTS} others"] if len(ran) > MOST_HOSTS else []
    return f" Replicates ran, at last, on {len(ran)} hosts: {', '.join(named + more)}."


def _reused(sweep: SweepSummary) -> str:
    """How many replicates earlier sweeps had trained, and what that had cost them."""
    found = [one.reused for trial in sweep.trials for one in trial.replicates if one.reused]
    if not found:
        return ""
    spent, sweeps = sum(one.training_flops for one in found), {one.sweep for one in found}
    return (
        f" {counted(len(found), 'replicate')} had been trained before, in "
        f"{', '.join(sorted(sweeps))}: the {flops(spent)} that this took there are counted above "
        "and were not spent again."
    )


def _short_of_memory(sweep: SweepSummary) -> str:
    """Which trials passed fewer puzzles through the model at a time than configured."""
    lasts = [(trial.number, one.last) for trial in sweep.trials for one in trial.replicates]
    fewest: dict[int, int] = {}
    for number, last in lasts:
        if last is not None and last.micro_batch is not None:
            fewest[number] = min(last.micro_batch, fewest.get(number, last.micro_batch))
    if not fewest:
        return ""
    told = [f"{number} ({rows:,})" for number, rows in list(fewest.items())[:MOST_HOSTS]]
    more = [f"{len(fewest) - MOST_HOSTS} others"] if len(fewest) > MOST_HOSTS else []
    return (
        " For want of memory fewer puzzles passed through the model at a time than configured, at "
        f"the same batch, in trials {', '.join(told + more)}."
    )


def _lacking(sweep: SweepSummary) -> int:
    """Replicates of complete trials that are missing, failed or were cut short; controls too."""
    spec = SweepSpec.model_validate(sweep.record.spec)
    of_first = {trial.number for trial in screened(sweep)}
    wanted = {True: spec.first_replicates, False: spec.replicates}
    lacking = sum(
        max(0, wanted[trial.number in of_first] - len(trial.measured))
        for trial in sweep.complete
        if trial.measured
    )
    ended = last_end(sweep.sessions) in (SessionEnd.DONE, SessionEnd.INCOMPLETE)
    if spec.confirm is not None and ended:
        begun = sum(any(map(_confirms, trial.replicates)) for trial in sweep.complete)
        trials = max(begun, min(spec.confirm.top, len(sweep.complete)))
        done = sum(len(trial.confirmed) for trial in sweep.complete)
        lacking += max(0, trials * spec.confirm.replicates - done)
    return lacking + (_lacking_controls(sweep, spec) if ended else 0)


def _lacking_controls(sweep: SweepSummary, spec: SweepSpec) -> int:
    """Replicates of heirs that have none from scratch beside them, though they were to."""
    if spec.inherit is None:
        return 0
    records = [trial.record for trial in sweep.trials if any(map(_measures, trial.replicates))]
    wanted = {record.number for record in controlled(records, spec.inherit.control)}
    lacking = 0
    for trial in sweep.complete:
        if trial.number in wanted:
            own = {one.replicate.number for one in trial.measured if _measures(one)}
            lacking += len(own - {one.replicate.number for one in trial.controls})
    return lacking


def _measures(one: ReplicateSummary) -> bool:
    return one.replicate.purpose is Purpose.MEASURE


def _confirms(one: ReplicateSummary) -> bool:
    return one.replicate.purpose is Purpose.CONFIRM
