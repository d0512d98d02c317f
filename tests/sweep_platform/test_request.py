"""Which sweep a command line means: a new one, or one to take up."""

import os
from collections.abc import Iterator
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from sweep_builders import sweep_record

from sweep_platform.common.errors import InputError
from sweep_platform.driver.origin.asked import asked
from sweep_platform.driver.request import (
    ADJUSTABLE,
    Request,
    ResolvedSweep,
    decided,
    holds_a_sweep,
    kept_settings,
    require_free,
    resolve,
)
from sweep_platform.execution.cluster import Hardware, Node
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.spec.schema import StorageSpec
from sweep_platform.store.folder import SweepFolder

LAPTOP, GPU, CLUSTER = (Hardware((Node(*has),)) for has in ((2, 0), (16, 1), (96, 8)))
SPACE = """\
name: toy
dataset: {name: arc-agi-1, canvas: 3, tasks: 4, augmentations: 2, held_out: all}
space: {N: {choices: [1, 2]}}
budget: {trials: 4, flops_per_trial: 1e8}
"""
SCALES = "scales: {laptop: {seed: 1}, gpu: {seed: 2}}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str = SPACE) -> Path:
    path = Path("toy.yaml")
    path.write_text(text)
    return path


def ask(text: str = SPACE, hardware: Hardware = LAPTOP, **options: Any) -> ResolvedSweep:
    sweep = resolve(Request(space=SpaceFile.read(write(text)), **options), hardware)
    if not options.get("resume"):
        require_free(sweep.folder)
    return sweep


def create(sweep: ResolvedSweep) -> None:
    sweep.folder.create(sweep_record(scale=sweep.scale, spec=sweep.spec.public()))


def test_a_new_sweep(here: Path) -> None:
    sweep = ask(settings=("budget.trials=3", "budget.trials=7"))
    assert sweep.folder.root == Path("runs/toy")
    assert sweep.scale == "none"
    assert sweep.spec.budget.trials == 7
    assert [path.name for path in here.iterdir()] == ["toy.yaml"]


def test_the_name_names_the_folder() -> None:
    assert ask(settings=("name=other",)).folder.root == Path("runs/other")
    assert ask(out=Path("elsewhere/x")).folder.root == Path("elsewhere/x")


@pytest.mark.parametrize(
    ("hardware", "scale", "seed"), [(LAPTOP, "laptop", 1), (GPU, "gpu", 2), (CLUSTER, "gpu", 2)]
)
def test_auto_takes_the_best_scale_that_the_file_has(
    hardware: Hardware, scale: str, seed: int
) -> None:
    sweep = ask(SPACE + SCALES, hardware)
    assert (sweep.scale, sweep.spec.seed) == (scale, seed)


def test_a_scale_by_name_and_one_that_is_not_there() -> None:
    assert ask(SPACE + SCALES, scale="gpu").spec.seed == 2
    with pytest.raises(InputError, match="has no scale `huge`; choose from laptop, gpu"):
        ask(SPACE + SCALES, scale="huge")
    with pytest.raises(InputError, match="has no scale `laptop`; choose from tiny"):
        ask(SPACE + "scales: {tiny: {}}")


def test_a_second_start_is_refused() -> None:
    create(ask())
    with pytest.raises(InputError, match=r"runs/toy already holds a sweep; add --resume"):
        ask()


def test_a_folder_with_something_else_is_refused(here: Path) -> None:
    (here / "toy.yaml").touch()
    with pytest.raises(InputError, match="is not empty and holds no sweep"):
        ask(out=here)


def test_an_empty_folder_will_do(here: Path) -> None:
    (here / "empty").mkdir()
    assert ask(out=here / "empty").folder.root == here / "empty"


def test_nothing_to_resume() -> None:
    with pytest.raises(InputError, match=r"runs/toy holds no sweep to resume; leave out --resume"):
        ask(resume=True)


def test_a_resumed_sweep_keeps_its_settings() -> None:
    first = ask(SPACE + SCALES, settings=("seed=9",))
    create(first)
    again = ask(SPACE + SCALES, GPU, resume=True)
    assert again.spec == first.spec
    assert again.scale == "laptop"


@pytest.mark.parametrize("key", sorted({*ADJUSTABLE} - {"search.storage", "stop_when"}))
def test_a_resumed_sweep_may_change_how_much_is_run(key: str) -> None:
    create(ask(settings=("objectives=[exact_accuracy]",)))
    value = {
        "resources.gpus": 1,
        "resources.accelerator_type": "H100",
        "stop_when.hypervolume_gain": 0.5,
    }.get(key, 2)
    others = {
        "resources.processes": ["resources.cpus=2"],
        "resources.accelerator_type": ["resources.gpus=1"],
        "budget.money": ["budget.price_per_gpu_hour=3"],
        "stop_when.patience": ["stop_when.hypervolume_gain=0.1"],
    }
    sweep = ask(resume=True, settings=(*others.get(key, ()), f"{key}={value}"))
    assert attrgetter(key)(sweep.spec) == value


def test_a_resumed_sweep_may_search_on() -> None:
    create(ask(settings=("stop_when.hypervolume_gain=0.1",)))
    assert ask(resume=True, settings=("stop_when=null",)).spec.stop_when is None


@pytest.mark.parametrize(
    "settings", [("resources.cpus=3", "resources.processes=3"), ("resources.gpus=3",)]
)
def test_processes_that_can_not_share_a_batch_are_refused_at_resume_too(
    settings: tuple[str, ...],
) -> None:
    create(ask(settings=("training.batch_size=8",)))
    with pytest.raises(InputError, match="can't be divided among the 3 processes") as caught:
        ask(resume=True, settings=settings)
    assert (caught.value.value, caught.value.remedy) == (8, "give a multiple of 3")


