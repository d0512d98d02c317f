"""A sweep goes on with the puzzles that it began with, whatever became of their source."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sweep_builders import sweep_record

from puzzle_datasets.commands.floors import FLOOR_FILE
from sweep_platform.common.errors import InputError
from sweep_platform.driver.puzzles import Puzzles, prepare_puzzles
from sweep_platform.driver.request import ResolvedSweep
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder

MakeSpec = Callable[..., SweepSpec]


def write_task(file: Path, colour: int) -> None:
    file.parent.mkdir(exist_ok=True)
    pairs = [{"input": [[1]], "output": [[colour]]}]
    file.write_text(json.dumps({"train": pairs, "test": pairs}))


@pytest.fixture
def sweep(tmp_path: Path, make_spec: MakeSpec) -> ResolvedSweep:
    """A sweep over ARC tasks and one of the user's own."""
    write_task(tmp_path / "source" / "One1.json", 2)
    spec = make_spec(
        dataset={
            "name": "arc-agi-1",
            "canvas": 3,
            "held_out": "all",
            "augmentations": 0,
            "concept_arc": str(tmp_path / "source"),
        }
    )
    return ResolvedSweep(spec=spec, scale="laptop", folder=SweepFolder(tmp_path / "run"))


@pytest.fixture
def begun(sweep: ResolvedSweep, tmp_path: Path) -> Puzzles:
    puzzles = prepare_puzzles(sweep, tmp_path / "data")
    sweep.folder.create(sweep_record(spec=sweep.spec.public(), dataset=puzzles.record()))
    return puzzles


def test_the_source_is_not_needed_to_go_on(
    sweep: ResolvedSweep, begun: Puzzles, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "source")
    assert prepare_puzzles(sweep, None) == begun


def test_puzzles_that_were_lost_are_built_again(sweep: ResolvedSweep, begun: Puzzles) -> None:
    shutil.rmtree(begun.address.folder)
    assert prepare_puzzles(sweep, None) == begun


def test_other_puzzles_are_refused(sweep: ResolvedSweep, begun: Puzzles, tmp_path: Path) -> None:
    shutil.rmtree(begun.address.folder)
    write_task(tmp_path / "source" / "One1.json", 3)
    with pytest.raises(InputError, match=r"is not the puzzle set that .*run began with"):
        prepare_puzzles(sweep, None)


def test_the_record_has_floors_also_of_a_set_that_was_built_before_there_were_any(
    sweep: ResolvedSweep, begun: Puzzles
) -> None:
    kept = Path(begun.address.folder, FLOOR_FILE)
    recorded = sweep.folder.record().dataset["floors"]
    assert [one["name"] for one in recorded] == [
        "majority token",
        "copy the input",
        "most common output of the task",
    ]
    kept.unlink()
    assert begun.record()["floors"] == recorded
    assert kept.exists()


def test_impossible_floors_are_no_record_of_a_sweep(sweep: ResolvedSweep, begun: Puzzles) -> None:
    record = sweep.folder.record()
    floors = [record.dataset["floors"][0] | {"exact_accuracy": 2.0}]
    sweep.folder.create(replace(record, dataset={**record.dataset, "floors": floors}))
    with pytest.raises(InputError, match=r"has 2\.0 as dataset\.floors\[0\]\.exact_accuracy"):
        sweep.folder.record()
