"""The charts and the picture of what was measured inside a sweep's models, drawn from numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from hrm.charts import Chart, specification
from hrm.config import ModelConfig
from hrm.dynamics.charts import participation_chart, residual_chart
from hrm.dynamics.measure import Dynamics, Participation, Residual, Trajectories
from hrm.dynamics.pictures import SegmentTrace, picture
from hrm.evaluation.accuracy import Evaluation
from puzzle_datasets.common.text import counted
from puzzle_datasets.storage.schema import IGNORE_LABEL, Manifest
from sweep_platform.report.inside.record import Inside, Moves, Trace
from sweep_platform.report.inside.subject import PICTURED, Subject


@dataclass(frozen=True, kw_only=True)
class InsideCharts:
    """What was measured, with its charts as Vega-Lite and its picture as SVG.

    `dynamics` is the best model's; `solved` says how many of the puzzles in the picture are.
    """

    numbers: Inside
    dynamics: Dynamics
    residuals: dict[str, Any]
    participation: dict[str, Any]
    picture: str
    solved: int


def fits(found: Inside, subject: Subject) -> bool:
    """Whether these can be numbers of a sweep's own models and puzzles."""
    numbers = {trial.number for trial, _ in subject.models}
    named = {found.trial, *found.left_out, *(cell.trial for cell in found.cells)}
    return (
        named <= numbers
        and 1 <= len(found.traces) <= PICTURED
        and all(_is_of(trace, subject.manifest) for trace in found.traces)
    )


def _is_of(trace: Trace, manifest: Manifest) -> bool:
    """Whether a puzzle's tokens are those of the set, with an answer after each segment."""
    length, tokens = manifest.seq_len, range(manifest.vocab_size)
    read = (trace.inputs, *trace.predictions)
    scored = [label for label in trace.labels if label != IGNORE_LABEL]
    return (
        len(trace.predictions) == len(trace.exact) == len(trace.halts) > 0
        and all(len(one) == length for one in (trace.labels, *read))
        and all(token in tokens for one in (scored, *read) for token in one)
        and bool(scored)
    )


def drawn(found: Inside, subject: Subject) -> InsideCharts:
    """The charts and the picture, of numbers that fit."""
    [trial] = [trial for trial, _ in subject.models if trial.number == found.trial]
    model: Any = trial.record.model  # whose settings were checked when it was read
    dynamics = Dynamics(
        name=f"trial {found.trial}",
        config=ModelConfig(**model),
        trajectories=_trajectories(found.trained),
        untrained=_trajectories(found.untrained),
        evaluation=Evaluation(found.curve, found.halting),
    )
    traces = [_trace(one) for one in found.traces]
    solved = sum(one.solved_at > 0 for one in traces)
    return InsideCharts(
        numbers=found,
        dynamics=dynamics,
        residuals=_specification(residual_chart([dynamics])),
        participation=_specification(participation_chart([dynamics])),
        picture=_picture(traces, solved, found, subject.manifest),
        solved=solved,
    )


def _trajectories(moves: Moves) -> Trajectories:
    return Trajectories(
        tuple(Residual(**asdict(one)) for one in moves.residuals),
        tuple(Participation(**asdict(one)) for one in moves.participation),
    )


def _trace(trace: Trace) -> SegmentTrace:
    tokens = (trace.inputs, trace.labels, trace.predictions)
    answered = (trace.exact, trace.halts)
    return SegmentTrace(
        *(torch.tensor(one, dtype=torch.int32) for one in tokens),
        *(torch.tensor(one, dtype=torch.bool) for one in answered),
    )


def _specification(chart: Chart) -> dict[str, Any]:
    spec = specification(chart)
    del spec["$schema"]
    return spec


def _picture(
    traces: Sequence[SegmentTrace], solved: int, found: Inside, manifest: Manifest
) -> str:
    return picture(
        traces,
        manifest,
        f"Trial {found.trial}: the answer after each segment",
        f"{solved} of these {len(traces)} solved; {counted(found.curve.puzzles, 'puzzle')} tried",
    )
