"""Blocks of a report.

One outline of blocks becomes the HTML page and the Markdown page. All texts are plain: each page
escapes them in its own way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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

    A muted row is not to be compared with the others. `name` is the stem of its files, which hold
    the values of `data`, a mapping for each row, where the page has words. A long table may be
    folded below a title.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    muted: tuple[bool, ...]
    words: frozenset[str]
    data: tuple[Mapping[str, Any], ...]
    folded: str | None = None


@dataclass(frozen=True)
class Figure:
    """A chart: the stem of its file name, words for who cannot see it, and Vega-Lite."""

    name: str
    description: str
    spec: dict[str, Any]


@dataclass(frozen=True)
class Drawing:
    """A picture: the stem of its file, words for who cannot see it, and SVG."""

    name: str
    description: str
    svg: str


@dataclass(frozen=True)
class Command:
    """A command line to type."""

    line: str


@dataclass(frozen=True)
class Missing:
    """Why a section is left out; all of these stand together at the end."""

    reason: str


Block = Heading | Paragraph | Headline | Bullets | Facts | Table | Figure | Drawing | Command


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

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """Its pictures, likewise."""
        return tuple(block for block in self.blocks if isinstance(block, Drawing))

    @property
    def tables(self) -> tuple[Table, ...]:
        """Its tables, likewise."""
        return tuple(block for block in self.blocks if isinstance(block, Table))
