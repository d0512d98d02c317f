"""Texts for people: numbers, names that were meant, and addresses without their secrets."""

import difflib
import math
import re
import reprlib
from collections.abc import Callable, Iterable, Sequence

HIDDEN = "***"
_USER = re.compile(r"([\w+.-]*)://([^\s]*)@")
_BARE = re.compile(r"(?<![^\s\"'=])[^\s/:@]*:(?!//)\S*@(?=[\w.-]+:\d)")
"""A name and a password before HOST:PORT, without a scheme."""
_SECRET = "(?:passw|pwd|token|secret|key)"
_QUERY = re.compile(rf"([?&][^=&\s]*{_SECRET}[^=&\s]*=)[^&\s]*", re.IGNORECASE)
_SUSPECT = re.compile(f"@|{_SECRET}", re.IGNORECASE)
_LONGEST_WORD = 4_096
"""Beyond it a word is searched for no address: that takes time by its square."""

_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_HUGE = 1e100
"""Whole numbers beyond it may be too long to be made text."""

_MOST_COMPARED = 100
_SPANS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def flops(count: float) -> str:
    """Floating-point operations to three digits: 1.2e9 is "1.2 GFLOP"."""
    return _prefixed(count, "FLOP")


def byte_size(count: float) -> str:
    """Bytes to three digits, in powers of 1000: 1.5e9 is "1.5 GB"."""
    return _prefixed(count, "B")


def energy(joules: float) -> str:
    """Energy in joules to three digits, or in kWh where it is much.

    >>> energy(1500), energy(7.2e6)
    ('1.5 kJ', '2 kWh')
    """
    return f"{joules / 3.6e6:.3g} kWh" if 3.6e5 <= joules < _HUGE else _prefixed(joules, "J")


def exact(number: float) -> str:
    """A number as somebody gave it, to the last digit: what is said of it must not contradict it.

    >>> exact(2.0), exact(0.9999999), exact(1e20)
    ('2', '0.9999999', '1e+20')
    """
    return repr(float(number)).removesuffix(".0")


def percent(share: float) -> str:
    """A share of one, to a tenth of a percent: 0.125 is "12.5 %"."""
    return f"{100 * share:.1f} %"


def seconds(span: float) -> str:
    """A span of time in its two largest units: 200 is "3 min 20 s", 3.21 is "3.2 s"."""
    if span < 9.95:
        return f"{span:.1f} s"
    left, counts = round(span), []
    for name, size in _SPANS:
        count, left = divmod(left, size)
        counts.append((count, name))
    first = next(index for index, (count, _) in enumerate(counts) if count)
    return " ".join(f"{count} {name}" for count, name in counts[first : first + 2] if count)


def counted(number: int, noun: str) -> str:
    """A number of things: "1 trial", "1,200 trials"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shown(value: object, most: int = 80) -> str:
    """A value as Python writes it, shortened to about `most` characters: a message stays short."""
    try:
        text = _SHORT.repr(value)
    except ValueError:  # Python writes no number of thousands of digits
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= most else f"{text[:most]}…"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100


def redact(text: str) -> str:
    """Hide the credentials in a text: all before the @ of an address, and passwords behind it.

    The mere name of a database's user is none; to a server it may be a token.

        >>> redact("postgresql://me@host/db, postgresql://me:pw@host/db, http://token@host")
        'postgresql://me@host/db, postgresql://***@host/db, http://***@host'
        >>> redact("--address me:pw@head:6379")
        '--address ***@head:6379'
    """
    return re.sub(r"\S+", lambda word: _without_secrets(word[0]), text)


def _without_secrets(word: str) -> str:
    if not _SUSPECT.search(word):
        return word
    if len(word) > _LONGEST_WORD:
        return HIDDEN
    bare = _BARE.sub(f"{HIDDEN}@", _USER.sub(_without_credentials, word))
    return _QUERY.sub(rf"\1{HIDDEN}", bare)


def _without_credentials(address: re.Match[str]) -> str:
    scheme, before = address.groups()
    mere_name = re.fullmatch(r"[\w.%-]*", before) and not scheme.startswith("http")
    return address[0] if mere_name else f"{scheme}://{HIDDEN}@"


def columns(rows: Sequence[Sequence[str]], align: Callable[[str, int], str] = str.rjust) -> str:
    """Rows of words, the first of them a heading, in columns that end together, or as aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(align, row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def suggest(wrong: str, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the known one that is close to it, else all of them."""
    names = list(known)
    near = difflib.get_close_matches(wrong[:_MOST_COMPARED], names, n=1)
    return f"did you mean {near[0]}?" if near else f"choose from {', '.join(names)}"


def _prefixed(count: float, unit: str) -> str:
    if abs(count) > _HUGE:
        return f"over {_HUGE:g} {unit}"
    rounded = float(f"{count:.3g}")
    magnitude = math.floor(math.log10(abs(rounded))) if rounded else 0
    power = min(max(magnitude // 3, 0), len(_PREFIXES) - 1)
    return f"{rounded / 1000**power:.3g} {_PREFIXES[power]}{unit}"
