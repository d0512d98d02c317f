"""Tables of a report: a column is a name and what stands below it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sweep_platform.report import wording
from sweep_platform.report.analysis import Point
from sweep_platform.report.blocks import Table
from sweep_platform.spec.metrics import METRIC

T = TypeVar("T")


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column: its name, its cell for one row's subject, and whether it holds words."""

    name: str
    cell: Callable[[T], str]
    words: bool = False


def metric(key: str, read: Callable[[T], float | None], name: str = "{}") -> Column[T]:
    """Column of a metric, named and worded as the table of metrics says.

    >>> metric("inference_flops", float, "Median {}").name
    'Median inference'

    Args:
        key: of the metric.
        read: the metric's value for a row's subject, None where it has none.
        name: of the column, with the metric's own in place of the braces.
    """
    return Column(_name(key, name), lambda subject: wording.metric(key, read(subject)))


def solved(read: Callable[[T], Point | None], name: str = "{}") -> Column[T]:
    """Column of the share of puzzles solved, with its count."""
    name = _name("exact_accuracy", name)
    return Column(name, lambda one: point.words if (point := read(one)) else wording.NOTHING)


def interval(read: Callable[[T], Point | None]) -> Column[T]:
    """Column of the 95 % interval of the share of puzzles solved."""
    return Column(
        "95 % interval",
        lambda one: point.interval_words if (point := read(one)) else wording.NOTHING,
    )


def table(
    columns: Sequence[Column[T]],
    subjects: Iterable[T],
    muted: Callable[[T], bool] = lambda subject: False,
) -> Table:
    """Table with one row for each subject; those that are `muted` are not to be compared."""
    shown = list(subjects)
    return Table(
        columns=tuple(column.name for column in columns),
        rows=tuple(tuple(column.cell(subject) for column in columns) for subject in shown),
        muted=tuple(map(muted, shown)),
        words=frozenset(column.name for column in columns if column.words),
    )


def _name(key: str, name: str) -> str:
    own = METRIC[key].column
    return name.format(own if name.startswith("{}") else own.lower())
