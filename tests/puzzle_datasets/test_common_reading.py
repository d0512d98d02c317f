"""Whatever lies in the place of a small file, it is read right or refused in one sentence."""

import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, make_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from puzzle_datasets.common.bounded import Count, Moment, Positive
from puzzle_datasets.common.errors import DatasetError, UserError
from puzzle_datasets.common.reading import ANY_SIZE, SMALL, Reader, parse_json, path_from
from puzzle_datasets.common.records import MisfitError, record_from

in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    size: Positive


@dataclass(frozen=True)
class Outer:
    name: str
    created: Moment
    colour: Colour
    inner: Inner | None
    sizes: tuple[Count, ...]
    pair: tuple[Count, str]
    free: Mapping[str, Any]
    late: bool = False
    chosen: Count | None = None
    counts: Mapping[str, Count] = field(default_factory=dict)


WHOLE = Outer("a", 1.5, Colour.RED, Inner(3), (1, 2), (1, "b"), {"any": [None]})
PLAIN = json.loads(json.dumps(asdict(WHOLE)))
MOMENT, WHOLE_NUMBER, MOST = "a number from 0 to 1e+11", "a whole number", "9.22337e+18"


def reader(path: Path, most: int = 10_000) -> Reader:
    return Reader(path, DatasetError, "mend it", most)


def file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("begin", [b"", b"PAR1"])
def test_a_file_of_holes_is_refused_before_it_is_read(begin: bytes, tmp_path: Path) -> None:
    path = file(tmp_path / "a.parquet", begin)
    os.truncate(path, 10**12)
    with pytest.raises(DatasetError, match="holds 1 TB, of which most were never written"):
        reader(path, ANY_SIZE).content()


def test_a_large_file_is_no_hole(tmp_path: Path) -> None:
    path = file(tmp_path / "a.bin", bytes(SMALL + 1))
    with reader(path, ANY_SIZE).opened() as stream:
        assert len(stream.read()) == SMALL + 1


def test_a_character_of_two_halves_is_whole() -> None:
    assert parse_json(r'["\ud83d\ude00", "\\ud800"]') == ["\U0001f600", "\\ud800"]


@pytest.mark.parametrize("one", ["[0]", "{}", '{"a":0}', '"ab"'])
def test_what_takes_too_much_memory_is_refused_before_it_is_made(one: str) -> None:
    with pytest.raises(MisfitError, match="of memory once it is read"):
        parse_json(f"[{','.join([one] * 5_000_000)}]")


def test_a_record_is_what_was_written(tmp_path: Path) -> None:
    path = file(tmp_path / "a.json", json.dumps(PLAIN).encode())
    assert reader(path).record(Outer) == WHOLE
    assert record_from({**PLAIN, "inner": None, "created": 2}, Outer).inner is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"created": "yesterday"}, f"has 'yesterday' as created, which is not {MOMENT}"),
        ({"created": True}, f"has True as created, which is not {MOMENT}"),
        ({"created": -1}, f"has -1 as created, which is not {MOMENT}"),
        (
            {"inner": {"size": 0}},
            f"has 0 as inner.size, which is not {WHOLE_NUMBER} from 1 to {MOST}",
        ),
        (
            {"chosen": -1},
            f"has -1 as chosen, which is not {WHOLE_NUMBER} from 0 to {MOST} or none",
        ),
        (
            {"counts": {"a": -1}},
            f"has -1 as counts.'a', which is not {WHOLE_NUMBER} from 0 to {MOST}",
        ),
        ({"newer": 1}, "has the key 'newer', which is unknown here"),
        ({"inner": {}}, "lacks the key 'inner.size'"),
        ({"inner": 5}, "has 5 as inner, which is not a mapping of keys"),
        ({"colour": "blue"}, "has 'blue' as colour, which is not one of red"),
        (
            {"sizes": [1, "x"]},
            f"has 'x' as sizes[1], which is not {WHOLE_NUMBER} from 0 to {MOST}",
        ),
        ({"pair": [1]}, "has [1] as pair, which is not a list of 2"),
        ({"sizes": 5}, "has 5 as sizes, which is not a list"),
        ({"free": []}, "has [] as free, which is not a mapping of keys"),
    ],
)
def test_a_misfit_is_named_by_its_key(change: dict[str, Any], said: str) -> None:
    with pytest.raises(MisfitError) as raised:
        record_from({**PLAIN, **change}, Outer)
    assert raised.value.problem == said


