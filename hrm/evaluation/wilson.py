"""The interval in which chance leaves a share."""

import math

_NORMAL_95 = 1.959963984540054


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of a `share` found among `count`; 0 to 1 for none.

    >>> low, high = wilson(0.5, 10)
    >>> round(low, 3), round(high, 3)
    (0.237, 0.763)
    """
    if count == 0:
        return 0.0, 1.0
    z2 = _NORMAL_95**2 / count
    middle = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / 4)) / (1 + z2)
    return max(0.0, middle - half), min(1.0, middle + half)
