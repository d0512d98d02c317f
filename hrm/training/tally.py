"""Sums over the segments of training, of which reports give the means."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from hrm.distributed import SINGLE, ProcessGroup
from hrm.model.act import Segment


def sums_of(segment: Segment) -> Tensor:
    """What a tally adds up of one segment of some or all rows `[6]`."""
    slots, scores = segment.slots, segment.scores
    counts = slots.halted & (scores.labelled > 0)
    sums = [
        segment.loss.total.detach(),
        segment.loss.lm.detach(),
        counts.sum(),
        (counts & scores.exact).sum(),
        (counts * slots.segments).sum(),
        (slots.segments == 1).sum(),
    ]
    return torch.stack([value.double() for value in sums])


class Means(NamedTuple):
    """Means since the last report: losses per row, exact accuracy and segments per halted row."""

    loss: float
    lm_loss: float
    train_exact_accuracy: float
    mean_segments: float


class Tally:
    """Sums of segments, kept on the device so that a step does not wait for them.

    `steps` and `seconds` are since the last report, `examples` is of all.
    """

    def __init__(self, rows: int, device: torch.device) -> None:
        self.rows = rows
        self.steps = self.examples = 0
        self.seconds = 0.0
        self._sums = torch.zeros(6, dtype=torch.float64, device=device)
        self._halted = (0.0, 0.0)

    def add(self, sums: Tensor) -> None:
        """Add the `sums_of` one segment of some or all rows."""
        self._sums += sums

    def read(self, group: ProcessGroup = SINGLE) -> Means:
        """Return the means over all processes and start anew.

        Where no row halted, the means over halted rows are those of the report before, at first 0.
        """
        loss, lm_loss, count, exact, segments, fresh = group.sum_(self._sums).tolist()
        row_segments = self.rows * self.steps
        if count:
            self._halted = (exact / count, segments / count)
        self.examples += int(fresh)
        self.steps, self.seconds = 0, 0.0
        self._sums.zero_()
        return Means(loss / row_segments, lm_loss / row_segments, *self._halted)

    def state_dict(self, group: ProcessGroup = SINGLE) -> dict[str, Any]:
        """Everything later reports depend on, of all processes."""
        state = {name: getattr(self, name) for name in ("steps", "seconds", "examples")}
        return {**state, "sums": group.sum_(self._sums.clone()), "halted": self._halted}

    def load_state_dict(self, state: dict[str, Any], group: ProcessGroup = SINGLE) -> None:
        """Continue from what `state_dict` returned; the first process takes the sums over."""
        self.steps, self.seconds = state["steps"], state["seconds"]
        self.examples, self._halted = state["examples"], state["halted"]
        self._sums.copy_(state["sums"]).mul_(group.rank == 0)
