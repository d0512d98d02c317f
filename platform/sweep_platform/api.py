"""Sweeps from Python: run one, or open one that was run and read it as tables.

The command line is a thin layer over this.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from puzzle_datasets.common.exit_status import DONE, FAILED, INTERRUPTED
from puzzle_datasets.common.reading import path_from
from puzzle_datasets.common.text import suggest
from sweep_platform.common.errors import InputError
from sweep_platform.common.text import redact
from sweep_platform.driver.request import Request
from sweep_platform.report import data
from sweep_platform.report.analysis.points import Point, trials_front
from sweep_platform.space.space_file import Setting, SpaceFile
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.spec.yaml_source import as_yaml
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.storage.objects import absolute
from sweep_platform.store.summary import SweepSummary, summarize

if TYPE_CHECKING:
    from sweep_platform.commands.solve import Answered

Space = SweepSpec | Mapping[str, Any] | Path | str
"""A space: a resolved spec, a file's content as a mapping, or the file."""

_OPTIONS = ("scale", "settings", "tracking_uri", "address")
_PATHS, _TEXTS = ("out", "data", "fork"), ("scale", "tracking_uri", "address")
_SWITCHES = ("resume", "start_or_resume", "retry_failed")
_KNOWN = (*_OPTIONS, *_SWITCHES, *_PATHS)
_SOLVING = ("segments", "halting", "voting")
_SHORT = {"trials": "budget.trials", "minutes": "budget.minutes"}
"""Settings that have a short name, as on the command line."""

INCOMPLETE = 3
"""Exit status of a sweep whose time was up before all its trials had come to their end."""

_STATUS = {
    SessionEnd.DONE: DONE,
    SessionEnd.INCOMPLETE: INCOMPLETE,
    SessionEnd.INTERRUPTED: INTERRUPTED,
    SessionEnd.FAILED: FAILED,
}


def run_sweep(spec_or_path: Space, **overrides: Any) -> "Sweep":
    """Run a sweep to its report, as `sweeps/run.py` does, and return it, interrupted or not.

    Args:
        spec_or_path: the space: a YAML file, its content as a mapping, or a resolved spec.
        overrides: settings on top of the space, `trials=30`, `seed=1`, or by their dotted names,
            `**{"training.learning_rate": 3e-4}`; and the options of `sweeps/run.py`: `scale`,
            `out`, `resume`, `start_or_resume`, `retry_failed`, `tracking_uri`, `address`, `data`,
            `fork` and `settings`, a sequence of texts as behind `--set`. `resume` may be
            the URL of a sweep's mirror.

    Raises `UserError`: the space, the folder, the puzzles or an option can't be used. If the head
    of a cluster at an `address` is lost, this process ends with status 130, once the report is
    written: Ray waits for its head where no exception can reach it.
    """
    from sweep_platform.commands.run import run

    return Sweep(run(_request(spec_or_path, overrides)))


def plan_sweep(spec_or_path: Space, *, verbose: bool = False, **overrides: Any) -> None:
    """Print what `run_sweep` would do with the same arguments, and its cost; start nothing.

    `verbose` prints every setting of the sweep before that, as YAML.
    Raises `UserError`: the space or an option can't be used.
    """
    from sweep_platform.commands.plan import show_plan

    show_plan(_request(spec_or_path, overrides), verbose)


