"""What Optuna's dashboard shows of a study beside its trials: names of objectives, and notes.

Notes are kept in the form of optuna-dashboard 0.21, which need not be installed to write them.
"""

import warnings
from collections.abc import Sequence

import optuna
from optuna.exceptions import ExperimentalWarning

from puzzle_datasets.common.page import markdown_text

_LONGEST = 2_045
"""Characters that the dashboard keeps in one value of a database."""


def name_objectives(study: optuna.Study, objectives: Sequence[str]) -> None:
    """Name what the study's values are, unless that was done before."""
    if study.metric_names != list(objectives):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(list(objectives))


def note(study: optuna.Study, trial_id: int, text: str) -> None:
    """Keep a note with a trial that has none, or this one: a driver died before it went on.

    What a study keeps is not read, for that grows with each note. Texts are cut to what one value
    of a database holds.
    """
    key, body = f"dashboard:{trial_id}:note", markdown_text(text)[:_LONGEST]
    study._storage.set_study_system_attr(study._study_id, f"{key}_str:0", body)
    study._storage.set_study_system_attr(study._study_id, f"{key}_ver", 1)
