"""What the pieces are told: the device, how much time, and the sizes of models and puzzles."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from measuring import conditions

from hrm.config import ModelConfig, TrainingConfig
from hrm.training.learner import Learner
from puzzle_datasets.loading.batch import Batch

EXECUTIONS = ("eager", "compiled", "cuda_graphs")
COMPILER_MODES = {"compiled": "default", "cuda_graphs": "reduce-overhead"}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What was asked for on the command line."""

    root: Path
    device: torch.device
    precision: str = "bfloat16"
    minutes: float = 8.0
    rounds: int = 5
    executions: tuple[str, ...] = EXECUTIONS
    commit: str | None = None
    tiny: bool = False

    def conditions(self) -> str:
        """Return when, where, with which versions and on which commit this runs."""
        device = "CPU"
        if self.device.type == "cuda":
            found = torch.cuda.get_device_properties(self.device)
            size = found.total_memory / 2**30
            device = f"{found.name} ({size:.0f} GiB, CUDA {torch.version.cuda})"
        return (
            f"{conditions('torch', 'triton', 'numpy')} Device {device}. Commit {self._commit()}."
        )

    def deadline(self) -> float:
        """Return the `time.monotonic()` at which a piece that begins now is to end."""
        return time.monotonic() + 60 * self.minutes

    def _commit(self) -> str:
        command = ["git", "-C", str(self.root), "describe", "--always", "--dirty"]
        try:
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            said = "unknown"
        return self.commit or said.strip()


@dataclass(frozen=True, kw_only=True)
class Size:
    """A model of one width on puzzles of one kind; rows that pass through at a time must fit."""

    name: str
    hidden_size: int
    seq_len: int
    vocab_size: int
    identities: int
    micro_batch: int
    batch_size: int = 768
    layers: int = 4
    head_dim: int = 64

    def model(self, **changes: object) -> ModelConfig:
        """Return the published model of this width, with some settings changed."""
        settings: dict[str, object] = {
            "vocab_size": self.vocab_size,
            "seq_len": self.seq_len,
            "num_puzzle_identifiers": self.identities,
            "hidden_size": self.hidden_size,
            "num_heads": self.hidden_size // self.head_dim,
            "H_layers": self.layers,
            "L_layers": self.layers,
        }
        return ModelConfig(**{**settings, **changes})  # type: ignore[arg-type]

    def training(self, **changes: object) -> TrainingConfig:
        """Return a training without warm-up, with some settings changed.

        Values of float32 are twice as wide, so that half as many rows pass through at a time.
        """
        narrow = changes.get("precision") == "bfloat16"
        settings: dict[str, object] = {
            "training_flops": 1.0,
            "batch_size": self.batch_size,
            "micro_batch": self.micro_batch if narrow else max(1, self.micro_batch // 2),
            "warmup_steps": 0,
        }
        return TrainingConfig(**{**settings, **changes})  # type: ignore[arg-type]

    def batches(self, count: int, device: torch.device) -> list[Batch]:
        """Return random puzzles on the device; about one label of ten is not scored."""
        generator = torch.Generator().manual_seed(0)

        def draw(limit: int, *shape: int) -> torch.Tensor:
            return torch.randint(limit, shape, generator=generator, dtype=torch.int32)

        rows, length = self.batch_size, self.seq_len
        made = []
        for _ in range(count):
            inputs, labels = (draw(self.vocab_size, rows, length) for _ in range(2))
            labels[draw(10, rows, length) == 0] = 0
            made.append(Batch(inputs, labels, draw(self.identities, rows)).to(device))
        return made


SUDOKU_128 = Size(
    name="Sudoku, L=81, d=128",
    hidden_size=128,
    seq_len=81,
    vocab_size=11,
    identities=1,
    micro_batch=768,
)
SUDOKU_512 = Size(
    name="Sudoku, L=81, d=512",
    hidden_size=512,
    seq_len=81,
    vocab_size=11,
    identities=1,
    micro_batch=384,
)
# The published table has 876,406 rows; what a step costs does not depend on it.
ARC_128 = Size(
    name="ARC, L=900, d=128",
    hidden_size=128,
    seq_len=900,
    vocab_size=12,
    identities=10_000,
    micro_batch=128,
)
ARC_512 = Size(
    name="ARC, L=900, d=512",
    hidden_size=512,
    seq_len=900,
    vocab_size=12,
    identities=10_000,
    micro_batch=64,
)
TINY = Size(
    name="tiny, L=9, d=32",
    hidden_size=32,
    seq_len=9,
    vocab_size=7,
    identities=3,
    micro_batch=4,
    batch_size=8,
    layers=1,
    head_dim=16,
)


def learner(
    model: ModelConfig, training: TrainingConfig, device: torch.device, steps: int = 1000
) -> Learner:
    """Return a learner of fixed seeds whose blocks run as `training.execution` says.

    Raises `RuntimeError` where they can't: a row must not tell of code that did not run.
    """
    made = Learner(
        model,
        training,
        steps,
        device,
        initialisation=torch.Generator().manual_seed(1),
        exploration=torch.Generator().manual_seed(2),
    )
    if training.execution != "eager":
        # Eager rows must come out where there is no compiler.
        from hrm.model.compiled import compile_blocks

        if not compile_blocks(made.model, COMPILER_MODES[training.execution]):
            raise RuntimeError("no compiler here")
    return made
