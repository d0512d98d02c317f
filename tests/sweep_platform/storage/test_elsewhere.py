"""A sweep is taken up from its mirror where its folder is not, or is not older."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sweep_builders import sweep_record

from sweep_platform.common.errors import InputError
from sweep_platform.driver.elsewhere import begun_elsewhere, from_mirror
from sweep_platform.driver.request import Request, ResolvedSweep
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.storage import mirrored
from sweep_platform.store.storage.mirror import Mirror
from sweep_platform.store.storage.objects import open_objects

SPACE = SpaceFile.of({"name": "toy"})
Mirrored = Callable[..., str]


@pytest.fixture
def mirror(s3: str, tmp_path: Path, make_spec: Any, monkeypatch: pytest.MonkeyPatch) -> Mirrored:
    """Mirrors a sweep, and returns the URL; its driver has ended, or else died."""
    monkeypatch.chdir(tmp_path)

    def make(*, ended: bool = True) -> str:
        spec = make_spec(storage={"url": f"{s3}/sweeps", "mirror": True}).public()
        folder = SweepFolder(tmp_path / "first" / "toy")
        folder.create(replace(sweep_record(spec=spec), name="toy", root=str(folder.root)))
        found = Mirror(open_objects(f"{s3}/sweeps/toy"), folder.root, folder.record().id, print)
        found.begin()
        if ended:
            assert found.close(60)
        else:
            found.look()
            while found._pack is not None:
                time.sleep(0.01)
            found._closing = True
        return f"{s3}/sweeps/toy"

    return make


def take_up(url: str, out: Path | None = None) -> SweepFolder:
    request = from_mirror(Request(space=SPACE, resume=url, out=out))
    assert request.resume is True
    assert request.out
    return SweepFolder(request.out)


def test_a_folder_is_made_of_the_mirror(mirror: Mirrored, tmp_path: Path) -> None:
    url = mirror()
    folder = take_up(url)
    assert folder.root == Path("runs/toy")
    assert folder.record() == SweepFolder(tmp_path / "first" / "toy").record()
    assert take_up(url).root == folder.root, "it is not older"


def test_without_a_url_nothing_is_taken_up() -> None:
    request = Request(space=SPACE, resume=True)
    assert from_mirror(request) is request


def test_a_mirror_that_was_copied_is_the_storage_from_then_on(
    mirror: Mirrored, s3: str, tmp_path: Path
) -> None:
    objects, copy = open_objects(mirror()), open_objects(f"{tmp_path}/copy/toy")
    for one in objects.list():
        copy.write(one.name, objects.read(one.name) or b"")
    folder = take_up(copy.url)
    assert folder.record().spec["storage"]["url"] == f"{tmp_path}/copy"


def test_a_driver_that_is_alive_keeps_its_sweep(
    mirror: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = mirror(ended=False)
    with pytest.raises(InputError, match="is written by another driver"):
        take_up(url)
    assert not Path("runs/toy").exists()
    monkeypatch.setattr(mirrored, "DEAD_SECONDS", 0.0)
    assert take_up(url).exists()


@pytest.mark.parametrize("ended", [True, False])
def test_one_to_start_or_resume_is_taken_up_where_it_was_begun_elsewhere(
    mirror: Mirrored, make_spec: Any, s3: str, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    """As a job does that is sent again to a machine without the folder, a moment after."""
    request = Request(space=SPACE, start_or_resume=True)
    spec = make_spec(storage={"url": f"{s3}/sweeps", "mirror": True})
    sweep = ResolvedSweep(spec=spec, scale="none", folder=SweepFolder(Path("runs/toy")))
    assert begun_elsewhere(request, sweep) is request, "it was begun nowhere"
    mirror(ended=ended)
    assert begun_elsewhere(replace(request, start_or_resume=False), sweep).resume is False
    monkeypatch.setattr(mirrored, "DEAD_SECONDS", 1.0)
    taken = begun_elsewhere(request, sweep)
    assert taken.resume is True
    assert SweepFolder(Path("runs/toy")).exists()


def test_an_older_folder_is_refused(mirror: Mirrored, tmp_path: Path) -> None:
    url = mirror()
    later = take_up(url)
    following = Mirror(open_objects(url), later.root, later.record().id, print)
    following.begin()
    assert following.close(60)
    with pytest.raises(InputError, match="is older than its mirror"):
        take_up(url, tmp_path / "first" / "toy")
    assert take_up(url).root == later.root


def test_other_folders_are_left_alone(mirror: Mirrored, tmp_path: Path) -> None:
    url = mirror()
    other = SweepFolder(tmp_path / "other")
    other.create(replace(sweep_record(spec={}), id="another", name="other"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        take_up(url, other.root)
    with pytest.raises(InputError, match="is not empty"):
        take_up(url, tmp_path / "full")
    assert take_up(url, tmp_path / "empty").exists()


@pytest.mark.parametrize("url", ["s3://no-such-bucket-here/toy", "http://host/toy", "store/toy"])
def test_what_is_no_mirror(s3: str, url: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        take_up(url)
    assert not (tmp_path / "runs").exists()
