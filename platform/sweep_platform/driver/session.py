"""A sweep from its first second to its report: create or take up, run, record, report."""

import os
import time
import uuid
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from puzzle_datasets.storage.schema import Manifest
from puzzle_datasets.storage.shards import read_manifest, verify
from sweep_platform.common.environment import describe, git_commit
from sweep_platform.common.errors import InputError
from sweep_platform.common.redaction import HIDDEN, redact
from sweep_platform.common.signals import interrupting
from sweep_platform.driver.display import ProgressDisplay
from sweep_platform.driver.request import Request, ResolvedSweep
from sweep_platform.execution.cluster import Hardware, Resources
from sweep_platform.execution.ray_tune import WorkersLost, run_trials
from sweep_platform.report import write_report
from sweep_platform.search.scheduler import TrialScheduler
from sweep_platform.search.study import SweepStudy
from sweep_platform.space import dataset as puzzles
from sweep_platform.space.knobs import Shape
from sweep_platform.spec.schema import ResourceSpec
from sweep_platform.store.folder import SweepFolder, SweepRecord, TrialFolder, TrialState
from sweep_platform.store.summary import wall_seconds
from sweep_platform.tracking.mlflow_store import DEFAULT_TRACKING_URI, anchored, open_store
from sweep_platform.tracking.mlflow_tracker import MlflowTracker
from sweep_platform.tracking.thread import TrackerThread

DEFAULT_DATA = Path("data")


@dataclass(frozen=True, kw_only=True)
class Puzzles:
    """The puzzles of a sweep: where workers find them, and what they are."""

    address: puzzles.DatasetAddress
    manifest: Manifest

    @property
    def shape(self) -> Shape:
        """What they fix about a model."""
        return puzzles.built_shape(self.manifest)

    def record(self) -> dict[str, Any]:
        """What the sweep's folder says of them."""
        manifest = self.manifest
        return {
            **asdict(self.address),
            "name": manifest.name,
            "counts": manifest.counts,
            "source": manifest.source,
            "licence": manifest.licence,
        }


