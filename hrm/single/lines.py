"""What a run says of itself, in lines."""

from hrm.commands import units
from hrm.config import ModelConfig, TrainingConfig
from hrm.flops import parameter_count, step_flops
from hrm.progress import Progress


def beginning(
    model: ModelConfig, training: TrainingConfig, steps: int, dataset: str, machine: str
) -> str:
    """What is trained on what, where, and what it will cost."""
    budget = units.flops(steps * step_flops(model, training))
    return (
        f"Training {model.model} ({model.mode}, {training.execution}, {training.precision}) of "
        f"{parameter_count(model):,} parameters on {dataset}: "
        f"{steps:,} steps, {budget}, on {machine}."
    )


def report(progress: Progress) -> str:
    """One report on one line."""
    share = units.percent(progress.step / progress.total_steps)
    parts = [
        f"step {progress.step:,}/{progress.total_steps:,} ({share})",
        units.flops(progress.training_flops),
        f"loss {progress.loss:.4f}",
        f"exact {units.percent(progress.train_exact_accuracy)} in training",
        f"{progress.mean_segments:.2f} segments",
        f"{progress.examples_per_second:,.0f} examples/s",
    ]
    if progress.curve is not None:
        parts.append(f"{units.percent(progress.curve.exact_accuracy[-1])} of test puzzles exact")
    if progress.step < progress.total_steps:
        left = progress.device_seconds / progress.step * (progress.total_steps - progress.step)
        parts.append(f"{units.seconds(left)} left")
    return ", ".join(parts)


def result(progress: Progress) -> str:
    """What an evaluation found, with Wilson's 95 % interval."""
    curve, halting = progress.curve, progress.halting
    assert curve is not None
    low, high = units.wilson(curve.exact_accuracy[-1], curve.puzzles)
    segments = len(curve.exact_accuracy)
    text = (
        f"Exact accuracy {units.percent(curve.exact_accuracy[-1])} (95 % interval "
        f"{100 * low:.1f} to {units.percent(high)}) of {curve.puzzles:,} test puzzles after "
        f"{segments} segment{'s' if segments > 1 else ''} each"
    )
    if halting is None or segments == 1:
        return f"{text}."
    return (
        f"{text}; {units.percent(halting.exact_accuracy)} after {halting.mean_segments:.2f} "
        "segments on average where each halts on its own."
    )
