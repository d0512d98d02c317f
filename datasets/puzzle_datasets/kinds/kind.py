"""A kind of puzzle as one record, all that the other rooms ask of it, and the sets that it lists.

A kind is a package below `kinds` that holds its record as `KIND` and its puzzle sets by name as
`SETS`; nothing else has to know of it. Both are read for the command line, so that what needs
torch is imported `later`.
"""

import math
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import pyarrow as pa

from puzzle_datasets import kinds
from puzzle_datasets.checks import StoredSet
from puzzle_datasets.common.arguments import checked
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.text import suggest
from puzzle_datasets.drawing.picture import Look
from puzzle_datasets.kinds.floors import Floor
from puzzle_datasets.storage.rows import Fault
from puzzle_datasets.storage.schema import (
    SPLITS,
    AugmentationMode,
    Card,
    Hashes,
    Manifest,
    Split,
    Tokens,
)
from puzzle_datasets.storage.settings import Settings, augmentation_mode, settings_record
from puzzle_datasets.storage.shards import Columns

if TYPE_CHECKING:
    import torch

    from puzzle_datasets.loading.batch import Augmenter
    from puzzle_datasets.loading.served import ServedSplit
    from puzzle_datasets.storage.dataset import PuzzleDataset

from dataclasses import fields

from puzzle_datasets.common.options import is_folder, make
from puzzle_datasets.storage.writer import SetWriter

