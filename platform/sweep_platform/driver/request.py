"""The request of a user, and what it comes to: a sweep, new or resumed."""

from dataclasses import dataclass, replace
from pathlib import Path

from sweep_platform.common.databases import anchored, database_file
from sweep_platform.common.errors import InputError
from sweep_platform.common.text import HIDDEN
from sweep_platform.driver.moved import store_now, was_moved
from sweep_platform.driver.origin.asked import changes, listed
from sweep_platform.execution.cluster import Hardware
from sweep_platform.space.space_file import Setting, SpaceFile, overridden
from sweep_platform.spec.schema import StorageSpec, SweepSpec
from sweep_platform.store.folder import NO_SCALE, SweepFolder, SweepRecord, is_name
from sweep_platform.store.steering.course import record_now
from sweep_platform.store.storage.objects import absolute

DEFAULT_RUNS, DEFAULT_DATA = Path("runs"), Path("data")
ADJUSTABLE = (
    "budget.trials",
    "budget.minutes",
    "budget.flops",
    "budget.device_hours",
    "budget.money",
    "budget.energy_kwh",
    "budget.price_per_gpu_hour",
    "replicates",
    "stop_when",
    "stop_when.hypervolume_gain",
    "stop_when.patience",
    "stop_when.regret",
    "resources.cpus",
    "resources.gpus",
    "resources.patience",
    "resources.processes",
    "resources.accelerator_type",
    "search.storage",
)
"""Settings that `--resume` may change: they decide how much is run, and with what at hand."""


OF_STORAGE = ("storage.keep", "storage.mirror")
"""The same, of a sweep that has a storage."""

_SAME_STORAGE = ("storage", "storage.url")
"""Settings that may be given again, as in the command that began the sweep."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The request of a user, by the options of `sweeps/run.py`.

    None stands for the default or, at resume, the sweep's own; an `address` of None starts Ray.
    `data` is a folder's path, or the URL of one in a storage, as text; `resume` may be the URL of
    a sweep in a storage, of whose mirror its folder is made. A new sweep begins with the trials of
    the one whose folder is `fork`.
    """

    space: SpaceFile
    scale: str = "auto"
    settings: tuple[Setting | str, ...] = ()
    out: Path | None = None
    resume: bool | str = False
    start_or_resume: bool = False
    retry_failed: bool = False
    tracking_uri: str | None = None
    address: str | None = None
    data: Path | str | None = None
    fork: Path | str | None = None


@dataclass(frozen=True, kw_only=True)
class ResolvedSweep:
    """A sweep with everything decided: its specification, its scale, and its folder."""

    spec: SweepSpec
    scale: str
    folder: SweepFolder


def decided(request: Request) -> Request:
    """The same request, with it decided whether one to start or resume is to resume."""
    if not request.start_or_resume:
        return request
    return replace(request, resume=request.resume or holds_a_sweep(_folder(request)))


def _folder(request: Request) -> SweepFolder:
    return SweepFolder(request.out or DEFAULT_RUNS / request.space.name)


def resolve(request: Request, hardware: Hardware) -> ResolvedSweep:
    """The sweep to run, new or resumed. Raises `InputError`: a bad space, nothing to resume."""
    if request.retry_failed and not request.resume:
        raise InputError.of("--retry-failed", "runs trials of an earlier session", "add --resume")
    return _taken_up(request) if request.resume else resolve_new(request, hardware)


def resolve_new(request: Request, hardware: Hardware) -> ResolvedSweep:
    """The sweep that the space means here, begun or not. Raises `InputError`: a bad space."""
    request.space.check()
    scale = _scale(request, hardware)
    spec = request.space.resolve(scale, request.settings)
    folder = SweepFolder(request.out or DEFAULT_RUNS / spec.name)
    return ResolvedSweep(spec=spec, scale=scale or NO_SCALE, folder=folder)


def require_free(folder: SweepFolder) -> None:
    """Raise `InputError` if a folder holds something, for no new sweep may start there."""
    if not is_name(name := folder.root.absolute().name):
        problem, remedy = "is no name that can be written", "choose another --out"
        raise InputError("--out", name, remedy, problem=problem)
    if holds_a_sweep(folder):
        raise InputError.of(
            folder.root,
            "already holds a sweep",
            "add --resume (in Python resume=True) to go on with it, or name another --out",
        )
    if folder.root.is_dir() and set(folder.root.iterdir()) - {folder.lock}:
        raise InputError.of(folder.root, "is not empty and holds no sweep", "choose another --out")


def holds_a_sweep(folder: SweepFolder) -> bool:
    """Whether a sweep was begun in a folder. Raises `InputError`: it cannot be read."""
    try:
        return folder.exists()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError.of(
            folder.root, f"cannot be read ({why})", "choose another --out"
        ) from None


