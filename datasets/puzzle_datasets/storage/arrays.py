"""Arrays of npy files, mapped from disk."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.reading import ANY_SIZE, Reader
from puzzle_datasets.common.text import shown


def open_array(file: Path, remedy: str, mode: Literal["r", "c"] = "r") -> npt.NDArray[Any]:
    """Return an npy file's array, mapped into memory: to be read, or copied where it is written.

    Raises `DatasetError` if it is no regular file or holds no array of plain values.
    """
    with Reader(file, DatasetError, remedy, most=ANY_SIZE).opened():
        try:
            return np.lib.format.open_memmap(file, mode=mode)
        except Exception as error:  # numpy raises a dozen kinds of headers that are none
            reason = " ".join(str(error).split())
            raise DatasetError.of(file, f"can't be read ({shown(reason)})", remedy) from error
