"""Tables by their columns: the cell that people read, and the values that a table's files hold."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sweep_platform.report import wording
from sweep_platform.report.analysis.difference import Difference
from sweep_platform.report.analysis.intervals import Interval
from sweep_platform.report.analysis.points import Point
from sweep_platform.report.blocks import Table
from sweep_platform.spec.metrics import METRIC

T = TypeVar("T")


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column: its name, its cell for one row's subject, and whether it holds words.

    `data` are the values behind the cell, by the names of columns in the table's files; where
    there are none, these hold the cell's own text.
    """

    name: str
    cell: Callable[[T], str]
    words: bool = False
    data: Mapping[str, Callable[[T], Any]] = field(default_factory=dict)


def number(name: str, read: Callable[[T], int], key: str | None = None) -> Column[T]:
    """Column of a whole number, such as that of a trial."""
    return Column(name, lambda subject: f"{read(subject):,}", data={key or stem(name): read})


def knob(name: str, read: Callable[[T], Any]) -> Column[T]:
    """Column of values of knobs, of which each row may have another."""
    return Column(name, lambda one: wording.knob_value(read(one)), data={stem(name): read})


def metric(key: str, read: Callable[[T], float | None], name: str = "{}") -> Column[T]:
    """Column of a metric, named and worded as the table of metrics says, its name in the braces.

    >>> metric("inference_flops", float, "Median {}").name
    'Median inference'
    """
    data = {_key(key, name): read}
    return Column(_name(key, name), lambda one: wording.metric(key, read(one)), data=data)


def solved(read: Callable[[T], Point | None], name: str = "{}") -> Column[T]:
    """Column of the share of puzzles solved, with its count."""

    def share(one: T) -> float | None:
        return point.exact_accuracy if (point := read(one)) else None

    def words(one: T) -> str:
        return point.words if (point := read(one)) else wording.NOTHING

    return Column(_name("exact_accuracy", name), words, data={_key("exact_accuracy", name): share})


def interval(read: Callable[[T], Interval | None]) -> Column[T]:
    """Column of the 95 % interval of an accuracy; files say whether it is over seeds."""

    def part(key: str) -> Callable[[T], float | None]:
        return lambda one: getattr(found, key) if (found := read(one)) else None

    def cell(one: T) -> str:
        return found.words if (found := read(one)) else wording.NOTHING

    return Column(
        "95 % interval", cell, data={key: part(key) for key in ("low", "high", "over_seeds")}
    )


def difference(
    name: str,
    read: Callable[[T], Difference | None],
    words: Callable[[Difference], str] = wording.points,
    key: str | None = None,
) -> Column[T]:
    """Column of a mean with its interval; `words` tell it, of differences as points."""

    def end(part: str) -> Callable[[T], float | None]:
        return lambda one: getattr(found, part) if (found := read(one)) else None

    def cell(one: T) -> str:
        return words(found) if (found := read(one)) else wording.NOTHING

    first = key or stem(name)
    data = {first: end("mean"), f"{first}_low": end("low"), f"{first}_high": end("high")}
    return Column(name, cell, data=data)


def more_flops(name: str, read: Callable[[T], float]) -> Column[T]:
    """Column of a difference in FLOPs."""
    return Column(
        name, lambda one: wording.more_flops(read(one)), data={f"more_{stem(name)}_flops": read}
    )


def table(
    name: str,
    columns: Sequence[Column[T]],
    subjects: Iterable[T],
    muted: Callable[[T], bool] = lambda subject: False,
    folded: str | None = None,
) -> Table:
    """Table with one row for each subject; those that are `muted` are not to be compared."""
    shown = list(subjects)
    values: dict[str, Callable[[T], Any]] = {}
    for key, read in (pair for column in columns for pair in _data(column).items()):
        while key in values:  # such as a knob's, whose name is not ours
            key += "_"
        values[key] = read
    return Table(
        name=name,
        columns=tuple(column.name for column in columns),
        rows=tuple(tuple(column.cell(subject) for column in columns) for subject in shown),
        muted=tuple(map(muted, shown)),
        words=frozenset(column.name for column in columns if column.words),
        data=tuple({key: read(one) for key, read in values.items()} for one in shown),
        folded=folded,
    )


def _data(column: Column[T]) -> Mapping[str, Callable[[T], Any]]:
    return column.data or {stem(column.name): column.cell}


def stem(name: str) -> str:
    """A name as that of a file or of a column in it.

    >>> stem("p (Holm)"), stem("Solved when halting")
    ('p_holm', 'solved_when_halting')
    """
    return re.sub(r"\W+", "_", name.lower()).strip("_")


def _name(key: str, name: str) -> str:
    own = METRIC[key].column
    return name.format(own if name.startswith("{}") else own.lower())


def _key(key: str, name: str) -> str:
    return stem((name if "{}" in name else f"{name} {{}}").format(key))
