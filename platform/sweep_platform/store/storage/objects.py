"""Objects below a URL: a path, file://, s3://, gs:// or hdfs://, through `pyarrow.fs`."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from puzzle_datasets.common.files import write_whole
from puzzle_datasets.common.reading import path_from
from sweep_platform.common.errors import InputError
from sweep_platform.common.text import redact, root_cause

SCHEMES = ("file", "s3", "gs", "hdfs")
TIMEOUT_SECONDS, ATTEMPTS = 30.0, 2
"""Without a byte, after which a request to S3 is given up, and how often it is made: a server may
be silent for a while when it puts a large object together."""

RETRY_SECONDS = 30
"""In which a request to Google's storage is made again and again; pyarrow's own are 900."""

_BLOCK = 1 << 22
_JSON_BYTES = 1 << 14
"""Of JSON, which is filled up with spaces, so that its size stays the same."""

_WHOLE = ("s3", "gcs")
"""File systems of pyarrow where an object appears whole by itself."""


class StorageError(OSError):
    """The storage was not reached, refused, or is full; its file name is the URL."""


@dataclass(frozen=True)
class Stored:
    """An object: its name below the URL, bytes, and Unix seconds when it was written."""

    name: str
    size: int
    written: float


class Objects:
    """Objects below a URL, by names such as `a/b`. An object appears whole or not at all.

    May be used by several threads. All methods raise `StorageError`.
    """

    def __init__(self, url: str, system: Any, root: str) -> None:
        self.url, self._system, self._root = url, system, root.rstrip("/")

    def below(self, name: str) -> "Objects":
        """Those whose names begin with `name/`."""
        return Objects(f"{self.url.rstrip('/')}/{name}", self._system, self._path(name))

    def read(self, name: str) -> bytes | None:
        """The content of an object, None where there is none."""
        with self._failing(name):
            try:
                with self._system.open_input_stream(self._path(name)) as stream:
                    return bytes(stream.read())
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Have an object hold this content."""
        self._write(name, lambda: BytesIO(content))

    def write_json(self, name: str, content: Any) -> None:
        """Have an object hold JSON; who reads it meanwhile finds the old or the new content."""
        # pyarrow asks for the size first, and reads no more than that of what is there by then.
        text = json.dumps(content).encode()
        self.write(name, text.ljust(-(-len(text) // _JSON_BYTES) * _JSON_BYTES))

    def put(self, name: str, file: Path) -> None:
        """Have an object hold what a file holds."""
        self._write(name, lambda: file.open("rb"))

    def get(self, name: str, file: Path) -> None:
        """Write an object's content to a file, whole; `StorageError` where there is none.

        Raises any other `OSError` where the file can't be written, which is this host's fault.
        """
        with self._failing(name):
            stream = self._system.open_input_stream(self._path(name))

        def block() -> bytes:
            with self._failing(name):
                return bytes(stream.read(_BLOCK))

        with stream:
            write_whole(file, lambda into: into.writelines(iter(block, b"")))

    def list(self) -> list[Stored]:
        """All objects, at any depth; empty where there are none."""
        from pyarrow.fs import FileSelector, FileType

        selector = FileSelector(self._root, allow_not_found=True, recursive=True)
        with self._failing():
            return [
                Stored(one.path[len(self._root) + 1 :], one.size, (one.mtime_ns or 0) / 1e9)
                for one in self._system.get_file_info(selector)
                if one.type == FileType.File
            ]

    def has(self, name: str) -> bool:
        """Whether there is such an object."""
        from pyarrow.fs import FileType

        with self._failing(name):
            found = self._system.get_file_info(self._path(name))
        return bool(found.type == FileType.File)

    def delete(self, name: str) -> None:
        """Remove an object; nothing is done where there is none."""
        with self._failing(name):
            try:
                self._system.delete_file(self._path(name))
            except FileNotFoundError:
                return

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _write(self, name: str, opened: Callable[[], BinaryIO]) -> None:
        path, kind = self._path(name), self._system.type_name
        with self._failing(name), opened() as content:
            if kind == "local":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                write_whole(Path(path), lambda into: shutil.copyfileobj(content, into, _BLOCK))
            elif kind in _WHOLE:
                self._copy(content, path)
            else:
                self._system.create_dir(path.rpartition("/")[0])
                self._copy(content, f"{path}.partial")
                self._system.move(f"{path}.partial", path)

    def _copy(self, content: BinaryIO, path: str) -> None:
        with self._system.open_output_stream(path) as stream:
            shutil.copyfileobj(content, stream, _BLOCK)

    @contextmanager
    def _failing(self, name: str = "") -> Iterator[None]:
        """Raise `StorageError` for all that pyarrow raises."""
        try:
            yield
        except StorageError:
            raise
        except (OSError, ValueError, NotImplementedError) as error:
            number = (error.errno if isinstance(error, OSError) else None) or errno.EIO
            place = f"{self.url.rstrip('/')}/{name}"
            raise StorageError(number, root_cause(error), redact(place)) from error


def absolute(url: str) -> str:
    """The same URL; a path, or the path of a file://, as a whole one. Raises `InputError`.

    >>> absolute("s3://bucket/sweeps/")
    's3://bucket/sweeps'
    >>> absolute("file:///mnt/sweeps")
    '/mnt/sweeps'
    """
    if redact(url) != url:
        problem = "holds credentials, which would stand in records and process lists"
        raise InputError.of(redact(url), problem, "give them by the environment or a file")
    if "://" in url and set("?#") & set(url):
        problem, remedy = "holds more than a place", "give the rest by the environment"
        raise InputError.of(url, problem, f"{remedy}, such as AWS_ENDPOINT_URL")
    scheme, separator, rest = url.partition("://")
    if not separator:
        return str(path_from("storage", url, InputError).absolute())
    if scheme not in SCHEMES or not rest.strip("/"):
        remedy = f"write a path, or {', '.join(f'{one}://…' for one in SCHEMES)}"
        raise InputError.of(url, "is no address of a storage", remedy)
    if scheme == "file":
        return str(path_from("storage", urlsplit(url).path, InputError))
    return url.rstrip("/")


def open_objects(url: str) -> Objects:
    """The objects below a URL; nothing is written, and the URL need not exist.

    S3's endpoint, region and credentials come from the usual environment and files. Raises
    `InputError`: it is no such URL; `StorageError`: its server, or what reaches it, is not there.
    """
    url = absolute(url)
    from pyarrow import fs

    try:
        if "://" not in url:
            return Objects(url, fs.LocalFileSystem(), url)
        if url.startswith("s3://"):
            place = url.removeprefix("s3://")
            return Objects(url, _s3(place.partition("/")[0]), place)
        limit = f"?retry_limit_seconds={RETRY_SECONDS}" if url.startswith("gs://") else ""
        system, root = fs.FileSystem.from_uri(f"{url}{limit}")
    except (OSError, ValueError, ImportError, NotImplementedError) as error:
        raise StorageError(errno.EIO, root_cause(error), redact(url)) from error
    return Objects(url, system, root)


def _endpoint() -> str | None:
    """The S3 server of the environment, which pyarrow does not look at."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def _s3(bucket: str) -> Any:
    """The file system of S3, in the region that is named, or the bucket's. Raises `OSError`."""
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem, resolve_s3_region

    endpoint = _endpoint()
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        region = "us-east-1" if endpoint else resolve_s3_region(bucket)
    return S3FileSystem(
        endpoint_override=endpoint,
        region=region,
        request_timeout=TIMEOUT_SECONDS,
        connect_timeout=TIMEOUT_SECONDS / 3,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        allow_delayed_open=True,
    )
