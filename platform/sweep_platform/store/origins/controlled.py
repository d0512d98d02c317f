"""Which heirs are trained once more from scratch, to tell what inheriting changes.

That follows from the order in which they were made, never from what they solve: picking the best
would flatter inheriting.
"""

import math
from collections.abc import Iterable

from sweep_platform.store.trial import TrialRecord


def controlled(records: Iterable[TrialRecord], share: float) -> list[TrialRecord]:
    """The heirs that have controls: a share of them, evenly in the order of their numbers.

    Heirs that are made later change nothing for those before.

    >>> controlled([], 0.25)
    []
    """
    heirs = sorted((one for one in records if one.ancestor), key=lambda one: one.number)
    return [
        one
        for place, one in enumerate(heirs)
        if math.ceil(share * (place + 1)) > math.ceil(share * place)
    ]
