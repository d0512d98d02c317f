"""Files of published puzzle sets, fetched once from the Hugging Face hub into its cache."""

from collections.abc import Sequence
from pathlib import Path

from puzzle_datasets.storage.schema import DatasetError

LOCAL_FILES = "or give files of your own with --csv DIR"


def fetch(repo: str, files: Sequence[str], revision: str) -> Path:
    """Return the folder that holds the files of a dataset repository, all of one commit.

    The folder is named by the commit. ``HF_ENDPOINT``, ``HF_HOME`` and ``HF_HUB_OFFLINE`` work as
    everywhere; files in the cache are not fetched again.

    Raises:
        DatasetError: ``huggingface_hub`` is not installed, the hub can't be reached, or it does
            not hold the repository, the revision or a file.
    """
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise DatasetError(
            f'{repo} is fetched by huggingface_hub; pip install "hrm-sweeps[hub]", {LOCAL_FILES}'
        ) from error
    folder = None
    for file in files:
        # After the first file its commit: the branch may move between two downloads.
        commit = folder.name if folder else revision
        try:
            folder = Path(hf_hub_download(repo, file, repo_type="dataset", revision=commit)).parent
        except Exception as error:  # errors of the connection have no base class in common
            raise _refusal(repo, file, revision, error) from error
    assert folder is not None, "no files asked for"
    return folder


def _refusal(repo: str, file: str, revision: str, error: Exception) -> DatasetError:
    from huggingface_hub import errors

    reasons: list[tuple[type[Exception], str]] = [
        (errors.RepositoryNotFoundError, f"the hub has no dataset {repo} that you may read"),
        (errors.RevisionNotFoundError, f"{repo} has no revision {revision!r}; choose another"),
        (errors.RemoteEntryNotFoundError, f"{repo} has no file {file} at revision {revision!r}"),
        (
            errors.LocalEntryNotFoundError,
            f"{file} of {repo} is not in the cache and the hub can't be reached; "
            "check the network and HF_HUB_OFFLINE",
        ),
    ]
    for kind, reason in reasons:
        if isinstance(error, kind):
            return DatasetError(f"{reason}, {LOCAL_FILES}")
    said = " ".join(str(error).split())
    return DatasetError(f"{file} of {repo} can't be fetched ({said}); try again, {LOCAL_FILES}")
