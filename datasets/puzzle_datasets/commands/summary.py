"""A puzzle set in words, for a person: after it is built, or when in doubt."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Literal

from puzzle_datasets.common.page import printable
from puzzle_datasets.common.text import byte_size
from puzzle_datasets.kinds.floors import FloorResult
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.storage.schema import MANIFEST_FILE, SPLITS, Manifest
from puzzle_datasets.storage.shards import rebuild, unreadable

SHORT_FINGERPRINT = 12


def summary(manifest: Manifest, folder: Path, floors: Iterable[FloorResult] = ()) -> str:
    """Return some lines of text on a puzzle set; `DatasetError` if a file of it is missing."""
    figures = {name: _number(value) for name, value in manifest.statistics.items()}
    of_splits = {name: text for name, text in figures.items() if name.split("_")[0] in SPLITS}
    others = {name: text for name, text in figures.items() if name not in of_splits}
    blocks = [
        [str(folder)],
        _aligned(dict(_identity(manifest))),
        _aligned(dict(_amounts(manifest, folder)), to=">"),
        _aligned(others, to=">"),
        _aligned(_side_by_side(of_splits)),
        _aligned({f"floor: {one.name}": one.figures for one in floors}),
    ]
    return printable("\n\n".join("\n".join(lines) for lines in blocks if lines))


def augmentation_in_words(manifest: Manifest) -> str:
    """Say how training pairs are varied."""
    changes = kind_named(manifest.kind).changes(manifest)
    if manifest.augmentation == "stored":
        return "none: pairs are served as they are stored"
    if manifest.augmentation == "fresh":
        return f"new in every epoch: {changes}"
    variants = manifest.settings["augmentations"]
    return f"a fixed table, up to {_number(variants)} variants of each puzzle: {changes}"


def _identity(manifest: Manifest) -> Iterator[tuple[str, str]]:
    rows, columns = manifest.grid
    yield "name", manifest.name
    yield "kind", kind_named(manifest.kind).title
    yield "source", manifest.source
    yield "licence", manifest.licence
    yield "grid", f"{rows} by {columns} ({_number(manifest.seq_len)} tokens)"
    if manifest.box is not None:
        yield "box", "{} rows by {} columns".format(*manifest.box)
    yield "vocabulary", f"{manifest.vocab_size} tokens: {', '.join(_legend(manifest))}"
    yield "augmentation", augmentation_in_words(manifest)
    items = manifest.settings.items()
    yield "settings", ", ".join(f"{k}={'none' if v is None else v}" for k, v in items)
    yield "fingerprint", manifest.fingerprint[:SHORT_FINGERPRINT]


def _amounts(manifest: Manifest, folder: Path) -> Iterator[tuple[str, str]]:
    yield "groups", _number(manifest.counts["groups"])
    for split in SPLITS:
        yield f"{split} pairs", _number(manifest.counts[f"{split}_pairs"])
    if manifest.counts["identities"]:
        yield "identities", _number(manifest.counts["identities"])
    with unreadable(folder, rebuild(folder)):
        size = sum((folder / n).stat().st_size for n in (MANIFEST_FILE, *manifest.files))
    yield "size on disk", byte_size(size)


def _side_by_side(values: Mapping[str, str]) -> dict[str, str]:
    """Return the figures of the splits side by side, below a heading; nothing if none has any."""
    figures = dict.fromkeys(name.partition("_")[2] for name in values)
    width = max(map(len, (*values.values(), *SPLITS)))
    rows = {
        figure: "  ".join(f"{values.get(f'{split}_{figure}', ''):>{width}}" for split in SPLITS)
        for figure in figures
    }
    heading = "  ".join(f"{split:>{width}}" for split in SPLITS)
    return {"": heading, **rows} if rows else {}


def _legend(manifest: Manifest) -> Iterator[str]:
    """Yield the meaning of the tokens in their order, numbered ones such as colours together."""
    meanings = [manifest.tokens[token] for token in sorted(manifest.tokens, key=int)]
    for word, alike in groupby(meanings, lambda meaning: meaning.rstrip("0123456789 ")):
        numbers = [meaning.removeprefix(word).strip() for meaning in alike]
        yield f"{word}s {numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else word


def _aligned(values: Mapping[str, str], to: Literal["<", ">"] = "<") -> list[str]:
    """Return a line for each value, the values flush with one another to the left or right."""
    labels = [name.replace("_", " ") for name in values]
    width = max(map(len, labels), default=0)
    value_width = max(map(len, values.values()), default=0) if to == ">" else 0
    return [
        f"  {label:<{width}}  {value:{to}{value_width}}"
        for label, value in zip(labels, values.values(), strict=True)
    ]


def _number(value: float) -> str:
    """Write a number for people: whole ones with separators, others to four digits or more."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
