"""Answer every task of a folder, and write ARC's submission.json: two attempts a test input."""

import json
from pathlib import Path
from typing import Any

import torch

from hrm.commands.trained_model import ProgressLine
from hrm.evaluation.solving import Answer, Solved, SolvingOptions
from hrm.evaluation.solving import solve as answer
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import write_file
from puzzle_datasets.common.text import counted, shown
from puzzle_datasets.kinds.arc.task_files import raw_tasks
from puzzle_datasets.kinds.text import FIELD
from puzzle_datasets.storage.schema import Tokens
from sweep_platform.commands.solve import opened
from sweep_platform.common.errors import InputError

_NO_GRID = [[0]]
"""Stands for an answer without a cell: a scorer takes grids only."""


def write_submission(
    model: Path,
    tasks: Path,
    out: Path,
    *,
    trial: int | None = None,
    dataset: Path | None = None,
    device: torch.device | None = None,
    **options: Any,
) -> str:
    """Write the attempts at all tasks to `out`; return what was done, in a sentence.

    Raises `UserError`: the model, a task or an option can't be used; then nothing is written.
    """
    if out.is_dir():
        raise InputError("out", str(out), "name a file")
    if out.exists():
        raise InputError.of(out, "exists already", "name another file, or remove it")
    asked = SolvingOptions(**options)
    source, loaded, manifest, puzzles = opened(model, trial, dataset, device)
    if puzzles is None:
        raise InputError.of(model, "was trained on no ARC tasks", "name a model that was")
    wanted, line = _by_name(tasks), ProgressLine()
    attempts, known = {}, 0
    for number, (name, task) in enumerate(wanted.items(), start=1):
        line(f"{number} of {counted(len(wanted), 'task')}")
        try:
            solved = answer(loaded, manifest, json.dumps(task), asked, puzzles)
        except DatasetError as error:
            if error.field != FIELD:
                raise
            raise DatasetError.of(f"task {shown(name)}", error.problem, error.remedy) from error
        attempts[name] = [_attempts(solved, one) for one in solved.answers]
        known += solved.task is not None
    line.clear()
    write_file(out, (json.dumps(attempts) + "\n").encode())
    inputs = counted(sum(map(len, attempts.values())), "test input")
    return (
        f"Two attempts at each of {inputs} of {counted(len(attempts), 'task')}, {known} of which "
        f"the model was trained with, by {source.words}: {out}"
    )


def _by_name(place: Path) -> dict[str, Any]:
    """The tasks of a folder or file; `DatasetError` where two share a name."""
    found: dict[str, Any] = {}
    for name, task in raw_tasks(place):
        if name in found:
            raise DatasetError.of(place, f"has two tasks named {shown(name)}", "keep one")
        found[name] = task
    return found


def _attempts(solved: Solved, one: Answer) -> dict[str, Any]:
    """The answer and the runner-up; where all views agree, the answer twice."""
    second = one.tokens if one.runner_up is None else one.runner_up
    return {"attempt_1": _grid(solved, one.tokens), "attempt_2": _grid(solved, second)}


def _grid(solved: Solved, tokens: Tokens) -> Any:
    [grid] = json.loads(solved.kind.to_text(tokens[None], solved.manifest.grid))
    return grid or _NO_GRID
