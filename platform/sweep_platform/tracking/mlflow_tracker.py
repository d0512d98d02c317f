"""MLflow as a tracker: the sweep's folder mirrored as a parent run and one run a trial."""

from pathlib import Path
from typing import TYPE_CHECKING

from sweep_platform.common.text import redact
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.summary import last_end, summarize
from sweep_platform.store.trial import TrialFolder
from sweep_platform.tracking import mlflow_view as view
from sweep_platform.tracking.mlflow_runs import KnownRun, SweepRuns
from sweep_platform.tracking.mlflow_store import open_store, refused

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


class MlflowTracker:
    """A `Tracker` that sends what a sweep's folder has and its runs in MLflow lack.

    Metrics of a report carry its step and the time it was made, so that MLflow drops what it
    already has. The URI is that of a database or a server, see `open_store`.
    """

    def __init__(self, sweep: SweepFolder, tracking_uri: str) -> None:
        self._uri, self._sweep = tracking_uri, sweep
        self._connected = False
        self._client: MlflowClient
        self._runs: SweepRuns | None = None
        self._complete: set[Path] = set()

    @property
    def name(self) -> str:
        """MLflow as messages call it."""
        return f"MLflow at {redact(self._uri)}"

    def check(self) -> None:
        """Reach the store and find or make the experiment and the parent run; see `Tracker`."""
        self._client = open_store(self._uri)
        from mlflow.exceptions import MlflowException  # after `open_store` has made it quiet

        problem, remedy = "does not take this sweep", "repair it or name another"
        with refused(self._uri, problem, remedy, MlflowException):
            self._connect()

    def sync(self) -> None:
        """Send all that MLflow lacks. Raises what MLflow raises where the store is away."""
        if not self._connected:
            self._client = open_store(self._uri)
            self._connect()
        assert self._runs is not None
        try:
            status = self._status()
            for folder in self._unfinished():
                self._send_trial(self._runs, folder, status)
            self._send_sweep(self._runs, status)
        except BaseException:
            # What a lost answer was about is unknown: ask MLflow again before anything is made.
            self._connected = False
            raise

    def send_files(self) -> None:
        """Store `sweep.json` and the report with the parent run. Raises what MLflow raises."""
        assert self._runs is not None, "files are sent after a sync"
        parent = self._runs.parent.id
        self._client.log_artifact(parent, str(self._sweep.root / "sweep.json"))
        if self._sweep.report.is_dir():
            self._client.log_artifacts(parent, str(self._sweep.report), "report")

    def unsent(self) -> int:
        """Count the reports and changes of state that MLflow is not known to have."""
        runs, sweep = self._runs, self._status()
        missing = int(runs is None or runs.parent.status != sweep)
        for folder in self._unfinished():
            trial = runs.trials.get(folder.record().signature) if runs else None
            steps = [m.progress.step for m in folder.measurements()]
            missing += sum(trial is None or step > trial.sent for step in steps)
            status = view.trial_status(folder.outcome(), sweep)
            missing += trial is None or trial.status != status
        return missing

    def _unfinished(self) -> list[TrialFolder]:
        """Trials of which MLflow may lack something."""
        return [folder for folder in self._sweep.trials() if folder.root not in self._complete]

    def _status(self) -> view.RunStatus:
        return view.sweep_status(last_end(self._sweep.sessions()))

    def _connect(self) -> None:
        """Learn what MLflow holds of the sweep, and make what must be there."""
        self._runs = SweepRuns(self._client, self._uri, self._sweep.record())
        self._complete.clear()
        self._connected = True

    def _send_trial(self, runs: SweepRuns, folder: TrialFolder, sweep: view.RunStatus) -> None:
        record, outcome = folder.record(), folder.outcome()
        trial = runs.trials.get(record.signature) or runs.create_trial(folder, record)
        status = view.trial_status(outcome, sweep)
        ended = outcome is not None and outcome.state.is_final
        if not ended or trial.status != status:
            if not trial.described:
                runs.describe(trial, record)
            self._send_reports(trial, folder, ended)
        if trial.status != status:
            end = int(outcome.ended * 1000) if outcome else None
            runs.set_status(trial, status, end, outcome.reason if outcome else "")
        if ended:
            self._complete.add(folder.root)

    def _send_reports(self, trial: KnownRun, folder: TrialFolder, ended: bool) -> None:
        measurements = list(folder.measurements())
        new = [m for m in measurements if m.progress.step > trial.sent]
        metrics = [metric for m in new for metric in view.report_metrics(m)]
        if ended:
            metrics += view.curve_metrics(measurements)
        if metrics:
            self._client.log_batch(trial.id, metrics=metrics)
        if new:
            trial.sent = new[-1].progress.step

    def _send_sweep(self, runs: SweepRuns, status: view.RunStatus) -> None:
        if runs.parent.status == status:
            return
        end = None
        if status.status != view.RUNNING:
            end = int((self._sweep.sessions()[-1].ended or 0) * 1000)
            metrics = view.summary_metrics(summarize(self._sweep), end)
            self._client.log_batch(runs.parent.id, metrics=metrics)
        runs.set_status(runs.parent, status, end)
