"""The report's outline: what it says, in which order, before any page is made of it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from puzzle_datasets.common.text import flops, percent, seconds
from sweep_platform.common.redaction import redact
from sweep_platform.common.text import knobs
from sweep_platform.report import wording
from sweep_platform.report.analysis.front import (
    best_trial,
    final_point,
    knob_values,
    trials_front,
)
from sweep_platform.report.pages.blocks import (
    Block,
    Bullets,
    Command,
    Facts,
    Figure,
    Finding,
    Folded,
    Heading,
    Outline,
    Paragraph,
)
from sweep_platform.report.sections.caveats import caveats
from sweep_platform.report.sections.constants import constants
from sweep_platform.report.sections.halting import halting_section
from sweep_platform.report.sections.models import models_section
from sweep_platform.report.sections.tables import by_state, front_table, knob_table, trial_table
from sweep_platform.store.summary import SweepSummary, TrialSummary


def outline(sweep: SweepSummary, written: float) -> Outline:
    """The whole report; `written` is the moment of writing in Unix seconds."""
    return Outline(
        title=f"Sweep {sweep.record.name}",
        status=f"{_standing(sweep)} Written {wording.moment(written)}.",
        blocks=(
            *_result(sweep),
            *_asked(sweep),
            *_front(sweep),
            *models_section(sweep),
            *_curves(sweep),
            *halting_section(sweep),
            *_training(sweep),
            *_knobs(sweep),
            *_trials(sweep),
            *_cost(sweep),
            *_repeat(sweep),
        ),
    )


def _standing(sweep: SweepSummary) -> str:
    if not sweep.sessions:
        return "Not started."
    how = sweep.sessions[-1].how or "running, or killed: its last session has no recorded end"
    return f"{how[0].upper()}{how[1:]}. {by_state(sweep)}."


def _result(sweep: SweepSummary) -> Iterator[Block]:
    yield Heading("Result")
    best = best_trial(sweep.complete)
    if best is None:
        yield from _provisional(sweep)
    else:
        yield _finding(best, "The best of the complete trials")
    if sentences := caveats(sweep):
        yield Bullets(sentences)


def _provisional(sweep: SweepSummary) -> Iterator[Block]:
    if not sweep.trials:
        yield Paragraph("No trial has started yet, so there is nothing to report.")
    elif best := best_trial(sweep.trials):
        yield _finding(best, "No trial is complete. The best so far, after less training")
    else:
        yield Paragraph("No trial has been evaluated yet, so there is no accuracy to report.")


def _finding(trial: TrialSummary, which: str) -> Finding:
    point = final_point(trial)
    assert point is not None, f"trial {trial.number} was chosen without an evaluation"
    return Finding(
        number=percent(point.exact_accuracy),
        sentence=(
            f"{which}, trial {trial.number}, solves {point.solved} of "
            f"{wording.count(point.puzzles, 'test puzzle')} exactly (95 % interval "
            f"{wording.interval(point)}) at {flops(point.inference_flops)} of inference per "
            f"puzzle, with {knobs(trial.knobs)}."
        ),
    )


def _asked(sweep: SweepSummary) -> Iterator[Block]:
    record = sweep.record
    space: Mapping[str, Any] = record.spec.get("space", {})
    yield Heading("What was asked")
    yield Facts(
        (
            ("Space", f"{record.space_file}, scale {record.scale}"),
            ("Puzzles", _dataset(record.dataset)),
            *((f"Knob {name}", wording.choices(knob)) for name, knob in space.items()),
            *constants(sweep),
            ("Objectives", wording.setting(record.spec.get("objectives"))),
            ("Budget", wording.setting(record.spec.get("budget"))),
            ("Training per trial", _planned(sweep)),
            ("Seed", wording.setting(record.spec.get("seed"))),
            ("Trials", by_state(sweep)),
        )
    )
    yield Folded("All settings", Facts(tuple(wording.flattened(record.spec))))


def _dataset(dataset: Mapping[str, Any]) -> str:
    counts = dataset.get("counts", {})
    counted = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items())
    fingerprint = wording.setting(dataset.get("fingerprint"))
    return f"{wording.setting(dataset.get('name'))}: {counted}; fingerprint {fingerprint}"


def _planned(sweep: SweepSummary) -> str:
    planned = [trial.record.training_flops for trial in sweep.trials]
    if not planned:
        return wording.NOTHING
    least, most = flops(min(planned)), flops(max(planned))
    return least if least == most else f"{least} to {most}"


def _front(sweep: SweepSummary) -> Iterator[Block]:
    yield Heading("Accuracy against compute")
    if not any(trial.final for trial in sweep.trials):
        yield Paragraph("No trial has been evaluated yet.")
        return
    yield Paragraph(
        "Each point is a trial read after M segments, from 1 to its M_max, at its last "
        "evaluation. The front holds the points of complete trials for which no other solves "
        "as many puzzles for fewer FLOPs or more for as many. Points that solve nothing are "
        "left out of it."
    )
    yield Figure("front", "Share of test puzzles solved against inference FLOPs per puzzle.")
    if best := trials_front(sweep.complete):
        yield front_table(sweep, best)
    else:
        yield Paragraph("The front is empty: no complete trial has solved a puzzle.")


def _curves(sweep: SweepSummary) -> Iterator[Block]:
    if any(trial.final for trial in sweep.trials):
        yield Heading("What another segment buys")
        yield Paragraph(
            "One line per trial: its accuracy after 1, 2, … M_max segments. Where a line is "
            "flat, further segments cost FLOPs and solve nothing more."
        )
        yield Figure("curves", "Accuracy after 1 to M_max segments, for every trial.")


def _training(sweep: SweepSummary) -> Iterator[Block]:
    if any(trial.evaluations for trial in sweep.trials):
        yield Heading("What training buys")
        yield Paragraph(
            "Every evaluation of every trial, after all its segments, against the training FLOPs "
            "spent by then. A line that still climbs at its end asks for a larger budget."
        )
        yield Figure("training", "Accuracy against training FLOPs, for every trial.")


def _knobs(sweep: SweepSummary) -> Iterator[Block]:
    rows = knob_values(sweep.complete)
    if not rows:
        return
    yield Heading("Knobs")
    yield Paragraph(
        f"Complete trials by the value of each knob ({len(sweep.complete)} in all), after all "
        "their segments; a trial whose model has no use for a knob is left out of it. This is "
        "association, not effect: the knobs varied together, the "
        "search may have tried promising values more often, several knobs change the compute as "
        "well, and few trials share a value. To claim an effect, vary one knob at equal FLOPs "
        "over several seeds."
    )
    yield Figure("knobs", "Accuracy by the value of each knob; the bar is the median.")
    yield knob_table(rows)


def _trials(sweep: SweepSummary) -> Iterator[Block]:
    if not sweep.trials:
        return
    yield Heading("All trials")
    yield trial_table(sweep)
    yield Paragraph(
        "Solved is exact accuracy: every token of the puzzle's target is right. Inference is per "
        "puzzle at M_max segments, training without evaluations; parameters are without puzzle "
        "embeddings, device time is with evaluations; speed is rows through one segment. Peak "
        "memory is the device's on a GPU; on a CPU it is that of the worker process, which may "
        "have run other trials before."
    )


def _cost(sweep: SweepSummary) -> Iterator[Block]:
    killed = sum(session.ended is None for session in sweep.sessions)
    note = ", those without a recorded end up to their last measurement" if killed else ""
    yield Heading("What it cost")
    yield Facts(
        (
            ("Training", f"{flops(sweep.training_flops)} in all trials, without evaluations"),
            ("Device time", f"{seconds(sweep.device_seconds)} of training and evaluation"),
            (
                "Time on the clock",
                f"{seconds(sweep.wall_seconds)} over "
                f"{wording.count(len(sweep.sessions), 'session')}{note}",
            ),
            ("Trials", by_state(sweep)),
        )
    )


def _repeat(sweep: SweepSummary) -> Iterator[Block]:
    record = sweep.record
    environment = {key: text for key, text in record.environment.items() if key != "command"}
    yield Heading("Repeat it")
    yield Paragraph("This sweep was started by the line below; add --out to repeat it elsewhere.")
    yield Command(_line(record.environment.get("command", ["", "--space", record.space_file])))
    yield Paragraph("To go on with it, add --resume, and --data or --address if they were given:")
    yield Command(_line(["", "--space", record.space_file, "--out", sweep.folder, "--resume"]))
    yield from _tracking(record.tracking_uri)
    yield Facts(
        (
            ("Folder", sweep.folder),
            ("Sweep", record.id),
            ("Created", wording.moment(record.created)),
            *wording.flattened(environment),
        )
    )


def _line(command: Sequence[str]) -> str:
    """A command line to type: the script, and the arguments of a recorded command."""
    arguments = [redact(argument) for argument in command[1:]]
    return shlex.join(["python", "sweeps/run.py", *arguments])


def _tracking(uri: str | None) -> Iterator[Block]:
    if uri is None:
        yield Paragraph("Its runs are in MLflow; the address holds a password and is not kept.")
    elif uri.startswith("http"):
        yield Paragraph(f"Its runs are in MLflow at {redact(uri)}.")
    else:
        yield Paragraph("To see its runs in MLflow, from where the sweep was started:")
        yield Command(shlex.join(["mlflow", "ui", "--backend-store-uri", redact(uri)]))
