"""A sweep as Arrow tables, which join by `trial`, and by `purpose` and `replicate` below that."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hrm.progress import Measurement
from puzzle_datasets.common.text import exact
from sweep_platform.common.arrow import arrow_table
from sweep_platform.report.analysis.answers import answers_of
from sweep_platform.report.analysis.targets import reached
from sweep_platform.spec.metrics import measured
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.replicate import Replicate
from sweep_platform.store.summary import summarize


def trials(folder: SweepFolder) -> pa.Table:
    """One row a trial; see `Sweep.trials`."""
    summary = summarize(folder)
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
            "inference_flops": float(trial.record.inference_flops),
            "parameter_count": trial.record.parameter_count,
            "replicates": len(trial.accuracies),
            **{f"flops_to_{exact(target)}": reached(trial, target) for target in targets},
            **{name: trial.knobs.get(name) for name in trial.record.parameters},
        }
        for trial in summary.trials
    )


def replicates(folder: SweepFolder) -> pa.Table:
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
            "device_seconds": one.last.device_seconds if one.last else None,
        }
        for trial in summarize(folder).trials
        for one in trial.replicates
    )


def measurements(folder: SweepFolder) -> pa.Table:
    """One row a report of a replicate; see `Sweep.measurements`."""
    return arrow_table(
        {
            "trial": trial,
            "purpose": replicate.purpose.value,
            "replicate": replicate.number,
            "step": measurement.progress.step,
            "time_ms": measurement.time_ms,
            **measured(measurement.progress),
        }
        for trial, replicate, measurement in _measurements(folder)
    )


def curves(folder: SweepFolder) -> pa.Table:
    """One row for each evaluation and number of segments M; see `Sweep.curves`."""
    return arrow_table(
        {
            "trial": trial,
            "purpose": replicate.purpose.value,
            "replicate": replicate.number,
            "step": measurement.progress.step,
            "training_flops": float(measurement.progress.training_flops),
            "M": index + 1,
            "exact_accuracy": accuracy,
            "token_accuracy": curve.token_accuracy[index],
            "inference_flops": float(curve.inference_flops[index]),
            "puzzles": curve.puzzles,
        }
        for trial, replicate, measurement in _measurements(folder)
        if (curve := measurement.progress.curve)
        for index, accuracy in enumerate(curve.exact_accuracy)
    )


def _measurements(folder: SweepFolder) -> Iterator[tuple[int, Replicate, Measurement]]:
    for trial in folder.trials():
        number = trial.record().number
        for one in trial.replicates():
            replicate = one.replicate()
            yield from ((number, replicate, each) for each in one.measurements())


def answers(folder: SweepFolder) -> Iterator[pa.Table]:
    """One row for each puzzle of each evaluation, trial by trial; see `Sweep.answers`."""
    yield _ANSWERS.empty_table()
    summary = summarize(folder)
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
        "trial": pa.int64(),
        "purpose": pa.string(),
        "replicate": pa.int64(),
        "step": pa.int64(),
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


TABLES: dict[str, Callable[[SweepFolder], Iterable[pa.Table]]] = {
    "trials": lambda folder: [trials(folder)],
    "replicates": lambda folder: [replicates(folder)],
    "curves": lambda folder: [curves(folder)],
    "measurements": lambda folder: [measurements(folder)],
    "answers": answers,
}
"""Each table by its name, in pieces: the answers of a large sweep are more than memory holds."""
