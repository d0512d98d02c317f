"""Files of published puzzle sets, fetched once from the Hugging Face hub into its cache."""

from collections.abc import Sequence
from pathlib import Path

from puzzle_datasets.common.errors import DatasetError

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
        problem = "is fetched by huggingface_hub, which is not installed"
        remedy = f'pip install "hrm-sweeps[hub]", {LOCAL_FILES}'
        raise DatasetError(repo, revision, remedy, problem=problem) from error
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

    problem, remedy = f"can't be fetched ({' '.join(str(error).split())})", "try again"
    if isinstance(error, errors.RepositoryNotFoundError):
        problem, remedy = "is no dataset on the hub that you may read", "log in"
    elif isinstance(error, errors.RevisionNotFoundError):
        problem, remedy = f"has no revision {revision!r}", "choose another"
    elif isinstance(error, errors.RemoteEntryNotFoundError):
        problem, remedy = f"has no file {file} at revision {revision!r}", "choose another"
    elif isinstance(error, errors.LocalEntryNotFoundError):
        problem = f"has a file {file} that is not in the cache, and the hub can't be reached"
        remedy = "check the network and HF_HUB_OFFLINE"
    return DatasetError(repo, revision, f"{remedy}, {LOCAL_FILES}", problem=problem)
