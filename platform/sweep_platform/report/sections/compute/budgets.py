"""The section on whether effects hold at other budgets, and what an accuracy costs in training."""

from collections.abc import Iterator
from typing import NamedTuple

from puzzle_datasets.common.text import flops, percent
from sweep_platform.report import blocks, tables, wording
from sweep_platform.report.analysis.compute.budgets import (
    FEWEST,
    TargetCost,
    TargetCosts,
    compared,
    effects_at_budgets,
    target_costs,
)
from sweep_platform.report.analysis.difference import Difference, Unknown
from sweep_platform.report.analysis.effects import Effect, nuisance_of
from sweep_platform.report.analysis.points import knob_names
from sweep_platform.store.summary import SweepSummary


class _Row(NamedTuple):
    """One effect at each of the budgets."""

    named: Effect
    each: tuple[Effect | None, ...]


def budgets_section(sweep: SweepSummary) -> Iterator[blocks.Block | blocks.Missing]:
    """Every effect after several amounts of training."""
    found = effects_at_budgets(sweep)
    if isinstance(found, Unknown):
        yield blocks.Missing(found.reason)
        return
    names = dict.fromkeys((e.knob, e.other, e.one) for at in found for e in at.effects)
    by = [{(e.knob, e.other, e.one): e for e in at.effects} for at in found]
    each = [tuple(one.get(name) for one in by) for name in names]
    rows = [_Row(next(filter(None, one)), one) for one in each]
    if not rows:
        yield blocks.Missing("No effect is given at several budgets: no pair of trials has one.")
        return

    def at(place: int, spent: float) -> tables.Column[_Row]:
        def read(row: _Row) -> Difference | None:
            one = row.each[place]
            return None if one is None else one.difference

        return tables.difference(f"After {flops(spent)}", read)

    columns: tuple[tables.Column[_Row], ...] = (
        tables.Column("Knob", lambda row: row.named.knob, words=True),
        tables.knob("From", lambda row: row.named.other),
        tables.knob("To", lambda row: row.named.one),
        *(at(place, one.training_flops) for place, one in enumerate(found)),
    )
    yield blocks.Heading("Do effects hold at other budgets?")
    yield tables.table("budgets", columns, rows)
    yield blocks.Paragraph(
        "Points gained after as much training of each replicate, with 95 % intervals, not "
        "corrected for their number. An effect that changes from column to column is one of this "
        "budget alone."
    )


def targets_section(sweep: SweepSummary) -> Iterator[blocks.Block | blocks.Missing]:
    """Training FLOPs to the space's targets by value of each knob, unfinished ones censored."""
    targets = sweep.record.spec.get("targets", ())
    if not targets:
        yield blocks.Missing("No training FLOPs to an accuracy: the space names no `targets`.")
        return
    nuisance = nuisance_of(sweep)
    knobs = [name for name in knob_names(t.knobs for t in sweep.trials) if name not in nuisance]
    if few := [knob for knob in knobs if not compared(sweep, knob)]:
        yield blocks.Missing(
            f"What an accuracy costs is not compared by {', '.join(few)}: fewer than two values "
            f"have {FEWEST} evaluated trials."
        )
    able = [knob for knob in knobs if knob not in few]
    asked = [target_costs(sweep, knob, target) for target in targets for knob in able]
    found = [one for one in asked if not isinstance(one, Unknown)]
    yield from (blocks.Missing(one.reason) for one in asked if isinstance(one, Unknown))
    if not found:
        return
    yield blocks.Heading("What an accuracy costs in training")
    yield tables.table("targets", _COSTS, [_Value(one, c) for one in found for c in one.values])
    yield blocks.Paragraph(
        "Kaplan and Meier's median over trials, with its 95 % interval: trials that never met the "
        "target count with what they spent. p is that of the log-rank test by permutation of the "
        "trials, not corrected; stopping weak trials early bends it. Trials differ in the other "
        "knobs too."
    )


class _Value(NamedTuple):
    """What one value of a knob cost, and the comparison it stands in."""

    of: TargetCosts
    cost: TargetCost


def _median(cost: TargetCost) -> str:
    if cost.median is None:
        return "not met by half"
    low, high = (wording.NOTHING if end is None else flops(end) for end in (cost.low, cost.high))
    return f"{flops(cost.median)} [{low}, {high}]"


_COSTS: tuple[tables.Column[_Value], ...] = (
    tables.Column(
        "Target", lambda row: percent(row.of.target), data={"target": lambda row: row.of.target}
    ),
    tables.Column("Knob", lambda row: row.of.knob, words=True),
    tables.knob("Value", lambda row: row.cost.value),
    tables.Column(
        "Met by",
        lambda row: f"{row.cost.met} of {row.cost.trials}",
        data={"met": lambda row: row.cost.met, "trials": lambda row: row.cost.trials},
    ),
    tables.Column(
        "Median training",
        lambda row: _median(row.cost),
        data={
            "median_training_flops": lambda row: row.cost.median,
            "median_training_flops_low": lambda row: row.cost.low,
            "median_training_flops_high": lambda row: row.cost.high,
        },
    ),
    tables.Column(
        "p of no difference", lambda row: wording.p_value(row.of.p), data={"p": lambda r: r.of.p}
    ),
)
