"""A search of another project, in a process of another environment; see benchmarks/peers."""

import json
import subprocess
from pathlib import Path
from typing import Any

from quality.record import RUNGS
from quality.simulation import Work
from quality.table import NAMES, Rung, Table

PEERS = Path(__file__).parents[1] / "peers"


class Peer:
    """Speaks with a script of `benchmarks/peers` that an interpreter of its own runs."""

    def __init__(self, table: Table, seed: int, python: str, script: str) -> None:
        self._table, self._count, self._seed, self._script = table, 0, seed, script
        self._process = subprocess.Popen(
            [python, str(PEERS / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        values = {name: list(of) for name, of in table.values.items()}
        self._tell({"values": values, "shares": RUNGS, "seed": seed})

    def start(self) -> Work:
        """What it proposes."""
        self._count += 1
        found = self._ask({"start": str(self._count)})
        of = found.get("of", str(self._count))
        seeds = self._table.seeds
        seed = seeds[(self._seed + int(of)) % len(seeds)]
        cell = tuple(found["cell"][name] for name in NAMES)
        return Work(str(self._count), cell, seed, found.get("rung", 0))

    def report(self, work: Work, rung: int, found: Rung) -> bool:
        """What it decides."""
        line = {"report": work.key, "rung": rung, "values": _values(found)}
        return bool(self._ask(line)["goes_on"])

    def ended(self, work: Work, last: Rung) -> None:
        """Tell it, and how far the training came."""
        rung = list(self._table.training(work.cell, work.seed)).index(last)
        self._ask({"ended": work.key, "rung": rung, "values": _values(last)})

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _ask(self, line: dict[str, Any]) -> dict[str, Any]:
        self._tell(line)
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._script} ended; run it by hand")
        found: dict[str, Any] = json.loads(answer)
        return found

    def _tell(self, line: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        print(json.dumps(line), file=self._process.stdin, flush=True)


def _values(found: Rung) -> dict[str, float]:
    return {"exact_accuracy": found.accuracy, "inference_flops": float(found.cost)}
