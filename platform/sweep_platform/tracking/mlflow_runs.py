"""The runs of one sweep in MLflow: found again by their tags, or made."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweep_platform.common.text import knobs, redact
from sweep_platform.store.folder import SweepRecord
from sweep_platform.store.trial import TrialFolder, TrialRecord
from sweep_platform.tracking import mlflow_view as view
from sweep_platform.tracking.mlflow_store import database_file
from sweep_platform.tracking.tracker import TrackingError

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient


@dataclass(kw_only=True)
class KnownRun:
    """A run, as far as MLflow is known to have it.

    It is `described` if parameters and dataset were sent, and `sent` is the optimizer step of
    the last report sent.
    """

    id: str
    status: view.RunStatus
    described: bool = False
    sent: int = 0


class SweepRuns:
    """One parent run for the sweep, and one child run for each trial, by its signature.

    The experiment and the parent run are made here if the open store lacks them. Everything here
    raises what MLflow raises where its store is away; `TrackingError` if the experiment was
    deleted.
    """

    def __init__(self, client: "MlflowClient", uri: str, record: SweepRecord) -> None:
        self._client, self._uri, self._record = client, uri, record
        self._experiment = self._find_experiment()
        found = self._find()
        if parent := found.pop("", None):
            self.parent = self._known(parent)
        else:
            tags, start = view.sweep_tags(record), int(record.created * 1000)
            self.parent = self._create(tags, record.name, start)
        for run in found.values():  # the parent of some may have been a double that was dropped
            if run.data.tags.get(view.PARENT_TAG) != self.parent.id:
                client.set_tag(run.info.run_id, view.PARENT_TAG, self.parent.id)
        self.trials = {signature: self._known(run) for signature, run in found.items()}

    def create_trial(self, folder: TrialFolder, record: TrialRecord) -> KnownRun:
        """Make a trial's run."""
        own = {view.TRIAL_TAG: record.signature, view.PARENT_TAG: self.parent.id}
        tags = {**view.sweep_tags(self._record), **own}
        name = f"{record.number:04d} {knobs(record.knobs)}"
        trial = self._create(tags, name, int(folder.created * 1000))
        self.trials[record.signature] = trial
        return trial

    def describe(self, trial: KnownRun, record: TrialRecord) -> None:
        """Send what is known of a trial before it starts."""
        from mlflow.entities import Param

        self._client.log_inputs(trial.id, [view.dataset_input(self._record)])
        fields = view.parameters(record).items()
        self._client.log_batch(trial.id, params=[Param(key, value) for key, value in fields])
        trial.described = True

    def set_status(
        self, run: KnownRun, status: view.RunStatus, end: int | None, reason: str | None = None
    ) -> None:
        """Set a run's status, then its tags: they tell the next session that all was sent."""
        from mlflow.entities import RunTag

        if status.status == view.RUNNING:
            self._client.update_run(run.id, status=view.RUNNING)
        else:
            self._client.set_terminated(run.id, status.status, end)
        tags = [RunTag(view.STATE_TAG, status.state)]
        if reason is not None:
            tags.append(RunTag(view.REASON_TAG, reason[: view.LONGEST_REASON]))
        self._client.log_batch(run.id, tags=tags)
        run.status = status

    def _find_experiment(self) -> str:
        """The experiment that holds all sweeps of this name; artifacts go beside its database."""
        name = self._record.name
        found = self._client.get_experiment_by_name(name)
        if found is None:
            database = database_file(self._uri)
            location = (database.resolve().parent / "mlruns" / name).as_uri() if database else None
            return str(self._client.create_experiment(name, artifact_location=location))
        if found.lifecycle_stage == "deleted":
            raise TrackingError.of(
                "name",
                f"{name!r} is that of an experiment that was deleted from MLflow at"
                f" {redact(self._uri)}",
                f"restore it with `mlflow experiments restore -x {found.experiment_id}`, or give"
                " the sweep another name",
                name,
            )
        return str(found.experiment_id)

    def _find(self) -> dict[str, "Run"]:
        """Runs of this sweep by their trial's signature; the parent's is empty."""
        found: dict[str, Run] = {}
        token: str | None = ""
        while token is not None:
            page = self._client.search_runs(
                [self._experiment],
                filter_string=f"tags.`{view.SWEEP_TAG}` = '{self._record.id}'",
                order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
                page_token=token or None,
            )
            for run in page:
                if found.setdefault(run.data.tags.get(view.TRIAL_TAG, ""), run) is not run:
                    # A request to make it was carried out after it had been given up.
                    self._client.delete_run(run.info.run_id)
            token = page.token or None
        return found

    def _known(self, run: "Run") -> KnownRun:
        tags, sent = run.data.tags, 0
        if view.CURSOR in run.data.metrics and view.TRIAL_TAG in tags:
            history = self._client.get_metric_history(run.info.run_id, view.CURSOR)
            sent = max(metric.step for metric in history)
        return KnownRun(
            id=run.info.run_id,
            status=view.RunStatus(run.info.status, tags.get(view.STATE_TAG, "")),
            described=view.LAST_PARAMETER in run.data.params,
            sent=sent,
        )

    def _create(self, tags: dict[str, str], name: str, start: int) -> KnownRun:
        run = self._client.create_run(self._experiment, start, tags, name)
        status = view.RunStatus(view.RUNNING, tags[view.STATE_TAG])
        return KnownRun(id=run.info.run_id, status=status)
