"""Builders that tests of several rooms share: reports, records, and a search with its budget."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hrm.checkpoints import checkpoint
from hrm.config import ModelConfig, TrainingConfig
from hrm.evaluation.answer_file import AnswerFile
from hrm.evaluation.per_puzzle import PuzzleAnswers
from hrm.progress import Curve, Measurement, Progress
from puzzle_datasets.common.files import append_json_line
from sweep_platform.plan.budget import Budget
from sweep_platform.search.search import Search, open_search
from sweep_platform.search.stages.tuning import point_of
from sweep_platform.space.knobs import Shape
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder, SweepRecord
from sweep_platform.store.messages import Decision
from sweep_platform.store.replicate import Purpose, replicates
from sweep_platform.store.summary import SweepSummary
from sweep_platform.store.trial import (
    Outcome,
    ReplicateFolder,
    TrialFolder,
    TrialRecord,
    TrialState,
)

SHAPE = Shape(vocab_size=12, seq_len=9, num_puzzle_identifiers=5)
TINY_RUN = "--hidden-size 16 --num-heads 1 --M-max 2 --batch-size 4 --warmup-steps 0 --steps 2"
"""Arguments of a training of a moment."""

TOTAL = 100
"""Steps of a trial whose reports are made here."""


def progress(step: int, accuracy: float | None = 0.5, seconds: float | None = None) -> Progress:
    """A report, with an evaluation unless `accuracy` is None."""
    curve = None
    if accuracy is not None:
        curve = Curve(
            exact_accuracy=(accuracy,), token_accuracy=(0.5,), inference_flops=(9,), puzzles=4
        )
    return Progress(
        step=step,
        total_steps=TOTAL,
        training_flops=step,
        loss=1.0,
        lm_loss=1.0,
        train_exact_accuracy=0.0,
        mean_segments=1.0,
        learning_rate=1e-3,
        examples=step,
        device_seconds=step / 10 if seconds is None else seconds,
        examples_per_second=1.0,
        peak_memory_bytes=1,
        curve=curve,
    )


def measurement(step: int, accuracy: float | None = 0.5, **changes: Any) -> Measurement:
    """A report with a time."""
    return Measurement(time_ms=1_000 * step, progress=progress(step, accuracy, **changes))


def answers(step: int, solved: Any, each: int = 1) -> PuzzleAnswers:
    """An evaluation with one segment; `solved` says it of every puzzle, `each` of them a task."""
    count = np.arange(len(solved), dtype=np.int32)
    return PuzzleAnswers(
        step=step,
        training_flops=step,
        puzzles=count,
        views=count * 0,
        tasks=count // each,
        solved=np.array(solved, dtype=bool).reshape(-1, 1),
        halted_at=count * 0 + 1,
        vote_rank=count * 0,
    )


def sweep_record(**changes: Any) -> SweepRecord:
    """The record of a sweep of which nothing is known."""
    fields: dict[str, Any] = {
        "id": "a1",
        "name": "toy",
        "created": 0.0,
        "space_file": "toy.yaml",
        "scale": "none",
        "spec": {
            "name": "toy",
            "dataset": {"name": "arc-agi-1"},
            "space": {"N": {"choices": [1]}},
            "budget": {"trials": 1, "flops_per_trial": 1e8},
        },
        "dataset": {"name": "arc-agi-1", "fingerprint": "data"},
        "environment": {},
    }
    return SweepRecord(**{**fields, **changes})


def model_settings(**changes: Any) -> dict[str, Any]:
    """All settings of a model, as a record has them."""
    return asdict(ModelConfig(**{**asdict(SHAPE), **changes}))


def training_settings(**changes: Any) -> dict[str, Any]:
    """All settings of a training but the seed, as a record has them."""
    settings = asdict(TrainingConfig(training_flops=1e8, **changes))
    return {name: value for name, value in settings.items() if name != "seed"}


def trial_record(number: int = 0, **changes: Any) -> TrialRecord:
    """The record of a trial of which nothing else is known."""
    fields: dict[str, Any] = {
        "number": number,
        "study_number": number,
        "signature": f"{number:010d}",
        "parameters": {},
        "model": model_settings(),
        "training": training_settings(),
        "dataset": {"fingerprint": "data"},
        "parameter_count": 1,
        "total_steps": TOTAL,
        "training_flops": TOTAL,
        "inference_flops": 1,
    }
    return TrialRecord(**{**fields, **changes})


def sweep_folder(root: Path) -> SweepFolder:
    """The folder of a sweep, created if it is not there yet."""
    folder = SweepFolder(root)
    if not folder.exists():
        folder.create(sweep_record())
    return folder


def begun(trial: TrialFolder, number: int = 0) -> ReplicateFolder:
    """The folder of a replicate of a trial, begun if it was not."""
    replicate = replicates(0, Purpose.MEASURE, number + 1)[number]
    folder = trial.replicate(replicate.label)
    if not folder.exists():
        folder.create(trial.record(), replicate)
    return folder


def first(trial: TrialFolder) -> ReplicateFolder:
    """The folder of a trial's first replicate, begun or not."""
    return trial.replicate("measure-0")