def solve(
    model: Path | str,
    puzzle: Path | str,
    *,
    trial: int | None = None,
    dataset: Path | str | None = None,
    out: Path | str | None = None,
    device: str = "auto",
    **options: Any,
) -> "Answered":
    """Answer a puzzle with a trained model, as `hrm-sweep solve` does.

    Args:
        model: a sweep's folder, of which the best confirmed trial answers, or else the best
            complete one; a run's folder or checkpoint; or a published checkpoint.
        puzzle: its text or a file of it: the digits of a Sudoku, the rows of a maze, the JSON of
            an ARC task; "-" reads it from the standard input.
        trial: number of the sweep's trial to ask instead.
        dataset: the puzzle set that the model was trained on, where it does not tell.
        out: a .png or .svg file to draw the answer to.
        device: `auto`, `cpu`, `cuda` or `cuda:NUMBER`.
        options: `segments`, `halting` and `voting`, as of `hrm.evaluation.solving.SolvingOptions`.

    Raises `UserError`: the model, the puzzle or an option can't be used.
    """
    from hrm.model.devices import device_named
    from sweep_platform.commands.solve import solve as answer

    paths = {"dataset": dataset, "out": out}
    given = {n: path_from(n, value, InputError) for n, value in paths.items() if value is not None}
    if unknown := next(iter(options.keys() - set(_SOLVING)), None):
        raise InputError(
            unknown, options[unknown], suggest(unknown, _SOLVING), problem="is no known argument"
        )
    if trial is not None and type(trial) is not int:
        raise InputError("trial", trial, "give the number of a trial")
    if not isinstance(puzzle, str | Path):
        raise InputError("puzzle", puzzle, "give a text or a path")
    folder, device_asked = path_from("model", model, InputError), device_named(device)
    return answer(folder, str(puzzle), trial=trial, device=device_asked, **given, **options)


def write_submission(
    model: Path | str, tasks: Path | str, out: Path | str, *, device: str = "auto", **options: Any
) -> str:
    """Write ARC's submission.json with two attempts at each test input, and say so.

    `tasks` is a folder or file of ARC tasks in JSON, `out` the file to write; `model` and the
    `options` are those of `solve`. Raises `UserError` as `solve` does, and then writes nothing.
    """
    from hrm.model.devices import device_named
    from sweep_platform.commands.submission import write_submission as write

    paths = (path_from("model", model, InputError), path_from("tasks", tasks, InputError))
    file = path_from("out", out, InputError)
    return write(*paths, file, device=device_named(device), **options)


def compare_sweeps(folders: Sequence[Path | str], out: Path | str = "runs/comparison") -> Path:
    """Set sweeps side by side on one page in `out`, as `hrm-sweep compare` does; return its path.

    Each is compared with the first. Raises `UserError`: a folder holds no sweep, there are fewer
    than two, or `out` holds other files.
    """
    from sweep_platform.commands.compare import compare

    if isinstance(folders, str | Path):
        raise InputError("sweeps", str(folders), "give a list of folders")
    named = [path_from("sweeps", folder, InputError) for folder in folders]
    return compare(named, path_from("out", out, InputError))


