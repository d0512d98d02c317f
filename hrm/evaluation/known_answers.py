"""Refuse to score a model on tasks whose answers it was trained on, as far as can be known."""

from pathlib import Path

from hrm.checkpoints.loading import LoadedModel
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.leaks import refuse_leaks
from puzzle_datasets.storage.shards import read_manifest

_IDENTIFIERS = "identifiers name the tasks of the set that a model was trained on; here they"


def refuse_known_answers(
    loaded: LoadedModel, dataset: PuzzleDataset, folder: Path, trained_on: Path | None
) -> str | None:
    """Refuse a set whose answers the model was trained on, where names of tasks tell.

    The set that it was trained on is looked for at `trained_on`, or else among the neighbours of
    the evaluated `folder`. Returns what remains unknown, in a sentence, or None. Raises
    `DatasetError`, also where `trained_on` holds no set, or another than the model's.
    """
    known, own = loaded.trained_on, dataset.manifest.fingerprint
    training = None if trained_on is None else _training_set(trained_on, loaded)
    if known == own or not dataset.group_names:
        return None
    if training is None and (found := _neighbour(folder, known)):
        training = _training_set(found, loaded)
    if training is None:
        return _unchecked(known)
    refuse_leaks(training, dataset)
    return None if training.manifest.fingerprint == own else f"{_IDENTIFIERS} mean others"


def _unchecked(known: str | None) -> str:
    others = "may mean others" if known is None else "mean others"
    return (
        "the set that this model was trained on is not at hand, so whether it knows answers of "
        f"this one was not checked; name it with --trained-on; {_IDENTIFIERS} {others}"
    )


def _training_set(folder: Path, loaded: LoadedModel) -> PuzzleDataset:
    """The set in `folder`, which is not another than the model says it was trained on."""
    training = PuzzleDataset.open(folder)
    if loaded.trained_on not in (None, training.manifest.fingerprint):
        problem = f"is not what {loaded.source} was trained on"
        raise DatasetError.of(folder, problem, "name that one")
    return training


def _neighbour(folder: Path, fingerprint: str | None) -> Path | None:
    """The puzzle set beside `folder` that has a fingerprint."""
    for manifest in sorted(folder.resolve().parent.glob("*/manifest.json")):
        try:
            if read_manifest(manifest.parent).fingerprint == fingerprint:
                return manifest.parent
        except DatasetError:
            continue  # of another version, or damaged: not the one
    return None
