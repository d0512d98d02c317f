"""PNG files made small: vl-convert packs for speed, which is a megabyte or two a page."""

import struct
import zlib
from collections.abc import Iterator

_SIGNATURE_SIZE = 8
_HEADER = struct.Struct(">I4s")
_CHECKSUM = struct.Struct(">I")
_LEVEL = 9


def packed(png: bytes) -> bytes:
    """Return the same image with its pixels packed as tightly as zlib can."""
    chunks = list(_chunks(png))
    pixels = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    first = next(place for place, (kind, _) in enumerate(chunks) if kind == b"IDAT")
    others = [chunk for chunk in chunks if chunk[0] != b"IDAT"]
    repacked = (b"IDAT", zlib.compress(pixels, _LEVEL))
    image = [*others[:first], repacked, *others[first:]]
    return png[:_SIGNATURE_SIZE] + b"".join(_chunk(kind, data) for kind, data in image)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and content of each part of the file."""
    place = _SIGNATURE_SIZE
    while place < len(png):
        length, kind = _HEADER.unpack_from(png, place)
        place += _HEADER.size
        yield kind, png[place : place + length]
        place += length + _CHECKSUM.size


def _chunk(kind: bytes, data: bytes) -> bytes:
    header = _HEADER.pack(len(data), kind)
    return header + data + _CHECKSUM.pack(zlib.crc32(kind + data))
