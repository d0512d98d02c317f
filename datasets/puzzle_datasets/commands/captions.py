"""What stands above each drawn pair: which one it is, and how hard or how changed."""

from collections.abc import Iterator

from puzzle_datasets.storage.dataset import PairTable, PuzzleDataset
from puzzle_datasets.storage.schema import Split

DIHEDRAL_NAMES = (
    "upright",
    "turned left",
    "upside down",
    "turned right",
    "mirrored left-right",
    "mirrored up-down",
    "transposed",
    "anti-transposed",
)


def pair_name(dataset: PuzzleDataset, split: Split, row: int) -> str:
    """Return what a pair is called: ARC's by task and number, others by their row."""
    table = dataset.train if split == "train" else dataset.test
    if dataset.manifest.kind == "arc":
        task = dataset.group_names[int(table.group[row])]
        return f"{task}, pair {int(table.details['example'][row]) + 1}"
    return f"row {row:,}"


def pair_details(dataset: PuzzleDataset, split: Split, row: int) -> str:
    """Return what is known of a pair: sizes, clues, path, rating."""
    table = dataset.train if split == "train" else dataset.test
    return ", ".join(_details(table, row))


def identity_in_words(dataset: PuzzleDataset, identifier: int) -> str:
    """Return how an ARC identity differs from its task, where a table says so."""
    assert dataset.identities is not None
    dihedral = int(dataset.identities.dihedral[identifier - 1])
    colours = dataset.identities.colours[identifier - 1].tolist()
    recoloured = colours != sorted(colours)
    change = f"{DIHEDRAL_NAMES[dihedral]}{', recoloured' if recoloured else ''}"
    return f"identity {identifier:,}: {change}"


def _details(table: PairTable, row: int) -> Iterator[str]:
    known = {name: values[row].item() for name, values in table.details.items()}
    if "h_in" in known:
        yield "{h_in} by {w_in} to {h_out} by {w_out}".format(**known)
    if "clues" in known:
        yield f"{known['clues']} clues"
    if "length" in known:
        yield f"{known['length']} steps"
    if "n_shortest" in known:
        yield _ways(known["n_shortest"])
    if "rating" in known and known["rating"] != known.get("length"):
        yield f"rating {known['rating']:.4g}"


def _ways(count: float) -> str:
    if count == 1:
        return "one shortest path"
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{count / size:,.1f} {word} shortest paths"
    return f"{count:,.0f} shortest paths"