class Sweep:
    """A sweep's folder, read as tables; what is read is what is there at the call."""

    def __init__(self, folder: SweepFolder) -> None:
        self._folder = folder

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """The sweep in a folder, finished or not. Raises `InputError` where none can be read."""
        found = SweepFolder(path_from("folder", folder, InputError))
        found.record()
        return cls(found)

    @property
    def folder(self) -> Path:
        """The folder."""
        return self._folder.root

    @property
    def exit_status(self) -> int:
        """That of its last session.

        0 done, 3 incomplete for want of time, 130 interrupted, 1 failed, killed, or at work.
        """
        sessions = self._folder.sessions()
        end = sessions[-1].end if sessions else None
        return FAILED if end is None else _STATUS[end]

    def trials(self) -> pa.Table:
        """One row a trial: number, signature, state, reason, costs and every knob.

        Accuracy is the mean over `replicates`. `flops_to_0.5` are the training FLOPs after which
        that mean met a target of the space, null where it never did. A knob that the trial's model
        has no use for is null.
        """
        return data.trials(self.summary())

    def replicates(self) -> pa.Table:
        """One row a replicate: trial, purpose, replicate, seed, state, reason, accuracy, costs."""
        return data.replicates(self.summary())

    def measurements(self) -> pa.Table:
        """One row a report of a replicate, with every metric, null where it has none; Unix ms."""
        return pa.concat_tables(data.measurements(self._folder))

    def curves(self) -> pa.Table:
        """One row for each evaluation and number of segments M.

        Columns: trial, purpose, replicate, step, training_flops, inherited_flops (what ancestors
        had spent on the weights that training began with), M, exact_accuracy, token_accuracy,
        inference_flops, puzzles.
        """
        return pa.concat_tables(data.curves(self._folder))

    def answers(self) -> pa.Table:
        """One row for each test puzzle, or view of one, in each evaluation of each replicate.

        `solved` is after all segments, `solved_by_segment` a digit for each number of segments,
        "011" where the second and the third answer were right. Large sweeps have millions of
        rows: `export` holds one trial at a time.
        """
        return pa.concat_tables(data.answers(self.summary()))

    def export(
        self, *, csv: Path | str | None = None, parquet: Path | str | None = None
    ) -> list[Path]:
        """Write all five tables into folders, as `hrm-sweep export` does; return the files.

        Raises `UserError` where no folder is given, or one holds other files.
        """
        from sweep_platform.commands.export import export

        given = {"csv": csv, "parquet": parquet}
        folders = {n: path_from(n, one, InputError) for n, one in given.items() if one is not None}
        return export(self._folder, folders)

    def front(self) -> list[Point]:
        """The points of complete trials that no other beats in accuracy and inference FLOPs."""
        return trials_front(self.summary().complete)

    def steer(self, verb: str, **arguments: Any) -> str:
        """Tell the sweep something, as `hrm-sweep stop`, `add` and their like do; what came of it.

        Args:
            verb: `stop` or `promote` with `trial=3`, `add` with knobs such as `N=3, T=6`, `extend`
                with `trials`, `minutes`, `flops`, `device_hours`, `money` or `energy_kwh` (a text
                such as "+50" adds to them), `pause`, `resume`.
            arguments: those of the verb.

        Raises `UserError`: the driver refuses, or there is nothing to be asked for so.
        """
        from sweep_platform.commands.steering.steer import steer, verb_of

        return steer(self._folder, verb_of(verb, arguments), arguments)

    def report(self) -> Path:
        """Write the report and return the path of report.html."""
        from sweep_platform.report import write_report

        return write_report(self._folder)

    def summary(self) -> SweepSummary:
        """All that a report is made of, as plain data."""
        return summarize(self._folder)


def _request(given: Space, overrides: Mapping[str, Any]) -> Request:
    if isinstance(given, SweepSpec):
        space = SpaceFile.of(given.model_dump(mode="json"))
    elif isinstance(given, Mapping):
        space = SpaceFile.of(given)
    else:
        space = SpaceFile.read(path_from("space", given, InputError))
    options = {name: overrides[name] for name in (*_OPTIONS, *_SWITCHES) if name in overrides}
    for name in _TEXTS:
        if not isinstance(options.get(name, ""), str | None):
            raise InputError(name, options[name], "give a text")
    for name in _SWITCHES:
        url = name == "resume" and "/" in str(options.get(name))
        if not url and not isinstance(options.get(name, False), bool):
            raise InputError(name, options[name], "give True or False")
    for name in _PATHS:
        if overrides.get(name) is not None:
            options[name] = _place(name, overrides[name])
    listed = options.get("settings", ())
    texts = isinstance(listed, list | tuple) and all(isinstance(x, str | Setting) for x in listed)
    if not texts:
        raise InputError("settings", listed, "give a list of key=value texts")
    settings = (_setting(*item) for item in overrides.items() if item[0] not in _KNOWN)
    options["settings"] = (*listed, *settings)
    return Request(space=space, **options)


def _place(name: str, given: Any) -> Path | str:
    """A path; of puzzles, also the URL of a folder in a storage, as text."""
    if name == "data" and isinstance(given, str) and "://" in given:
        url = absolute(given)
        return url if "://" in url else Path(url)
    return path_from(name, given, InputError)


def _setting(name: str, value: Any) -> Setting:
    if "." not in name and name not in (known := (*_KNOWN, *_SHORT, *SweepSpec.model_fields)):
        raise InputError(name, value, suggest(name, known), problem="is no known argument")
    text = as_yaml(name, value)
    return Setting(f"{_SHORT.get(name, name)}={text}", f"{name}={redact(text)}")
