"""The few shapes that puzzles are drawn with, as SVG text, and that text as a PNG file.

Lengths are in pixels of the page. A shape is drawn at the origin and then moved into place.
"""

import resource
import struct
import zlib
from collections.abc import Iterable, Iterator
from html import escape
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.errors import RunError
from puzzle_datasets.common.page import printable
from puzzle_datasets.common.text import byte_size

Grid = npt.NDArray[np.uint8]
"""Tokens [rows, columns] of one canvas."""
Mask = npt.NDArray[np.bool_]
Lengths = npt.NDArray[np.floating[Any]]

INK = "#1f2328"
FAINT = "#667085"
HAIRLINE = "#c3c8d0"
PIXELS_PER_POINT = 2

_SIGNATURE_SIZE = 8
_HEADER = struct.Struct(">I4s")
_CHECKSUM = struct.Struct(">I")
_LEVEL = 9

FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"


def moved(content: str, x: float, y: float) -> str:
    """Return shapes moved right by `x` and down by `y`."""
    return f'<g transform="translate({short(x)} {short(y)})">{content}</g>'


def text(
    content: str,
    x: float,
    y: float,
    *,
    size: float = 12,
    colour: str = INK,
    bold: bool = False,
    anchor: Literal["start", "middle", "end"] = "start",
) -> str:
    """Return a line of text whose baseline begins, is centred or ends at (x, y)."""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{short(x)}" y="{short(y)}" font-size="{short(size)}" fill="{colour}"'
        f'{weight} text-anchor="{anchor}">{escape(printable(content))}</text>'
    )


def placed_letters(
    letters: str, xs: Lengths, ys: Lengths, *, size: float, colour: str, bold: bool
) -> str:
    """Return letters as one text, each centred at its own (x, y) on its baseline."""
    x, y = (" ".join(map(short, positions.tolist())) for positions in (xs, ys))
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{short(size)}" fill="{colour}"{weight} '
        f'text-anchor="middle">{letters}</text>'
    )


def cells(mask: Mask, cell: float, colour: str) -> str:
    """Return the marked cells [rows, columns] in one colour, as one path of horizontal runs."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, begins = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    runs = "".join(
        f"M{short(begin * cell)} {short(row * cell)}h{short((end - begin) * cell)}"
        f"v{short(cell)}h{short((begin - end) * cell)}z"
        for row, begin, end in zip(rows, begins, ends, strict=True)
    )
    return path(runs, fill=colour)


def lines(
    xs: Iterable[float], ys: Iterable[float], width: float, height: float, **style: Any
) -> str:
    """Return vertical lines at `xs` and horizontal ones at `ys` across a rectangle."""
    vertical = "".join(f"M{short(x)} 0v{short(height)}" for x in xs)
    horizontal = "".join(f"M0 {short(y)}h{short(width)}" for y in ys)
    return path(vertical + horizontal, fill="none", **style)


def rectangle(width: float, height: float, **style: Any) -> str:
    """Return a rectangle at the origin."""
    return f'<rect width="{short(width)}" height="{short(height)}"{_attributes(style)}/>'


def frame(width: float, height: float) -> str:
    """Return a thin line around a canvas."""
    return rectangle(width, height, fill="none", stroke=HAIRLINE, stroke_width=0.8)


def disc(x: float, y: float, radius: float, **style: Any) -> str:
    """Return a disc around (x, y)."""
    positions = f'cx="{short(x)}" cy="{short(y)}" r="{short(radius)}"'
    return f"<circle {positions}{_attributes(style)}/>"


def path(data: str, **style: Any) -> str:
    """Return a path; underscores in the names of `style` stand for hyphens. None if empty."""
    return f'<path d="{data}"{_attributes(style)}/>' if data else ""


def short(value: float) -> str:
    """Write a length to hundredths, without zeros that say nothing."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


LEAST_ADDRESSES = 10**12
"""Bytes of address space that vl-convert's engine reserves, though it uses few of them."""


def chart_library() -> Any:
    """The module vl_convert, which ends the process where a limit keeps it from its addresses.

    Raises `RunError` there, in place of that, and `ImportError` where it is not installed.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESSES:
        raise RunError(
            f"charts can't be drawn under a limit of {byte_size(limit)} of address space; run "
            "`ulimit -v unlimited` first, or give no picture's name."
        )
    import vl_convert

    return vl_convert


def has_png() -> bool:
    """Return True if vl-convert is installed, by which SVG becomes PNG."""
    return find_spec("vl_convert") is not None


def to_png(image: str) -> bytes:
    """Return an SVG as a PNG file, by vl-convert, which packs for speed: made small here."""
    return packed(chart_library().svg_to_png(image, scale=PIXELS_PER_POINT))


def packed(png: bytes) -> bytes:
    """Return the same PNG file with its pixels packed as tightly as zlib can."""
    chunks = list(_chunks(png))
    pixels = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    first = next(position for position, (kind, _) in enumerate(chunks) if kind == b"IDAT")
    others = [chunk for chunk in chunks if chunk[0] != b"IDAT"]
    repacked = (b"IDAT", zlib.compress(pixels, _LEVEL))
    image = [*others[:first], repacked, *others[first:]]
    return png[:_SIGNATURE_SIZE] + b"".join(_chunk(kind, data) for kind, data in image)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = _SIGNATURE_SIZE
    while position < len(png):
        length, kind = _HEADER.unpack_from(png, position)
        position += _HEADER.size
        yield kind, png[position : position + length]
        position += length + _CHECKSUM.size


def _chunk(kind: bytes, data: bytes) -> bytes:
    header = _HEADER.pack(len(data), kind)
    return header + data + _CHECKSUM.pack(zlib.crc32(kind + data))


def _attributes(style: dict[str, Any]) -> str:
    return "".join(f' {name.replace("_", "-")}="{value}"' for name, value in style.items())
