"""A folder as a log of packs: each holds what changed since the one before, as of one moment.

A pack is a tar file. Its first member, `pack.json`, names what was removed, when the others were
changed, and where the new part of a file that is only ever appended to begins; the other members
are files and parts.
"""

import io
import json
import os
import tarfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

HEAD = "pack.json"
_LEFT_OUT = ("checkpoint.pt", "lock", "ray")
"""Names of what is no record: checkpoints are stored by workers, the others are of the moment."""

_SETTLED = 2_000_000_000
"""Nanoseconds after which a change of a folder shows in its time of change."""


class PackError(ValueError):
    """A pack is not what was packed."""


@dataclass(frozen=True)
class _Seen:
    """A file as it was packed: its size, time of change and inode."""

    size: int
    changed: int
    inode: int


@dataclass(frozen=True)
class _Ended:
    """A folder of what has ended: its time of change, its files, and the folders in it."""

    changed: int
    files: dict[str, _Seen]
    folders: list[str]


class FolderLog:
    """Packs what changed in a folder since the last call. For the one thread that writes there.

    Files are replaced whole, by renaming, but for the journal and JSON lines, which grow. So the
    files of a folder that holds an `outcome.json` are looked at again only if that changed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: dict[str, _Seen] = {}
        self._ended: dict[str, _Ended] = {}

    def pack(self, into: IO[bytes], *, all_of_it: bool) -> bool:
        """Write a pack, if asked for one that needs none before it; False where nothing changed.

        What others replace meanwhile, such as a report, is in this pack or in the next one.
        """
        if all_of_it:
            self._seen = {}
        now: dict[str, _Seen] = {}
        self._scan("", now)
        changed = {
            name: seen
            for name, seen in now.items()
            if (before := self._seen.get(name)) is not seen and before != seen
        }
        removed = sorted(self._seen.keys() - now.keys())
        if not changed and not removed:
            return False
        begins = {name: self._from(name, seen) for name, seen in changed.items()}
        parts = {name: begin for name, begin in begins.items() if begin}
        with tarfile.open(fileobj=into, mode="w") as tar:
            times = {name: seen.changed for name, seen in changed.items()}
            head = {"removed": removed, "begins": parts, "changed": times}
            _add(tar, HEAD, json.dumps(head).encode())
            for name, seen in changed.items():
                try:
                    with (self._root / name).open("rb") as stream:
                        stream.seek(begins[name])
                        content = stream.read(seen.size - begins[name])
                except FileNotFoundError:
                    del now[name]
                    continue
                _add(tar, name, content)
        self._seen = now
        return True

    def _from(self, name: str, seen: _Seen) -> int:
        """The first byte of a file that was not packed before."""
        before = self._seen.get(name)
        grows = name == "study.journal" or name.endswith(".jsonl")
        if not grows or before is None or before.inode != seen.inode or before.size > seen.size:
            return 0
        return before.size

    def _scan(self, place: str, found: dict[str, _Seen]) -> None:
        """Add every file below a folder, by its name from the root; `place` ends with a slash."""
        folder = f"{self._root}/{place}"
        try:
            changed = os.stat(folder).st_mtime_ns  # noqa: PTH116 - of tens of thousands
            known = self._ended.get(place)
            if known is None or known.changed != changed:
                known = self._listed(folder, place, changed)
        except FileNotFoundError:
            return
        found.update(known.files)
        for name in known.folders:
            self._scan(name, found)

    def _listed(self, folder: str, place: str, changed: int) -> _Ended:
        """What is in a folder; kept where nothing changes there unseen."""
        settled = time.time_ns() - _SETTLED
        listed = _Ended(changed, {}, [])
        for entry in os.scandir(folder):
            if entry.name.startswith(".") or entry.name in _LEFT_OUT:
                continue
            name = f"{place}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                listed.folders.append(f"{name}/")
            elif entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    now = entry.stat(follow_symlinks=False)
                    listed.files[name] = _Seen(now.st_size, now.st_mtime_ns, now.st_ino)
        if f"{place}outcome.json" in listed.files and changed < settled:
            self._ended[place] = listed
        return listed


def replay(packs: Iterator[BinaryIO], root: Path) -> None:
    """Make a folder what it was when the last of the packs was made; it is empty at first.

    Raises `PackError`: one is damaged, or they do not follow each other.
    """
    for pack in packs:
        try:
            with tarfile.open(fileobj=pack, mode="r:") as tar:
                _unpack(tar, root)
        except (tarfile.TarError, ValueError, KeyError, TypeError, EOFError) as error:
            raise PackError(str(error)) from error


def _unpack(tar: tarfile.TarFile, root: Path) -> None:
    first = tar.next()
    if first is None or first.name != HEAD:
        raise PackError(f"begins with no {HEAD}")
    head = json.loads(_content(tar, first))
    for name in head["removed"]:
        _inside(root, name).unlink(missing_ok=True)
    while (member := tar.next()) is not None:
        path = _inside(root, member.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, _content(tar, member), int(head["begins"].get(member.name, 0)))
        changed = int(head["changed"][member.name])
        os.utime(path, ns=(changed, changed))


def _write(path: Path, content: bytes, begin: int) -> None:
    has = path.stat().st_size if begin and path.exists() else 0
    if has != begin:
        raise PackError(f"holds {path.name} from byte {begin}, which has {has}")
    with path.open("ab" if begin else "wb") as stream:
        stream.write(content)


def _inside(root: Path, name: str) -> Path:
    """A path below the root. Raises `PackError` for any other."""
    parts = name.split("/")
    if not all(parts) or {".", ".."} & set(parts) or "\0" in name:
        raise PackError(f"names {name!r:.80}")
    return root.joinpath(*parts)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member) if member.isreg() else None
    if stream is None:
        raise PackError(f"holds {member.name!r:.80}, which is no file")
    return stream.read()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
