"""What Ray says of lost workers reaches the sweep as something it can go on from."""

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, NodeDiedError, OutOfMemoryError, RayTaskError
from ray.tune.execution.class_cache import _ActorClassCache
from ray.tune.experiment import Trial
from sweep_builders import measurement

from sweep_platform.common.notice import Notice
from sweep_platform.execution import placement, ray_tune
from sweep_platform.execution.cluster import Hardware, Node
from sweep_platform.execution.placement import PlacementWatch, Reservation, trial_name
from sweep_platform.execution.private import credentials_kept
from sweep_platform.execution.ray_tune import (
    TuneScheduler,
    TuneSearcher,
    WorkersLost,
    _kept,
    run_trials,
)
from sweep_platform.search.stages.live import Place
from sweep_platform.spec.schema import ResourceSpec
from sweep_platform.store.messages import Failure, Fault, TrialReport


class FakeTuner:
    """Ends as Ray's does when its memory monitor killed a worker, or with another error."""

    cause: Exception | None = None

    def __init__(self, trainable: Any, **settings: Any) -> None:
        self.storage = Path(settings["run_config"].storage_path)

    def fit(self) -> None:
        self.storage.mkdir()
        raise RuntimeError("Caught unexpected exception") from self.cause


def run(
    monkeypatch: pytest.MonkeyPatch, storage: Path, cause: Exception | None, scheduler: Any = None
) -> None:
    monkeypatch.setattr(ray_tune.tune, "Tuner", FakeTuner)
    monkeypatch.setattr(FakeTuner, "cause", cause)
    monkeypatch.delenv("TUNE_MAX_PENDING_TRIALS_PG", raising=False)
    run_trials(scheduler, dict, ResourceSpec(), storage=storage)


def test_workers_killed_for_memory_are_lost_workers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cause = OutOfMemoryError("2 worker(s) were killed.\nTop 10 memory users")
    with pytest.raises(WorkersLost, match="memory of its host was about to run out"):
        run(monkeypatch, tmp_path / "ray", cause)
    assert not (tmp_path / "ray").exists()


def test_other_errors_are_our_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="unexpected") as caught:
        run(monkeypatch, tmp_path / "ray", ValueError("a bug"))
    assert not isinstance(caught.value, WorkersLost)


class FakeScheduler:
    """Keeps the reports that it gets."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, TrialReport]] = []

        self.lost: list[str] = []
        self.faults: list[Fault] = []

    def report(self, key: str, report: TrialReport) -> None:
        self.reports.append((key, report))

    def ended(self, key: str, lost: Failure) -> None:
        self.lost.append(lost.reason)
        self.faults.append(lost.fault)

    def place(self, key: str) -> Place:
        return Place(key, "host")

    def halt(self, reason: str) -> None:
        self.lost.append(reason)


def test_reports_come_through_and_stop_nobody() -> None:
    scheduler = FakeScheduler()
    adapter = TuneScheduler(scheduler, {})  # type: ignore[arg-type]
    report = TrialReport(
        trial=3,
        replicate="measure-0",
        measurements=(measurement(5),),
        warnings=(Notice("slow", "speed"),),
    )
    for result in ({"report": report.to_text()}, {"done": True}):
        answer = adapter.on_trial_result(None, SimpleNamespace(trial_id="a"), result)
        assert answer == TuneScheduler.CONTINUE
    assert scheduler.reports == [("a", report)]


class Unwritten(Trial):  # type: ignore[misc]
    """A trial of Ray's that has no folder."""

    local_path = None


@pytest.mark.parametrize(
    ("error", "said", "fault"),
    [
        (OutOfMemoryError("Task was killed for memory."), "memory", Fault.MACHINE),
        (NodeDiedError("gone"), "its host was lost", Fault.NODE),
        (
            RayTaskError("f", "", ConnectionError()),
            "could not begin (ConnectionError)",
            Fault.MACHINE,
        ),
        (ActorDiedError(), "its worker was lost", Fault.WORKER),
        (None, "its worker was lost", Fault.WORKER),
    ],
)
def test_why_a_worker_was_lost_is_named(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, said: str, fault: Fault
) -> None:
    scheduler, errors = FakeScheduler(), {}
    trial = Unwritten("run_job", stub=True)
    monkeypatch.setattr(ray_tune, "nodes", lambda: Hardware((Node(1, 0, id=trial.trial_id),)))
    with _kept(errors):
        trial.handle_error(error)
    TuneScheduler(scheduler, errors).on_trial_error(None, trial)  # type: ignore[arg-type]
    assert said in scheduler.lost[0]
    assert scheduler.faults == [fault]


