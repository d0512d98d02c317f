"""What deterministic proposals cost in idle time, against proposals that wait for nobody.

    python benchmarks/deterministic.py [--repeats 200] [--trials 24]

Simulates sweeps on one host: slots that take jobs in the order in which the scheduler hands them
out, replicates of open trials before new trials, durations drawn evenly between 1 and `spread`
times the least, one for each trial, with 5 % between its replicates. A point may be proposed once
all before it have ended, but for as many as may have a job that runs beside it. Prints a Markdown
table: the share of the slots' time that is idle before the last trial begins, median and range.
"""

import argparse
import heapq
import math

import numpy as np
from measuring import conditions, spread

SPREADS = (1.2, 2.0, 4.0)
LAYOUTS = ((2, 1), (2, 3), (4, 1), (4, 3), (8, 1), (8, 5))


def main() -> None:
    """Simulate each layout and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeats", type=int, default=200)
    arguments.add_argument("--trials", type=int, default=24)
    options = arguments.parse_args()
    print(conditions("numpy"))
    print(f"\n{options.repeats} sweeps of {options.trials} trials each; idle %: median (range)\n")
    print("| slots | replicates | durations differ by | deterministic | waiting for nobody |")
    print("|--:|--:|--:|--:|--:|")
    for slots, replicates in LAYOUTS:
        for most in SPREADS:
            shares = {True: [], False: []}
            for repeat in range(options.repeats):
                generator = np.random.default_rng(repeat)
                each = generator.uniform(1, most, (options.trials, 1))
                durations = each * generator.uniform(0.975, 1.025, (options.trials, replicates))
                for waits in shares:
                    shares[waits].append(100 * idle(durations, slots, waits))
            found = f"{spread(shares[True], 1)} | {spread(shares[False], 1)}"
            print(f"| {slots} | {replicates} | {most:g} | {found} |")


def idle(durations: np.ndarray, slots: int, waits: bool) -> float:
    """Share of the slots' time that is idle until the last trial begins."""
    trials, replicates = durations.shape
    lag = math.ceil((slots - 1) / replicates)
    left, running = [replicates] * trials, [0] * trials
    ends: list[tuple[float, int]] = []
    now, begun, waiting, unused = 0.0, 0, [], 0.0
    while begun < trials:
        while len(ends) < slots:
            if not waiting:
                settled = all(not left[one] and not running[one] for one in range(begun - lag))
                if begun == trials or (waits and not settled):
                    break
                waiting.extend([begun] * replicates)
                begun += 1
            trial = waiting.pop(0)
            left[trial] -= 1
            running[trial] += 1
            heapq.heappush(ends, (now + durations[trial, left[trial]], trial))
        if begun == trials:
            break
        end, trial = heapq.heappop(ends)
        unused += (slots - len(ends) - 1) * (end - now)
        now = end
        running[trial] -= 1
    return unused / (slots * now) if now else 0.0


if __name__ == "__main__":
    main()
