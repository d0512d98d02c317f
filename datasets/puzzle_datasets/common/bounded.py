"""Numbers as the fields of records declare them: with bounds, which `record_from` holds them to.

@dataclass(frozen=True, kw_only=True)
class Outcome:
    ended: Moment
"""

from typing import Annotated

from puzzle_datasets.common.options import Bounds

LARGEST_WHOLE = 2**63 - 1
"""Of whole numbers, as tables hold them; FLOPs, which are counted exactly, may be more."""

MOST_FLOPS = 1e30
LATEST = 1e11
"""Unix seconds, three millennia from now; calendars have them."""

_OF_SHARES, _OF_LOSSES = 1e-6, 1e-3
"""Rounding by which a mean of shares, and a loss of almost nothing, may leave their bounds."""

Count = Annotated[int, Bounds(least=0, most=LARGEST_WHOLE)]
Positive = Annotated[int, Bounds(least=1, most=LARGEST_WHOLE)]
Amount = Annotated[float, Bounds(least=0, most=1e300)]
Loss = Annotated[float, Bounds(least=-_OF_LOSSES, most=1e300)]
Share = Annotated[float, Bounds(least=-_OF_SHARES, most=1 + _OF_SHARES)]

Flops = Annotated[int, Bounds(least=0, most=MOST_FLOPS)]
SomeFlops = Annotated[int, Bounds(least=1, most=MOST_FLOPS)]
MeanFlops = Annotated[float, Bounds(least=0, most=MOST_FLOPS)]

Moment = Annotated[float, Bounds(least=0, most=LATEST)]
"""In Unix seconds."""
Milliseconds = Annotated[int, Bounds(least=0, most=1000 * LATEST)]
"""The same in milliseconds."""

Seed = Annotated[int, Bounds(least=0, most=1e18)]

Figure = Annotated[float, Bounds(least=-1e300, most=1e300)]
"""A figure of any meaning, such as a statistic or an objective."""
