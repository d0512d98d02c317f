"""YAML as researchers write it, and where each key stands."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from sweep_platform.common.errors import InputError
from sweep_platform.spec.yaml_source import Source, parse_scalar, parse_yaml, read_yaml

NOWHERE: frozenset[str] = frozenset()


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_yaml(text, "x.yaml")
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("2e19", 2e19),
        ("1.", 1.0),
        ("-.5", -0.5),
        ("1_000", 1000),
        ("-3", -3),
        ("010", "010"),
        ("1:30", "1:30"),
        ("2020-10-05", "2020-10-05"),
        ("e5", "e5"),
        ("true", True),
        ("[1, a]", [1, "a"]),
        ("{low: 1}", {"low": 1}),
        ("", None),
        ("'7'", "7"),
    ],
)
def test_values(text: str, value: object) -> None:
    read = parse_scalar(text, "--set a=")
    assert read == value
    assert type(read) is type(value)


def test_places_name_the_line_of_each_key_and_entry() -> None:
    source = parse_yaml("a:\n  b:\n    - 1\n    - {c: 2}\n", "x.yaml")
    assert source.location(("a",)) == "x.yaml, line 1"
    assert source.location(("a", "b", 0)) == "x.yaml, line 3"
    assert source.location(("a", "b", 1, "c")) == "x.yaml, line 4"
    assert source.location(("a", "b", 1, "missing")) == "x.yaml, line 4"
    assert source.location(("missing",)) == "x.yaml"


def test_anchors_and_merges_keep_their_own_lines() -> None:
    text = "a: &a\n  low: 1\n  high: 2\nb:\n  <<: *a\n  high: 3\nc: *a\n"
    source = parse_yaml(text, "x.yaml")
    assert source.tree["b"] == {"low": 1, "high": 3}
    assert source.tree["c"] == {"low": 1, "high": 2}
    assert source.location(("b", "low")) == "x.yaml, line 2"
    assert source.location(("b", "high")) == "x.yaml, line 6"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["x.yaml", "holds no settings", "key: value"]),
        ("# only a comment\n", ["holds no settings"]),
        ("- a\n- b\n", ["holds no settings"]),
        ("word", ["holds no settings"]),
        ("a: [1\nb: }", ["x.yaml, line 2", "not YAML"]),
        ("a: 1\n\tb: 2", ["line 2", "not YAML"]),
        ("a: 1\nb: \x07", ["line 2", "#x07"]),
        ("a: 1\n---\nb: 2\n", ["line 2", "another document"]),
        ("a: 1\na: 2\n", ["line 2", "`a` is written twice", "keep one"]),
        ("a:\n  b: {c: 1, c: 2}\n", ["line 2", "`a.b.c` is written twice"]),
        ("a: {<<: {b: 1}, <<: {c: 1}}", ["`a.<<` is written twice"]),
        ("a: {<<: 3}", ["line 1", "merging"]),
        ("1: a", ["`1` is not a word", "quotes"]),
        ("a:\n  yes: 1", ["line 2", "`a.yes` is not a word"]),
        ("~: a", ["`~` is not a word"]),
        ("? [a]\n: 1", ["line 1", "not a word"]),
        ("a: *b", ["undefined alias"]),
        ("a: &a [*a]", ["an alias inside what it names"]),
        ("a: !!python/object:os.system x", ["line 1", "not YAML"]),
        ("a: !!int x", ["drop the tag"]),
        ("a: !!bool x", ["drop the tag"]),
    ],
)
def test_what_is_refused(text: str, parts: list[str]) -> None:
    message = refusal(text)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "does not exist"),
        (b"\x80\x00\xff", "is no text in UTF-8"),
        ("a: ü".encode("utf-16"), "is no text in UTF-8"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None, part: str) -> None:
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=part) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(str(path))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no regular file"):
        read_yaml(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Not a directory"):
        read_yaml(tmp_path / "file" / "x.yaml")


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    source = read_yaml(path)
    assert source.tree == {"a": 1, "b": 2}
    assert source.location(("b",)).endswith("line 2")


@pytest.mark.parametrize("text", ["[1", "*a", "!x 1", "1: 2: 3", "!!int x", "\x07"])
def test_option_values_that_are_no_yaml(text: str) -> None:
    with pytest.raises(InputError, match="--set a is not YAML"):
        parse_scalar(text, "--set a")


def test_merging_replaces_knobs_whole_and_keeps_the_rest() -> None:
    below = parse_yaml("space:\n  N: {low: 1, high: 4}\n  T: {low: 1, high: 2}\nseed: 1", "below")
    above = parse_yaml("space:\n  N: {choices: [1]}\nseed: 2", "above")
    merged = below.merged(above, frozenset({"space"}))
    assert merged.tree == {
        "space": {"N": {"choices": [1]}, "T": {"low": 1, "high": 2}},
        "seed": 2,
    }
    assert merged.location(("space", "N", "choices", 0)) == "above, line 2"
    assert merged.location(("space", "T", "low")) == "below, line 3"
    assert merged.location(("seed",)) == "above, line 3"
    assert ("space", "N", "low") not in merged.locations
    assert below.tree["space"]["N"] == {"low": 1, "high": 4}


def test_merging_a_value_over_a_mapping_and_back() -> None:
    deep, flat = parse_yaml("a: {b: 1}", "deep"), parse_yaml("a: 3", "flat")
    assert deep.merged(flat, NOWHERE).location(("a", "b")) == "flat, line 1"
    assert flat.merged(deep, NOWHERE).location(("a", "b")) == "deep, line 1"


def test_subtree_and_without() -> None:
    source = parse_yaml("a: 1\nscales:\n  s:\n    b: 2\n", "x.yaml")
    scale = source.subtree(("scales", "s"))
    assert scale.tree == {"b": 2}
    assert scale.location(("b",)) == "x.yaml, line 4"
    assert source.without("scales") == Source({"a": 1}, {("a",): "x.yaml, line 1"}, "x.yaml")


def nested(first: str, line: str) -> str:
    """Ten lines, each with nine aliases of the one before."""
    lines = [first]
    for old, new in pairwise("abcdefghij"):
        lines.append(line.format(new=new, aliases=", ".join(["*" + old] * 9)))
    return "\n".join(lines)


BOMB = nested("a: &a [x, x]", "{new}: &{new} [{aliases}]")
MERGES = nested("a: &a {k: 1}", "{new}: &{new} {{<<: [{aliases}]}}")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (BOMB, "holds over 10,000 keys and values"),
        (MERGES, "holds over 10,000 keys and values"),
        ("a: " + "[" * 100_000, "is nested too deep"),
        ("a: " + '{"b": ' * 100_000, "is nested too deep"),
        ("a: !!int ''", "does not fit its `!!` tag"),
        ("a: " + "1" * 5_000, "thousands of digits"),
    ],
)
def test_what_is_small_and_would_be_huge_is_refused_before_it_is_built(
    text: str, part: str
) -> None:
    assert part in refusal(text)


def test_a_pipe_and_a_large_file_are_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(InputError, match="is no regular file"):
        read_yaml(tmp_path / "pipe.yaml")
    (tmp_path / "large.yaml").write_text("a: 1\n" * 100_000)
    with pytest.raises(InputError, match="holds 500 kB"):
        read_yaml(tmp_path / "large.yaml")


@pytest.mark.parametrize("text", ["1\nname: evil", "1\n? evil", "{a: 1}\nb: 2", ""])
def test_a_value_holds_no_second_key(text: str) -> None:
    if not text:
        assert parse_scalar(text, "--set a=") is None
        return
    with pytest.raises(InputError, match="is not YAML"):
        parse_scalar(text, "--set a=...")
