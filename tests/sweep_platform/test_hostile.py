"""Spaces and records that are made to hang or to fill memory end in a sentence, and soon.

All are tried in one process. Beyond what reading a whole sweep took it may have 500 MB more, and
10 s of the processor for each.
"""

import json
import math
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from puzzle_datasets.common.errors import UserError
from sweep_platform.api import Sweep
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.store.trial import TrialState

MEMORY, SECONDS, PATIENCE = 500_000_000, 10, 120
HUGE = 10**400
BASE = """name: toy
dataset: {name: arc-agi-1}
budget: {trials: 1, flops_per_trial: 1e9}
"""
KNOB = "space: {N: {choices: [1, 2]}}\n"


def spaces() -> Iterator[tuple[str, str]]:
    """Spaces by what is odd about them."""
    flat = "".join(f"k{number}: 1\n" for number in range(20_000))
    some = "".join(f"      k{number}: 1\n" for number in range(2_000))
    numbers = ", ".join(str(number) for number in range(1, 9_000))
    scales = "".join(f"  s{number}: {{}}\n" for number in range(1_000))
    yield "many scales", f"{BASE}{KNOB}scales:\n{scales}"
    yield "many keys", BASE + KNOB + flat
    yield "keys twice", f"{BASE}{KNOB}odd:\n{some}scales:\n  a:\n    odd:\n{some}"
    yield "many choices", f"{BASE}space: {{N: {{choices: [{numbers}]}}}}\n"
    yield "deep", BASE + "space: " + "{a: " * 10_000 + "}" * 10_000
    yield "a wide range", BASE + "space: {N: {low: 1, high: 1000000000000}}\n"


RECORDS: list[tuple[str, str, Any]] = [
    ("sweep.json", "created", 1e308),
    ("sweep.json", "spec.budget.trials", HUGE),
    ("sweep.json", "dataset.counts", {"tasks": HUGE}),
    ("trial.json", "number", HUGE),
    ("trial.json", "costs.total_steps", HUGE),
    ("trial.json", "parameters.N", HUGE),
    ("trial.json", "parameters.N", {"a": 1}),
    ("trial.json", "model.model", [1]),
    ("run.json", "training.seed", HUGE),
    ("run.json", "trial.replicate", HUGE),
    ("outcome.json", "ended", 1e308),
    ("outcome.json", "reason", "x" * 10**6),
]
"""File, key and value of what no writer wrote."""


def refused(read: Any) -> str:
    try:
        read()
    except UserError as error:
        return str(error)
    return ""


def limit_memory() -> None:
    """Let this process take so much more than it has, of what is its own to write to."""
    status = Path("/proc/self/status").read_text().splitlines()
    [taken] = [int(line.split()[1]) for line in status if line.startswith("VmData:")]
    resource.setrlimit(resource.RLIMIT_DATA, (1024 * taken + MEMORY,) * 2)


def limit_time() -> None:
    """Let this process have so many more seconds of the processor before it is ended."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime) + SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


def try_all(folder: Path) -> None:
    """Print a line for each case: what it is refused for, if it is."""
    Sweep.open(folder).report()
    limit_memory()
    space = folder.parent / "space.yaml"
    for name, text in spaces():
        space.write_text(text)
        limit_time()
        print(json.dumps([name, refused(SpaceFile.read(space).check)]))
    for name, path, value in RECORDS:
        file = sorted(folder.rglob(name))[0]
        whole = file.read_text()
        section = fields = json.loads(whole)
        *above, key = path.split(".")
        for one in above:
            section = section[one]
        section[key] = value
        file.write_text(json.dumps(fields))
        limit_time()
        print(json.dumps([path, refused(lambda: Sweep.open(folder).report())]))
        file.write_text(whole)


def test_each_ends_in_a_sentence(make_sweep: Any) -> None:
    folder = make_sweep(TrialState.COMPLETE)
    done = subprocess.run(
        [sys.executable, __file__, str(folder.root)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(said) == len(list(spaces())) + len(RECORDS)
    harmless = {"reason", "parameters.N"}
    assert {name for name, sentence in said if not sentence} <= harmless
    assert all("\n" not in sentence for _, sentence in said)


if __name__ == "__main__":
    try_all(Path(sys.argv[1]))
