"""ARC tasks in JSON files of the user, in each form that people have them in.

- one task a file, `{"train": [...], "test": [...]}`, as ARC, ConceptARC and others have it;
- all tasks in one file, `{name: task}`, with their answers in another, as Kaggle has it;
- one list of pairs a file, `[{"input": ..., "output": ...}]`, as re-arc has it: all train.

A test pair may lack its answer. Answers of `NAME_challenges.json` lie in `NAME_solutions.json`.
"""

from collections.abc import Iterator, Mapping
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import visible_files
from puzzle_datasets.common.reading import Reader
from puzzle_datasets.common.text import shown
from puzzle_datasets.kinds.arc.grids import Grid, Pair
from puzzle_datasets.kinds.arc.settings import LARGEST_CANVAS, TASK_FILES
from puzzle_datasets.kinds.arc.tasks import Task
from puzzle_datasets.storage.schema import ARC_COLOURS

LARGEST_FILE = 20_000_000
CHALLENGES, SOLUTIONS = "challenges", "solutions"
_REPOSITORIES = ("corpus", "data", "tasks")
"""Folders that hold all tasks of a copy of ConceptARC's, ARC's or re-arc's repository."""
_MOST_PAIRS = 10_000
_REMEDY = "restore or remove it"
_NAME_ONE = "name a folder or file of ARC tasks"


def task_files(place: Path) -> list[Path]:
    """Return the files that tasks of a folder, or of a single file, are read from, sorted.

    Hidden ones are none. Raises `OSError` where there is nothing.
    """
    if place.is_file():
        answers = _solutions_of(place)
        return [place, *([answers] if answers else [])]
    inner = (place / name for name in _REPOSITORIES)
    below = next((folder for folder in inner if folder.is_dir()), place)
    return visible_files(below, (TASK_FILES,))


def read_task_files(place: Path, in_evaluation_half: bool = False) -> list[Task]:
    """Return the tasks of a folder or file, sorted by name, with the answers that are there.

    Raises `DatasetError` if there is none, two share a name, or a file holds no task.
    """
    files = _files(place)
    found = [
        (task, file)
        for file in files
        if not _is_of_another(file, files)
        for task in _read(file, in_evaluation_half)
    ]
    if not found:
        raise DatasetError.of(place, "holds no JSON files", _NAME_ONE)
    found.sort(key=lambda one: one[0].name)
    for (task, file), (other, another) in pairwise(found):
        if task.name == other.name:
            problem = f"has task {task.name}, as {another} has"
            raise DatasetError.of(file, problem, "keep one")
    return [task for task, _ in found]


def raw_tasks(place: Path) -> Iterator[tuple[str, Any]]:
    """Yield the name and content of each task of a folder or file, whether or not it is one.

    Raises `DatasetError` where there is no file, or one that is no JSON object or list.
    """
    files = _files(place)
    if not files:
        raise DatasetError.of(place, "holds no JSON files", _NAME_ONE)
    for file in files:
        if not _is_of_another(file, files):
            content = _json(file)
            try:
                yield from _tasks(file, content)
            except (TypeError, LookupError, AttributeError) as error:
                raise DatasetError.of(file, "holds no ARC task", _REMEDY) from error


def _files(place: Path) -> list[Path]:
    try:
        return task_files(place)
    except OSError as error:
        raise DatasetError.of(place, f"can't be read ({error.strerror})", _NAME_ONE) from error


def _solutions_of(file: Path) -> Path | None:
    answers = file.with_name(file.name.replace(CHALLENGES, SOLUTIONS))
    return answers if answers != file and answers.exists() else None


def _is_of_another(file: Path, files: list[Path]) -> bool:
    """Return True for answers to another file's tasks, and for Kaggle's form of a submission."""
    challenges = file.with_name(file.name.replace(SOLUTIONS, CHALLENGES))
    return (challenges != file and challenges in files) or file.name == "sample_submission.json"


def _read(file: Path, in_evaluation_half: bool) -> Iterator[Task]:
    content = _json(file)
    try:
        for name, task in _tasks(file, content):
            name.encode()
            yield _task(name, task, in_evaluation_half)
    except UnicodeEncodeError as error:
        problem = f"has a task named {shown(error.object)}, which is no text"
        raise DatasetError.of(file, problem, "rename it") from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        reason = "it has another form"
        if isinstance(error, ValueError | KeyError):
            reason = str(error) if isinstance(error, ValueError) else f"it lacks {error}"
        raise DatasetError.of(file, f"holds no ARC task ({reason})", _REMEDY) from error


def _json(file: Path) -> Any:
    return Reader(file, DatasetError, _REMEDY, most=LARGEST_FILE).json()


def _tasks(file: Path, content: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names and contents of a file's tasks, as one task's file has them."""
    if isinstance(content, list):
        yield file.stem, {"train": content, "test": []}
    elif "train" in content or "test" in content:
        yield file.stem, content
    else:
        answers = _solutions_of(file)
        solutions = {} if answers is None else _answers(answers)
        for name, task in content.items():
            yield name, {**task, "test": _answered(task["test"], solutions.get(name, []))}


def _answers(file: Path) -> Mapping[str, Any]:
    content = _json(file)
    if isinstance(content, dict) and all(isinstance(one, list) for one in content.values()):
        return content
    raise DatasetError.of(file, "holds no lists of answers by task", _REMEDY)


def _answered(tests: list[Any], answers: list[Any]) -> list[Any]:
    """The test pairs with their answers, where these are as many."""
    if len(answers) != len(tests):
        return tests
    return [{**pair, "output": answer} for pair, answer in zip(tests, answers, strict=True)]


def _task(name: str, raw: Any, in_evaluation_half: bool) -> Task:
    """A task of pairs with answers; the number of those without is kept."""
    tests = [pair for pair in raw["test"] if pair.get("output") is not None]
    demonstrations = pairs_from(raw["train"])
    if not demonstrations:
        raise ValueError("it has no demonstration")
    return Task(
        name=name,
        in_evaluation_half=in_evaluation_half,
        demonstrations=demonstrations,
        tests=pairs_from(tests),
        unanswered=len(raw["test"]) - len(tests),
    )


def pairs_from(raw: Any) -> list[Pair]:
    """Return pairs of grids from JSON; raise `ValueError`, `TypeError` or `LookupError`."""
    if not isinstance(raw, list) or len(raw) > _MOST_PAIRS:
        raise ValueError(f"it has no list of up to {_MOST_PAIRS} pairs")
    return [(grid_from(pair["input"]), grid_from(pair["output"])) for pair in raw]


def grid_from(raw: Any) -> Grid:
    """Return a grid of colours from JSON; raise `ValueError` or `TypeError`."""
    is_table = isinstance(raw, list) and all(isinstance(row, list) for row in raw)
    sides = {len(raw), *map(len, raw)} if is_table else {0}
    if not all(1 <= side <= LARGEST_CANVAS for side in sides) or len(set(map(len, raw))) > 1:
        raise ValueError(f"a grid is no rectangle of sides up to {LARGEST_CANVAS}")
    cells = chain.from_iterable(raw)
    if not all(type(cell) is int and 0 <= cell < ARC_COLOURS for cell in cells):
        raise ValueError("a grid has a cell that is no whole number from 0 to 9")
    return np.array(raw, np.uint8)
