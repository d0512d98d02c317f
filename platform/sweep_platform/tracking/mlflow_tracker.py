"""MLflow as a tracker: the sweep's folder mirrored as a parent run and one run a replicate."""

import errno
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from sweep_platform.common.databases import anchored, database_file
from sweep_platform.common.text import knobs, redact, root_cause
from sweep_platform.store.folder import SweepFolder, SweepRecord
from sweep_platform.store.replicate import Replicate
from sweep_platform.store.summary import last_end, summarize
from sweep_platform.store.trial import ReplicateFolder, TrialFolder, TrialRecord
from sweep_platform.tracking import mlflow_view as view
from sweep_platform.tracking.machine import MachineLoad
from sweep_platform.tracking.mlflow_models import register_models
from sweep_platform.tracking.mlflow_note import sweep_note
from sweep_platform.tracking.mlflow_store import open_store, refused
from sweep_platform.tracking.mlflow_views import TRIED, view_tags
from sweep_platform.tracking.tracker import TrackingError

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run
    from mlflow.tracking import MlflowClient


SETTLED_SECONDS = 2.0
"""Time after the last change of a trial's folder from which on its time tells of any other."""


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


def find_experiment(client: "MlflowClient", uri: str, name: str) -> str:
    """The experiment that holds all sweeps of this name; artifacts go beside its database.

    Raises `TrackingError` if it was deleted.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        database = database_file(uri)
        location = (database.resolve().parent / "mlruns" / name).as_uri() if database else None
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return find_experiment(client, uri, name)  # another start made it meanwhile
    if found.lifecycle_stage == "deleted":
        raise TrackingError.of(
            "name",
            f"{name!r} is that of an experiment that was deleted from MLflow at {redact(uri)}",
            f"restore it with `MLFLOW_TRACKING_URI={redact(anchored(uri))} mlflow experiments"
            f" restore -x {found.experiment_id}`, or give the sweep another name",
            name,
        )
    return str(found.experiment_id)


def _key(record: TrialRecord, folder: ReplicateFolder) -> str:
    """Names a replicate within its sweep."""
    return f"{record.signature}/{folder.label}"


def store_views(client: "MlflowClient", experiment: str, record: SweepRecord) -> str:
    """Store the views of a sweep's charts; what came or may come in the way, nothing if empty."""
    from mlflow.exceptions import MlflowException
    from mlflow.version import VERSION

    try:
        tags = client.get_experiment(experiment).tags
        for key, value in view_tags(record).items():
            if tags.get(key) != value:
                client.set_experiment_tag(experiment, key, value)
    except MlflowException as error:
        return (
            f"MLflow does not take the views of its charts ({root_cause(error)}); all else is sent"
        )
    if tuple(map(int, VERSION.split(".")[:2])) > TRIED:
        tried = ".".join(map(str, TRIED))
        return (
            f"charts are stored in the form of MLflow {tried}; {VERSION} may show them otherwise"
        )
    return ""


