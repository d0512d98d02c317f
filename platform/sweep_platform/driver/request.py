"""What the command line asks for, and the sweep that it means: a new one or one to take up."""

from dataclasses import dataclass
from pathlib import Path

from sweep_platform.common.errors import InputError
from sweep_platform.common.redaction import HIDDEN, redact
from sweep_platform.execution.cluster import Hardware
from sweep_platform.space.space_file import SpaceFile, overridden
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder

DEFAULT_RUNS = Path("runs")
ADJUSTABLE = (
    "budget.trials",
    "budget.minutes",
    "resources.cpus",
    "resources.gpus",
    "search.storage",
)
"""What `--resume` may change: it decides how much is run, and with what at hand."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The command line, parsed.

    Attributes:
        space: the YAML file.
        scale: a scale's name, or auto.
        settings: `key=value` on top of the file, in order.
        out: the sweep's folder, None for runs/<name>.
        resume: whether to take up a sweep that was interrupted.
        tracking_uri: MLflow's store, None for the default or, at resume, the sweep's own.
        address: Ray's address, None to start Ray here.
        data: below which folder the puzzles are kept, None for the default or, at resume, the
            sweep's own.
    """

    space: Path
    scale: str = "auto"
    settings: tuple[str, ...] = ()
    out: Path | None = None
    resume: bool = False
    tracking_uri: str | None = None
    address: str | None = None
    data: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ResolvedSweep:
    """A sweep that is fully decided: its specification, the scale it has, and its folder."""

    spec: SweepSpec
    scale: str
    folder: SweepFolder


def specify(request: Request, hardware: Hardware) -> ResolvedSweep:
    """The sweep that the file means on this hardware, whether it was begun or not.

    Raises:
        InputError: the space is bad.
    """
    space = SpaceFile(request.space)
    space.check()
    scale = _scale(request, space, hardware)
    spec = space.resolve(scale, request.settings)
    folder = SweepFolder(request.out or DEFAULT_RUNS / spec.name)
    return ResolvedSweep(spec=spec, scale=scale or "none", folder=folder)


def decide(request: Request, hardware: Hardware) -> ResolvedSweep:
    """The sweep to run: a new one on this hardware, or the one to take up.

    Raises:
        InputError: the space is bad, the folder is taken, or there is nothing to resume.
    """
    if request.resume:
        return _taken_up(request)
    asked = specify(request, hardware)
    folder = asked.folder
    if _holds_a_sweep(folder):
        raise InputError(
            f"{folder.root} already holds a sweep; add --resume to go on with it, "
            "or --out FOLDER to start another."
        )
    if folder.root.is_dir() and set(folder.root.iterdir()) - {folder.lock}:
        raise InputError(f"{folder.root} is not empty and holds no sweep; choose another --out.")
    return asked


def _holds_a_sweep(folder: SweepFolder) -> bool:
    try:
        return folder.exists()
    except PermissionError as error:
        raise InputError(
            f"{folder.root} cannot be read ({error.strerror}); choose another --out."
        ) from None


def _scale(request: Request, space: SpaceFile, hardware: Hardware) -> str | None:
    if request.scale != "auto":
        return request.scale
    if not space.scales:
        return None
    fitting = hardware.scales()
    return next((name for name in fitting if name in space.scales), fitting[0])


def _taken_up(request: Request) -> ResolvedSweep:
    """What the sweep's folder says was asked; of the file, only its name counts."""
    folder = SweepFolder(request.out or DEFAULT_RUNS / SpaceFile(request.space).name)
    if not _holds_a_sweep(folder):
        raise InputError(
            f"{folder.root} holds no sweep to resume; leave out --resume to start one, "
            "or name its folder by --out."
        )
    record = folder.record()
    if request.scale not in ("auto", record.scale):
        raise InputError(
            f"--scale {request.scale}: {folder.root} runs at scale {record.scale}; leave --scale "
            "out, or start another sweep by --out."
        )
    for setting in request.settings:
        if setting.partition("=")[0].strip() not in ADJUSTABLE:
            raise InputError(
                f"--set {redact(setting)}: a sweep that is resumed keeps what it was asked; "
                f"only {', '.join(ADJUSTABLE)} may change."
            )
    spec = overridden(record.spec, str(folder.root / "sweep.json"), request.settings)
    kept = record.spec["search"]["storage"]
    if spec.public()["search"]["storage"] != kept:
        raise InputError(
            f"--set search.storage: {folder.root} began with {kept or 'a journal file'} and "
            "goes on with that; start another sweep by --out to use another."
        )
    if HIDDEN in (spec.search.storage or ""):
        raise InputError(
            f"{folder.root} does not keep the password of its database {kept}; "
            "give the URL again by --set search.storage=URL."
        )
    return ResolvedSweep(spec=spec, scale=record.scale, folder=folder)
