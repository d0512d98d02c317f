"""MLflow's view of a sweep and its trials: tags, parameters, metrics, statuses."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from hrm.config import DATASET_FIELDS, ModelConfig, TrainingConfig
from hrm.progress import Measurement
from puzzle_datasets.common.options import defaults
from sweep_platform.common.text import knobs
from sweep_platform.report.analysis.points import best, curve_points, trials_front
from sweep_platform.spec.metrics import METRIC, METRICS, measured
from sweep_platform.store.folder import SessionEnd, SweepRecord
from sweep_platform.store.replicate import Replicate
from sweep_platform.store.summary import SweepSummary
from sweep_platform.store.trial import Outcome, TrialRecord, TrialState

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric

SWEEP_TAG, TRIAL_TAG, REPLICATE_TAG = "sweep.id", "sweep.trial", "sweep.replicate"
STATE_TAG, REASON_TAG = "sweep.state", "sweep.reason"
PARENT_TAG, NOTE_TAG = "mlflow.parentRunId", "mlflow.note.content"
CURSOR = METRICS[-1].key
"""Sent as the last metric of a report, so that its newest step is that of a whole report."""
EVALUATED = "evaluated_training_flops"
"""Training FLOPs at an evaluation, the x-axis of accuracy."""
LAST_PARAMETER = "parameter_count"
"""Sent after all other parameters, so that a run that has it has them all."""

RUNNING = "RUNNING"
_STATUS: Mapping[str, str] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.STOPPED: "KILLED",
    TrialState.FAILED: "FAILED",
    SessionEnd.DONE: "FINISHED",
    SessionEnd.INCOMPLETE: "FINISHED",
    SessionEnd.INTERRUPTED: "KILLED",
}
"""MLflow's status of what has ended; a sweep's failure is called as a trial's is."""
_ACCURACY, _COST = METRIC["exact_accuracy"].key, METRIC["inference_flops"].key
LONGEST_REASON, _LONGEST_DIGEST = 5_000, 36


class RunStatus(NamedTuple):
    """MLflow's status of a run, and its state tag, which has more values."""

    status: str
    state: str


def sweep_status(end: SessionEnd | None) -> RunStatus:
    """Return the status of the parent run; `end` is how the last session ended, None if not.

    >>> sweep_status(SessionEnd.INTERRUPTED)
    RunStatus(status='KILLED', state='interrupted')
    """
    return RunStatus(_STATUS[end], end.value) if end else RunStatus(RUNNING, "running")


def trial_status(outcome: Outcome | None, sweep: RunStatus) -> RunStatus:
    """Return the status of a replicate's run, whose end or pause is `outcome`.

    One that may go on runs as long as its sweep does, and its state tells that it is paused; a
    sweep that ended leaves it paused or interrupted, until it is resumed.
    """
    if outcome is not None and outcome.state.is_final:
        return RunStatus(_STATUS[outcome.state], outcome.state.value)
    if sweep.status == RUNNING:
        return RunStatus(RUNNING, "running" if outcome is None else outcome.state.value)
    return RunStatus("KILLED", "interrupted" if outcome is None else outcome.state.value)


def status_tags(status: RunStatus, reason: str | None = None) -> dict[str, str]:
    """Tags of a run that stands so, and why, if that is to be told."""
    why = {} if reason is None else {REASON_TAG: reason[:LONGEST_REASON]}
    return {STATE_TAG: status.state, **why}


def sweep_tags(record: SweepRecord) -> dict[str, str]:
    """Tags of every run of a sweep."""
    tags = {
        SWEEP_TAG: record.id,
        STATE_TAG: "running",
        "sweep.scale": record.scale,
        "sweep.dataset": str(record.dataset["fingerprint"]),
        "mlflow.source.name": record.space_file,
        "mlflow.source.type": "LOCAL",
    }
    if commit := record.environment.get("git_commit"):
        tags["mlflow.source.git.commit"] = str(commit)
    return tags


def parameters(record: TrialRecord, replicate: Replicate) -> dict[str, str]:
    """Parameters of a replicate's run, `LAST_PARAMETER` at the end.

    Knobs stand under their own names; below `model.` and `training.` are the other settings that
    are not at their defaults, and `configurations` has them all. Runs that are grouped by
    `configuration` in MLflow show their mean.
    """
    own = {"configuration": configuration_name(record), "seed": replicate.seed}
    own |= {"purpose": replicate.purpose, "replicate": replicate.number}
    if (inherited := record.inherited(replicate)) is not None:
        own["ancestor"] = inherited.trial
    fields = {**record.knobs, **own, **_changed(record), LAST_PARAMETER: record.parameter_count}
    return {key: str(value) for key, value in fields.items()}


