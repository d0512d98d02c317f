"""How much faster than the published step, written plainly, the modes of training are on a CPU.

    python benchmarks/model_speed.py [--rounds 9] [--threads 2] [--only A|B|compile]

All modes and the reference (`benchmarks/reference.py`) take turns in one process, some steps
each, and a ratio is that of one round. Before that, the first steps of mode exact are compared
with the reference's. Then come times to the first step: with empty caches, and of a later trial,
each in a process of its own. Prints Markdown tables: median and range over the rounds.

On one thread, what counts is the processor's time, so that other work on the machine disturbs
less; on more it is the clock's, since threads that wait for each other burn processor's time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from measuring import as_in_training, conditions, spread
from reference import Rates, published_step

from hrm.config import ModelConfig, TrainingConfig
from hrm.model.reasoning_model import ReasoningModel
from hrm.training.learner import Learner
from puzzle_datasets.loading.batch import Batch

CPU = torch.device("cpu")
VARIANTS = ("exact, eager", "exact, compiled", "lean, eager", "lean, compiled")
SECONDS_A_TURN = 1.0


class Shape(NamedTuple):
    seq_len: int
    hidden_size: int
    layers: int
    rows: int

    def model(self, **changes: Any) -> ModelConfig:
        settings: dict[str, Any] = {
            "vocab_size": 11,
            "seq_len": self.seq_len,
            "num_puzzle_identifiers": 1,
            "hidden_size": self.hidden_size,
            "num_heads": self.hidden_size // 32,
            "H_layers": self.layers,
            "L_layers": self.layers,
            "M_max": 4,
        }
        return ModelConfig(**{**settings, **changes})

    def training(self) -> TrainingConfig:
        return TrainingConfig(training_flops=1.0, batch_size=self.rows, warmup_steps=0)

    def batch(self) -> Batch:
        generator = torch.Generator().manual_seed(3)
        tokens = [
            torch.randint(1, 11, (self.rows, self.seq_len), generator=generator, dtype=torch.int32)
            for _ in range(2)
        ]
        return Batch(tokens[0], tokens[1], torch.zeros(self.rows, dtype=torch.int32))


SHAPES = {"A": Shape(36, 64, 1, 64), "B": Shape(81, 128, 2, 32)}


def learner(shape: Shape, compiled: bool, **changes: Any) -> Learner:
    made = Learner(
        shape.model(**changes),
        shape.training(),
        1000,
        CPU,
        initialisation=torch.Generator().manual_seed(1),
        exploration=torch.Generator().manual_seed(2),
    )
    if compiled:
        # Its import takes a second, which belongs to the time to the first step.
        from hrm.model.compiled import compile_blocks

        if not compile_blocks(made.model, "default"):
            sys.exit("There is no compiler to measure; install g++.")
    return made


def reference(shape: Shape) -> tuple[ReasoningModel, Callable[[Batch], object]]:
    model = ReasoningModel(shape.model())
    model.initialise(torch.Generator().manual_seed(1))
    config = shape.training()
    rates = Rates(*(getattr(config, name) for name in Rates._fields))
    return model, published_step(model, shape.rows, rates, torch.Generator().manual_seed(2))


def largest_difference(shape: Shape, batch: Batch, compiled: bool) -> float:
    """How far weights are from the reference's after three steps, in steps of Adam-atan2."""
    model, step = reference(shape)
    learnt = learner(shape, compiled)
    for _ in range(3):
        step(batch)
        learnt.step(batch)
    pairs = zip(model.parameters(), learnt.model.parameters(), strict=True)
    return (
        max(float((a - b).detach().abs().max()) for a, b in pairs) / shape.training().learning_rate
    )


def examples_per_second(shape: Shape, step: Callable[[Batch], object], batch: Batch) -> float:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    began = clock()
    steps = 0
    while (passed := clock() - began) < SECONDS_A_TURN:
        step(batch)
        steps += 1
    return shape.rows * steps / passed


def throughput(name: str, rounds: int) -> None:
    shape = SHAPES[name]
    batch = shape.batch()
    steps = {"reference": reference(shape)[1]}
    for variant in VARIANTS:
        mode, execution = variant.split(", ")
        steps[variant] = learner(shape, execution == "compiled", mode=mode).step
    for step in steps.values():
        step(batch)
    rates: dict[str, list[float]] = {variant: [] for variant in steps}
    for _ in range(rounds):
        for variant, step in steps.items():
            rates[variant].append(examples_per_second(shape, step, batch))
    for variant, measured in rates.items():
        ratios = [a / b for a, b in zip(measured, rates["reference"], strict=True)]
        print(f"| {name} | {variant} | {spread(measured)} | {spread(ratios, 2)} |", flush=True)


def first_step(name: str, compiled: bool, N: int, T: int, M_max: int) -> None:
    """In a process of its own: print the seconds to the end of the first step, as JSON."""
    began = time.perf_counter()
    shape = SHAPES[name]
    learner(shape, compiled, N=N, T=T, M_max=M_max).step(shape.batch())
    print(json.dumps(time.perf_counter() - began))


def first_steps(name: str, threads: int, rounds: int) -> None:
    times: dict[str, list[float]] = {"eager": [], "compiled, first": [], "compiled, later": []}
    for _ in range(rounds):
        # All that PyTorch compiles lies below the folder for temporary files, and its helpers may
        # still tidy up there when a trial has ended.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            environment = {**os.environ, "TMPDIR": folder, "OMP_NUM_THREADS": str(threads)}
            environment.pop("TORCHINDUCTOR_CACHE_DIR", None)
            for what, N, T, M_max in zip(times, (2, 2, 3), (2, 2, 1), (4, 4, 8), strict=True):
                trial = json.dumps([name, what != "eager", N, T, M_max])
                command = [sys.executable, str(Path(__file__)), "--trial", trial]
                done = subprocess.run(
                    command, env=environment, stdout=subprocess.PIPE, text=True, check=True
                )
                times[what].append(json.loads(done.stdout))
    for what, measured in times.items():
        print(f"| {name} | {what} | {spread(measured, 1)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=[*SHAPES, "compile"])
    parser.add_argument("--trial", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.trial:
        first_step(*json.loads(asked.trial))
        return
    torch.set_num_threads(asked.threads)
    as_in_training()
    print(conditions("torch"), f"{asked.threads} threads, n = {asked.rounds} rounds.", end=" ")
    print("N = T = 2, M_max 4, heads of width 32. Median (range).\n")
    for name, shape in SHAPES.items():
        if asked.only in (None, name):
            differences = [largest_difference(shape, shape.batch(), c) for c in (False, True)]
            print(f"{name}: {shape}. Weights after 3 steps differ from the reference's by at most")
            print("{:.2g} (eager) and {:.2g} (compiled) learning rates.\n".format(*differences))
            print("| shape | mode | examples/s | times the reference, same round |")
            print("|---|---|---|---|")
            throughput(name, asked.rounds)
            print()
    if asked.only in (None, "compile"):
        print("| shape | trial | seconds from model to first step |\n|---|---|---|")
        for name in SHAPES:
            first_steps(name, asked.threads, min(3, asked.rounds))


if __name__ == "__main__":
    main()
