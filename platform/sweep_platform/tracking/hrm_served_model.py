"""What a registered model runs: it answers puzzles as a person writes them.

MLflow copies this file into the model, with `hrm` and `puzzle_datasets` beside it, and imports
it from there: nothing else of this project may be imported here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

from hrm.checkpoints.loading import load_model
from hrm.config import ConfigError
from hrm.evaluation.solving import Solved, SolvingOptions, solve
from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.options import make
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.shards import read_manifest

CHECKPOINT, PUZZLES = "checkpoint.pt", "puzzles"
"""A model's weights, and the puzzle set that it was trained on, or that set's manifest alone."""


class SolvingModel:
    """A trained model with its puzzles: the object on which MLflow calls `predict`."""

    def __init__(self, folder: Path) -> None:
        puzzles = folder / PUZZLES
        self._manifest = read_manifest(puzzles)
        known = kind_named(self._manifest.kind).identified
        self._dataset = PuzzleDataset.open(puzzles) if known else None
        self._loaded = load_model(folder / CHECKPOINT, seq_len=self._manifest.seq_len)

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """A row for each input of each puzzle; `params` are those of `SolvingOptions`.

        Raises `MlflowException`: a puzzle or a parameter is not of this model.
        """
        try:
            options, texts = _options(params or {}), _texts(model_input)
            _require_little(self._loaded.config.M_max, options, len(texts))
            puzzles = [
                solve(self._loaded, self._manifest, text, options, self._dataset) for text in texts
            ]
        except UserError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        rows = [row for number, solved in enumerate(puzzles) for row in _rows(number, solved)]
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _load_pyfunc(path: str) -> SolvingModel:
    """What MLflow calls to load a model."""
    return SolvingModel(Path(path))


MOST_TIMES, MOST_PUZZLES = 16, 1_000
"""Segments that a request may ask for, in M_max, and puzzles in it."""

COLUMNS = {
    "puzzle": "int64",
    "input": "int64",
    "answer": "str",
    "segments": "float64",
    "confidence": "float64",
    "votes": "int64",
    "views": "int64",
    "note": "str",
}
"""Of an answer: the puzzle's number, that of its input, both from 0, and what came of it."""


def _options(params: dict[str, Any]) -> SolvingOptions:
    """What was asked for; 0 segments stand for the model's M_max."""
    given = {**params, "segments": params.get("segments") or None}
    return cast(SolvingOptions, make(SolvingOptions, given, ConfigError))


def _require_little(most: int, options: SolvingOptions, puzzles: int) -> None:
    """Raise `ConfigError` for a request that would keep a server from all others."""
    longest = MOST_TIMES * most
    if options.segments is not None and options.segments > longest:
        raise ConfigError("segments", options.segments, f"give at most {longest}")
    if puzzles > MOST_PUZZLES:
        raise ConfigError("puzzles", puzzles, f"send at most {MOST_PUZZLES} at once")


def _texts(model_input: Any) -> list[str]:
    """The puzzles of a text, a list, an array, a series, or a table of one column."""
    if isinstance(model_input, str):
        return [model_input]
    content = np.asarray(model_input, dtype=object)
    if content.ndim > 1 and content.shape[1:] != (1,):
        raise MlflowException.invalid_parameter_value("a table has several columns; give one")
    found = np.ravel(content).tolist()
    if not all(isinstance(text, str) for text in found):
        raise MlflowException.invalid_parameter_value("a puzzle is no text; give texts")
    return found


def _rows(number: int, solved: Solved) -> Iterator[dict[str, Any]]:
    for place, one in enumerate(solved.answers):
        yield {
            "puzzle": number,
            "input": place,
            "answer": solved.kind.to_text(one.tokens[None], solved.manifest.grid),
            "segments": one.segments,
            "confidence": one.confidence,
            "votes": one.votes,
            "views": one.views,
            "note": solved.note,
        }
