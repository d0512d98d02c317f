"""What Optuna's dashboard shows of a study beside its trials: names of objectives, and notes.

Notes are kept in the form of optuna-dashboard 0.21, which need not be installed to write them.
"""

import warnings
from collections.abc import Sequence

import optuna
from optuna.exceptions import ExperimentalWarning

from puzzle_datasets.common.page import markdown_text

_PART = 2_045
"""Characters of a note that a database holds in one value."""


def name_objectives(study: optuna.Study, objectives: Sequence[str]) -> None:
    """Name what the study's values are, unless that was done before."""
    if study.metric_names != list(objectives):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(list(objectives))


def note(study: optuna.Study, trial_id: int, text: str) -> None:
    """Keep a note with a trial, in place of one that it may have."""
    storage, key = study._storage, f"dashboard:{trial_id}:note"
    body = markdown_text(text)
    parts = [body[start : start + _PART] for start in range(0, len(body), _PART)]
    kept = storage.get_study_system_attrs(study._study_id)
    while f"{key}_str:{len(parts)}" in kept:  # of a longer note
        parts.append("")
    for number, part in enumerate(parts):
        storage.set_study_system_attr(study._study_id, f"{key}_str:{number}", part)
    version = kept.get(f"{key}_ver", 0) + 1
    storage.set_study_system_attr(study._study_id, f"{key}_ver", version)
