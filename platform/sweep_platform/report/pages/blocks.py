"""What a report is made of. One outline of blocks becomes the HTML page and the Markdown page.

All texts are plain: each page escapes them in its own way.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """Title of a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True)
class Finding:
    """The one result a reader should leave with: a number, and the sentence that qualifies it."""

    number: str
    sentence: str


@dataclass(frozen=True)
class Bullets:
    """Sentences that stand for themselves."""

    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Terms and what they are."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Row:
    """Cells of a table; a muted row is not to be compared with the others."""

    cells: tuple[str, ...]
    muted: bool = False


@dataclass(frozen=True)
class Table:
    """Rows under the names of columns; columns named in `words` hold words, the others numbers."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    words: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A chart, by the stem of its picture's file name, and words for who cannot see it."""

    chart: str
    description: str


@dataclass(frozen=True)
class Command:
    """A command line to type."""

    line: str


@dataclass(frozen=True)
class Folded:
    """Facts that most readers skip."""

    title: str
    facts: Facts


Block = Heading | Paragraph | Finding | Bullets | Facts | Table | Figure | Command | Folded


@dataclass(frozen=True)
class Outline:
    """A whole report: its title, a line on how the sweep stands, and its blocks."""

    title: str
    status: str
    blocks: tuple[Block, ...]
