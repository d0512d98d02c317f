"""How much training finds the front: this project's search and others, on recorded trainings.

    python benchmarks/quality/compare.py [--repeats 30] [--methods random ...] [--peers FOLDER]

The table beside this file holds what every cell of a small space of HRMs came to. A cluster of
four workers is simulated, on which a training takes as long as its FLOPs. Printed are the training
FLOPs until the area below the front of accuracy and inference FLOPs is 95 % of what the full grid
comes to, as a share of the grid's, median and quartiles over the repeats; and how probable it is
that the method needs no more than `auto`, by a one-sided rank test. Other projects' searches join
where the folder of `--peers` holds their environments, as the scripts in benchmarks/peers say.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu

sys.path.insert(0, str(Path(__file__).parents[1]))

from measuring import conditions

from quality import stock
from quality.ours import PROMOTION, STOPPING, Ours
from quality.peer import Peer
from quality.simulation import Method, simulate
from quality.table import TABLE, Table

GOAL = 0.95
OURS = "ours: auto, promotion"
Make = Callable[[Table, int, Path], Method]


def ours(sampler: str, rungs: dict[str, Any]) -> Make:
    """This project's search with a sampler, and rungs if there are any."""
    return lambda table, seed, folder: Ours(table, seed, folder, sampler, rungs)


METHODS: dict[str, Make] = {
    OURS: ours("auto", PROMOTION),
    "ours: auto, stopping": ours("auto", STOPPING),
    "ours: auto, no rungs": ours("auto", {}),
    **{f"ours: {name}, promotion": ours(name, PROMOTION) for name in ("front", "tpe", "random")},
    **{f"ours: {name}, no rungs": ours(name, {}) for name in ("front", "tpe", "gp")},
    "random": lambda table, seed, folder: stock.Random(table, seed),
    "Optuna TPE": lambda table, seed, folder: stock.tpe(table, seed),
    "Optuna NSGA-II": lambda table, seed, folder: stock.nsga2(table, seed),
    "Ray ASHA, OptunaSearch": lambda table, seed, folder: stock.StockRay(table, seed),
}
PEERS = {
    "Syne Tune MOASHA": ("syne", "syne_tune_moasha.py"),
    "NePS MOASHA": ("neps", "neps_moasha.py"),
}
"""The name of its environment, and the script that runs in it."""


def joined(folder: Path | None) -> dict[str, Make]:
    """The peers whose environments are there."""
    found: dict[str, Make] = {}
    for name, (environment, script) in PEERS.items():
        python = folder and folder / environment / "bin/python"
        if python and python.exists():
            found[name] = partial(_peer, str(python), script)
    return found


def _peer(python: str, script: str, table: Table, seed: int, folder: Path) -> Method:
    return Peer(table, seed, python, script)


def spent(table: Table, make: Make, seed: int) -> float:
    """Training FLOPs to the goal, as a share of the grid's; infinite where it is not reached."""
    with tempfile.TemporaryDirectory() as place:
        method = make(table, seed, Path(place, "sweep"))
        try:
            for reached in simulate(table, method, 2 * table.flops):
                if reached.area >= GOAL * table.whole:
                    return reached.spent / table.flops
        finally:
            if isinstance(method, Peer):
                method.close()
    return math.inf


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--methods", nargs="+")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--table", type=Path, default=TABLE)
    options = parser.parse_args()
    table, methods = Table(options.table), METHODS | joined(options.peers)
    print(conditions("optuna", "ray", "numpy"))
    print(
        f"\n{len(table.cells)} cells, {len(table.seeds)} seeds, {table.rungs} rungs; training "
        f"FLOPs to {GOAL:.0%} of the grid's area, as a share of the grid's {table.flops:.2e}; "
        f"{options.repeats} repeats\n"
    )
    print("| method | median | quartiles | not reached | p that it needs no more than ours |")
    print("|--|--:|--:|--:|--:|", flush=True)
    of_ours: list[float] = []
    for name in options.methods or methods:
        found = [spent(table, methods[name], seed) for seed in range(options.repeats)]
        of_ours = found if name == OURS else of_ours
        low, middle, high = np.quantile(found, (0.25, 0.5, 0.75), method="nearest")
        least = (
            f"{mannwhitneyu(of_ours, found, alternative='less').pvalue:.2g}"
            if of_ours and name != OURS
            else ""
        )
        missed = sum(map(math.isinf, found))
        cells = (name, f"{middle:.3f}", f"{low:.3f} to {high:.3f}", str(missed), least)
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
