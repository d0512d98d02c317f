"""A single run's account of itself: lines for people, and records for its folder."""

import os
import platform
import socket
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from hrm.config import ema_decay
from hrm.evaluation.wilson import wilson
from hrm.model.flops import costs, parameter_count, step_flops
from hrm.progress import Progress, Votes
from hrm.training.trainer import Trainer
from puzzle_datasets.common.text import counted, exact, flops, percent, seconds

SPENT = "The training budget is spent."


def of_run(trainer: Trainer, folder: str) -> dict[str, Any]:
    """The content of `run.json` for training on the puzzles in `folder`.

    `ema_decay` is that of the averaged weights that are evaluated; 0 where the trained ones are.
    """
    manifest, model, training = trainer.dataset.manifest, trainer.model_config, trainer.config
    return {
        "dataset": {"folder": folder, "name": manifest.name, "fingerprint": manifest.fingerprint},
        "model": asdict(model),
        "training": asdict(training),
        "costs": costs(model, training),
        "ema_decay": ema_decay(model, training),
    }


def session_record(trainer: Trainer) -> dict[str, Any]:
    """The line of `sessions.jsonl` for training that goes on from the trainer's step."""
    device = trainer.device
    return {
        "started": time.time(),
        "step": trainer.step,
        "host": socket.gethostname(),
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES") if device.type == "cuda" else None,
        "speed": {
            "mode": trainer.model.config.mode,
            "execution": trainer.execution,
            "precision": trainer.config.precision,
            "device": device.type,
            "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
            "processes": trainer.group.size,
            "threads": torch.get_num_threads(),
        },
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def beginning(trainer: Trainer, machine: str) -> str:
    """A line that says what is trained on what, where, and at which cost."""
    model, training, steps = trainer.model.config, trainer.config, trainer.total_steps
    budget = flops(steps * step_flops(model, training))
    return (
        f"Training {model.model} ({model.mode}, {trainer.execution}, {training.precision}) of "
        f"{counted(parameter_count(model), 'parameter')} on "
        f"{trainer.dataset.manifest.name}: {counted(steps, 'step')}, {budget}, on {machine}"
        f"{_averaged('; evaluations are', ema_decay(model, training))}."
    )


def line(progress: Progress) -> str:
    """One report on one line."""
    share = percent(progress.step / progress.total_steps)
    parts = [
        f"step {progress.step:,}/{progress.total_steps:,} ({share})",
        flops(progress.training_flops),
        f"loss {progress.loss:.4f}",
    ]
    if progress.mean_segments:  # before the first puzzle ends there are no means over such
        parts.append(f"exact {percent(progress.train_exact_accuracy)} in training")
        parts.append(f"{progress.mean_segments:.2f} segments")
    parts.append(f"{progress.examples_per_second:,.0f} examples/s")
    if progress.micro_batch is not None:
        parts.append(f"{progress.micro_batch:,} at a time for want of memory")
    if progress.curve is not None:
        of = "test puzzles" if progress.votes is None else "views"
        parts.append(f"{percent(progress.curve.exact_accuracy[-1])} of {of} exact")
    if progress.votes is not None:
        parts.append(f"pass@2 {percent(progress.votes.pass_2)}")
    if progress.step < progress.total_steps:
        left = progress.device_seconds / progress.step * (progress.total_steps - progress.step)
        parts.append(f"{seconds(left)} left")
    return ", ".join(parts)


def sign(trainer: Trainer) -> str:
    """The line of training that has nothing to report yet."""
    done = percent(trainer.step / trainer.total_steps)
    return f"step {trainer.step:,}/{trainer.total_steps:,} ({done}), the next report is to come"


def _averaged(before: str, decay: float) -> str:
    return f"{before} of the averaged weights (decay {exact(decay)})" if decay else ""


def result(progress: Progress, ema_decay: float = 0.0) -> str:
    """A sentence on an evaluation, with Wilson's 95 % interval.

    It is one of the averaged weights where `ema_decay` isn't 0.
    """
    curve, halting = progress.curve, progress.halting
    assert curve is not None
    votes = progress.votes
    counts = counted(curve.puzzles, "test puzzle" if votes is None else "view")
    # The views of an input are no independent puzzles: chance leaves what it leaves of the inputs.
    low, high = wilson(curve.exact_accuracy[-1], votes.inputs if votes else curve.puzzles)
    segments = len(curve.exact_accuracy)
    text = (
        f"Exact accuracy{_averaged('', ema_decay)} "
        f"{percent(curve.exact_accuracy[-1])} (95 % interval "
        f"{100 * low:.1f} to {percent(high)}) of {counts} after "
        f"{counted(segments, 'segment')} each"
    )
    if halting is not None and segments > 1:
        text += (
            f"; {percent(halting.exact_accuracy)} after {halting.mean_segments:.2f} "
            "segments on average where each halts on its own"
        )
    return f"{text}.{_voted(votes)}"


def _voted(votes: Votes | None) -> str:
    if votes is None:
        return ""
    rates = (
        f"pass@{guesses} is {percent(inputs)} of {counted(votes.inputs, 'test input')} and "
        f"{percent(tasks)} of {counted(votes.tasks, 'task')}"
        for guesses, inputs, tasks in (
            (1, votes.pass_1, votes.pass_1_tasks),
            (2, votes.pass_2, votes.pass_2_tasks),
        )
    )
    return f" By {counted(votes.votes, 'vote')}, {', '.join(rates)}."
