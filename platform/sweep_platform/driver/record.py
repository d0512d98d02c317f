"""What a session records of its sweep before it works, and the store that it mirrors it to."""

import os
import time
import uuid
from dataclasses import replace
from pathlib import Path

from sweep_platform.common.databases import anchored, database_file
from sweep_platform.common.environment import describe
from sweep_platform.common.errors import InputError
from sweep_platform.common.text import HIDDEN, redact
from sweep_platform.driver.moved import store_now
from sweep_platform.driver.origin.asked import asked
from sweep_platform.driver.puzzles import Puzzles
from sweep_platform.driver.request import Request, ResolvedSweep
from sweep_platform.store.folder import SweepFolder, SweepRecord
from sweep_platform.store.steering.course import record_now
from sweep_platform.tracking.mlflow_store import DEFAULT_TRACKING_URI


def record_sweep(sweep: ResolvedSweep, request: Request, puzzles: Puzzles, uri: str) -> None:
    """Write what is swept; at resume, what was changed of the budget, and where all is."""
    folder, spec = sweep.folder, sweep.spec.public()
    root = str(folder.root.absolute())
    if folder.exists():
        before = record_now(folder)
        where = replace(before, dataset=puzzles.record(), tracking_uri=redact(uri), root=root)
        folder.create(replace(where, spec=spec))
        return
    folder.create(
        SweepRecord(
            id=uuid.uuid4().hex,
            name=folder.root.absolute().name,
            created=time.time(),
            space_file=request.space.source,
            scale=sweep.scale,
            spec=spec,
            dataset=puzzles.record(),
            environment=describe(),
            tracking_uri=redact(uri),
            root=root,
            asked=asked(request.space, sweep.scale),
            forked=str(Path(request.fork).absolute()) if request.fork else None,
        )
    )


def record_experiment(folder: SweepFolder, experiment: str) -> None:
    """Write which of MLflow's experiments has the sweep's runs, if that is new."""
    record = folder.record()
    if record.experiment != experiment:
        folder.create(replace(record, experiment=experiment))


def tracking_uri(request: Request, folder: SweepFolder) -> str:
    """Address of MLflow: as given now, else as before, else by the environment or the default."""
    if request.tracking_uri is not None:
        return anchored(request.tracking_uri)
    before = folder.record().tracking_uri if folder.exists() else None
    if before is not None and HIDDEN in before:
        raise InputError.of(
            folder.root,
            f"does not keep the password of its tracking store {before}",
            "give the URI again by --tracking-uri",
        )
    if before is None:
        return anchored(os.environ.get("MLFLOW_TRACKING_URI", DEFAULT_TRACKING_URI))
    file = database_file(before)
    return before if file is None else anchored(before, store_now(folder, file))
