"""What a run says of itself, in lines."""

from hrm.commands import units
from hrm.config import ema_decay
from hrm.model.flops import parameter_count, step_flops
from hrm.progress import Progress
from hrm.training.trainer import Trainer


def beginning(trainer: Trainer, machine: str) -> str:
    """What is trained on what, where, what it will cost, and which weights are evaluated."""
    model, training, steps = trainer.model_config, trainer.config, trainer.total_steps
    budget = units.flops(steps * step_flops(model, training))
    return (
        f"Training {model.model} ({model.mode}, {trainer.execution}, {training.precision}) of "
        f"{parameter_count(model):,} parameters on "
        f"{trainer.dataset.manifest.name}: {steps:,} steps, {budget}, on {machine}"
        f"{_averaged('; evaluations are', ema_decay(model, training))}."
    )


def report(progress: Progress) -> str:
    """One report on one line."""
    share = units.percent(progress.step / progress.total_steps)
    parts = [
        f"step {progress.step:,}/{progress.total_steps:,} ({share})",
        units.flops(progress.training_flops),
        f"loss {progress.loss:.4f}",
        *_halted(progress),
        f"{progress.examples_per_second:,.0f} examples/s",
    ]
    if progress.curve is not None:
        parts.append(f"{units.percent(progress.curve.exact_accuracy[-1])} of test puzzles exact")
    if progress.step < progress.total_steps:
        left = progress.device_seconds / progress.step * (progress.total_steps - progress.step)
        parts.append(f"{units.seconds(left)} left")
    return ", ".join(parts)


def _halted(progress: Progress) -> list[str]:
    """Means over puzzles that ended; before the first there is none to tell of."""
    if progress.mean_segments == 0:
        return []
    return [
        f"exact {units.percent(progress.train_exact_accuracy)} in training",
        f"{progress.mean_segments:.2f} segments",
    ]


def _averaged(before: str, decay: float) -> str:
    return f"{before} of the averaged weights (decay {decay:g})" if decay else ""


def result(progress: Progress, ema_decay: float = 0.0) -> str:
    """What an evaluation found, with Wilson's 95 % interval.

    It is that of the averaged weights where `ema_decay` isn't 0.
    """
    curve, halting = progress.curve, progress.halting
    assert curve is not None
    low, high = units.wilson(curve.exact_accuracy[-1], curve.puzzles)
    segments = len(curve.exact_accuracy)
    text = (
        f"Exact accuracy{_averaged('', ema_decay)} "
        f"{units.percent(curve.exact_accuracy[-1])} (95 % interval "
        f"{100 * low:.1f} to {units.percent(high)}) of {curve.puzzles:,} test puzzles after "
        f"{segments} segment{'s' if segments > 1 else ''} each"
    )
    if halting is None or segments == 1:
        return f"{text}."
    return (
        f"{text}; {units.percent(halting.exact_accuracy)} after {halting.mean_segments:.2f} "
        "segments on average where each halts on its own."
    )
