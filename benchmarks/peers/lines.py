"""How a peer is spoken with: one line of JSON in, one out, as long as there are lines.

The first line is `{"values": {knob: [..]}, "shares": [..], "seed": n}`. Then `{"start": key}` is
answered with `{"cell": {knob: value}}`, and, where an earlier training goes on, with that one's
key `"of"` and its next `"rung"`; `{"report": key, "rung": i, "values": {..}}` with
`{"goes_on": bool}`; `{"ended": key, "rung": i, "values": {..}}` with `{}`. The values are
`exact_accuracy` and `inference_flops`. A peer prints nothing else.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol


class Peer(Protocol):
    """A search of another project; `rung` counts from 0."""

    def start(self, key: str) -> dict[str, Any]:
        """What to train, as an answer."""

    def report(self, key: str, rung: int, values: dict[str, float]) -> bool:
        """Hear how a training stands; whether it goes on."""

    def ended(self, key: str, rung: int, values: dict[str, float]) -> None:
        """Hear how a training stood when it left its worker."""


def serve(make: Callable[[dict[str, list[Any]], list[float], int], Peer]) -> None:
    """Answer until the input ends; `make` takes the knobs' values, the rungs' shares, a seed."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    lines = _lines()
    first = next(lines)
    peer = make(first["values"], first["shares"], first["seed"])
    for line in lines:
        print(json.dumps(_answer(peer, line)), file=answers, flush=True)


def _answer(peer: Peer, line: dict[str, Any]) -> dict[str, Any]:
    if "start" in line:
        return peer.start(line["start"])
    if "report" in line:
        return {"goes_on": peer.report(line["report"], line["rung"], line["values"])}
    peer.ended(line["ended"], line["rung"], line["values"])
    return {}


def _lines() -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in sys.stdin)