Shape = tuple[int, int]
"""Rows and columns of a grid."""
Figures = dict[str, npt.NDArray[Any]]
"""Columns or scores [n] by name."""
Refuse = Callable[[int, str], DatasetError]
"""Returns the error for a row, from the row's number and a clause on what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The rules, symmetries and looks that puzzles of a kind share.

    Tokens come as uint8 [n, L], with L = rows · columns of the grid.

    Attributes:
        name: the name of its folder, which manifests have as well.
        title, puzzles: its name, and its puzzles in the plural, as people write them.
        columns: further columns that its shards have, with their types.
        legend: returns the meaning of each token, for the side of a grid.
        box: returns rows and columns of a box, for the side of a grid; None where there is none.
        fits: returns True if puzzles of the kind can have this vocabulary size, side and number of
            puzzle identifiers, the blank one among them.
        recognises: returns True if a label [L] looks like one of the kind, where several fit.
        measure: returns the kind's columns of inputs and labels that somebody else made.
        from_text: returns the inputs [n, L], for a grid, of what a person wrote; raises
            `DatasetError` of the field `puzzle` where that is none of the kind.
        to_text: returns inputs or answers, of whatever tokens, as a person would write them;
            what it returns of inputs, `from_text` reads.
        details: returns phrases on a pair, from its row of further columns.
        look: returns how grids are drawn.
        has_symbols: cells hold symbols, which a mark on a wrong cell must not hide.
        changes: says how augmentation changes a puzzle.
        augmenter: returns what serves training pairs under the manifest's augmentation, for a
            loader's seed and device.
        served: returns both splits of a set under a table, every variant written out.
        broken: returns the first row that breaks the rules, and how, of a set's columns [n]; a
            thousand rows take far under a second, for it is asked whenever a set is opened.
        check: yields a line for each check of rules that a stored set passes.
        invariant: returns uint64 [n], equal for puzzles equal up to symmetry; None for no number.
        rule_scores: judges predictions for inputs and labels by the rules: figures [n] by name,
            `exact_accuracy` among them; None where predictions vote.
        vote_scores: judges one prediction for each test row of a set by vote; None where rules do.
        identified: groups have names, and puzzles identifiers with recipes: their tables lie
            beside the splits, and a column `example` counts the pairs of a group.
        published_tasks: returns the scored groups as the published layout of TRM has them.
        floors: trivial baselines beside those that all kinds have.
    """

    name: str
    title: str
    puzzles: str
    columns: Mapping[str, pa.DataType]
    legend: Callable[[int], dict[str, str]]
    box: Callable[[int], Shape | None] = lambda side: None
    fits: Callable[[int, int, int], bool]
    recognises: Callable[[Tokens], bool] = lambda label: True
    measure: Callable[[Tokens, Tokens, Shape, Refuse], Figures]
    from_text: Callable[[str, Shape], Tokens]
    to_text: Callable[[Tokens, Shape], str]
    details: Callable[[Mapping[str, float]], list[str]]
    look: Callable[[Manifest], Look]
    has_symbols: bool = False
    changes: Callable[[Manifest], str]
    augmenter: "Callable[[PuzzleDataset, int, torch.device], Augmenter]"
    served: "Callable[[PuzzleDataset], dict[Split, ServedSplit]]"
    broken: Callable[[Manifest, Columns], Fault | None] = lambda manifest, columns: None
    check: Callable[[StoredSet], Iterator[str]]
    invariant: Callable[[Tokens, Shape], Hashes] | None = None
    rule_scores: Callable[[Tokens, Tokens, Tokens, Shape], Figures] | None = None
    vote_scores: "Callable[[PuzzleDataset, torch.Tensor], dict[str, float]] | None" = None
    identified: bool = False
    published_tasks: "Callable[[PuzzleDataset], dict[str, Any]] | None" = None
    floors: tuple[Floor, ...] = ()

    def card(
        self,
        name: str,
        settings: Settings,
        *,
        source: str,
        licence: str,
        groups: int,
        statistics: dict[str, float],
        identities: int = 0,
        augmentation: AugmentationMode | None = None,
    ) -> Card:
        """Return the card of a set of square grids, augmented as its settings ask by default."""
        side = math.isqrt(settings.seq_len)
        return Card(
            name=name,
            kind=self.name,
            settings=settings_record(settings),
            source=source,
            licence=licence,
            vocab_size=settings.vocab_size,
            seq_len=settings.seq_len,
            grid=(side, side),
            box=self.box(side),
            tokens=self.legend(side),
            augmentation=augmentation or augmentation_mode(getattr(settings, "augmentations", 0)),
            groups=groups,
            identities=identities,
            statistics=statistics,
        )

    def contradiction(self, manifest: Manifest) -> str | None:
        """Return what a manifest says that the kind, or the settings in it, contradict; else None.

        The settings of a set that no kind lists, such as an imported one, say nothing of its form.
        """
        rows, columns = manifest.grid
        sizes = manifest.vocab_size, rows, manifest.num_puzzle_identifiers
        if rows != columns or not self.fits(*sizes):
            return (
                f"says {rows} by {columns} cells of {sizes[0]} tokens, which no {self.title} has"
            )
        chosen = sets_of_kinds().get(manifest.name)
        return None if chosen is None else chosen.contradiction(manifest)

    def mean_scores(
        self,
        inputs: "torch.Tensor",
        labels: "torch.Tensor",
        predictions: "torch.Tensor",
        grid: Shape,
    ) -> dict[str, float]:
        """Return the means of `rule_scores` over puzzles [n, L] on any device; none of others."""
        if self.rule_scores is None:
            return {}
        arrays = [tokens.cpu().byte().numpy() for tokens in (inputs, labels, predictions)]
        figures = self.rule_scores(arrays[0], arrays[1], arrays[2], grid)
        return {name: float(values.mean()) for name, values in figures.items()}


def kind_names() -> list[str]:
    """Return the names of all kinds, which are those of the folders below `kinds`.

    >>> kind_names()
    ['arc', 'maze', 'sudoku']
    """
    return sorted(item.name for item in pkgutil.iter_modules(kinds.__path__) if item.ispkg)


@checked(DatasetError)
def kind_named(name: str) -> Kind:
    """Return the kind of a name.

    >>> kind_named("sudoku").legend(4)["2"]
    'digit 1'

    Raises `DatasetError` if there is none.
    """
    known = kind_names()
    if name not in known:
        raise DatasetError("kind", name, suggest(name, known))
    found: Kind = import_module(f"{kinds.__name__}.{name}").KIND
    return found


def kind_of_set(name: str) -> Kind | None:
    """Return the kind that lists a puzzle set; None where none does, as of an imported one.

    >>> kind_of_set("maze-hard").title
    'Maze'
    """
    for kind in kind_names():
        if name in import_module(f"{kinds.__name__}.{kind}").SETS:
            return kind_named(kind)
    return None


