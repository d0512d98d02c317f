"""The end of a session: what is said last, and that it comes once."""

import threading
from collections.abc import Callable, Iterator

from puzzle_datasets.common.text import counted
from sweep_platform.plan.budget import Limit
from sweep_platform.report.mlflow_pages import mlflow_pages
from sweep_platform.spec.schema import Choices, SweepSpec
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.trial import TrialState

_HOW = {
    SessionEnd.DONE: "",
    SessionEnd.INTERRUPTED: "Interrupted; the same command with --resume goes on.",
    SessionEnd.FAILED: "Failed: no trial came to an end; the report has their reasons.",
}


def last_words(
    folder: SweepFolder,
    spec: SweepSpec,
    planned: int,
    end: SessionEnd,
    limit: Limit | None = None,
    over: str | None = None,
) -> str:
    """Where the report and MLflow's charts are, how many trials lack, and how to go on.

    `limit` is what left nothing for more, where the sweep is incomplete: time, if not told; `over`
    is why the search of one that is done was over before.
    """
    how = _HOW.get(end) or ""
    if end is SessionEnd.INCOMPLETE:
        how = _incomplete(folder, spec, planned, limit or Limit.TIME)
    elif end is SessionEnd.DONE and over is not None:
        how = f"The search was over before its budget was spent: {over}."
    page = folder.report / "report.html"
    report = f"Report: {page}" if page.exists() else ""
    return "\n".join(filter(None, (report, *_mlflow(folder), how)))


def _mlflow(folder: SweepFolder) -> Iterator[str]:
    if (pages := mlflow_pages(folder.record())) is not None:
        if pages.command is not None:
            yield f"MLflow: {pages.command}"
        yield f"Charts: {pages.front}"


def _incomplete(folder: SweepFolder, spec: SweepSpec, planned: int, limit: Limit) -> str:
    ends = [(trial, end.state) for trial in folder.trials() if (end := trial.outcome())]
    whole = [trial for trial, state in ends if state is TrialState.COMPLETE]
    models, of_models = spec.space.get("model"), ""
    if isinstance(models, Choices):
        found = {trial.record().model["model"] for trial in whole}
        of_models = f", of {len(found)} of {counted(len(models.choices), 'model')}"
    trials = counted(planned, "trial")
    others = [
        f"{count} {state}"
        for state in (TrialState.STOPPED, TrialState.FAILED)
        if (count := sum(one is state for _, one in ends))
    ]
    return (
        f"Incomplete: {', '.join([f'{len(whole)} of {trials} complete{of_models}', *others])} "
        f"when {limit.words}; the same command with --resume --set {limit}=N goes on."
    )


class Once:
    """Does something at its first call; a thread that comes second waits for that."""

    def __init__(self, work: Callable[[SessionEnd], None]) -> None:
        self._work, self._lock, self._done = work, threading.Lock(), False

    def __call__(self, end: SessionEnd) -> None:
        """Do it, once."""
        with self._lock:
            if not self._done:
                self._done = True
                self._work(end)
