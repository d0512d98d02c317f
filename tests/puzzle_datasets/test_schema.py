import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.storage.schema import SCHEMA_VERSION, Manifest

MANIFEST = Manifest(
    schema_version=SCHEMA_VERSION,
    name="arc-agi-1",
    kind="arc",
    settings={"canvas": 30, "tasks": None},
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
    files={"train-00000.parquet": "ab", "test-00000.parquet": "cd"},
)


@given(
    name=st.text(),
    settings=st.dictionaries(st.text(), st.none() | st.integers() | st.text()),
    files=st.dictionaries(st.text(), st.text()),
)
def test_manifest_round_trip(
    name: str, settings: dict[str, object], files: dict[str, str]
) -> None:
    manifest = replace(MANIFEST, name=name, settings=settings, files=MANIFEST.files | files)
    read = Manifest.from_json(manifest.to_json())
    assert read == manifest
    assert read.fingerprint == manifest.fingerprint


def test_fingerprint_tells_content_apart() -> None:
    reordered = replace(MANIFEST, settings={"tasks": None, "canvas": 30})
    changed = replace(MANIFEST, files={"train-00000.parquet": "cd"})
    assert reordered.fingerprint == MANIFEST.fingerprint
    assert changed.fingerprint != MANIFEST.fingerprint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"licence": None}, "'licence' of a wrong type"),
        ({"extra": 1}, "unknown 'extra'"),
        ({"files": []}, "'files' of a wrong type"),
        ({"kind": "../chess"}, "which no kind can have"),
        ({"grid": [30]}, "'grid' of a wrong type"),
        ({"box": [3, "3"]}, "'box' of a wrong type"),
        ({"counts": {"groups": "many"}}, "'counts' of a wrong type"),
        ({"counts": {}}, "counts other than groups, identities, test_pairs, train_pairs"),
        ({"seq_len": 81}, "says seq_len 81 of a grid of 30 by 30"),
        ({"num_puzzle_identifiers": 7}, "says 7 identifiers of 800 identities"),
        ({"tokens": {"0": "padding", "a": "?"}}, "explains other tokens than 0 to 1"),
        ({"statistics": {"mean": float("nan")}}, "a statistic that is no number"),
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
    with pytest.raises(DatasetError, match="lacks 'counts'"):
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