@pytest.mark.parametrize(
    "hint", [int, float | None, tuple[int, ...], dict[str, float], tuple[tuple[str, int], ...]]
)
def test_a_record_whose_numbers_have_no_bounds_is_our_mistake(hint: Any) -> None:
    made = make_dataclass("Loose", [("size", hint)])
    with pytest.raises(AssertionError, match=r"Loose\.size needs bounds"):
        record_from({"size": 1}, made)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is no JSON"),
        (b"", "is no JSON"),
        (b"\0", "is no JSON"),
        (b"\xff", "is no text in UTF-8"),
        (b"[" * 9_000, "is nested too deep"),
        (b"9" * 5_000, "holds 99999999999999999999…, a number of over 30 digits"),
        (
            b'{"a": -1' + b"0" * 400 + b"}",
            "holds -1000000000000000000…, a number of over 30 digits",
        ),
        (b"NaN", "holds NaN, which is no finite number"),
        (b"1e999", "holds 1e999, which is no finite number"),
        (b'{"a": 1, "b": 2, "a": 3}', "has the key 'a' twice"),
        (b'{"a": [{"b": 2, "b": 2}]}', "has the key 'b' twice"),
        (rb'{"a": [{"b": "\udc80"}]}', "holds half of a character in 'a[0].b', which is no text"),
        (rb'{"a\uD800": 1}', "holds half of a character in 'a\\ud800', which is no text"),
        (b"[]", "holds no JSON object"),
        (b" " * 10_001, "holds 10 kB, over the 10 kB it may"),
        (b'{"format": 3}', "is of format 3, and this version reads format 2"),
        (b"{}", "is of format 1, and this version reads format 2"),
    ],
)
def test_what_is_no_object_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = file(tmp_path / "a.json", content)
    with pytest.raises(DatasetError) as raised:
        reader(path).object(format=2)
    assert str(raised.value) == f"{path} {said}; mend it."


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "is no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is no regular file"),
        (Path.mkdir, "is no regular file"),
        (lambda path: path.symlink_to(path), "can't be read (Too many levels of symbolic links)"),
        (lambda path: None, "does not exist"),
    ],
    ids=["pipe", "device", "folder", "loop", "nothing"],
)
def test_only_a_regular_file_is_opened(
    make: Callable[[Path], object], said: str, tmp_path: Path
) -> None:
    make(tmp_path / "a")
    with pytest.raises(DatasetError) as raised:
        reader(tmp_path / "a").content()
    assert raised.value.problem == said


def test_a_file_that_can_t_be_read_now_is_told_from_one_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, unread in ((errno.EACCES, True), (errno.EMFILE, True), (errno.ENOENT, False)):
        monkeypatch.setattr(os, "open", refusing(number))
        with pytest.raises(DatasetError) as raised:
            reader(tmp_path / "a").content()
        monkeypatch.undo()
        assert raised.value.unread is unread
    with pytest.raises(DatasetError) as raised:
        reader(file(tmp_path / "a", b"{")).json()
    assert not raised.value.unread


def refusing(number: int) -> Callable[..., int]:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "n" * 300])
def test_a_name_that_no_system_has(name: str, tmp_path: Path) -> None:
    for read in (Reader.content, lambda one: list(one.lines())):
        try:
            assert read(reader(tmp_path / name)) == []
        except DatasetError as error:
            assert error.sentence().isprintable() or name == "\ud800" or "\0" in name


def test_files_of_the_kernel_are_bounded_while_they_are_read() -> None:
    with pytest.raises(DatasetError, match="holds more than"):
        reader(Path("/proc/self/maps"), most=100).content()


@pytest.mark.parametrize("middle", [b"", b"garbage", b"\0", b"\xff", b"[" * 9_000, b"1" * 20_000])
def test_a_damaged_line_is_named_and_a_torn_last_one_is_left_out(
    middle: bytes, tmp_path: Path
) -> None:
    path = file(tmp_path / "a.jsonl", b'{"size": 1}\n{"size": 2}\n{"si')
    assert list(reader(path).records(Inner)) == [Inner(1), Inner(2)]
    path = file(path, b'{"size": 1}\n' + middle + b'\n{"size": 2}\n')
    lines = reader(path).records(Inner)
    assert next(lines) == Inner(1)
    with pytest.raises(DatasetError, match="is damaged: line 2 "):
        next(lines)
    assert list(reader(tmp_path / "none").lines()) == []


def test_a_misfit_in_a_line_is_named(tmp_path: Path) -> None:
    path = file(tmp_path / "a.jsonl", b'{"size": 1}\n{"size": "x"}\n')
    with pytest.raises(DatasetError) as raised:
        list(reader(path).records(Inner))
    said = f"is damaged: line 2 has 'x' as size, which is not {WHOLE_NUMBER} from 1 to {MOST}"
    assert raised.value.problem == said


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_any_value_fits_or_is_refused(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from([*PLAIN, "unknown"]))
    try:
        assert isinstance(record_from({**PLAIN, key: data.draw(ODD)}, Outer), Outer)
    except MisfitError as error:
        assert key in error.problem


@in_one_folder
@given(st.data())
def test_any_damage_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = damaged(data, json.dumps(PLAIN).encode())
    path = file(tmp_path / "a.json", content)
    for read in (one_record, all_lines):
        try:
            read(reader(path))
        except DatasetError as error:
            assert error.field == str(path)


def one_record(one: Reader) -> None:
    assert isinstance(one.record(Outer), Outer)


def all_lines(one: Reader) -> None:
    for record in one.records(Outer):
        assert isinstance(record, Outer)


def damaged(data: st.DataObject, content: bytes) -> bytes:
    """The content cut off, and with a stretch of it replaced by any bytes."""
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    cut = data.draw(st.integers(0, len(content)))
    return (content[:first] + data.draw(st.binary(max_size=8)) + content[last:])[:cut]


def test_a_message_stays_short_whatever_was_given() -> None:
    assert len(str(UserError("seed", 10**5_000, "give less"))) < 150
    assert len(str(UserError("seed", "x" * 5_000, "give less"))) < 150


@pytest.mark.parametrize("value", [None, 5, b"x", "a\0b", "~no-such-user/data"])
def test_what_is_no_path_is_refused(value: object) -> None:
    with pytest.raises(UserError, match=r"^folder "):
        path_from("folder", value, UserError)


def test_the_home_folder_may_be_written_in_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert path_from("folder", "~/data", UserError) == Path("/home/me/data")
