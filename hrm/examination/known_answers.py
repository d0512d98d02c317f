"""Refuse to score a model on tasks whose answers it was trained on, as far as can be known."""

from pathlib import Path

from hrm.loading import Opened
from puzzle_datasets.dataset import PuzzleDataset
from puzzle_datasets.schema import DatasetError
from puzzle_datasets.scoring.leaks import refuse_leaks
from puzzle_datasets.shards import read_manifest


def refuse_known_answers(
    opened: Opened, dataset: PuzzleDataset, folder: Path, trained_on: Path | None
) -> str | None:
    """Refuse an ARC set whose answers the model was trained on, where that can be known.

    The set that it was trained on is looked for at `trained_on`, or else among the neighbours of
    the evaluated `folder`. Returns what remains unknown, in a sentence, or None. Raises
    `DatasetError`.
    """
    known = opened.trained_on
    if known == dataset.manifest.fingerprint or dataset.manifest.kind != "arc":
        return None
    found = trained_on or _neighbour(folder, known)
    if found is None:
        return (
            "the set that this model was trained on is not at hand, so whether it knows answers "
            "of this one was not checked; name it with --trained-on"
        )
    training = PuzzleDataset.open(found)
    if known not in (None, training.manifest.fingerprint):
        raise DatasetError(f"{found} is not what {opened.source} was trained on; name that one")
    refuse_leaks(training, dataset)
    return (
        "identifiers name the tasks of the set that a model was trained on; here they mean others"
        if training.manifest.fingerprint != dataset.manifest.fingerprint
        else None
    )


def _neighbour(folder: Path, fingerprint: str | None) -> Path | None:
    """The puzzle set beside `folder` that has a fingerprint."""
    for manifest in sorted(folder.resolve().parent.glob("*/manifest.json")):
        try:
            if read_manifest(manifest.parent).fingerprint == fingerprint:
                return manifest.parent
        except DatasetError:
            continue  # of another version, or damaged: not the one
    return None
