"""Train as told by a JSON text in the first argument, saving at each report, until killed.

Keys: dataset and checkpoint are paths, model and training the fields of the two configurations.
Prints one JSON line a report, after it was saved.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from hrm.config import ModelConfig, TrainingConfig
from hrm.training.trainer import Trainer
from puzzle_datasets.storage.dataset import PuzzleDataset


def main(request: str) -> None:
    torch.set_num_threads(1)
    asked = json.loads(request)
    training = asked["training"]
    training["evaluate_at"] = tuple(training["evaluate_at"])
    trainer = Trainer(
        ModelConfig(**asked["model"]),
        TrainingConfig(**training),
        PuzzleDataset.open(Path(asked["dataset"])),
        torch.device("cpu"),
    )
    for progress in trainer.run():
        trainer.save(Path(asked["checkpoint"]))
        print(json.dumps(asdict(progress)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
