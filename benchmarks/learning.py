"""What models learn on a CPU within minutes, HRM and a plain transformer at equal compute.

    python benchmarks/learning.py [--seeds 0 1 2] [--only 4x4 6x6 modes gradients] [--share 1.0]

Trains on generated Sudoku and tests on puzzles that no symmetry turns into training puzzles. Runs
that are compared have equal training FLOPs, up to one step, data and settings; the transformer has
the layers of both of HRM's modules, so as many parameters. A run's seed draws its weights, its
batches and its exploration. Settings and budgets were chosen on sets of another seed; the few
kinds of 4x4 puzzles come in both. With N = T = 1 what HRM has and the transformer has not is
recurrence under deep supervision, not hierarchy; it also spends M_max times the inference FLOPs.
All mix positions by MLP, which learns Sudoku sooner than attention does.

`4x4` and `6x6` say what is learnt within ten minutes on two cores; `modes` (exact and lean) and
`gradients` (how much of a segment keeps its gradient) are shorter. Prints a Markdown table for
each, and what it says of the differences.
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from measuring import conditions

from hrm.config import ModelConfig, TrainingConfig
from hrm.evaluation.wilson import wilson
from hrm.model.flops import parameter_count
from hrm.progress import Curve, Halting
from hrm.training.trainer import Trainer
from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.kinds.sudoku.rules import invariant
from puzzle_datasets.kinds.sudoku.source import SudokuSettings
from puzzle_datasets.storage.dataset import PairTable, PuzzleDataset

SIDE_4 = SudokuSettings(side=4, train=3000, test=500, clues=6, seed=1)
"""Puzzles without a spare clue are a few dozen up to symmetry, too few to be learnt from."""
SIDE_6 = SudokuSettings(side=6, train=4000, test=1000, clues=14, seed=1)
"""Four clues more than such puzzles need on average."""

MODEL: dict[str, Any] = {
    "mode": "lean",
    "N": 1,
    "T": 1,
    "H_layers": 1,
    "L_layers": 1,
    "hidden_size": 64,
    "num_heads": 4,
    "M_max": 4,
    "positions": "learned",
    "mixing": "mlp",
}
TRAINING: dict[str, Any] = {
    "batch_size": 16,
    "loss": "softmax",
    "learning_rate": 1e-3,
    "weight_decay": 0.1,
    "warmup_steps": 100,
    "lr_min_ratio": 0.1,
    "evaluate_at": (1.0,),
    "eval_batch_size": 100,
}
DEEPER: dict[str, Any] = {"N": 2, "T": 2}
"""Where one cycle of one step would leave nothing to compare."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Arms on one set at equal FLOPs: by name, what each changes in the model's settings.

    The first arm is held against each of the others. `goal` is the exact accuracy that all of the
    first arm's runs are to reach, if there is one.
    """

    puzzles: SudokuSettings
    flops: float
    arms: dict[str, dict[str, Any]]
    goal: float | None = None


COMPARISONS = {
    "4x4": Comparison(puzzles=SIDE_4, flops=1.5e12, arms={"HRM": {}}, goal=0.95),
    "6x6": Comparison(
        puzzles=SIDE_6,
        flops=5e12,
        arms={"HRM": {}, "transformer": {"model": "transformer"}},
        goal=0.6,
    ),
    "modes": Comparison(
        puzzles=SIDE_4,
        flops=5e11,
        arms={mode: DEEPER | {"mode": mode} for mode in ("lean", "exact")},
    ),
    "gradients": Comparison(
        puzzles=SIDE_4,
        flops=5e11,
        arms={
            "one_step": DEEPER | {"gradient": "one_step"},
            "last 4": DEEPER | {"gradient": "last_k", "gradient_steps": 4},
            "bptt": DEEPER | {"gradient": "bptt"},
        },
    ),
}

HEAD = (
    "model",
    "seed",
    "parameters",
    "training FLOPs",
    "inference FLOPs",
    "steps",
    "seconds",
    "exact, % (95 % interval)",
    "exact where each halts, %",
    "segments then",
)


class Run(NamedTuple):
    """A finished run: its trainer, seconds from first step to result, and that result."""

    trainer: Trainer
    training_flops: int
    seconds: float
    curve: Curve
    halting: Halting

    @property
    def exact(self) -> float:
        """Share of test puzzles with every cell right after M_max segments."""
        return self.curve.exact_accuracy[-1]


def trainer(dataset: PuzzleDataset, comparison: Comparison, arm: str, seed: int) -> Trainer:
    """The untrained run of an arm."""
    manifest = dataset.manifest
    model = ModelConfig(
        vocab_size=manifest.vocab_size,
        seq_len=manifest.seq_len,
        num_puzzle_identifiers=manifest.num_puzzle_identifiers,
        **MODEL | comparison.arms[arm],
    )
    training = TrainingConfig(training_flops=comparison.flops, seed=seed, **TRAINING)
    return Trainer(model, training, dataset, torch.device("cpu"))


def train(untrained: Trainer) -> Run:
    """Spend the whole budget and evaluate once, at its end."""
    started = time.perf_counter()
    *_, last = untrained.run()
    assert last.curve is not None
    assert last.halting is not None
    seconds = time.perf_counter() - started
    return Run(untrained, last.training_flops, seconds, last.curve, last.halting)


def cells(run: Run) -> list[str]:
    """A run as the end of a row."""
    low, high = wilson(run.exact, run.curve.puzzles)
    return [
        f"{parameter_count(run.trainer.model_config):,}",
        f"{run.training_flops:.3g}",
        f"{run.curve.inference_flops[-1]:.3g}",
        f"{run.trainer.total_steps:,}",
        f"{run.seconds:.0f}",
        f"{100 * run.exact:.1f} ({100 * low:.1f} to {100 * high:.1f})",
        f"{100 * run.halting.exact_accuracy:.1f}",
        f"{run.halting.mean_segments:.2f}",
    ]


def problems(split: PairTable, side: int) -> int:
    """How many puzzles are told apart up to symmetry, so at least so many are different."""
    return len(np.unique(invariant(split.inputs.numpy(), side)))


def introduction(name: str, comparison: Comparison, dataset: PuzzleDataset) -> str:
    """What is trained on what."""
    puzzles = comparison.puzzles
    clues = "as few as each needs" if puzzles.clues is None else f"{puzzles.clues} each"
    settings = ", ".join(f"{key} {value}" for key, value in (MODEL | TRAINING).items())
    changes = "; ".join(
        f"{arm}: {', '.join(f'{key} {value}' for key, value in change.items())}"
        for arm, change in comparison.arms.items()
        if change
    )
    return (
        f"\n## {name}\n\n{dataset.manifest.name} of side {puzzles.side}, clues {clues}; "
        f"{len(dataset.train):,} training puzzles, new variants in each epoch; n = "
        f"{len(dataset.test):,} test puzzles, {problems(dataset.test, puzzles.side):,} up to "
        f"symmetry. Each arm may train for {comparison.flops:.3g} FLOPs.\n"
        f"Settings: {settings}.{f' {changes}.' if changes else ''}\n"
    )


def compare(name: str, comparison: Comparison, seeds: Sequence[int], folder: Path) -> None:
    """Run all arms with all seeds, seed by seed, and print table and result."""
    dataset = PuzzleDataset.open(prepare("sudoku", comparison.puzzles, folder))
    print(introduction(name, comparison, dataset))
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
    runs: dict[str, list[Run]] = {arm: [] for arm in comparison.arms}
    for seed in seeds:
        for arm in comparison.arms:
            run = train(trainer(dataset, comparison, arm, seed))
            runs[arm].append(run)
            print(f"| {' | '.join([arm, str(seed), *cells(run)])} |", flush=True)
    print()
    for finding in findings(comparison, runs):
        print(f"- {finding}", flush=True)


def findings(comparison: Comparison, runs: dict[str, list[Run]]) -> Iterator[str]:
    """Whether the goal is reached, how long it took, and the differences of the arms."""
    first, *others = runs
    exact = {arm: [run.exact for run in done] for arm, done in runs.items()}
    if comparison.goal is not None:
        least = min(exact[first])
        verdict = "reached" if least >= comparison.goal else "missed"
        minutes = max(run.seconds for run in runs[first]) / 60
        yield (
            f"{first}, goal of {100 * comparison.goal:.0f} % exact in every run: {verdict}, least "
            f"{100 * least:.1f} %, in at most {minutes:.1f} minutes a run."
        )
    for other in others:
        pairs = zip(exact[first], exact[other], strict=True)
        yield f"{first} over {other}: {difference([100 * (a - b) for a, b in pairs])}"


def difference(points: Sequence[float]) -> str:
    """Each seed's difference, their mean, and what their standard error makes of it."""
    each = ", ".join(f"{value:+.1f}" for value in points)
    text = f"{each} points by seed, mean {statistics.mean(points):+.1f}"
    if len(points) == 1:
        return f"{text}; one seed confirms nothing."
    error = statistics.stdev(points) / math.sqrt(len(points))
    same = min(points) > 0 or max(points) < 0
    sign = f"{'the same' if same else 'not the same'} sign with every seed"
    return f"{text}, standard error {error:.1f}; {sign}."


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=tuple(COMPARISONS), default=["4x4", "6x6"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0, help="of each budget, for a short try")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    torch.set_num_threads(chosen.threads)
    print(conditions("torch", "numpy"))
    print(f"{chosen.threads} threads, float32, eager. Seconds include the evaluation at the end.")
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.only:
            whole = COMPARISONS[name]
            shortened = replace(whole, flops=chosen.share * whole.flops)
            compare(name, shortened, chosen.seeds, Path(folder))


if __name__ == "__main__":
    main()
