"""Numbers as they are measured inside a trial's model, without the seconds it takes."""

from typing import Any

from hrm.progress import Curve, Halting
from sweep_platform.report.inside.record import (
    Cell,
    Inside,
    Moves,
    Participation,
    State,
    Trace,
    Update,
)
from sweep_platform.report.inside.subject import Subject


def inside_numbers(subject: Subject, **changes: Any) -> Inside:
    """Numbers that fit a sweep's models and puzzles, none of them measured."""
    trial, tokens = subject.models[0][0].number, (1,) * subject.manifest.seq_len
    cells = tuple(
        Cell(
            trial=trial,
            N=1,
            T=1,
            M=M,
            trained=M == 2,
            exact_accuracy=M / 4,
            inference_flops=M * 10**6,
        )
        for M in (1, 2, 3)
    )
    moves = Moves(
        residuals=tuple(
            Update(number=n, segment=1, state=state, residual=1.0 / n)
            for n, state in enumerate((State.LOW, State.HIGH), start=1)
        ),
        participation=tuple(
            Participation(puzzles=4, state=state, ratio=2.0) for state in (State.HIGH, State.LOW)
        ),
    )
    trace = Trace(
        inputs=tokens,
        labels=tokens,
        predictions=(tokens, tokens),
        exact=(False, True),
        halts=(False, True),
    )
    fields: dict[str, Any] = {
        "key": subject.key,
        "cells": cells,
        "grid_puzzles": 12,
        "grid_tasks": 12,
        "left_out": (),
        "trial": trial,
        "curve": Curve(
            exact_accuracy=(0.25, 0.5),
            token_accuracy=(0.5, 0.5),
            inference_flops=(10**6, 2 * 10**6),
            puzzles=12,
        ),
        "halting": Halting(exact_accuracy=0.5, segments=(0.5, 0.5), inference_flops=1e6),
        "trained": moves,
        "untrained": moves,
        "traces": (trace,),
    }
    return Inside(**{**fields, **changes})
