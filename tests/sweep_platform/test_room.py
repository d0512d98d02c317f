"""A trial needs a place on some host, or an autoscaler that makes one."""

import json
from typing import Any

import pytest

from hrm.training import energy
from sweep_platform.common.errors import InputError
from sweep_platform.driver import room
from sweep_platform.driver.room import needs, require_a_slot, require_meters
from sweep_platform.execution import placement, private
from sweep_platform.execution.cluster import Hardware, Node
from sweep_platform.execution.placement import Demand
from sweep_platform.execution.private import autoscales
from sweep_platform.spec.schema import ResourceSpec

ALL_KINDS = Hardware(
    (Node(32, 4, kinds=frozenset({"A100"})), Node(32, 4, kinds=frozenset({"V100"})))
)
ONE = ResourceSpec(cpus=1)


def refused(hardware: Hardware, address: str | None = None, **resources: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        require_a_slot(hardware, ResourceSpec(**resources), address)
    return caught.value


def test_too_much_for_any_host_is_said_in_numbers() -> None:
    error = refused(ALL_KINDS, cpus=4, gpus=8)
    assert error.field == "resources"
    assert "4 CPU cores, 8 GPUs, but Ray has 64 CPU cores, 8 GPUs, 2 nodes" in str(error)


def test_a_kind_of_gpu_that_is_not_there_is_named_with_those_that_are() -> None:
    error = refused(ALL_KINDS, cpus=4, gpus=1, accelerator_type="H100")
    assert error.field == "resources.accelerator_type"
    assert error.value == "H100"
    assert "A100, V100" in str(error)
    assert "8 GPUs" not in str(error)


def test_of_a_kind_that_is_there_only_its_hosts_count() -> None:
    error = refused(ALL_KINDS, cpus=4, gpus=8, accelerator_type="A100")
    assert error.field == "resources"
    wanted = "4 CPU cores, 8 GPUs of the kind A100, but Ray has 32 CPU cores, 4 GPUs"
    assert wanted in str(error)
    assert needs(ResourceSpec(gpus=1)) == "1 CPU core, 1 GPU"


def test_a_sweep_waits_where_an_autoscaler_makes_room(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([None, True])
    monkeypatch.setattr(room, "autoscales", lambda: next(answers))
    require_a_slot(Hardware(()), ONE, "head:6379")
    assert "1 CPU core, 0 GPUs yet; Ray's autoscaler is asked" in capsys.readouterr().out


def test_it_waits_neither_here_nor_where_nobody_makes_room(monkeypatch: Any) -> None:
    monkeypatch.setattr(room, "autoscales", lambda: True)
    assert refused(Hardware(()), cpus=1).field == "resources"
    monkeypatch.setattr(room, "autoscales", lambda: False)
    assert refused(Hardware(()), "head:6379", cpus=1).field == "resources"
    monkeypatch.setattr(room, "MONITOR_SECONDS", 0.0)
    monkeypatch.setattr(room, "autoscales", lambda: None)
    assert refused(Hardware(()), "head:6379", cpus=1).field == "resources"


def status(*kinds: str) -> bytes:
    """What Ray's monitor writes of a cluster with nodes of these kinds."""
    of_each = {f"10.0.0.{number}": kind for number, kind in enumerate(kinds)}
    return json.dumps({"autoscaler_report": {"node_type_mapping": of_each}}).encode()


@pytest.mark.parametrize(
    ("newer", "told", "grows"),
    [
        (False, None, None),
        (False, b'{"monitor_pid": 9}', None),
        (False, status("node_" + "0af1" * 14, "node_" + "90bc" * 14), False),
        (False, status("head"), True),
        (False, status("node_gpu"), True),
        (True, None, True),
    ],
)
def test_what_ray_tells_of_its_autoscaler(
    monkeypatch: pytest.MonkeyPatch, newer: bool, told: bytes | None, grows: bool | None
) -> None:
    of_ray = {"is_autoscaler_v2": lambda: newer, "_internal_kv_get": lambda key: told}
    monkeypatch.setattr(private, "of_ray", lambda module, name: of_ray[name])
    assert autoscales() is grows


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[dict[str, float]]]:
    """What an autoscaler was asked to make room for, request by request."""
    requests: list[list[dict[str, float]]] = []
    ask = "ray.autoscaler.sdk.request_resources"
    monkeypatch.setattr(ask, lambda bundles: requests.append(bundles))
    monkeypatch.setattr(placement, "autoscales", lambda: True)
    return requests


def test_an_autoscaler_hears_of_each_change_and_at_the_end_of_nothing(asked: Any) -> None:
    with Demand(ResourceSpec(cpus=2)) as demand:
        for trials in (3, 3, 1):
            demand.ask(trials)
    assert asked == [[{"CPU": 2}] * 3, [{"CPU": 2}], []]


def test_an_autoscaler_hears_of_gpus_and_their_kind(asked: Any) -> None:
    Demand(ResourceSpec(cpus=2, gpus=1, accelerator_type="H100")).ask(1)
    assert asked == [[{"CPU": 2, "GPU": 1, "accelerator_type:H100": 0.001}]]


def test_nobody_is_asked_without_an_autoscaler(
    asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "autoscales", lambda: False)
    with Demand(ONE) as demand:
        demand.ask(3)
    assert asked == []


def test_one_that_tells_late_or_can_not_be_asked_once_is_asked_again(
    asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    grows: list[bool | None] = [None, True]
    monkeypatch.setattr(placement, "autoscales", lambda: grows.pop(0))

    def away(bundles: object) -> None:
        raise ConnectionError

    demand = Demand(ONE)
    demand.ask(2)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("ray.autoscaler.sdk.request_resources", away)
        demand.ask(2)
    assert asked == []
    demand.ask(2)
    assert asked == [[{"CPU": 1}] * 2]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"objectives": ["exact_accuracy", "energy"]}, "objectives"),
        ({"budget": {"trials": 1, "flops_per_trial": 1e8, "energy_kwh": 1}}, "budget.energy_kwh"),
    ],
)
@pytest.mark.parametrize("gpus", [0, 1])
def test_a_sweep_that_goes_by_energy_is_refused_where_none_is_measured(
    make_spec: Any, monkeypatch: pytest.MonkeyPatch, changes: Any, field: str, gpus: int
) -> None:
    def none(*roots: object) -> None:
        raise PermissionError("energy_uj")

    monkeypatch.setattr(energy, "Packages", none)
    monkeypatch.setattr(energy, "gpus_count", lambda: False)
    spec = make_spec(**changes, resources={"gpus": gpus})
    with pytest.raises(InputError) as found:
        require_meters(spec, None)
    assert found.value.field == field
    assert found.value.remedy
    require_meters(spec, "head:6379")  # other machines may measure it
    require_meters(make_spec(), None)
    monkeypatch.setattr(energy, "Packages", lambda: None)
    monkeypatch.setattr(energy, "gpus_count", lambda: True)
    require_meters(spec, None)