def test_a_host_that_left_the_cluster_is_no_fault_of_the_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    living = Hardware((Node(1, 0, id="living"),))
    monkeypatch.setattr(ray_tune, "nodes", lambda: living)
    scheduler = FakeScheduler()
    for node in ("living", "gone"):
        trial = SimpleNamespace(trial_id=node)  # which runs on the node of that name
        adapter = TuneScheduler(scheduler, {node: ActorDiedError()})  # type: ignore[arg-type]
        adapter.on_trial_error(None, trial)  # type: ignore[arg-type]
    assert scheduler.faults == [Fault.WORKER, Fault.NODE]


def test_a_disk_that_is_full_for_ray_halts_the_session(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scheduler = FakeScheduler()
    full = OSError(errno.ENOSPC, "No space left on device", "/disk/error.txt")
    run(monkeypatch, tmp_path / "ray", full, scheduler)
    assert "No space left on device" in scheduler.lost[0]


def test_what_ray_reserves_is_one_bundle_on_a_node_that_is_not_avoided() -> None:
    several = Reservation(cpus=8, gpus=4, accelerator="H100")
    anywhere = several({"avoided": ""})
    assert anywhere.bundles == [{"CPU": 8, "GPU": 4, "accelerator_type:H100": 0.001}]
    assert anywhere == several({"avoided": ""})
    elsewhere = several({"avoided": "aa,bb"})
    assert elsewhere != anywhere, "a worker that is kept for one is not for the other"
    [selector] = elsewhere._bound.arguments["bundle_label_selector"]
    assert selector == {"ray.io/node-id": "!in(aa,bb)"}


def test_trials_have_names_that_people_can_read() -> None:
    key = "0003-5f0c2a91/measure-1"
    job = SimpleNamespace(key=key, record=SimpleNamespace(knobs={"N": 2, "T": 4}))
    scheduler = SimpleNamespace(start=lambda key: job, shunned=lambda key: {"b", "a"})
    made = SimpleNamespace(to_text=lambda: "the job")
    searcher = TuneSearcher(scheduler, lambda job: made)  # type: ignore[arg-type, return-value]
    config = searcher.suggest("1")
    assert config == {"name": f"{key} N=2 T=4", "job": "the job", "avoided": "a,b"}
    assert trial_name(SimpleNamespace(config=config)) == f"{key} N=2 T=4"


@pytest.mark.parametrize("status", [Trial.RUNNING, Trial.PENDING])
def test_a_worker_of_which_ray_learns_late_gets_its_place_late(
    monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """One that comes from another trial, and is yet to take this one up, is silent too."""
    living = Hardware((Node(1, 0, id="a", host="here"),))
    monkeypatch.setattr(placement, "nodes", lambda: living)
    known = iter(["", "f" * 56, "a"])
    monkeypatch.setattr(placement, "node_of", lambda actor: next(known))
    state = SimpleNamespace(ray_actor=object())
    trial = SimpleNamespace(trial_id="1", status=status, temporary_state=state)
    controller = SimpleNamespace(get_live_trials=lambda: {"1": trial}.values(), get_trials=list)
    placed: list[Place | None] = []
    scheduler = SimpleNamespace(
        placed=lambda key, place: placed.append(place),
        place=lambda key: next(filter(None, placed), None),
        silent=list,
    )
    PlacementWatch(scheduler).on_trial_start(0, [], trial)  # type: ignore[arg-type]
    for _ in range(3):
        TuneScheduler(scheduler, {}).choose_trial_to_run(controller)  # type: ignore[arg-type]
    assert placed == [None, Place("a", "here")]


def test_a_session_that_has_to_end_does_so_while_no_trial_has_a_place() -> None:
    asked: list[None] = []
    scheduler = SimpleNamespace(start=lambda key: None, exhausted=False)
    scheduler.should_end = lambda: asked.append(None)
    assert TuneSearcher(scheduler, dict).suggest("1") is None  # type: ignore[arg-type]
    assert asked, "Tune asks nothing else while it has no trial"


def test_no_credentials_stand_in_what_ray_writes_of_an_actor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tune would copy them into each actor's environment, which Ray logs and lists."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "an id")

    class Trainable:
        pass

    def written() -> str:
        return str(_ActorClassCache().get(Trainable)._default_options)

    assert "a secret" in written(), "Tune hands nothing on any more: our guard is of no use"
    with credentials_kept() as kept:
        assert kept
        assert "a secret" not in written()
        assert "an id" not in written()
        assert "PL_DISABLE_FORK" in written()