class Sweep:
    """One session's work on a sweep whose folder this process owns.

    Nothing here needs Ray before `run`.

    Raises:
        InputError, DatasetError: on construction, if the puzzles, the store or the study refuse.
    """

    def __init__(self, asked: ResolvedSweep, request: Request, hardware: Hardware) -> None:
        self.folder, self.spec = asked.folder, asked.spec
        _require_a_place(hardware, asked.spec.resources)
        self.tracking_uri = _tracking_uri(request, asked.folder)
        open_store(self.tracking_uri)
        self.puzzles = prepared(asked, request.data)
        self._record(asked, request)
        fingerprint = self.puzzles.manifest.fingerprint
        self.study = SweepStudy(self.folder, self.spec, self.puzzles.shape, fingerprint)
        self.mirror = MlflowTracker(self.folder, self.tracking_uri)
        self.mirror.check()
        self._resources = Resources()

    def run(self, display: ProgressDisplay, ray: AbstractContextManager[None]) -> str:
        """Run trials until the budget is spent or someone interrupts; then report.

        `ray` holds the connection to Ray, and is entered for as long as trials run. Returns how
        the session ended: done, interrupted or failed.
        """
        conductor = TrialScheduler(self.study, display, self._places, self.seconds_left())
        mirror = TrackerThread(self.mirror, display.note)
        for trial in self.folder.trials():
            display.restore(trial)
        self._tell_of_other_code(display)
        with interrupting(conductor.interrupt):
            self.folder.session_started()
            mirror.start()
            how = "failed"
            try:
                with ray:
                    while not self._finished(conductor):
                        pass
                    conductor.close()
                how = self._ended(conductor)
            except KeyboardInterrupt:
                how = "interrupted"
            finally:
                self.folder.session_ended(how)
                try:
                    write_report(self.folder)
                finally:
                    self._stop(mirror, display)
        return how

    def _tell_of_other_code(self, display: ProgressDisplay) -> None:
        before, now = self.folder.record().environment.get("git_commit"), git_commit()
        if before != now:
            display.note(f"this sweep began with the code of {before} and goes on with {now}")

    def _finished(self, conductor: TrialScheduler) -> bool:
        """Run trials; False if Ray gave up on its workers and has to be asked again."""
        storage = self.folder.root.absolute() / "ray"
        try:
            run_trials(conductor, self._trial_config, self.spec.resources, self._places(), storage)
        except WorkersLost as lost:
            conductor.all_lost(str(lost))
            return False
        return True

    def _trial_config(self, trial: TrialFolder) -> dict[str, Any]:
        return {
            "folder": str(trial.root.absolute()),
            "dataset": asdict(self.puzzles.address),
            "threads": max(1, int(self.spec.resources.cpus)),
            "device": "cuda" if self.spec.resources.gpus else "cpu",
        }

    def _places(self) -> int:
        return self._resources.hardware().places(self.spec.resources)

    def seconds_left(self) -> float | None:
        """Time on the clock that the budget still has, None without a limit."""
        minutes = self.spec.budget.minutes
        if minutes is None:
            return None
        written = [m.time_ms / 1000 for t in self.folder.trials() for m in t.measurements()]
        return 60 * minutes - wall_seconds(self.folder.sessions(), written)

    def _ended(self, conductor: TrialScheduler) -> str:
        if conductor.interrupted:
            return "interrupted"
        outcomes = [trial.outcome() for trial in self.folder.trials()]
        failed = [outcome and outcome.state is TrialState.FAILED for outcome in outcomes]
        return "failed" if failed and all(failed) else "done"

    def _stop(self, mirror: TrackerThread, display: ProgressDisplay) -> None:
        unsent = mirror.stop()
        if unsent:
            display.note(
                f"MLflow lacks {unsent} records of this sweep; run again with --resume when "
                f"{redact(self.tracking_uri)} is back to send them."
            )

    def _record(self, asked: ResolvedSweep, request: Request) -> None:
        """Write what is asked; at resume, what was changed of the budget."""
        spec = asked.spec.public()
        if self.folder.exists():
            record = replace(self.folder.record(), spec=spec)
            self.folder.create(replace(record, tracking_uri=redact(self.tracking_uri)))
            return
        self.folder.create(
            SweepRecord(
                id=uuid.uuid4().hex,
                name=self.folder.root.absolute().name,
                created=time.time(),
                space_file=str(request.space),
                scale=asked.scale,
                spec=spec,
                dataset=self.puzzles.record(),
                environment=describe(),
                tracking_uri=redact(self.tracking_uri),
            )
        )


def _require_a_place(found: Hardware, asked: ResourceSpec) -> None:
    if found.places(asked) == 0:
        raise InputError(
            f"a trial asks for {asked.cpus:g} CPU cores and {asked.gpus:g} GPUs, but Ray has "
            f"{found}; lower `resources` or choose another --scale."
        )


def prepared(asked: ResolvedSweep, data: Path | None) -> Puzzles:
    """The puzzles of a sweep: those it began with, without a look at their source, or new ones.

    Raises:
        DatasetError: they cannot be built, or are damaged.
        InputError: they are not those that the sweep began with.
    """
    began_with = asked.folder.record().dataset if asked.folder.exists() else None
    before = Path(began_with["folder"]) if began_with else None
    if before is not None and data is None and before.exists():
        folder, manifest = before, verify(before)
    else:
        root = before.parent if before is not None else DEFAULT_DATA
        folder = puzzles.prepare(asked.spec.dataset, data or root)
        manifest = read_manifest(folder)
    if began_with is not None and began_with["fingerprint"] != manifest.fingerprint:
        raise InputError(
            f"{folder} is not the puzzle set that {asked.folder.root} began with; restore that "
            "set, or start a new sweep with another --out."
        )
    address = puzzles.DatasetAddress(folder=str(folder), fingerprint=manifest.fingerprint)
    return Puzzles(address=address, manifest=manifest)


def _tracking_uri(request: Request, folder: SweepFolder) -> str:
    """Where MLflow is: as asked now, else as before, else by the environment or the default."""
    if request.tracking_uri is not None:
        return anchored(request.tracking_uri)
    before = folder.record().tracking_uri if folder.exists() else None
    if before is not None and HIDDEN in before:
        raise InputError(
            f"{folder.root} does not keep the password of its tracking store {before}; "
            "give the URI again by --tracking-uri."
        )
    return before or anchored(os.environ.get("MLFLOW_TRACKING_URI", DEFAULT_TRACKING_URI))