class SweepRuns:
    """One parent run for the sweep, and one child run for each replicate, by its key.

    The experiment and the parent run are made here if the open store lacks them. Everything here
    raises what MLflow raises where its store is away; `TrackingError` if the experiment was
    deleted.
    """

    def __init__(self, client: "MlflowClient", uri: str, record: SweepRecord) -> None:
        self._client, self._uri, self._record = client, uri, record
        self._experiment = find_experiment(client, uri, record.name)
        found = self._find()
        if parent := found.pop("", None):
            self.parent = self._known(parent)
        else:
            tags, start = view.sweep_tags(record), int(record.created * 1000)
            self.parent = self._create(tags, record.name, start)
        for run in found.values():  # the parent of some may have been a double that was dropped
            if run.data.tags.get(view.PARENT_TAG) != self.parent.id:
                client.set_tag(run.info.run_id, view.PARENT_TAG, self.parent.id)
        self.replicates = {key: self._known(run) for key, run in found.items()}

    def create(self, folder: ReplicateFolder, record: TrialRecord) -> KnownRun:
        """Make a replicate's run."""
        own = {view.TRIAL_TAG: record.signature, view.REPLICATE_TAG: folder.label}
        tags = {**view.sweep_tags(self._record), **own, view.PARENT_TAG: self.parent.id}
        name = f"{record.number:04d} {folder.label} {knobs(record.knobs)}"
        run = self._create(tags, name, int(folder.created * 1000))
        self.replicates[_key(record, folder)] = run
        return run

    def describe(self, run: KnownRun, record: TrialRecord, replicate: Replicate) -> dict[str, str]:
        """Send a replicate's puzzles; returns its parameters, known before it starts."""
        self._client.log_inputs(run.id, [view.dataset_input(self._record)])
        return view.parameters(record, replicate)

    def log(
        self,
        run: KnownRun,
        metrics: Sequence["Metric"] = (),
        parameters: Mapping[str, str] = MappingProxyType({}),
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Send these in one request, if there are any: each costs milliseconds by itself."""
        from mlflow.entities import Param, RunTag

        if not (metrics or parameters or tags):
            return
        self._client.log_batch(
            run.id,
            metrics=metrics,
            params=[Param(key, value) for key, value in parameters.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        run.described = run.described or bool(parameters)

    def set_status(self, run: KnownRun, status: view.RunStatus, end: int | None) -> None:
        """Set a run's status once all is sent, the tags of the same status among it."""
        if status.status != view.RUNNING:
            self._client.set_terminated(run.id, status.status, end)
        elif run.status.status != view.RUNNING:
            self._client.update_run(run.id, status=view.RUNNING)
        run.status = status

    def require_place(self) -> None:
        """Raise `OSError` where a database was moved: MLflow would make its old folder again."""
        if database_file(self._uri) is None:
            return
        place = urlsplit(self._client.get_experiment(self._experiment).artifact_location)
        former = Path(unquote(place.path)).parents[1:2]
        if place.scheme == "file" and not all(folder.exists() for folder in former):
            raise FileNotFoundError(errno.ENOENT, f"the store was moved from {former[0]}")

    def _find(self) -> dict[str, "Run"]:
        """Runs of this sweep by their keys; the parent's is empty."""
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
                tags = run.data.tags
                key = "/".join(tags.get(tag, "") for tag in (view.TRIAL_TAG, view.REPLICATE_TAG))
                if found.setdefault(key.strip("/"), run) is not run:
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


class MlflowTracker:
    """A `Tracker` that sends what a sweep's folder has and its runs in MLflow lack.

    Metrics of a report carry its step and the time it was made, so that MLflow drops what it
    already has. The URI is that of a database or a server, see `open_store`. A `load` is sent with
    the sweep's run while it runs.
    """

    def __init__(
        self, sweep: SweepFolder, tracking_uri: str, load: MachineLoad | None = None
    ) -> None:
        self._uri, self._sweep, self._load = tracking_uri, sweep, load
        self.experiment = self.trouble = ""
        self._connected = False
        self._client: MlflowClient
        self._runs: SweepRuns | None = None
        self._complete: set[Path] = set()
        self._settled: dict[Path, int] = {}

    @property
    def name(self) -> str:
        """MLflow as messages call it."""
        return f"MLflow at {redact(self._uri)}"

    def check(self) -> None:
        """Reach the store, find or make the experiment and store its views; see `Tracker`.

        Sets `experiment`, and `trouble` to what came in the way of the views.
        """
        self._client = open_store(self._uri)
        from mlflow.exceptions import MlflowException  # after `open_store` has made it quiet

        problem, remedy = "does not take this sweep", "repair it or name another"
        with refused(self._uri, problem, remedy, MlflowException):
            record = self._sweep.record()
            self.experiment = find_experiment(self._client, self._uri, record.name)
            self.trouble = store_views(self._client, self.experiment, record)

    def sync(self) -> None:
        """Send all that MLflow lacks. Raises what MLflow raises where the store is away."""
        if not self._connected:
            self._client = open_store(self._uri)
            self._connect()
        assert self._runs is not None
        try:
            status = self._status()
            for record, folder in self._unfinished(self._changed(status)):
                self._send_replicate(self._runs, record, folder, status)
            self._send_sweep(self._runs, status)
        except BaseException:
            # What a lost answer was about is unknown: ask MLflow again before anything is made.
            self._connected = False
            raise

    def send_files(self) -> None:
        """Store the sweep's record, all settings of its configurations, its report and models.

        Files lie with the parent run, the front's models with their replicates' runs. Raises what
        MLflow raises, and `UserError` where weights or puzzles can't be read.
        """
        assert self._runs is not None, "files are sent after a sync"
        parent = self._runs.parent.id
        self._runs.require_place()
        self._client.log_artifact(parent, str(self._sweep.root / "sweep.json"))
        records = [trial.record() for trial in self._sweep.trials()]
        self._client.log_text(parent, view.configurations(records), "configurations.yaml")
        if self._sweep.report.is_dir():
            self._client.log_artifacts(parent, str(self._sweep.report), "report")
        runs = {key: run.id for key, run in self._runs.replicates.items()}
        summary = summarize(self._sweep)
        named = register_models(self._client, self.experiment, summary, runs)
        self._client.set_tag(parent, view.NOTE_TAG, sweep_note(summary, named))

    def go_on(self, trial: TrialFolder) -> None:
        """Look again at the replicates of a trial that had ended. May be called by any thread."""
        for folder in trial.replicates():
            self._complete.discard(folder.root)
        self._settled.pop(trial.root, None)

    def unsent(self) -> int:
        """Count the reports and changes of state that MLflow is not known to have."""
        runs, sweep = self._runs, self._status()
        missing = int(runs is None or runs.parent.status != sweep)
        for record, folder in self._unfinished(self._sweep.trials()):
            run = runs.replicates.get(_key(record, folder)) if runs else None
            steps = [m.progress.step for m in folder.measurements()]
            missing += sum(run is None or step > run.sent for step in steps)
            status = view.trial_status(folder.outcome(), sweep)
            missing += run is None or run.status != status
        return missing

    def _unfinished(
        self, trials: Iterable[TrialFolder]
    ) -> Iterator[tuple[TrialRecord, ReplicateFolder]]:
        """Replicates of which MLflow may lack something."""
        for trial in trials:
            begun = [one for one in trial.replicates() if one.root not in self._complete]
            if begun:
                record = trial.record()
                yield from ((record, one) for one in begun)

    def _changed(self, status: view.RunStatus) -> Iterator[TrialFolder]:
        """The trials that may have something new; all of them once the sweep has ended.

        Where thousands have ended, one look at each folder's own time tells that nothing was begun
        there since all of it was sent.
        """
        for trial in self._sweep.trials():
            if status.status != view.RUNNING:
                yield trial
                continue
            stamp = trial.root.stat().st_mtime_ns
            if self._settled.get(trial.root) == stamp:
                continue
            yield trial
            # What changes as soon after might leave the same time.
            old = time.time_ns() - stamp > SETTLED_SECONDS * 1e9
            begun = trial.replicates() if old and trial.outcome() else []
            if begun and all(one.root in self._complete for one in begun):
                self._settled[trial.root] = stamp

    def _status(self) -> view.RunStatus:
        return view.sweep_status(last_end(self._sweep.sessions()))

    def _connect(self) -> None:
        """Learn what MLflow holds of the sweep, and make what must be there."""
        self._runs = SweepRuns(self._client, self._uri, self._sweep.record())
        self._complete.clear()
        self._settled.clear()
        self._connected = True

    def _send_replicate(
        self,
        runs: SweepRuns,
        record: TrialRecord,
        folder: ReplicateFolder,
        sweep: view.RunStatus,
    ) -> None:
        outcome = folder.outcome()
        run = runs.replicates.get(_key(record, folder)) or runs.create(folder, record)
        status = view.trial_status(outcome, sweep)
        ended = outcome is not None and outcome.state.is_final
        tags: dict[str, str] = {}
        if run.status != status:
            tags = view.status_tags(status, outcome.reason if outcome else "")
        if not ended or run.status != status:
            parameters = {}
            if not run.described:
                parameters = runs.describe(run, record, folder.replicate())
            measurements = list(folder.measurements())
            new = [m for m in measurements if m.progress.step > run.sent]
            metrics = [metric for m in new for metric in view.report_metrics(m)]
            metrics += view.curve_metrics(measurements) if ended else []
            runs.log(run, metrics, parameters, tags)
            run.sent = new[-1].progress.step if new else run.sent
        if run.status != status:
            runs.set_status(run, status, int(outcome.ended * 1000) if outcome else None)
        if ended:
            self._complete.add(folder.root)
            if folder.outcome() != outcome:  # it was let go on meanwhile
                self._complete.discard(folder.root)

    def _send_sweep(self, runs: SweepRuns, status: view.RunStatus) -> None:
        if status.status == view.RUNNING and self._load and (load := self._load.metrics()):
            self._client.log_batch(runs.parent.id, metrics=load)
        if runs.parent.status == status:
            return
        end = None
        if status.status != view.RUNNING:
            end = int((self._sweep.sessions()[-1].ended or 0) * 1000)
            summary = summarize(self._sweep)
            metrics = view.summary_metrics(summary, end)
            self._client.log_batch(runs.parent.id, metrics=metrics)
            self._client.set_tag(runs.parent.id, view.NOTE_TAG, sweep_note(summary))
        runs.log(runs.parent, tags=view.status_tags(status))
        runs.set_status(runs.parent, status, end)
