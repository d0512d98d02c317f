"""What the models do on a GPU: right or not, how fast, in how much memory, and what they learn.

    python benchmarks/gpu.py PIECE [--device cuda] [--precision bfloat16] [--minutes 8] [--tiny]

Needs torch, numpy and pyarrow, and nothing installed. Pieces, each made to end within ten minutes
on one H100, and each printing one Markdown table:

- correctness: every model and mode against the CPU, in float32 and bfloat16, compiled and not.
- throughput-sudoku, throughput-arc: examples/s of every mode at d = 128 and 512.
- memory: the peak for N·T from 1 to 32 and several M_max, and how gradients make it grow.
- learning: hard Sudoku at the published size for as long as there is time.
- all: one after the other.

A row that fails says why and the others go on; the exit status is then 1, or 2 where the device
or its precision is missing. `--device cpu --tiny` shows that every piece runs, no more.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "datasets"), str(ROOT / "benchmarks")]

import torch  # noqa: E402
from gpu_pieces import correctness, learning, memory, throughput  # noqa: E402
from gpu_pieces.setting import EXECUTIONS, Setting  # noqa: E402

from hrm.config import ConfigError  # noqa: E402
from hrm.model.devices import device_named, require_precision  # noqa: E402

PIECES = {
    "correctness": correctness.run,
    "throughput-sudoku": throughput.run_sudoku,
    "throughput-arc": throughput.run_arc,
    "memory": memory.run,
    "learning": learning.run,
}


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("piece", choices=[*PIECES, "all"])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--minutes", type=float, default=8.0, help="time that a piece may take")
    parser.add_argument("--rounds", type=int, default=5, help="of throughput, as time allows")
    parser.add_argument("--executions", nargs="+", default=EXECUTIONS, choices=EXECUTIONS)
    parser.add_argument("--commit", help="what to print where there is no git to ask")
    parser.add_argument("--tiny", action="store_true", help="only show that everything runs")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    chosen = vars(arguments(given))
    piece = chosen.pop("piece")
    try:
        device = device_named(chosen.pop("device"))
        require_precision(chosen["precision"], device)
    except ConfigError as error:
        print(f"gpu.py: {error}", file=sys.stderr)
        return 2
    if device.type == "cpu":
        torch.set_num_threads(1)
    executions = tuple(chosen.pop("executions"))
    setting = Setting(root=ROOT, device=device, executions=executions, **chosen)
    print(setting.conditions(), flush=True)
    names = list(PIECES) if piece == "all" else [piece]
    whole = [PIECES[name](setting) for name in names]
    return 0 if all(whole) else 1


if __name__ == "__main__":
    sys.exit(main())