def test_a_database_password_is_wanted_again_at_resume() -> None:
    first = ask(settings=("search.storage=postgresql://me:secret@host/db",))
    create(first)
    assert "secret" not in (first.folder.root / "sweep.json").read_text()
    with pytest.raises(InputError, match=r"--set search\.storage=URL"):
        ask(resume=True)
    url = "postgresql://me:secret@host/db"
    sweep = ask(resume=True, settings=(f"search.storage={url}",))
    assert sweep.spec.search.storage == url


def test_a_storage_is_a_url_or_its_settings(here: Path) -> None:
    for text in ("storage: store", f"storage: {{url: 'file://{here}/store', keep: 2}}"):
        storage = ask(SPACE + text).spec.storage
        assert storage == StorageSpec(url=f"{here}/store")


@pytest.mark.parametrize("again", ["storage.url=store", "storage=store", "storage.keep=3"])
def test_a_resumed_sweep_keeps_its_storage(again: str, here: Path) -> None:
    create(ask(settings=("storage.url=store",)))
    sweep = ask(resume=True, settings=(again,))
    assert sweep.spec.storage
    assert sweep.spec.storage.url == str(here / "store")


@pytest.mark.parametrize("began", [(), ("storage=s3://bucket/sweeps",)])
def test_a_resumed_sweep_has_no_other_storage(began: tuple[str, ...]) -> None:
    create(ask(settings=began))
    with pytest.raises(InputError, match="is not the storage that runs/toy began with"):
        ask(resume=True, settings=("storage.url=other",))


@pytest.mark.parametrize("url", ["s3://key:secret@bucket", "http://host/x", "''", "3"])
def test_what_is_no_storage_is_refused_before_all_else(url: str) -> None:
    with pytest.raises(InputError) as caught:
        ask(settings=(f"storage.url={url}",))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("setting", ["seed=3", "space.N.choices=[1]", "budget.flops_per_trial=2"])
def test_a_resumed_sweep_may_change_nothing_else(setting: str) -> None:
    create(ask())
    with pytest.raises(InputError, match="changes a sweep that is resumed"):
        ask(resume=True, settings=(setting,))


@pytest.mark.parametrize("setting", ["seed=9", "training.learning_rate=1e-3"])
def test_a_setting_that_a_resumed_sweep_has_changes_nothing(setting: str) -> None:
    """A job that is queued again comes with the words it was sent with."""
    create(first := ask(settings=(setting,)))
    assert ask(resume=True, settings=(setting,)).spec == first.spec


def test_a_space_that_has_changed_is_told_at_resume() -> None:
    sweep = ask()
    said = asked(SpaceFile.read(Path("toy.yaml")), "none")
    sweep.folder.create(sweep_record(scale="none", spec=sweep.spec.public(), asked=said))
    assert ask(resume=True).spec == sweep.spec
    more = SPACE.replace("trials: 4", "trials: 9")
    assert ask(more, resume=True).spec.trials == 4, "the budget is raised by --set"
    again = Request(space=SpaceFile.read(Path("toy.yaml")), resume=True)
    [told] = kept_settings(again, sweep.folder)
    assert "budget.trials was 4 and is 9" in told
    assert kept_settings(replace(again, resume=False), sweep.folder) == []
    with pytest.raises(InputError) as caught:
        ask(SPACE.replace("[1, 2]", "[1, 2, 3]"), resume=True)
    assert "space.N was {'choices': [1, 2]} and is {'choices': [1, 2, 3]}" in str(caught.value)
    assert "--fork" in caught.value.remedy
    with pytest.raises(InputError, match=r"training.batch_size was not there and is 4"):
        ask(SPACE + "training: {batch_size: 4}\n", resume=True)


def test_one_to_start_or_resume_is_resumed_where_it_was_begun() -> None:
    request = Request(space=SpaceFile.read(write()), start_or_resume=True)
    assert not decided(request).resume
    create(ask())
    assert decided(request).resume
    assert not decided(replace(request, start_or_resume=False)).resume


def test_a_resumed_sweep_may_not_change_its_scale() -> None:
    create(ask(SPACE + SCALES))
    assert ask(SPACE + SCALES, resume=True, scale="laptop").scale == "laptop"
    with pytest.raises(InputError, match="is not the scale of runs/toy, which is laptop"):
        ask(SPACE + SCALES, resume=True, scale="gpu")


@pytest.fixture
def locked(here: Path) -> Iterator[Path]:
    """A folder that may not be entered; nothing is forbidden to root, so be somebody else."""
    folder = here / "locked"
    folder.mkdir(mode=0o000)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(user)


def test_a_folder_out_of_reach_is_bad_input(locked: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read .Permission denied.; choose another"):
        holds_a_sweep(SweepFolder(locked / "toy"))


def test_a_file_in_the_way_holds_no_sweep(here: Path) -> None:
    (here / "file").touch()
    assert not SweepFolder(here / "file" / "below").exists()
    with pytest.raises(InputError, match="holds no sweep to resume"):
        ask(resume=True, out=here / "file" / "below")


def test_a_sweep_is_resumed_in_its_folder_whatever_the_space_says_by_then(here: Path) -> None:
    create(ask())
    gone = Request(space=SpaceFile.read(here / "gone.yaml"), resume=True, out=Path("runs/toy"))
    assert resolve(gone, LAPTOP).spec.name == "toy"
    with pytest.raises(InputError, match="does not exist"):
        resolve(Request(space=gone.space, resume=True), LAPTOP)
