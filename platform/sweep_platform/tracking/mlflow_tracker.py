"""MLflow as a tracker: the sweep's folder mirrored as a parent run and one run a trial."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweep_platform.common.redaction import redact
from sweep_platform.common.text import knobs
from sweep_platform.store.folder import SweepFolder, SweepRecord
from sweep_platform.store.summary import last_end, summarize
from sweep_platform.store.trial import TrialFolder, TrialRecord
from sweep_platform.tracking import mlflow_runs as runs
from sweep_platform.tracking.mlflow_store import database_file, open_store
from sweep_platform.tracking.tracker import TrackingError, root_cause

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient


@dataclass(kw_only=True)
class _Run:
    """The content of one run in MLflow.

    Attributes:
        id: MLflow's name of it.
        status: as it was last set.
        parent: the run that MLflow files it under.
        described: True if parameters and dataset were sent.
        sent: optimizer step of the last report sent.
    """

    id: str
    status: runs.RunStatus
    parent: str = ""
    described: bool = False
    sent: int = 0


class MlflowTracker:
    """A `Tracker`: one parent run for the sweep and one child run for each trial.

    Runs are found again by their tags, never made twice. Metrics of a report carry its step and
    the time it was made, so that MLflow drops what it already has.

    Args:
        sweep: the folder to mirror.
        tracking_uri: a database or a server, see `open_store`.
    """

    def __init__(self, sweep: SweepFolder, tracking_uri: str) -> None:
        self._uri = tracking_uri
        self._sweep = sweep
        self._connected = False
        self._client: MlflowClient
        self._experiment: str
        self._record: SweepRecord
        self._parent: _Run | None = None
        self._trials: dict[str, _Run] = {}
        self._complete: set[Path] = set()

    @property
    def name(self) -> str:
        """MLflow as messages call it."""
        return f"MLflow at {redact(self._uri)}"

    def check(self) -> None:
        """Reach the store and find or make the experiment and the parent run.

        Raises:
            TrackingError: the store is away, unusable or not writable.
        """
        self._client = open_store(self._uri)
        from mlflow.exceptions import MlflowException  # after `open_store` has made it quiet

        try:
            self._find()
        except MlflowException as error:
            raise TrackingError.of_address(
                self._uri,
                f"does not take this sweep ({root_cause(error)})",
                "repair it or name another",
            ) from error

    def sync(self) -> None:
        """Send all that MLflow lacks. Raises what MLflow raises where the store is away."""
        if not self._connected:
            self._client = open_store(self._uri)
            self._find()
        try:
            status = self._status()
            for folder in self._sweep.trials():
                if folder.root not in self._complete:
                    self._send_trial(folder, status)
            self._send_sweep(status)
        except BaseException:
            # What a lost answer was about is unknown: ask MLflow again before anything is made.
            self._connected = False
            raise

    def send_files(self) -> None:
        """Store `sweep.json` and the report with the parent run. Raises what MLflow raises."""
        assert self._parent is not None, "files are sent after a sync"
        self._client.log_artifact(self._parent.id, str(self._sweep.root / "sweep.json"))
        if self._sweep.report.is_dir():
            self._client.log_artifacts(self._parent.id, str(self._sweep.report), "report")

    def unsent(self) -> int:
        """Count the reports and changes of state that MLflow is not known to have."""
        sweep = self._status()
        missing = int(self._parent is None or self._parent.status != sweep)
        for folder in self._sweep.trials():
            if folder.root in self._complete:
                continue
            trial = self._trials.get(folder.record().signature)
            steps = [m.progress.step for m in folder.measurements()]
            missing += sum(trial is None or step > trial.sent for step in steps)
            status = runs.trial_status(folder.outcome(), sweep)
            missing += trial is None or trial.status != status
        return missing

    def _status(self) -> runs.RunStatus:
        return runs.sweep_status(last_end(self._sweep.sessions()))

    def _find(self) -> None:
        """Learn what MLflow holds of the sweep, and make what must be there."""
        self._record = self._sweep.record()
        self._experiment = self._find_experiment()
        found = self._find_runs()
        self._parent = found.pop("", None) or self._create_parent()
        self._trials = found
        for trial in found.values():
            self._adopt(trial)
        self._complete.clear()
        self._connected = True

    def _find_experiment(self) -> str:
        """The experiment that holds all sweeps of this name; artifacts go beside its database."""
        name = self._record.name
        found = self._client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == "deleted":
            raise TrackingError(
                "name",
                name,
                f"restore it with `mlflow experiments restore -x {found.experiment_id}`, or give"
                " the sweep another name",
                problem=f"{name!r} is that of an experiment that was deleted from {self.name}",
            )
        if found is not None:
            return str(found.experiment_id)
        database = database_file(self._uri)
        location = (database.resolve().parent / "mlruns" / name).as_uri() if database else None
        return str(self._client.create_experiment(name, artifact_location=location))

    def _find_runs(self) -> dict[str, _Run]:
        """Runs of this sweep by their trial's signature; the parent's is empty."""
        found: dict[str, _Run] = {}
        token: str | None = ""
        while token is not None:
            page = self._client.search_runs(
                [self._experiment],
                filter_string=f"tags.`{runs.SWEEP_TAG}` = '{self._record.id}'",
                order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
                page_token=token or None,
            )
            for run in page:
                signature = run.data.tags.get(runs.TRIAL_TAG, "")
                if signature in found:
                    # A request to make it was carried out after it had been given up.
                    self._client.delete_run(run.info.run_id)
                else:
                    found[signature] = self._found(run)
            token = page.token or None
        return found

    def _found(self, run: "Run") -> _Run:
        status = runs.RunStatus(run.info.status, run.data.tags.get(runs.STATE_TAG, ""))
        parent = run.data.tags.get(runs.PARENT_TAG, "")
        found = _Run(id=run.info.run_id, status=status, parent=parent)
        found.described = runs.LAST_PARAMETER in run.data.params
        if runs.CURSOR in run.data.metrics and runs.TRIAL_TAG in run.data.tags:
            history = self._client.get_metric_history(found.id, runs.CURSOR)
            found.sent = max(metric.step for metric in history)
        return found

    def _adopt(self, trial: _Run) -> None:
        """File a trial under the parent: its own may have been a double that was dropped."""
        assert self._parent is not None
        if trial.parent != self._parent.id:
            self._client.set_tag(trial.id, runs.PARENT_TAG, self._parent.id)
            trial.parent = self._parent.id

    def _create_parent(self) -> _Run:
        tags = runs.sweep_tags(self._record)
        start = int(self._record.created * 1000)
        return self._create(tags, self._record.name, start)

    def _create_trial(self, folder: TrialFolder, record: TrialRecord) -> _Run:
        assert self._parent is not None
        tags = runs.trial_tags(self._record, record, self._parent.id)
        start = int((folder.root / "trial.json").stat().st_mtime * 1000)
        name = f"{record.number:04d} {knobs(record.knobs)}"
        trial = self._trials[record.signature] = self._create(tags, name, start)
        return trial

    def _create(self, tags: dict[str, str], name: str, start: int) -> _Run:
        run = self._client.create_run(self._experiment, start, tags, name)
        status = runs.RunStatus(runs.RUNNING, tags[runs.STATE_TAG])
        return _Run(id=run.info.run_id, status=status)

    def _send_trial(self, folder: TrialFolder, sweep: runs.RunStatus) -> None:
        record, outcome = folder.record(), folder.outcome()
        trial = self._trials.get(record.signature) or self._create_trial(folder, record)
        status = runs.trial_status(outcome, sweep)
        ended = outcome is not None and outcome.state.final
        if not ended or trial.status != status:
            if not trial.described:
                self._describe(trial, record)
            self._send_reports(trial, folder, ended)
        if trial.status != status:
            end = int(outcome.ended * 1000) if outcome else None
            self._set_status(trial, status, runs.state_tags(status.state, outcome), end)
        if ended:
            self._complete.add(folder.root)

    def _describe(self, trial: _Run, record: TrialRecord) -> None:
        from mlflow.entities import Param

        self._client.log_inputs(trial.id, [runs.dataset_input(self._record)])
        fields = runs.parameters(record).items()
        self._client.log_batch(trial.id, params=[Param(key, value) for key, value in fields])
        trial.described = True

    def _send_reports(self, trial: _Run, folder: TrialFolder, ended: bool) -> None:
        measurements = list(folder.measurements())
        new = [m for m in measurements if m.progress.step > trial.sent]
        metrics = [metric for m in new for metric in runs.report_metrics(m)]
        if ended:
            metrics += runs.curve_metrics(measurements)
        if metrics:
            self._client.log_batch(trial.id, metrics=metrics)
        if new:
            trial.sent = new[-1].progress.step

    def _send_sweep(self, status: runs.RunStatus) -> None:
        assert self._parent is not None
        if self._parent.status == status:
            return
        end = None
        if status.status != runs.RUNNING:
            end = int((self._sweep.sessions()[-1].ended or 0) * 1000)
            metrics = runs.summary_metrics(summarize(self._sweep), end)
            self._client.log_batch(self._parent.id, metrics=metrics)
        self._set_status(self._parent, status, {runs.STATE_TAG: status.state}, end)

    def _set_status(
        self, run: _Run, status: runs.RunStatus, tags: dict[str, str], end: int | None
    ) -> None:
        """Set a run's status, then its tags: they tell the next session that all was sent."""
        from mlflow.entities import RunTag

        if status.status == runs.RUNNING:
            self._client.update_run(run.id, status=runs.RUNNING)
        else:
            self._client.set_terminated(run.id, status.status, end)
        self._client.log_batch(run.id, tags=[RunTag(key, value) for key, value in tags.items()])
        run.status = status
