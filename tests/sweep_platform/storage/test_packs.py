"""A folder comes back from its packs as it was, whatever was done to it in between."""

import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.common.files import append_json_line, write_json
from sweep_platform.store.storage.packs import FolderLog, PackError, replay

NAMES = ("sweep.json", "study.journal", "trials/0000-a/trial.json", "trials/0000-a/m-0/run.json")
LINES = ("sessions.jsonl", "trials/0000-a/m-0/metrics.jsonl", "trials/0001-b/m-0/metrics.jsonl")
ENDS = ("trials/0000-a/outcome.json", "trials/0000-a/m-0/outcome.json")

writes = st.tuples(st.just("write"), st.sampled_from((*NAMES, *ENDS)))
appends = st.tuples(st.just("append"), st.sampled_from((*LINES, "study.journal")))
removals = st.tuples(st.just("remove"), st.sampled_from((*NAMES, *LINES, *ENDS)))
packs = st.tuples(st.just("pack"), st.sampled_from(("", "", "all")))


def act(root: Path, what: str, name: str, number: int) -> None:
    """What a driver does to a file."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if what == "write":
        write_json(path, number)
    elif what == "append" and name.endswith(".jsonl"):
        append_json_line(path, {"number": number})
    elif what == "append":
        with path.open("ab") as stream:
            stream.write(b"%d\n" % number)
    elif what == "remove":
        path.unlink(missing_ok=True)


def tree(root: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files
    }


def packed(log: FolderLog, *, all_of_it: bool = False) -> io.BytesIO | None:
    stream = io.BytesIO()
    if not log.pack(stream, all_of_it=all_of_it):
        return None
    stream.seek(0)
    return stream


@given(st.lists(st.one_of(writes, appends, removals, packs), max_size=30))
def test_a_folder_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, str]]
) -> None:
    root, again = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("again")
    (root / "lock").touch()
    (root / ".hidden").touch()
    log, made = FolderLog(root), []
    for number, (what, name) in enumerate([*actions, ("pack", "")]):
        if what != "pack":
            act(root, what, name, number)
        elif (pack := packed(log, all_of_it=bool(name))) is not None:
            made = [pack] if name else [*made, pack]
    assert packed(log) is None
    for name in ("lock", ".hidden"):
        (root / name).unlink()
    replay(iter(made), again)
    assert tree(again) == tree(root)


def test_what_grows_is_sent_by_the_part(tmp_path: Path) -> None:
    log, file = FolderLog(tmp_path), tmp_path / "metrics.jsonl"
    file.write_bytes(b"x" * 100_000)
    first = packed(log)
    assert first
    with file.open("ab") as stream:
        stream.write(b"y")
    second = packed(log)
    assert second
    assert len(second.getvalue()) < len(first.getvalue()) / 5


def test_trials_that_ended_are_looked_at_again_only_where_they_changed(tmp_path: Path) -> None:
    act(tmp_path, "write", ENDS[0], 1)
    act(tmp_path, "append", LINES[1], 1)
    past = 1_700_000_000
    for path in (*tmp_path.rglob("*"), tmp_path):
        os.utime(path, (past, past))
    log = FolderLog(tmp_path)
    assert packed(log)
    act(tmp_path, "append", LINES[1], 2)  # a replicate that confirms a trial that has ended
    assert packed(log)
    act(tmp_path, "remove", ENDS[0], 0)
    act(tmp_path, "write", NAMES[2], 3)
    again = packed(log)
    assert again
    with tarfile.open(fileobj=again) as tar:
        assert tar.getnames() == ["pack.json", NAMES[2]]


def tar_of(*members: tuple[str, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    stream.seek(0)
    return stream


HEAD = ("pack.json", b'{"removed": [], "begins": {}, "changed": {"a": 1}}')
BAD = {
    "nothing": io.BytesIO(b""),
    "no tar": io.BytesIO(b"x" * 2000),
    "no head": tar_of(("a", b"")),
    "a damaged head": tar_of(("pack.json", b"{")),
    "a head of another form": tar_of(("pack.json", b"[]")),
    "a way out": tar_of(HEAD, ("../out", b"1")),
    "a whole path": tar_of(HEAD, ("/out", b"1")),
    "a removal outside": tar_of(
        ("pack.json", b'{"removed": ["../x"], "begins": {}, "changed": {"a": 1}}')
    ),
    "a part of nothing": tar_of(
        ("pack.json", b'{"removed": [], "begins": {"a": 5}, "changed": {"a": 1}}'), ("a", b"1")
    ),
    "a cut": io.BytesIO(tar_of(HEAD, ("a", b"1" * 5000)).getvalue()[:3000]),
}


@pytest.mark.parametrize("pack", BAD.values(), ids=BAD)
def test_what_is_no_pack_is_refused_and_stays_inside(pack: io.BytesIO, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "x").write_text("kept")
    pack.seek(0)
    with pytest.raises(PackError):
        replay(iter([pack]), tmp_path / "root")
    assert (tmp_path / "x").exists()
    assert not (tmp_path / "out").exists()


def test_a_pack_holds_no_link(tmp_path: Path) -> None:
    stream = tar_of(HEAD)
    with tarfile.open(fileobj=stream, mode="a") as tar:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    stream.seek(0)
    with pytest.raises(PackError, match="no file"):
        replay(iter([stream]), tmp_path)


def test_a_head_is_json(tmp_path: Path) -> None:
    act(tmp_path, "write", NAMES[0], 1)
    pack = packed(FolderLog(tmp_path))
    assert pack
    with tarfile.open(fileobj=pack) as tar:
        head = tar.extractfile("pack.json")
        assert head
        changed = (tmp_path / NAMES[0]).stat().st_mtime_ns
        told = {"removed": [], "begins": {}, "changed": {NAMES[0]: changed}}
        assert json.load(head) == told
