"""Tables of a report: a column is a name and what stands below it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sweep_platform.report.analysis import wording
from sweep_platform.report.analysis.front import Point
from sweep_platform.report.pages.blocks import Row, Table
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
    return Column(
        _name("exact_accuracy", name),
        lambda subject: wording.NOTHING if (point := read(subject)) is None else point.words,
    )


def interval(read: Callable[[T], Point | None]) -> Column[T]:
    """Column of the 95 % interval of the share of puzzles solved."""
    return Column(
        "95 % interval",
        lambda subject: (
            wording.NOTHING if (point := read(subject)) is None else point.interval_words
        ),
    )


def table(
    columns: Sequence[Column[T]],
    subjects: Iterable[T],
    muted: Callable[[T], bool] = lambda subject: False,
) -> Table:
    """Table with one row for each subject; those that are `muted` are not to be compared."""
    return Table(
        columns=tuple(column.name for column in columns),
        rows=tuple(
            Row(tuple(column.cell(subject) for column in columns), muted=muted(subject))
            for subject in subjects
        ),
        words=frozenset(column.name for column in columns if column.words),
    )


def _name(key: str, name: str) -> str:
    own = METRIC[key].column
    return name.format(own if name.startswith("{}") else own.lower())