@dataclass
class OpenedSearch:
    """A search that a driver opened, with the budget that decides whether another may start."""

    folder: SweepFolder
    search: Search
    budget: Budget

    @property
    def study(self) -> Any:
        """The Optuna study itself."""
        return self.search.proposer._study._study

    @property
    def unfinished(self) -> tuple[TrialFolder, ...]:
        """Trials of which a replicate waits to begin or to go on."""
        return tuple(one.trial for one in self.search.jobs if one.waiting)

    def propose(self) -> TrialFolder | None:
        """The next trial of one replicate: one that goes on, else a new one, None without."""
        if (job := self.search.jobs.next(any_trial=False)) is not None:
            return job.trial
        if self.budget.forbids(new=True):
            return None
        point = self.search.proposer.propose()
        if point:
            self.budget.begin_trial()
        return point[0] if point else None

    def decide(
        self, trial: TrialFolder, progress: Progress, replicate: str = "measure-0"
    ) -> Decision:
        return self.search.rungs.decide(trial.record(), replicate, progress)

    def end(self, trial: TrialFolder, state: TrialState, reason: str = "it ended") -> None:
        """Let a trial of one replicate end as that one does."""
        self.search.outcomes.end_replicate(begun(trial), state, reason)
        self.search.outcomes.end(trial, state, reason)


def opened(
    root: Path,
    spec: SweepSpec,
    data: str = "data",
    retry_failed: bool = False,
    concurrency: int = 1,
) -> OpenedSearch:
    """The search of a folder, as a driver opens it that knows nothing of the last one."""
    folder = sweep_folder(root)
    search = open_search(folder, spec, SHAPE, {"fingerprint": data}, retry_failed, concurrency)
    return OpenedSearch(folder, search, Budget(spec.budget, trials=points_of(folder, spec)))


def points_of(folder: SweepFolder, spec: SweepSpec) -> int:
    """The number of points that were begun, those of several nuisance values counted once."""
    return len({point_of(trial.record(), spec) for trial in folder.trials()})


def confirmed(sweep: SweepFolder, number: int) -> None:
    """Let a trial be confirmed by a replicate that kept its checkpoint."""
    trial = sweep.trials()[number]
    [replicate] = replicates(0, Purpose.CONFIRM, 1)
    folder = trial.replicate(replicate.label)
    folder.create(trial.record(), replicate)
    folder.append(trial.replicate("measure-0").measurements())
    folder.end(Outcome(state=TrialState.COMPLETE, reason="done", ended=1.8e9))
    keep_checkpoint(trial, trial.replicate("measure-0").checkpoint, folder)


def with_checkpoints(sweep: SweepFolder, run: Path, which: slice = slice(None)) -> SweepFolder:
    """The sweep, on a run's puzzles, with the run's checkpoint in these of its trials."""
    record, kept = sweep.record(), json.loads((run / "run.json").read_text())["dataset"]
    sweep.create(replace(record, dataset={**record.dataset, **kept}))
    for trial in sweep.trials():
        trial.create(replace(trial.record(), dataset=kept))
    for trial in sweep.trials()[which]:
        keep_checkpoint(trial, run / "checkpoint.pt")
    return sweep


def keep_checkpoint(
    trial: TrialFolder, source: Path, replicate: ReplicateFolder | None = None
) -> None:
    """Let a replicate, the first if none is named, keep the checkpoint of another training.

    The trial has the settings of that training from then on, but for M_max and the seed.
    """
    folder, record = replicate or first(trial), trial.record()
    content = checkpoint.load(source)
    model, training, _ = (content["settings"][what] for what in content["settings"])
    content["state"]["learner"]["steps"] = record.total_steps
    model["M_max"], training["seed"] = record.model["M_max"], folder.replicate().seed
    own = {name: value for name, value in training.items() if name != "seed"}
    knobs = {name: model.get(name, value) for name, value in record.parameters.items()}
    changed = replace(record, model=model, training=own, parameters=knobs)
    trial.create(changed)
    for one in trial.replicates():
        one.create(changed, one.replicate())
    checkpoint.save(folder.checkpoint, content)


def with_hostile_knobs(sweep: SweepSummary, **knobs: Any) -> SweepSummary:
    """The summary of a sweep whose trials have these knobs too, which no record may have."""
    return replace(
        sweep,
        trials=tuple(
            replace(one, record=replace(one.record, parameters={**one.record.parameters, **knobs}))
            for one in sweep.trials
        ),
    )


def tell_answers(trial: TrialFolder, owner: str, one: PuzzleAnswers) -> None:
    """Let the last evaluation of a replicate, such as "measure-0", have come out as answers say.

    Answers of one segment are those of the last: of each earlier one, as many of the first rows
    are solved as their share of the segments. Else the curve is cut to their segments.
    """
    folder = trial.replicate(owner)
    *_, last = folder.measurements()
    curve, spent = last.progress.curve, last.progress.training_flops
    assert curve
    solved, segments = one.solved, len(curve.exact_accuracy)
    if solved.shape[1] == 1:
        rows = np.arange(len(solved))[:, None]
        upto = len(solved) * np.arange(1, segments + 1) // segments
        solved = solved & (rows < upto)
    accuracies = tuple((solved.sum(axis=0) / len(solved)).tolist())
    cut = {n: getattr(curve, n)[: len(accuracies)] for n in ("token_accuracy", "inference_flops")}
    told = replace(last.progress, curve=replace(curve, exact_accuracy=accuracies, **cut))
    lines = folder.metrics.read_text().splitlines(keepends=True)
    folder.metrics.write_text("".join(lines[:-1]))
    append_json_line(folder.metrics, replace(last, progress=told).plain())
    answers = replace(one, step=told.step, training_flops=spent, solved=solved)
    purpose, number = owner.split("-")
    AnswerFile(trial.answers).add([(purpose, int(number), answers)])
