"""The part of a comparison on configurations that sweeps share."""

from collections.abc import Iterator, Sequence

from puzzle_datasets.common.text import counted
from sweep_platform.common.text import knobs
from sweep_platform.report import blocks, tables, wording
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.comparison.pairing import ComparedConfiguration, Paired, paired
from sweep_platform.store.summary import SweepSummary


def configurations(sweeps: Sequence[SweepSummary], names: Sequence[str]) -> Iterator[blocks.Block]:
    """A table for each further sweep, of the configurations that it shares with the first."""
    yield blocks.Heading("The same configurations")
    first, *others = zip(sweeps, names, strict=True)
    alone = "" if len(others) == 1 else " of its own table, not over all tables together"
    for number, (sweep, name) in enumerate(others, start=1):
        found = paired(first[0], sweep)
        if isinstance(found, Unknown):
            yield blocks.Paragraph(found.reason)
            continue
        yield blocks.Paragraph(f"{_introduction(found, first[1], name)}{alone}.")
        stem = "common" if len(others) == 1 else f"common-{number}"
        yield tables.table(stem, _columns(first[1], name), found.configurations)


def _introduction(found: Paired, first: str, second: str) -> str:
    seeds = "seed and task" if found.same_seeds else "task, not by seed: their seeds differ"
    differing = "; ".join(found.differing)
    other = f"They differ in {differing}, in this order: a gain may come from any of these."
    if not found.differing:
        other = "Settings, versions and hardware are the same, as far as they were recorded."
    return (
        f"Complete trials with the same knobs in {first} and {second}, paired by {seeds}. "
        f"{other} {_left_out(found)}Brackets hold 95 % intervals, p is by Holm's correction over "
        "all rows"
    )


def _left_out(found: Paired) -> str:
    """How many configurations in common are not in the table, and why."""
    told = [
        f"{counted(count, 'configuration')} {why}"
        for count, why in (
            (found.unequal, "trained for unequal FLOPs"),
            (found.unanswered, "without answers to the same puzzles and views"),
        )
        if count
    ]
    return f"Left out: {', '.join(told)}. " if told else ""


def _columns(first: str, second: str) -> tuple[tables.Column[ComparedConfiguration], ...]:
    return (
        tables.Column("Knobs", lambda one: knobs(one.first.knobs), words=True),
        tables.number(f"Trial of {first}", lambda one: one.first.number, key="first_trial"),
        tables.number(f"Trial of {second}", lambda one: one.second.number, key="second_trial"),
        tables.difference(f"Points gained by {second}", lambda one: one.difference, key="gain"),
        tables.Column("p (Holm)", lambda one: wording.p_value(one.p), data={"p": lambda o: o.p}),
        tables.metric("training_flops", lambda one: one.first.record.training_flops, "Each {}"),
        tables.more_flops(
            "Inference",
            lambda one: one.second.record.inference_flops - one.first.record.inference_flops,
        ),
    )
