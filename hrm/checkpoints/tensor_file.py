"""Files of tensors that `torch.save` wrote, looked through before anything of theirs is built.

Such a file is a zip archive: a pickle that names what it is made of, and the bytes of each tensor,
uncompressed. Nothing of the file is run, and it takes no more memory than it has bytes.
"""

import errno
import pickletools
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from torch import Tensor

from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.reading import ANY_SIZE, Reader, unread
from puzzle_datasets.common.text import shown

LARGEST_PICKLE, MOST_STEPS = 2_000_000, 500_000
"""Bytes and instructions of the pickle, which describes tensors and holds no values of theirs."""

MOST_NAMED = 3

_KINDS = ("Float", "Double", "Half", "BFloat16", "Int", "Long", "Short", "Char", "Byte", "Bool")
BUILT_FROM = {
    "collections OrderedDict",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_tensor_v2",
    *(f"torch {kind}Storage" for kind in _KINDS),
}
"""What a file may be built from: dense tensors of real numbers and plain values."""


class CheckpointError(UserError):
    """A checkpoint can't be used; its field is the file, or the setting in the file."""


def read_tensors(path: Path, remedy: str) -> Any:
    """Return what `torch.save` wrote of tensors and plain values, tensors in main memory.

    Raises `CheckpointError` where the file is damaged or holds something else, and with `unread`
    where the system did not let it be read; `MemoryError`.
    """
    with Reader(path, CheckpointError, remedy, most=ANY_SIZE).opened() as stream:
        try:
            problem = _problem(cast(BinaryIO, stream))
            if problem is None:
                size = stream.seek(0, 2)
                stream.seek(0)
                content = torch.load(stream, map_location="cpu", weights_only=True)
                if (problem := _problem_of(_tensors(content), size)) is None:
                    return content
        except MemoryError:
            raise
        except Exception as error:  # torch and zipfile raise a dozen kinds on damaged files
            # Of those, EINVAL is that of a place before the file's begin.
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise unread(path, error, CheckpointError, remedy) from error
            raise CheckpointError.of(path, "is no whole checkpoint", remedy) from error
    raise CheckpointError.of(path, problem, remedy)


def _problem(stream: BinaryIO) -> str | None:
    """What forbids to build the content of a file, said of the file; None for nothing."""
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        size = stream.seek(0, 2)
        if any(one.compress_type != zipfile.ZIP_STORED for one in members):
            return "is compressed, which checkpoints are not"
        if sum(one.file_size for one in members) > size:
            return "says that it holds more bytes than it has"
        [pickle] = [one for one in members if one.filename.endswith("/data.pkl")]
        if pickle.file_size > LARGEST_PICKLE:
            return f"describes its tensors in over {LARGEST_PICKLE:,} bytes"
        return _problem_of_pickle(archive.read(pickle))


def _problem_of_pickle(pickle: bytes) -> str | None:
    found = set()
    for number, name in enumerate(_steps(pickle)):
        if number == MOST_STEPS:
            return f"describes its tensors in over {MOST_STEPS:,} steps"
        found.add(name)
    if foreign := sorted(found - BUILT_FROM - {""}):
        names = ", ".join(name.replace(" ", ".") for name in foreign[:MOST_NAMED])
        return f"holds {names}, not only tensors and plain values"
    return None


def _steps(pickle: bytes) -> Iterator[str]:
    """For each instruction, the function or type that it names, as "module name", or nothing."""
    for code, argument, _ in pickletools.genops(pickle):
        named = {
            "GLOBAL": argument,
            "INST": argument,
            "STACK_GLOBAL": "an object of a newer pickle",
        }
        yield str(named.get(code.name, ""))


def _tensors(content: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested plain values, what is there twice for both."""
    left, seen = [content], set()
    while left:
        one = left.pop()
        if isinstance(one, Tensor):
            yield one
        elif isinstance(one, Mapping | list | tuple | set) and id(one) not in seen:
            seen.add(id(one))
            left += [*one.keys(), *one.values()] if isinstance(one, Mapping) else one


def _problem_of(tensors: Iterator[Tensor], size: int) -> str | None:
    """What is wrong with the tensors of a file of `size` bytes: a copy would need more memory."""
    values = 0
    for one in tensors:
        values += one.numel() * one.itemsize
        if not one.is_contiguous() or values > size:
            return "holds tensors of more values than it has bytes for, or strewn ones"
    return None


def require_like(path: Path, saved: Any, own: Any, name: str) -> None:
    """Refuse a state unlike one's `own`: other keys, shapes or types, or numbers not finite.

    Raises `CheckpointError` that calls the part at fault by `name`.
    """
    if isinstance(own, Tensor):
        fits = isinstance(saved, Tensor) and (saved.shape, saved.dtype) == (own.shape, own.dtype)
        if not fits:
            raise _unlike(path, name, saved, in_words(own))
    elif isinstance(own, Mapping):
        if not isinstance(saved, Mapping) or saved.keys() != own.keys():
            raise _unlike(path, name, saved, f"a mapping of {', '.join(map(str, own))}")
        for key, value in own.items():
            require_like(path, saved[key], value, f"{name}.{key}")
    elif isinstance(own, tuple | list):
        if not isinstance(saved, tuple | list) or len(saved) != len(own):
            raise _unlike(path, name, saved, f"a list of {len(own)}")
        for number, (one, value) in enumerate(zip(saved, own, strict=True)):
            require_like(path, one, value, f"{name}[{number}]")
    elif own is None:
        if saved is not None:
            raise _unlike(path, name, saved, "none")
    elif not _is_number_like(saved, own):
        raise _unlike(path, name, saved, f"a {type(own).__name__}")


def in_words(value: Any) -> str:
    """Say what a value is, of a tensor its type and shape."""
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)} of {str(value.dtype).removeprefix('torch.')}"
    return shown(value)


LARGEST_COUNT = 10**15


def _is_number_like(saved: Any, own: Any) -> bool:
    if type(own) is int:
        return type(saved) is int and 0 <= saved <= LARGEST_COUNT
    return type(saved) in (int, float) and abs(saved) <= LARGEST_COUNT


def _unlike(path: Path, name: str, saved: Any, needed: str) -> CheckpointError:
    problem = f"holds another state than its settings say: {name} is {in_words(saved)}"
    return CheckpointError.of(path, f"{problem}, not {needed}", "restore another one")
