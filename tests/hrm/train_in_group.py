"""One of several processes that train together, as told by a JSON text in the first argument.

Keys: dataset and out are folders; cases is a list of name, model and training (the fields of the
two configurations), stop_at (the step to stop at, null for none), resume (a checkpoint, null for
none) and room (rows that the memory of the second process has room for, null for all). Each
process saves what it has at the end to <out>/<name>-<rank>.pt; the first also leaves its
checkpoint at <out>/<name>.pt. All is computed in float64; see the module float64.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from float64 import switch

from hrm.config import ModelConfig, TrainingConfig
from hrm.distributed import ProcessGroup
from hrm.runs.processes import Processes
from hrm.training import learner
from hrm.training.trainer import Trainer
from puzzle_datasets.storage.dataset import PuzzleDataset

CPU = torch.device("cpu")


@contextmanager
def room_for(rows: int | None) -> Iterator[None]:
    """Segments of more rows than that find no memory; None for any number."""
    train_segment = learner.train_segment

    def bounded(model: Any, slots: Any, *rest: Any) -> Any:
        if rows is not None and len(slots.halted) > rows:
            raise torch.OutOfMemoryError("of the device")
        return train_segment(model, slots, *rest)

    learner.train_segment = bounded
    try:
        yield
    finally:
        learner.train_segment = train_segment


def train(case: dict[str, Any], dataset: PuzzleDataset, group: ProcessGroup, out: Path) -> None:
    training = {**case["training"], "evaluate_at": tuple(case["training"]["evaluate_at"])}
    trainer = Trainer(
        ModelConfig(**case["model"]), TrainingConfig(**training), dataset, CPU, group
    )
    if case["resume"]:
        trainer.restore(Path(case["resume"]))
    stop_at = case["stop_at"]
    # A run whose checkpoints are due at every step also asks at every step whether to stop.
    seconds = 0.0 if stop_at else 1000.0
    with room_for(case["room"] if group.rank == 1 else None):
        reports = [
            asdict(progress)
            for progress in trainer.run(
                out / f"{case['name']}.pt", seconds, stop=lambda: trainer.step == stop_at
            )
        ]
    result = {
        "reports": reports,
        "weights": dict(trainer.model.state_dict()),
        "answers": [answers.to_plain() for answers in trainer.answers],
    }
    torch.save(result, out / f"{case['name']}-{group.rank}.pt")


def main(request: str) -> None:
    torch.set_num_threads(1)
    switch(setattr)
    wanted = json.loads(request)
    processes = Processes.found(os.environ)
    group = processes.connect(CPU)
    dataset = PuzzleDataset.open(Path(wanted["dataset"]))
    for case in wanted["cases"]:
        train(case, dataset, group, Path(wanted["out"]))
    processes.leave(0)


if __name__ == "__main__":
    main(sys.argv[1])
