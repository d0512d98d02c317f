"""Numbers as people read them."""

import math

_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_SPANS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_NORMAL_95 = 1.959963984540054


def flops(count: float) -> str:
    """Floating-point operations to three digits: 1.2e9 is "1.2 GFLOP"."""
    rounded = float(f"{count:.3g}")
    magnitude = math.floor(math.log10(abs(rounded))) if rounded else 0
    power = min(max(magnitude // 3, 0), len(_PREFIXES) - 1)
    return f"{rounded / 1000**power:.3g} {_PREFIXES[power]}FLOP"


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


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a `share` found among `count`; 0 to 1 where count is 0."""
    if count == 0:
        return 0.0, 1.0
    z2 = _NORMAL_95**2 / count
    middle = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / 4)) / (1 + z2)
    return max(0.0, middle - half), min(1.0, middle + half)
