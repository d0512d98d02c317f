"""Answer a puzzle with a trained model: a sweep's best one, a single run's, or a published one."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hrm.checkpoints.checkpoint import CHECKPOINT_FILE
from hrm.checkpoints.loading import LoadedModel, load_model
from hrm.evaluation.solving import Answer, Solved, SolvingOptions
from hrm.evaluation.solving import solve as answer
from hrm.runs.folder import RunFolder
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import write_file
from puzzle_datasets.common.reading import Reader
from puzzle_datasets.common.text import byte_size
from puzzle_datasets.drawing.picture import Pair, Picture, Section, render
from puzzle_datasets.drawing.svg import Grid, to_png
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.kinds.text import FIELD
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import Manifest, Tokens
from puzzle_datasets.storage.shards import read_manifest
from sweep_platform.common.errors import InputError
from sweep_platform.report.analysis.points import recommended
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.summary import SweepSummary, TrialSummary, summarize
from sweep_platform.store.trained import storage_of, trained

MOST_BYTES = 4_000_000
"""Of a puzzle."""
_PICTURES = (".png", ".svg")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A trained model's checkpoint, its puzzle set if that is known, and both in words."""

    checkpoint: Path
    dataset: Path | None
    words: str


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What came out: the model, in words, and its answers."""

    model: str
    solved: Solved

    @property
    def text(self) -> str:
        """The answers as a person would write them: digits, rows, or JSON."""
        return self.solved.text

    @property
    def words(self) -> str:
        """A line for each answer: how it came about, and how sure the model is of it."""
        lines = [_words(one) for one in self.solved.answers]
        several = len(lines) > 1
        lines = [f"Input {n}: {line}" if several else line for n, line in enumerate(lines, 1)]
        task = [f"It is task {self.solved.task}."] if self.solved.task else []
        note = [f"Note: {self.solved.note}."] if self.solved.note else []
        return "\n".join([f"Answered by {self.model}.", *task, *note, *lines])


def solve(
    model: Path,
    puzzle: str,
    *,
    trial: int | None = None,
    dataset: Path | None = None,
    out: Path | None = None,
    device: torch.device | None = None,
    **options: Any,
) -> Answered:
    """Answer a puzzle, and draw it to `out`; see `sweep_platform.api.solve`."""
    if out is not None and (out.suffix not in _PICTURES or out.is_dir()):
        raise InputError("out", str(out), "name a file that ends with .png or .svg")
    if out is not None and out.exists():
        raise InputError.of(out, "exists already", "name another file, or remove it")
    asked = SolvingOptions(**options)
    source, loaded, manifest, puzzles = opened(model, trial, dataset, device)
    solved = _solved(loaded, manifest, puzzle, asked, puzzles)
    if out is not None:
        image = picture(solved, source.words)
        write_file(out, to_png(image) if out.suffix == ".png" else image.encode())
    return Answered(model=source.words, solved=solved)


def opened(
    model: Path, trial: int | None, dataset: Path | None, device: torch.device | None
) -> tuple[Source, LoadedModel, Manifest, PuzzleDataset | None]:
    """A model and its puzzles; these themselves only where identifiers name their tasks."""
    source = source_of(model, trial)
    folder = dataset or source.dataset
    if folder is None:
        tells = "does not tell which puzzles it was trained on"
        problem = tells if model.exists() else "does not exist"
        raise InputError.of(model, problem, "name a trained model, and its puzzles by --dataset")
    manifest = read_manifest(folder)
    on = device or torch.device("cpu")
    loaded = load_model(source.checkpoint, device=on, seq_len=manifest.seq_len)
    if not kind_named(manifest.kind).identified:
        return source, loaded, manifest, None
    if loaded.trained_on not in (None, manifest.fingerprint):
        problem = f"is not the set that {loaded.source} was trained on"
        raise InputError.of(folder, problem, "name that one by --dataset")
    return source, loaded, manifest, PuzzleDataset.open(folder)


def source_of(model: Path, trial: int | None) -> Source:
    """The checkpoint of a sweep's folder, of a run's, or of a published one's."""
    sweep = SweepFolder(model)
    if sweep.exists():
        return _of_sweep(sweep, trial)
    if trial is not None:
        raise InputError("trial", trial, "leave it out: only a sweep has trials")
    run = RunFolder(model.parent if model.name == CHECKPOINT_FILE else model)
    kept = run.record()["dataset"] if run.exists() else {}
    return Source(checkpoint=model, dataset=_folder(kept), words=str(model))