def _scale(request: Request, hardware: Hardware) -> str | None:
    scales = request.space.scales
    if request.scale != "auto":
        return request.scale
    if not scales:
        return None
    fitting = hardware.scales()
    return next((name for name in fitting if name in scales), fitting[0])


def _taken_up(request: Request) -> ResolvedSweep:
    """The sweep as its folder has it; of the space, only its name counts."""
    folder = _folder(request)
    if not holds_a_sweep(folder):
        raise InputError.of(
            folder.root,
            "holds no sweep to resume",
            "leave out --resume to start one, or name its folder by --out",
        )
    record = record_now(folder)
    if request.scale not in ("auto", record.scale):
        raise InputError(
            f"--scale {request.scale}",
            request.scale,
            "leave --scale out, or start another sweep by --out",
            problem=f"is not the scale of {folder.root}, which is {record.scale}",
        )
    _require_same_space(request.space, folder, record)
    place = str(folder.root / "sweep.json")
    before = overridden(record.spec, place, ())
    for setting in map(Setting.of, request.settings):
        key = setting.text.partition("=")[0].strip()
        may_change = key in (*ADJUSTABLE, *OF_STORAGE, *_SAME_STORAGE)
        if not may_change and overridden(record.spec, place, (setting,)) != before:
            raise InputError.of(
                setting.place,
                "changes a sweep that is resumed, which keeps its settings",
                f"only {', '.join((*ADJUSTABLE, *OF_STORAGE))} may change",
            )
    spec = overridden(record.spec, place, request.settings)
    if spec.replicates < before.replicates:
        raise InputError(
            "--set replicates",
            spec.replicates,
            f"give {before.replicates} or more",
            problem=f"is {spec.replicates}, but {folder.root} has {before.replicates} of a trial",
        )
    _require_same_place(folder, before.storage, spec.storage)
    now = _storage_now(folder, before.search.storage, spec)
    search = spec.search.model_copy(update={"storage": now})
    kept = (
        spec.storage
        and before.storage
        and spec.storage.model_copy(update={"url": before.storage.url})
    )
    spec = spec.model_copy(update={"search": search, "storage": kept})
    return ResolvedSweep(spec=spec, scale=record.scale, folder=folder)


def kept_settings(request: Request, folder: SweepFolder) -> list[str]:
    """What a resumed sweep keeps though its space says otherwise by now, and how to change it."""
    found = changes(folder.record(), request.space) if request.resume else []
    kept = "the sweep keeps its own, which --set changes"
    return [f"{request.space.source}: {one}; {kept}" for one in found if one.key in ADJUSTABLE]


def _require_same_space(space: SpaceFile, folder: SweepFolder, record: SweepRecord) -> None:
    """Raise `InputError` where the space says otherwise by now than when the sweep began."""
    found = [one for one in changes(record, space) if one.key not in (*ADJUSTABLE, *OF_STORAGE)]
    if found:
        problem = f"has changed since {folder.root} began: {listed(found)}"
        remedy = "put it back, or begin another sweep with these trials by "
        raise InputError.of(space.source, problem, f"{remedy}--fork {folder.root} --out FOLDER")


def _require_same_place(
    folder: SweepFolder, before: StorageSpec | None, now: StorageSpec | None
) -> None:
    """Raise `InputError` where a sweep is to go on with another storage than it began with."""
    if (before and before.url) != (now and absolute(now.url)):
        began = before.url if before else "none"
        problem = f"is not the storage that {folder.root} began with, {began}"
        raise InputError.of("--storage", problem, "leave it out, or start another sweep by --out")


def _storage_now(folder: SweepFolder, kept: str | None, spec: SweepSpec) -> str | None:
    """The address of the study, whose file may have moved. Raises `InputError`: it is another."""
    now = spec.search.storage
    former, file = database_file(kept or ""), database_file(now or "")
    if now is None or former is None or file is None:
        _require_same_storage(folder, kept, spec)
        return now
    if now == kept:
        words = ("study's database", "--set search.storage=URL")
        file = store_now(folder, former.absolute(), *words)
    elif not was_moved(folder) and former.exists():
        _require_same_storage(folder, kept, spec)
    if folder.trials() and not file.exists():
        problem = f"is not there, which holds the study of {folder.root}"
        raise InputError.of(file, problem, "put it back, or name it by --set search.storage=URL")
    return anchored(now, file)


def _require_same_storage(folder: SweepFolder, kept: str | None, spec: SweepSpec) -> None:
    now = spec.search.storage
    if anchored(spec.public()["search"]["storage"] or "") != anchored(kept or ""):
        raise InputError.of(
            "--set search.storage",
            f"is not the storage that {folder.root} began with, {kept or 'a journal file'}",
            "start another sweep by --out to use another",
        )
    if HIDDEN in (now or ""):
        raise InputError.of(
            folder.root,
            f"does not keep the password of its database {kept}",
            "give the URL again by --set search.storage=URL",
        )
