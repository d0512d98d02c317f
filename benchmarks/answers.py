"""What keeping every puzzle's answers costs: messages, the file, its size.

    python benchmarks/answers.py [--rounds 5] [--puzzles 422786] [--segments 16]
        [--replicates 5] [--evaluations 1]

As many puzzles as Sudoku-Extreme tests on. Answers are made up: each puzzle has its difficulty,
each replicate and each segment adds chance, and later segments solve more. Each evaluation of each
replicate goes through its packed form, as from a worker to the driver, and then into the file, one
after another; at last all are merged into one file, as at a trial's end, and it is read. Prints a
Markdown table of seconds of processor, one thread: median and range over the rounds.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from measuring import conditions, spread

from hrm.evaluation.answer_file import AnswerFile
from hrm.evaluation.per_puzzle import PuzzleAnswers, answers_from

SOLVABLE, GAIN = 1.2, 0.12
"""Difficulty from which a puzzle is solved at once, and what a segment adds, in deviations."""

BETWEEN_REPLICATES, BETWEEN_SEGMENTS = 0.5, 0.15
"""Deviations of chance, beside 1 between puzzles."""


def made_up(puzzles: int, segments: int, replicate: int, evaluation: int) -> PuzzleAnswers:
    """Answers of a model that ends at about two thirds solved."""
    ability = np.random.default_rng(0).standard_normal(puzzles)
    generator = np.random.default_rng((1, replicate, evaluation))
    ability += BETWEEN_REPLICATES * generator.standard_normal(puzzles)
    noise = BETWEEN_SEGMENTS * generator.standard_normal((puzzles, segments))
    solved = ability[:, None] + GAIN * np.arange(segments) + noise > SOLVABLE
    halted_at = np.where(solved.any(1), solved.argmax(1) + 1, segments)
    count, zeros = np.arange(puzzles, dtype=np.int32), np.zeros(puzzles, np.int32)
    return PuzzleAnswers(
        step=1000 * (evaluation + 1),
        training_flops=10**15,
        puzzles=count,
        views=zeros,
        tasks=count,
        solved=solved,
        halted_at=halted_at.astype(np.int32),
        vote_rank=zeros,
    )


def measure(answers: list[tuple[int, PuzzleAnswers]], path: Path) -> tuple[float, ...]:
    """Return seconds to pack, unpack, write and read, and bytes of messages and file."""
    began = time.process_time()
    texts = [json.dumps(one.to_plain()) for _, one in answers]
    packed = time.process_time()
    received = [answers_from(json.loads(text)) for text in texts]
    unpacked = time.process_time()
    file = AnswerFile(path)
    for (replicate, _), one in zip(answers, received, strict=True):
        file.add([("measure", replicate, one)])
    file.merge()
    written = time.process_time()
    table = AnswerFile(path).read()
    read = time.process_time()
    assert len(table) == sum(len(one.puzzles) for _, one in answers)
    seconds = packed - began, unpacked - packed, written - unpacked, read - written
    return (*seconds, sum(map(len, texts)), path.stat().st_size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name, default in (("rounds", 5), ("puzzles", 422_786), ("segments", 16)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--replicates", type=int, default=5)
    parser.add_argument("--evaluations", type=int, default=1)
    asked = parser.parse_args()
    pa.set_cpu_count(1)
    answers = [
        (replicate, made_up(asked.puzzles, asked.segments, replicate, evaluation))
        for evaluation in range(asked.evaluations)
        for replicate in range(asked.replicates)
    ]
    with tempfile.TemporaryDirectory() as folder:
        rounds = [measure(answers, Path(folder, f"{n}.parquet")) for n in range(asked.rounds)]
    *seconds, message, size = zip(*rounds, strict=True)
    print(conditions("numpy", "pyarrow"))
    print(
        f"{asked.replicates} replicates with {asked.evaluations} evaluations each of "
        f"{asked.puzzles:,} puzzles and {asked.segments} segments, "
        f"n = {asked.rounds} rounds. Median (range).\n"
    )
    print(
        "| pack, s | unpack, s | write one by one and merge, s | read, s | sum, s "
        "| messages, MB | file, MB |"
    )
    print("|---|---|---|---|---|---|---|")
    cells = [
        spread(values, 2) for values in (*seconds, list(map(sum, zip(*seconds, strict=True))))
    ]
    sizes = [f"{values[0] / 1e6:.1f}" for values in (message, size)]
    print("| " + " | ".join([*cells, *sizes]) + " |")


if __name__ == "__main__":
    main()
