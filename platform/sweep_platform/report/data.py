"""A sweep as Arrow tables, which join by `trial`, and by `purpose` and `replicate` below that."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hrm.progress import Measurement
from puzzle_datasets.common.text import exact
from sweep_platform.common.arrow import arrow_table
from sweep_platform.report.analysis.answers import answers_of
from sweep_platform.report.analysis.targets import reached
from sweep_platform.spec.metrics import METRICS, measured
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.summary import SweepSummary
from sweep_platform.store.trial_summary import energy_of


def trials(summary: SweepSummary) -> pa.Table:
    """One row a trial; see `Sweep.trials`."""
    targets = summary.record.spec.get("targets", ())
    return arrow_table(
        {
            "trial": trial.number,
            "signature": trial.record.signature,
            "state": trial.state.value,
            "reason": trial.reason,
            "exact_accuracy": trial.final.exact_accuracy[-1] if trial.final else None,
            "training_flops": float(trial.training_flops),
            "device_seconds": trial.device_seconds,
            "energy_joules": energy_of(trial.replicates),
            "inference_flops": float(trial.record.inference_flops),
            "parameter_count": trial.record.parameter_count,
            "replicates": len(trial.accuracies),
            **{f"flops_to_{exact(target)}": reached(trial, target) for target in targets},
            **{name: trial.knobs.get(name) for name in trial.record.parameters},
        }
        for trial in summary.trials
    )


def replicates(summary: SweepSummary) -> pa.Table:
    """One row a replicate, of any purpose; see `Sweep.replicates`."""
    return arrow_table(
        {
            "trial": trial.number,
            "purpose": one.replicate.purpose.value,
            "replicate": one.replicate.number,
            "seed": one.replicate.seed,
            "state": one.state.value,
            "reason": one.reason,
            "exact_accuracy": one.final.exact_accuracy[-1] if one.final else None,
            "training_flops": float(one.last.training_flops) if one.last else None,
            "inherited_flops": float(one.last.inherited_flops) if one.last else None,
            "device_seconds": one.last.device_seconds if one.last else None,
            "energy_joules": energy_of([one]),
        }
        for trial in summary.trials
        for one in trial.replicates
    )


def measurements(folder: SweepFolder) -> Iterator[pa.Table]:
    """One row a report of a replicate, trial by trial; see `Sweep.measurements`."""
    return _by_trial(folder, _MEASUREMENTS, _measurement)


def _measurement(measurement: Measurement) -> Iterator[dict[str, Any]]:
    yield {
        "step": measurement.progress.step,
        "time_ms": measurement.time_ms,
        **measured(measurement.progress),
    }


def curves(folder: SweepFolder) -> Iterator[pa.Table]:
    """One row for each evaluation and number of segments M, by trial; see `Sweep.curves`."""
    return _by_trial(folder, _CURVES, _curve)


def _curve(measurement: Measurement) -> Iterator[dict[str, Any]]:
    progress, curve = measurement.progress, measurement.progress.curve
    for index, accuracy in enumerate(curve.exact_accuracy if curve else ()):
        assert curve is not None
        yield {
            "step": progress.step,
            "training_flops": float(progress.training_flops),
            "inherited_flops": float(progress.inherited_flops),
            "M": index + 1,
            "exact_accuracy": accuracy,
            "token_accuracy": curve.token_accuracy[index],
            "inference_flops": float(curve.inference_flops[index]),
            "puzzles": curve.puzzles,
        }


def _by_trial(
    folder: SweepFolder,
    schema: pa.Schema,
    rows: Callable[[Measurement], Iterator[dict[str, Any]]],
) -> Iterator[pa.Table]:
    """A table of each trial: the rows of each report, with the replicate that made it."""
    yield schema.empty_table()
    for trial in folder.trials():
        number, found = trial.record().number, []
        for one in trial.replicates():
            owner = one.replicate()
            keys = {
                "trial": number,
                "purpose": owner.purpose.value,
                "replicate": owner.number,
            }
            found += [{**keys, **row} for each in one.measurements() for row in rows(each)]
        yield pa.Table.from_pylist(found, schema=schema)


_OWNER = {"trial": pa.int64(), "purpose": pa.string(), "replicate": pa.int64(), "step": pa.int64()}

_MEASUREMENTS = pa.schema(
    {
        **_OWNER,
        "time_ms": pa.int64(),
        **{metric.key: pa.float64() for metric in METRICS if metric.path},
    }
)

_CURVES = pa.schema(
    {
        **_OWNER,
        "training_flops": pa.float64(),
        "inherited_flops": pa.float64(),
        "M": pa.int64(),
        "exact_accuracy": pa.float64(),
        "token_accuracy": pa.float64(),
        "inference_flops": pa.float64(),
        "puzzles": pa.int64(),
    }
)


def answers(summary: SweepSummary) -> Iterator[pa.Table]:
    """One row for each puzzle of each evaluation, trial by trial; see `Sweep.answers`."""
    yield _ANSWERS.empty_table()
    for trial in summary.trials:
        rows = answers_of(summary, trial)
        lists = rows["solved"].combine_chunks()
        columns = {name: rows[name] for name in _ANSWERS.names if name in rows.column_names}
        columns["trial"] = pa.repeat(trial.number, len(rows))
        columns["solved"] = lists.values.take(pc.subtract(lists.offsets[1:], 1))
        columns["solved_by_segment"] = _digits(lists)
        yield pa.table({name: columns[name] for name in _ANSWERS.names}).cast(_ANSWERS)


_ANSWERS = pa.schema(
    {
        **_OWNER,
        "training_flops": pa.float64(),
        "puzzle": pa.int64(),
        "view": pa.int64(),
        "task": pa.int64(),
        "task_name": pa.string(),
        "solved": pa.bool_(),
        "solved_by_segment": pa.string(),
        "halted_at": pa.int64(),
        "vote_rank": pa.int64(),
    }
)
"""Types that tables can be joined by: Arrow joins neither lists nor integers of two widths."""


def _digits(lists: pa.ListArray) -> pa.Array:
    """Lists of yes and no as texts of 1 and 0."""
    letters = lists.values.to_numpy(zero_copy_only=False).astype(np.uint8) + ord("0")
    offsets = lists.offsets.to_numpy().astype(np.int32)
    return pa.StringArray.from_buffers(
        len(lists), pa.py_buffer(offsets.tobytes()), pa.py_buffer(letters.tobytes())
    )


TABLES: dict[str, Callable[[SweepFolder, SweepSummary], Iterable[pa.Table]]] = {
    "trials": lambda folder, summary: [trials(summary)],
    "replicates": lambda folder, summary: [replicates(summary)],
    "curves": lambda folder, summary: curves(folder),
    "measurements": lambda folder, summary: measurements(folder),
    "answers": lambda folder, summary: answers(summary),
}
"""Each table by its name, in pieces: those of a large sweep are more than memory holds."""
