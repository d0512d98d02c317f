"""Blocks of a report, and tables by their columns.

One outline of blocks becomes the HTML page and the Markdown page. All texts are plain: each page
escapes them in its own way.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sweep_platform.report import wording
from sweep_platform.report.analysis.points import Point
from sweep_platform.spec.metrics import METRIC

T = TypeVar("T")


@dataclass(frozen=True)
class Heading:
    """Title of a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True)
class Headline:
    """The one result a reader should leave with: a number, and the sentence that qualifies it."""

    number: str
    sentence: str


@dataclass(frozen=True)
class Bullets:
    """Sentences that stand for themselves."""

    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Terms and what they are; folded below a title where most readers skip them."""

    rows: tuple[tuple[str, str], ...]
    folded: str | None = None


@dataclass(frozen=True)
class Table:
    """Rows under the names of columns; columns named in `words` hold words, the others numbers.

    A muted row is not to be compared with the others.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    muted: tuple[bool, ...]
    words: frozenset[str]


@dataclass(frozen=True)
class Figure:
    """A chart: the stem of its file name, words for who cannot see it, and Vega-Lite."""

    name: str
    description: str
    spec: dict[str, Any]


@dataclass(frozen=True)
class Command:
    """A command line to type."""

    line: str


@dataclass(frozen=True)
class Missing:
    """Why a section is left out; all of these stand together at the end."""

    reason: str


Block = Heading | Paragraph | Headline | Bullets | Facts | Table | Figure | Command


@dataclass(frozen=True)
class Outline:
    """A whole report: its title, a line on the state of the sweep, and its blocks."""

    title: str
    status: str
    blocks: tuple[Block, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Its charts, in the order of the page."""
        return tuple(block for block in self.blocks if isinstance(block, Figure))


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column: its name, its cell for one row's subject, and whether it holds words."""

    name: str
    cell: Callable[[T], str]
    words: bool = False


def metric(key: str, read: Callable[[T], float | None], name: str = "{}") -> Column[T]:
    """Column of a metric, named and worded as the table of metrics says, its name in the braces.

    >>> metric("inference_flops", float, "Median {}").name
    'Median inference'
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
