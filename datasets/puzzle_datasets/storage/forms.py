"""What a kind says of how its sets are stored; kinds lie above this room and are told to it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from puzzle_datasets.storage.rows import Fault
    from puzzle_datasets.storage.schema import Manifest
    from puzzle_datasets.storage.shards import Columns


class Form(Protocol):
    """The part of a kind that decides how its sets are stored; see `Kind` for the meaning."""

    @property
    def columns(self) -> "Mapping[str, pa.DataType]":
        """Columns that its shards have beside the common ones."""

    @property
    def box(self) -> Callable[[int], tuple[int, int] | None]:
        """Returns rows and columns of a box, for the side of a grid."""

    @property
    def identified(self) -> bool:
        """Tables of groups and identities lie beside the shards."""

    @property
    def broken(self) -> "Callable[[Manifest, Columns], Fault | None]":
        """Returns the first row that breaks the rules, of columns of a set's rows."""

    def contradiction(self, manifest: "Manifest") -> str | None:
        """Return what a manifest says that kind or settings contradict; None if nothing."""


_finders: list[Callable[[str], Form]] = []


def find_forms_by(finder: Callable[[str], Form]) -> None:
    """Have `form_named` ask `finder`, which raises `DatasetError` for a name that no kind has."""
    _finders[:] = [finder]


def form_named(kind: str) -> Form:
    """Return the form of a kind by its name. Raises `DatasetError` if there is none."""
    [finder] = _finders
    return finder(kind)
