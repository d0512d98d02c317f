"""The sections on what was searched, and on how to repeat it, go on with it and find its runs."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from puzzle_datasets.common.text import flops
from sweep_platform.common.text import redact
from sweep_platform.report import wording
from sweep_platform.report.analysis.points import ordered
from sweep_platform.report.blocks import Block, Command, Facts, Heading, Paragraph
from sweep_platform.report.defaults import split_by_default
from sweep_platform.report.mlflow_pages import mlflow_pages
from sweep_platform.report.sections.searched.proposing import samplers
from sweep_platform.report.sections.trials import by_state
from sweep_platform.store.folder import NO_SCALE, SweepRecord
from sweep_platform.store.summary import SweepSummary

_CONSTANTS = {
    "Model": ("model", "model"),
    "Speed mode": ("model", "mode"),
    "Gradient": ("model", "gradient"),
    "Execution": ("training", "execution"),
    "Moving average of weights": ("training", "ema"),
}
"""Settings that are no knobs, by their names in the report; they may differ by model all the same,
even where none was written."""


def settings_section(sweep: SweepSummary) -> Iterator[Block]:
    """The space, the puzzles, the budget, and all settings."""
    record, spec = sweep.record, sweep.record.spec
    knobs: Mapping[str, Any] = spec.get("space", {})
    yield Heading("What was asked")
    yield Facts(
        (
            (
                "Space",
                record.space_file
                + ("" if record.scale == NO_SCALE else f", scale {record.scale}"),
            ),
            ("Puzzles", _dataset(record.dataset)),
            *((f"Knob {name}", wording.choices(knob)) for name, knob in knobs.items()),
            *((name, _in_words(models_of)) for name, models_of in _constants(sweep)),
            ("Objectives", wording.setting(spec.get("objectives"))),
            *((("Sampler", ", then ".join(sampler)),) if (sampler := samplers(sweep)) else ()),
            ("Training per trial", _planned(sweep)),
            ("Seed", wording.setting(spec.get("seed"))),
            ("Trials", by_state(sweep)),
        )
    )
    differing, same = split_by_default(spec)
    yield Paragraph("Settings that the space decides otherwise than by default:")
    yield Facts(tuple(wording.flattened(differing)))
    yield Facts(tuple(wording.flattened(same)), folded="Settings at their default")


def differences(sweep: SweepSummary) -> list[str]:
    """The constants in which models differ: "speed mode exact (hrm), lean (trm)"."""
    found = [(name, models_of) for name, models_of in _constants(sweep) if len(models_of) > 1]
    return [f"{name[0].lower()}{name[1:]} {_in_words(models_of)}" for name, models_of in found]


def _constants(sweep: SweepSummary) -> Iterator[tuple[str, dict[Any, list[str]]]]:
    """Each constant that is known, and the models that had each of its values."""
    for name, (part, key) in _CONSTANTS.items():
        settings = [(getattr(trial.record, part), trial.model) for trial in sweep.trials]
        used = {(setting[key], model) for setting, model in settings if key in setting}
        if used and key not in sweep.record.spec.get("space", {}):
            values = ordered({value for value, _ in used})
            yield name, {v: sorted(model for value, model in used if value == v) for v in values}


def _in_words(models_of: Mapping[Any, list[str]]) -> str:
    """A constant's value; where models differ, "0 (hrm, looped), 0.999 (trm)"."""
    if len(models_of) == 1:
        return wording.setting(next(iter(models_of)))
    return ", ".join(f"{wording.setting(v)} ({', '.join(m)})" for v, m in models_of.items())


def _dataset(dataset: Mapping[str, Any]) -> str:
    counts = dataset.get("counts", {})
    counted = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items())
    fingerprint = wording.setting(dataset.get("fingerprint"))
    return f"{wording.setting(dataset.get('name'))}: {counted}; fingerprint {fingerprint}"


def _planned(sweep: SweepSummary) -> str:
    planned = sorted(trial.record.training_flops for trial in sweep.trials)
    ends = list(dict.fromkeys(map(flops, planned[:1] + planned[-1:])))
    return " to ".join(ends) or wording.NOTHING


def repeat_section(sweep: SweepSummary) -> Iterator[Block]:
    """The commands, and what the sweep ran on."""
    record = sweep.record
    environment = dict(record.environment)
    space = ["", "--space", record.space_file]
    yield Heading("Repeat it")
    yield Paragraph("This sweep was started by the line below; add --out to repeat it elsewhere.")
    yield _command(environment.pop("command", space))
    yield Paragraph("To go on with it, add --resume, and --data or --address if they were given:")
    yield _command([*space, "--out", sweep.folder, "--resume"])
    yield from _tracking(record)
    yield Facts(
        (
            ("Folder", sweep.folder),
            ("Sweep", record.id),
            ("Created", wording.moment(record.created)),
            *wording.flattened(environment),
        )
    )


def _command(recorded: Sequence[str]) -> Command:
    """A command line to type: the script, and the arguments of a recorded command."""
    return Command(shlex.join(["python", "sweeps/run.py", *map(redact, recorded[1:])]))


def _tracking(record: SweepRecord) -> Iterator[Block]:
    uri, pages = record.tracking_uri, mlflow_pages(record)
    if uri is None:
        yield Paragraph("It is not known where MLflow has its runs.")
    elif pages is None or pages.command is None:
        yield Paragraph(f"Its runs are in MLflow at {redact(uri)}.")
    else:
        yield Paragraph("To see its runs in MLflow, whatever folder you are in:")
        yield Command(pages.command)
    if pages is not None:
        yield Paragraph(
            "Its charts there, of 100 replicates until you load more: accuracy, and knobs."
        )
        yield Command(pages.front)
        yield Command(pages.knobs)
