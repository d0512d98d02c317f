"""The energy of a training: by counters that begin anew, are shared, or can't be read."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from hrm.checkpoints.checkpoint import CheckpointError
from hrm.training import energy, trainer
from hrm.training.energy import (
    ENERGY,
    LOOK_SECONDS,
    Energy,
    Gpu,
    Packages,
    energy_of,
    gpus_count,
    share_of_cores,
    total,
)
from hrm.training.trainer import Trainer

RANGE = 262_143_328_850


def powercap(root: Path, *names: str, at: int = 0) -> Path:
    """Packages of a CPU as Linux shows them, with parts that are counted in them."""
    for number, name in enumerate(names):
        for place in (f"intel-rapl:{number}", f"intel-rapl:{number}:0"):
            folder = root / place
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "name").write_text(f"{name if place.count(':') == 1 else 'core'}\n")
            (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
            (folder / "energy_uj").write_text(f"{at}\n")
    return root


def spend(root: Path, package: int, to: int) -> None:
    (root / f"intel-rapl:{package}" / "energy_uj").write_text(f"{to}\n")


def test_packages_add_up_and_begin_anew(tmp_path: Path) -> None:
    root = powercap(tmp_path, "package-0", "package-1", "psys", at=RANGE - 1_000_000)
    counter = Packages(root)
    spend(root, 0, RANGE - 500_000)
    spend(root, 2, RANGE)
    assert counter.joules() == pytest.approx(0.5), "psys has both of them in it"
    spend(root, 0, 2_000_000)
    spend(root, 1, RANGE - 1)
    assert counter.joules() == pytest.approx(2.5 + 1.0), "the first has begun anew"
    assert counter.joules() == 0


@pytest.mark.parametrize("broken", ["none", "psys", "energy", "range"])
def test_a_host_whose_packages_are_not_readable_has_no_counter(
    tmp_path: Path, broken: str
) -> None:
    names = {"none": (), "psys": ("psys",)}.get(broken, ("package-0",))
    root = powercap(tmp_path / "powercap", *names)
    if broken == "energy":
        (root / "intel-rapl:0" / "energy_uj").unlink()
        (root / "intel-rapl:0" / "energy_uj").mkdir()  # root may read everything else
    if broken == "range":
        (root / "intel-rapl:0" / "max_energy_range_uj").write_text("?")
    with pytest.raises((OSError, ValueError)):
        Packages(root)


@dataclass
class Library:
    """As much of NVIDIA's as is used; it fails once it is `broken`."""

    millijoules: int = 1000
    broken: bool = False
    asked: list[Any] = field(default_factory=list)

    def nvmlInit(self) -> None:
        self.asked.append("init")

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        self.asked.append(uuid)
        return uuid

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: object) -> int:
        if self.broken:
            raise RuntimeError("Not Supported")
        return self.millijoules


def test_a_gpu_counts_in_millijoules() -> None:
    library = Library()
    counter = Gpu("GPU-1", library)
    library.millijoules += 2500
    assert counter.joules() == 2.5
    assert library.asked == ["init", "GPU-1"]
    assert gpus_count(library)
    library.broken = True
    assert not gpus_count(library)
    with pytest.raises(OSError):
        counter.joules()
    with pytest.raises(OSError):
        Gpu("GPU-1", library)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_share_is_charged_and_what_others_took_before_is_not() -> None:
    library, clock = Library(), Clock()
    tally = Energy(Gpu("GPU-1", library), lambda: 0.25, clock)
    library.millijoules += 8000
    tally.begin()
    library.millijoules += 4000
    tally.look()
    assert tally.joules == 0, "it looks every now and then"
    clock.now = LOOK_SECONDS
    tally.look()
    assert tally.joules == 1.0
    library.broken = True
    tally.add()
    library.broken = False
    tally.add()
    assert tally.joules is None, "not all of it is known any more"
    assert Energy(None).joules is None
    assert total([1.0, 2.0]) == 3.0
    assert total([1.0, None]) is None
    assert share_of_cores(10**6) == 1.0


class Ticking:
    """A device that takes two joules between any two looks."""

    def joules(self) -> float:
        return 2.0


def metered(
    monkeypatch: pytest.MonkeyPatch, arc: Any, tiny: Any, counter: Any, steps: int = 4
) -> Trainer:
    monkeypatch.setattr(trainer, "counter_of", lambda device: counter)
    monkeypatch.setattr(trainer, "share_of_cores", lambda threads: 0.5)
    config, training = tiny(steps)
    return Trainer(config, training, arc, torch.device("cpu"))


@pytest.fixture
def tiny(model_config: Any, training_config: Any) -> Any:
    def make(steps: int) -> Any:
        config = model_config()
        return config, training_config(config, steps)

    return make


def test_reports_tell_the_energy_over_all_restores(
    monkeypatch: pytest.MonkeyPatch, arc: Any, tiny: Any, tmp_path: Path
) -> None:
    first = metered(monkeypatch, arc, tiny, Ticking())
    reports = first.run(tmp_path / "checkpoint.pt")
    told = [next(reports).energy_joules for _ in range(2)]
    assert told == [1.0, 2.0], "half of two, at each report"
    first.save(tmp_path / "checkpoint.pt")
    again = metered(monkeypatch, arc, tiny, Ticking())
    again.restore(tmp_path / "checkpoint.pt")
    rest = [one.energy_joules for one in again.run()]
    assert rest == [4.0, 5.0], "saving looks, too"
    unmeasured = metered(monkeypatch, arc, tiny, None)
    unmeasured.restore(tmp_path / "checkpoint.pt")
    assert [one.energy_joules for one in unmeasured.run()] == [None, None]
    unmeasured.save(tmp_path / "other.pt")
    back = metered(monkeypatch, arc, tiny, Ticking())
    back.restore(tmp_path / "other.pt")
    assert back._energy_of_all() is None, "some of it is not known"


@pytest.mark.parametrize("value", [-1.0, float("nan"), "much", 3])
def test_a_damaged_energy_is_refused(value: object) -> None:
    with pytest.raises(CheckpointError):
        energy_of(Path("checkpoint.pt"), {ENERGY: value})


def test_no_counter_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(energy, "Packages", lambda: Packages(tmp_path))
    assert energy.counter_of(torch.device("cpu")) is None
