"""A trained model's answers to puzzles that a person wrote; those of ARC by vote over views."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hrm.checkpoints.loaded import LoadedModel
from hrm.checkpoints.loading import MOST_SEGMENTS, require_fit, require_segments
from hrm.config import ConfigError
from hrm.evaluation.answers import Answering, answer_late, answer_when_sure
from puzzle_datasets.common.options import check, option
from puzzle_datasets.kinds.arc.asked import (
    AskedTask,
    Voted,
    asked_task,
    known_row,
    ranked,
    views_of,
)
from puzzle_datasets.kinds.arc.augment import augment_corner, undo
from puzzle_datasets.kinds.kind import Kind, kind_named
from puzzle_datasets.loading.batch import as_batch
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import BLANK_IDENTIFIER, Manifest, Tokens

DEFAULT_VIEWS = 32
"""Views of an ARC input that vote, where nothing else is asked for."""
_MOST_VIEWS = 10_000
_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class SolvingOptions:
    """How puzzles are answered. Raises `ConfigError` where a number is impossible.

    Attributes:
        segments: of each puzzle, at most; None takes the model's M_max.
        halting: `fixed` spends all segments, `act` as many as the Q-values ask for.
        voting: views of each ARC input that vote, as many as its task has at most.
    """

    segments: int | None = option(
        None, "segments of each puzzle at most, M_max by default", least=1, most=MOST_SEGMENTS
    )
    halting: Literal["fixed", "act"] = option("fixed", "fixed, or act to stop when sure")
    voting: int = option(
        DEFAULT_VIEWS, "views of each ARC input that vote", least=1, most=_MOST_VIEWS
    )

    def __post_init__(self) -> None:
        check(self, ConfigError)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to one input.

    Attributes:
        puzzle, tokens: the input and its answer uint8 [L].
        segments: segments spent, the mean over views.
        confidence: the model's own estimate, from 0 to 1, that the whole answer is right, which
            is the sigmoid of its Q-value of halting; the mean over the views that gave it.
        votes, views: views that gave it, of so many; both 1 where nothing votes.
        runner_up: the answer of most other views; None where all agree.
    """

    puzzle: Tokens
    tokens: Tokens
    segments: float
    confidence: float
    votes: int
    views: int
    runner_up: Tokens | None


@dataclass(frozen=True, kw_only=True)
class Solved:
    """The answers to a puzzle, one for each input of it.

    Attributes:
        task: name of the ARC task of the model's training set that it is, else None.
        note: a sentence on what the reader has to know; empty if nothing.
    """

    kind: Kind
    manifest: Manifest
    answers: tuple[Answer, ...]
    task: str | None
    note: str

    @property
    def text(self) -> str:
        """The answers as a person would write them."""
        stacked = torch.stack([torch.from_numpy(one.tokens) for one in self.answers]).numpy()
        return self.kind.to_text(stacked, self.manifest.grid)


@dataclass(frozen=True)
class _Asked:
    """Inputs [n, L] in views: inputs [n·v, L] as seen, their identifiers, and how to undo it."""

    seen: Tensor
    identifiers: Tensor
    undone: Callable[[Tensor], Tensor]


def solve(
    loaded: LoadedModel,
    manifest: Manifest,
    text: str,
    options: SolvingOptions | None = None,
    dataset: PuzzleDataset | None = None,
) -> Solved:
    """Answer a puzzle as a person writes it: see `from_text` of its kind.

    Args:
        manifest: of the puzzle set that the model was trained on, or of one alike.
        dataset: that set, whose ARC tasks are known by their pairs; without it none is.

    Raises `DatasetError` where the text is no puzzle of the kind, and `ConfigError` where model,
    puzzles and options do not fit each other.
    """
    options = options or SolvingOptions()
    require_fit(loaded, manifest)
    config = loaded.model.config
    segments = config.M_max if options.segments is None else options.segments
    require_segments(config, segments)
    kind = kind_named(manifest.kind)
    inputs = torch.from_numpy(kind.from_text(text, manifest.grid))
    row, views, note = None, 1, ""
    if kind.vote_scores is None:
        asked = _Asked(inputs, torch.full((len(inputs),), BLANK_IDENTIFIER), lambda found: found)
    else:
        task = asked_task(text)
        row = None if dataset is None else known_row(dataset, task)
        asked, views = _in_views(inputs, task, dataset, row, options.voting)
        note = UNKNOWN if row is None and config.puzzle_positions else ""
    answering = answer_late if options.halting == "fixed" else answer_when_sure
    answers = _answers(loaded, inputs, asked, views, answering, segments)
    names = dataset.group_names if dataset is not None else []
    name = None if row is None or dataset is None else names[int(dataset.train.group[row])]
    return Solved(kind=kind, manifest=manifest, answers=answers, task=name, note=note)


UNKNOWN = (
    "This is no task that the model was trained with, so it is answered under the blank "
    "identifier, of which the model has learnt nothing"
)


def _in_views(
    inputs: Tensor, task: AskedTask, dataset: PuzzleDataset | None, row: int | None, most: int
) -> tuple[_Asked, int]:
    identifiers, change = views_of(dataset, row, most)
    views = len(identifiers)
    of_input = torch.arange(len(inputs)).repeat_interleave(views)
    of_view = torch.arange(views).repeat(len(inputs))
    changes = change.at(of_view)
    sizes = torch.tensor([grid.shape for grid in task.inputs])[of_input]
    seen = augment_corner(inputs[of_input], sizes, changes)
    return _Asked(seen, identifiers[of_view], lambda found: undo(found, changes)[0]), views


def _answers(
    loaded: LoadedModel,
    inputs: Tensor,
    asked: _Asked,
    views: int,
    answering: Answering,
    segments: int,
) -> tuple[Answer, ...]:
    rows, length = asked.seen.shape
    found = torch.zeros(rows, length, dtype=torch.int32)
    sure, spent = torch.zeros(rows, dtype=torch.float64), torch.zeros(rows, dtype=torch.float64)
    batch = as_batch(asked.seen, torch.zeros_like(asked.seen), asked.identifiers.int())
    for some in answering(loaded.model, batch.split(_AT_ONCE), segments):
        at = some.indices.cpu()
        found[at] = some.predictions.cpu().int()
        sure[at] = some.q_halt.cpu().double().sigmoid()
        spent[at] = some.segments.cpu().double()
    tokens = asked.undone(found).to(torch.uint8).view(-1, views, length).numpy()
    sure, spent = sure.view(-1, views), spent.view(-1, views)
    each = zip(inputs.numpy(), tokens, sure.numpy(), spent.mean(1).tolist(), strict=True)
    return tuple(
        _answer(puzzle, ranked(mine, confidence), views, segments_spent)
        for puzzle, mine, confidence, segments_spent in each
    )


def _answer(puzzle: Tokens, voted: list[Voted], views: int, segments: float) -> Answer:
    return Answer(
        puzzle=puzzle,
        tokens=voted[0].tokens,
        segments=segments,
        confidence=voted[0].confidence,
        votes=voted[0].votes,
        views=views,
        runner_up=voted[1].tokens if len(voted) > 1 else None,
    )
