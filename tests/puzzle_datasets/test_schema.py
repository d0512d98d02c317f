import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.storage.schema import SCHEMA_VERSION, Manifest

FILES = ("train-00000.parquet", "test-00000.parquet", "groups.parquet", "identities.parquet")
MANIFEST = Manifest(
    schema_version=SCHEMA_VERSION,
    name="arc-agi-1",
    kind="arc",
    settings={"canvas": 30, "tasks": None, "augmentations": 3, "seed": 0},
    source="somewhere",
    licence="Apache-2.0",
    vocab_size=2,
    seq_len=900,
    grid=(30, 30),
    box=None,
    augmentation="table",
    num_puzzle_identifiers=801,
    tokens={"0": "padding", "1": "end of sequence"},
    counts={"groups": 800, "train_pairs": 3081, "test_pairs": 419, "identities": 800},
    statistics={"mean_cells": 169.37},
    files=dict.fromkeys(
        ("train-00000.parquet", "test-00000.parquet", "groups.parquet", "identities.parquet"), "ab"
    ),
)


@given(
    name=st.text(),
    settings=st.dictionaries(st.text(), st.none() | st.integers() | st.text()),
    digest=st.text(),
)
def test_manifest_round_trip(name: str, settings: dict[str, object], digest: str) -> None:
    files = {**MANIFEST.files, "train-00001.parquet": digest}
    manifest = replace(MANIFEST, name=name, settings=settings | MANIFEST.settings, files=files)
    read = Manifest.from_json(manifest.to_json())
    assert read == manifest
    assert read.fingerprint == manifest.fingerprint


def test_fingerprint_tells_content_apart() -> None:
    reordered = replace(
        MANIFEST, settings={"seed": 0, "augmentations": 3, "tasks": None, "canvas": 30}
    )
    changed = replace(MANIFEST, files={"train-00000.parquet": "cd"})
    assert reordered.fingerprint == MANIFEST.fingerprint
    assert changed.fingerprint != MANIFEST.fingerprint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"licence": None}, "has None as licence, which is not a text"),
        ({"extra": 1}, "has the key 'extra', which is unknown here"),
        ({"files": []}, r"has \[\] as files, which is not a mapping of keys"),
        ({"kind": "../chess"}, "which no kind can have"),
        ({"vocab_size": 10**9}, "says vocab_size 1000000000, not 1 to 256"),
        ({"seq_len": 10**8, "grid": [10**4, 10**4]}, "says seq_len 100000000, over 1000000"),
        ({"grid": [-30, -30]}, r"has -30 as grid\[0\]"),
        ({"grid": [0, 30]}, "says seq_len 900 of a grid of 0 by 30"),
        ({"statistics": {"mean": 1e301}}, "has 1e.301 as statistics"),
        ({"settings": {"augmentations": "many"}}, "has 'many' as settings.augmentations"),
        ({"settings": {"augmentations": 3, "seed": 10**30}}, "as settings.seed, not 0 to"),
        ({"counts": MANIFEST.counts | {"train_pairs": 0}}, "counts 0 train_pairs, not 1 to"),
        ({"counts": MANIFEST.counts | {"groups": 2**40}}, "counts 1099511627776 groups"),
        ({"files": MANIFEST.files | {"../secret.parquet": ""}}, "names the file '../secret"),
        ({"files": MANIFEST.files | {"/etc/passwd": ""}}, "names the file '/etc/passwd'"),
        ({"files": MANIFEST.files | {"train-/../../x.parquet": ""}}, "names the file 'train-/"),
        ({"grid": [30]}, r"has \[30\] as grid, which is not a list of 2"),
        ({"box": [3, "3"]}, r"has '3' as box\[1\], which is not a whole number"),
        (
            {"counts": {"groups": "many"}},
            "has 'many' as counts.'groups', which is not a whole number",
        ),
        ({"counts": {}}, "counts other than groups, identities, test_pairs, train_pairs"),
        ({"seq_len": 81}, "says seq_len 81 of a grid of 30 by 30"),
        ({"num_puzzle_identifiers": 7}, "says 7 identifiers of 800 identities"),
        ({"tokens": {"0": "padding", "a": "?"}}, "explains other tokens than 0 to 1"),
        ({"statistics": {"mean": float("nan")}}, "holds NaN, which is no finite number"),
        ({"files": {"train-00000.parquet": "ab"}}, "names no shard of test"),
        ({"schema_version": SCHEMA_VERSION + 1}, "schema_version"),
    ],
)
def test_changed_manifest_is_refused(change: dict[str, object], said: str) -> None:
    text = json.dumps(json.loads(MANIFEST.to_json()) | change)
    with pytest.raises(DatasetError, match=said) as caught:
        Manifest.from_json(text, "sets/manifest.json")
    assert str(caught.value).startswith("sets/manifest.json")


def test_missing_key_is_refused() -> None:
    content = json.loads(MANIFEST.to_json())
    del content["counts"]
    with pytest.raises(DatasetError, match="lacks the key 'counts'"):
        Manifest.from_json(json.dumps(content))


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(DatasetError, match=r"manifest\.json"):
        Manifest.from_json(text)


def test_a_manifest_of_another_version_is_refused_for_that_alone() -> None:
    with pytest.raises(DatasetError, match="schema_version 1 but this version reads") as caught:
        Manifest.from_json(json.dumps({"schema_version": 1, "name": "arc-agi-1"}))
    assert "lacks" not in str(caught.value)


def test_shards_come_in_the_order_of_their_rows() -> None:
    names = [f"train-{number:05d}.parquet" for number in (10, 2, 1)]
    files = dict.fromkeys([*names, "test-00000.parquet", "identities.parquet"], "ab")
    assert replace(MANIFEST, files=files).shards("train") == sorted(names)


@pytest.mark.parametrize("box", [None, (2, 3)])
def test_the_box_survives_the_round_trip(box: tuple[int, int] | None) -> None:
    manifest = replace(MANIFEST, box=box)
    assert Manifest.from_json(manifest.to_json()) == manifest