def _folder(dataset: Mapping[str, Any]) -> Path | None:
    """The folder that a record of puzzles names, if it does."""
    folder = dataset.get("folder")
    return Path(folder) if isinstance(folder, str) else None


def _of_sweep(sweep: SweepFolder, trial: int | None) -> Source:
    summary = summarize(sweep)
    found = _best(summary) if trial is None else _numbered(summary, trial)
    if (kept := trained(summary, found)) is None:
        problem = "keeps no checkpoint of a replicate that was trained to the end"
        place = sweep.trial(found.number, found.record.signature).root
        remedy = "restore one, or name another trial by --trial"
        if (storage := storage_of(summary.record)) is not None:
            remedy = f"see that {storage.url} can be reached, or name another by --trial"
        raise InputError.of(place, problem, remedy)
    kept.require_own()
    words = f"trial {found.number}, {kept.replicate.replicate.words}, of {sweep.root}"
    known = _folder(summary.record.dataset)
    return Source(checkpoint=kept.checkpoint, dataset=known, words=words)


def _best(sweep: SweepSummary) -> TrialSummary:
    """The best of the confirmed trials, else of the complete ones."""
    found = recommended(sweep)
    if found is None:
        problem = "has no complete trial yet"
        raise InputError.of(sweep.folder, problem, "go on with it by --resume")
    return found


def _numbered(sweep: SweepSummary, number: int) -> TrialSummary:
    found = next((trial for trial in sweep.trials if trial.number == number), None)
    if found is None:
        raise InputError("trial", number, f"give the number of a trial of {sweep.folder}")
    return found


def _solved(
    loaded: LoadedModel,
    manifest: Manifest,
    puzzle: str,
    options: SolvingOptions,
    dataset: PuzzleDataset | None,
) -> Solved:
    """The answers; a word that names no file is the puzzle itself."""
    is_word = puzzle != "-" and not os.path.lexists(puzzle)
    text = puzzle if is_word else _text(puzzle)
    try:
        return answer(loaded, manifest, text, options, dataset)
    except DatasetError as error:
        if not is_word or error.field != FIELD:
            raise
        problem = f"names no file, and as a puzzle it {error.problem}"
        raise DatasetError.of(FIELD, problem, error.remedy) from error


def _text(puzzle: str) -> str:
    remedy = "give the puzzle's own text or a file of it"
    if puzzle != "-":
        return Reader(Path(puzzle), DatasetError, remedy, most=MOST_BYTES).text()
    if sys.stdin is None:  # it was closed
        raise DatasetError.of(FIELD, "is to come from a standard input that is closed", remedy)
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise DatasetError.of(FIELD, f"is over {byte_size(MOST_BYTES)}", remedy)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError.of(FIELD, "is no text in UTF-8", remedy) from error


def _words(one: Answer) -> str:
    spent = f"{one.segments:.3g} segment{'' if one.segments == 1 else 's'}"
    sure = f"confidence {100 * one.confidence:.1f} % (the model's own estimate that it is right)"
    votes = f", {one.votes} of {one.views} views" if one.views > 1 else ""
    return f"{spent}, {sure}{votes}."


def picture(solved: Solved, words: str) -> str:
    """The puzzle beside its answer, as SVG."""
    manifest = solved.manifest

    def grid(tokens: Tokens) -> Grid:
        return tokens.reshape(manifest.grid)

    pairs = [
        Pair(
            puzzle=grid(one.puzzle),
            solution=grid(one.tokens),
            heading=f"input {number}",
            details=f"confidence {100 * one.confidence:.1f} %",
        )
        for number, one in enumerate(solved.answers, start=1)
    ]
    text = "On the left the puzzle, on the right the answer, which nobody has checked."
    return render(
        Picture(
            title=f"{solved.kind.title}, answered",
            subtitle=f"By {words}.",
            look=solved.kind.look(manifest),
            sections=[Section(heading="Answers", explanation=text, pairs=pairs)],
        )
    )