def _changed(record: TrialRecord) -> dict[str, Any]:
    """Settings that are no knobs and not as published, below `model.` and `training.`."""
    parts = (
        ("model", record.model, ModelConfig, DATASET_FIELDS),
        ("training", record.training, TrainingConfig, ("seed",)),
    )
    return {
        f"{part}.{key}": settings[key]
        for part, settings, configuration, known in parts
        for key, default in defaults(configuration).items()
        if key in settings and key not in {*known, *record.parameters}
        if settings[key] != default
    }


def configurations(records: Iterable[TrialRecord]) -> str:
    """All settings of each configuration, by its name in `parameters`, as YAML."""
    every = {
        configuration_name(one): {"model": one.model, "training": one.training} for one in records
    }
    return yaml.safe_dump(every, sort_keys=False, allow_unicode=True)


def configuration_name(record: TrialRecord) -> str:
    """A configuration as MLflow groups by it: "3: N=2 T=4"."""
    return f"{record.number}: {knobs(record.knobs)}"


def dataset_input(record: SweepRecord) -> "DatasetInput":
    """The puzzles as MLflow's dataset; its digest is the start of the fingerprint."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=record.dataset["name"],
        digest=record.dataset["fingerprint"][:_LONGEST_DIGEST],
        source_type="local",
        source=json.dumps({"uri": str(record.dataset.get("folder", ""))}),
        profile=json.dumps(record.dataset.get("counts", {})),
    )
    return DatasetInput(dataset, tags=[InputTag("mlflow.data.context", "training")])


def report_metrics(measurement: Measurement) -> list["Metric"]:
    """Metrics of one report, at its optimizer step; FLOPs go with each, as the chart's x-axis.

    Charts of groups match two metrics by the order of their points, not by their steps. So an
    evaluation has a metric of its training FLOPs that other reports lack.
    """
    progress = measurement.progress
    own = {EVALUATED: float(progress.lineage_flops)} if progress.curve else {}
    return _metrics({**own, **measured(progress)}, measurement.time_ms, progress.step)


def curve_metrics(measurements: Iterable[Measurement]) -> list["Metric"]:
    """The last evaluation's curve; none without one.

    Its step is the inference FLOPs, so that the chart that MLflow draws by itself shows accuracy
    against compute.
    """
    evaluated = [(m.time_ms, m.progress.curve) for m in measurements if m.progress.curve]
    metrics: list[Metric] = []
    for time_ms, curve in evaluated[-1:]:
        for point in curve_points(0, curve):
            values = {
                f"curve_{_ACCURACY}": point.exact_accuracy,
                f"curve_{_COST}": point.inference_flops,
                "curve_segments": point.segments,
            }
            metrics += _metrics(values, time_ms, point.inference_flops)
    return metrics


def summary_metrics(sweep: SweepSummary, time_ms: int) -> list["Metric"]:
    """Metrics of the parent run: trials complete, training FLOPs, best accuracy, the front.

    The best is that of the report. Points of the front have their inference FLOPs as steps, so
    that the chart that MLflow draws of the parent by itself rises over compute. A sweep that was
    resumed has a front of its own for each session that ended: points can't be taken back.
    """
    metrics: list[Metric] = []
    ends = sum(session.ended is not None for session in sweep.sessions)
    front = f"front_{_ACCURACY}" if ends < 2 else f"front_{_ACCURACY}_session_{ends}"
    for point in trials_front(sweep.complete):
        value = {front: point.exact_accuracy}
        metrics += _metrics(value, time_ms, point.inference_flops)
    totals = {"trials_complete": float(len(sweep.complete)), CURSOR: sweep.training_flops}
    if found := best(sweep.complete):
        totals[f"best_{_ACCURACY}"] = found[1].exact_accuracy
    return metrics + _metrics(totals, time_ms, 0)


def _metrics(values: Mapping[str, float], time_ms: int, step: int) -> list["Metric"]:
    """Metrics at a moment and a step; only numbers, for a share of nothing has no point."""
    from mlflow.entities import Metric

    finite = {key: float(value) for key, value in values.items() if math.isfinite(value)}
    return [Metric(key, value, time_ms, step) for key, value in finite.items()]
