"""What a sweep and its trials look like in MLflow: tags, parameters, metrics, statuses."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hrm.progress import Measurement
from sweep_platform.store.folder import (
    Outcome,
    Session,
    SweepFolder,
    SweepRecord,
    TrialRecord,
    TrialState,
)

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric

SWEEP_TAG = "sweep.id"
TRIAL_TAG = "sweep.trial"
STATE_TAG = "sweep.state"
REASON_TAG = "sweep.reason"
PARENT_TAG = "mlflow.parentRunId"
CURSOR = "training_flops"
"""Sent as the last metric of a report, so that its newest step is that of a whole report."""
LAST_PARAMETER = "parameter_count"
"""Sent after all other parameters, so that a run that has it has them all."""

RUNNING = "RUNNING"
_TRIAL_STATUS = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.STOPPED: "KILLED",
    TrialState.FAILED: "FAILED",
}
_SWEEP_STATUS = {None: RUNNING, "done": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
_METRICS = (
    "loss",
    "lm_loss",
    "train_exact_accuracy",
    "mean_segments",
    "learning_rate",
    "examples",
    "device_seconds",
    "examples_per_second",
    "peak_memory_bytes",
)
_LONGEST_DIGEST, _LONGEST_REASON = 36, 5_000


def sweep_standing(sessions: list[Session]) -> tuple[str, str]:
    """MLflow's status of the parent run, and the value of its state tag."""
    how = sessions[-1].how if sessions else None
    return _SWEEP_STATUS[how], how or "running"


def trial_standing(outcome: Outcome | None, sweep_status: str) -> tuple[str, str]:
    """MLflow's status of a trial's run, and the value of its state tag.

    A trial without an outcome runs as long as its sweep does; a sweep that ended leaves it
    interrupted, until it is resumed.
    """
    if outcome is not None:
        return _TRIAL_STATUS[outcome.state], outcome.state.value
    return (RUNNING, "running") if sweep_status == RUNNING else ("KILLED", "interrupted")


def sweep_tags(record: SweepRecord) -> dict[str, str]:
    """Tags of the parent run, and of each trial's run."""
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


def trial_tags(sweep: SweepRecord, record: TrialRecord, parent: str) -> dict[str, str]:
    """Tags of a trial's run."""
    return {
        **sweep_tags(sweep),
        TRIAL_TAG: record.signature,
        PARENT_TAG: parent,
    }


def ending_tags(state: str, outcome: Outcome | None) -> dict[str, str]:
    """Tags that say how a trial stands now."""
    return {STATE_TAG: state, REASON_TAG: outcome.reason[:_LONGEST_REASON] if outcome else ""}


def parameters(record: TrialRecord) -> dict[str, str]:
    """Parameters of a trial's run, `LAST_PARAMETER` at the end.

    Knobs stand under their own names, the whole configuration below `model.` and `training.`.
    """
    settings = _flat({"model": record.model, "training": record.training})
    fields = {**record.knobs, **dict(settings), LAST_PARAMETER: record.parameter_count}
    return {key: str(value) for key, value in fields.items()}


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


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
    """Metrics of one report, at its optimizer step; FLOPs go with each, as the chart's x-axis."""
    progress = measurement.progress
    values = {name: float(getattr(progress, name)) for name in _METRICS}
    if progress.curve is not None:
        values["exact_accuracy"] = progress.curve.exact_accuracy[-1]
        values["token_accuracy"] = progress.curve.token_accuracy[-1]
        values["inference_flops"] = progress.curve.inference_flops[-1]
    if progress.halting is not None:
        values["halting_exact_accuracy"] = progress.halting.exact_accuracy
        values["halting_mean_segments"] = progress.halting.mean_segments
        values["halting_inference_flops"] = progress.halting.inference_flops
    values[CURSOR] = progress.training_flops
    return _metrics(values, measurement.time_ms, progress.step)


def curve_metrics(measurements: Iterable[Measurement]) -> list["Metric"]:
    """The last evaluation's curve; none without one.

    Its step is the inference FLOPs, so that the chart that MLflow draws by itself shows accuracy
    against compute.
    """
    evaluated = [(m.time_ms, m.progress.curve) for m in measurements if m.progress.curve]
    if not evaluated:
        return []
    time_ms, curve = evaluated[-1]
    points = zip(curve.exact_accuracy, curve.inference_flops, strict=True)
    metrics: list[Metric] = []
    for segments, (accuracy, flops) in enumerate(points, start=1):
        values = {
            "curve_exact_accuracy": accuracy,
            "curve_inference_flops": flops,
            "curve_segments": segments,
        }
        metrics += _metrics(values, time_ms, flops)
    return metrics


def summary_metrics(sweep: SweepFolder, time_ms: int) -> list["Metric"]:
    """What the sweep came to: trials complete, FLOPs spent on training, best accuracy, and each.

    Accuracy is that of the complete trials after all their segments, as in the report; each is
    at its inference FLOPs as step, so that the parent's own chart has compute as its axis.
    """
    spent, accuracies, metrics = 0, [], []
    for folder in sweep.trials():
        outcome, measurements = folder.outcome(), list(folder.measurements())
        spent += max((m.progress.training_flops for m in measurements), default=0)
        if outcome is not None and outcome.state is TrialState.COMPLETE:
            curve = [m.progress.curve for m in measurements if m.progress.curve][-1]
            accuracies.append(curve.exact_accuracy[-1])
            final = {"trials_exact_accuracy": accuracies[-1]}
            metrics += _metrics(final, int(outcome.ended * 1000), curve.inference_flops[-1])
    best = max(accuracies, default=math.nan)
    totals = {"trials_complete": len(accuracies), "best_exact_accuracy": best, CURSOR: spent}
    return metrics + _metrics(totals, time_ms, 0)


def _metrics(values: Mapping[str, float], time_ms: int, step: int) -> list["Metric"]:
    """Only numbers: a share of nothing has no point on a chart."""
    from mlflow.entities import Metric

    finite = {key: float(value) for key, value in values.items() if math.isfinite(value)}
    return [Metric(key, value, time_ms, step) for key, value in finite.items()]