def later(module: str, name: str) -> Callable[..., Any]:
    """Return a function of a module below `kinds`, which is imported when it is first called."""
    return lambda *arguments: getattr(import_module(f"{kinds.__name__}.{module}"), name)(
        *arguments
    )


def augmenter(dataset: "PuzzleDataset", seed: int, device: "torch.device") -> "Augmenter":
    """Return what makes training batches; `seed` decides fresh variants, and which one comes."""
    if dataset.manifest.augmentation == "stored":
        from puzzle_datasets.loading.batch import StoredPairs

        return StoredPairs(dataset, device)
    return kind_named(dataset.manifest.kind).augmenter(dataset, seed, device)


@checked(DatasetError)
def score(dataset: "PuzzleDataset", predictions: "torch.Tensor") -> dict[str, float]:
    """Return the metrics of predictions [n, L], one for each row of the test split, in order.

    Of puzzles that are voted on, each row is one vote, whatever the confidence. Raises
    `DatasetError` if there are other rows than those.
    """
    test = dataset.test
    if predictions.shape != test.labels.shape:
        problem, wanted = (f"of shape {list(one.shape)}" for one in (predictions, test.labels))
        raise DatasetError.of("predictions", f"are {problem}", f"give them {wanted}")
    if predictions.is_floating_point():
        raise DatasetError.of("predictions", f"are {predictions.dtype}", "give tokens")
    kind = kind_named(dataset.manifest.kind)
    if kind.vote_scores is not None:
        return kind.vote_scores(dataset, predictions)
    return kind.mean_scores(test.inputs, test.labels, predictions, dataset.manifest.grid)


@dataclass(frozen=True, kw_only=True)
class PuzzleSet:
    """A puzzle set that can be built, with the class of its settings.

    `quick_check` raises `DatasetError` for what shows before anything is built;
    `most_identifiers` are those that a set may have, the blank one among them.
    """

    summary: str
    settings: type[Any]
    build: Callable[[Any, SetWriter], Manifest]
    quick_check: Callable[[Any], object] = lambda settings: None
    most_identifiers: Callable[[Any], int] = lambda settings: 1

    @checked(DatasetError)
    def settings_from(self, values: Mapping[str, Any]) -> Any:
        """Return settings of this set from plain values, such as a file's.

        >>> sets_of_kinds()["sudoku"].settings_from({"side": 4}).seq_len
        16

        Raises `DatasetError` if a setting is unknown, missing or impossible.
        """
        return make(self.settings, values, DatasetError)

    def contradiction(self, manifest: Manifest) -> str | None:
        """Return what a manifest of this set says that its settings contradict; else None."""
        try:
            settings = self.settings_from(manifest.settings)
        except DatasetError as error:
            return f"has settings.{error.field} that no such set has: {error.problem}"
        said = {name: getattr(manifest, name) for name in ("vocab_size", "seq_len")}
        said |= {split: manifest.counts[f"{split}_pairs"] for split in SPLITS}
        for name, value in said.items():
            if (asked := getattr(settings, name, value)) != value:
                return f"says {name} {value}, but its settings come to {asked}"
        if (manifest.augmentation == "fresh") != (settings.augmentations == "fresh"):
            return f"is augmented {manifest.augmentation}, unlike its settings"
        return None

    def check(self, settings: Any) -> None:
        """Raise `DatasetError`, of a setting, for what shows before anything is built."""
        try:
            self.quick_check(settings)
        except DatasetError as error:
            items = {item.name: item for item in fields(settings)}
            if error.field is None or error.field in items:
                raise
            folders = [name for name, item in items.items() if is_folder(item)]
            of_it = (n for n in folders if error.field.startswith(str(getattr(settings, n))))
            folder = next(of_it, folders[0])
            problem = f"can't be used, for {error.field} {error.problem}"
            value = getattr(settings, folder)
            raise DatasetError(folder, value, error.remedy, problem=problem) from error


def sets_of_kinds() -> dict[str, PuzzleSet]:
    """Return the puzzle sets that every kind lists, by name."""
    modules = [import_module(f"{kinds.__name__}.{name}") for name in kind_names()]
    return {name: made for module in modules for name, made in module.SETS.items()}
