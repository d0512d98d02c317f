"""Sweeps that are steered while workers, nodes and drivers are killed: `make chaos` runs it.

On three nodes, with rungs, kills by a seeded draw, and messages that a person sends by `hrm-sweep`
in between. One sweep pauses trials and promotes them, and is told all that a sweep can be told;
one follows from its seed alone, is paused and resumed, and has to end as if nobody had been there.
Study, MLflow and report agree in the end, and nothing is left behind. Prints a table of what was
done, for the record.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pyarrow.parquet as pq
import pytest
from chaos import HEADING, NODES, Chaos
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from raylets import Raylets
from steering_person import ALL, Person
from sweep_survival import reported

from hrm.runs.folder import RunState
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import TrialFolder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.chaos,
    pytest.mark.timeout(5400),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]

SEED, KILLS = int(os.environ.get("CHAOS_SEED", "0")), int(os.environ.get("CHAOS_KILLS", "20"))
TRIALS = int(os.environ.get("CHAOS_TRIALS", "40"))
PAUSE = (2.0, 20.0)
SWEEP = (
    *("--set", "space.learning_rate={low: 1e-4, high: 1e-2, log: true}"),
    *("--set", "evaluation.at=[0.25, 0.5]"),
    *("--set", "search.sampler=tpe"),
    *("--trials", str(TRIALS)),
)
RUNGS = "at: [0.25, 0.5], keep: 0.5, minimum: 3, compare: token_accuracy"
STOPPING = (
    *("--set", f"rungs={{{RUNGS}}}"),
    *("--set", "search.deterministic=true"),
    *("--set", "search.lag=2"),  # however many nodes are up when a sweep begins
)
PROMOTION = ("--set", f"rungs={{rule: promotion, {RUNGS}}}")
MOST_SWEEPS = 8
STATES = {
    RunState.COMPLETE: ("COMPLETE", "FINISHED"),
    RunState.STOPPED: ("PRUNED", "KILLED"),
    RunState.FAILED: ("FAIL", "FAILED"),
}
"""Of a trial that ended: its state in the study, and the status of its run in MLflow."""


@pytest.fixture
def chaos(
    place: Any,
    wait_until: Any,
    start: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Chaos]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with ExitStack() as held:
        folder = held.enter_context(tempfile.TemporaryDirectory(prefix="ray", dir="/tmp"))
        raylets = Raylets(Path(folder), place.environment("cluster"))
        held.callback(raylets.end)
        wait_until(lambda: raylets.head.is_up)
        for _ in range(NODES):
            node = raylets.join()
            wait_until(lambda node=node: node.is_up)
        yield Chaos(raylets, start, np.random.default_rng(SEED), {}, PAUSE)


def test_a_steered_sweep_outlives_whatever_is_killed(
    place: Any,
    wait_until: Any,
    start: Callable[..., Any],
    chaos: Chaos,
    mlflow_of: Any,
    tmp_path: Path,
) -> None:
    calm, there = SweepFolder(place.root / "runs/calm"), ("--address", chaos.raylets.address)
    undisturbed = start("--out", str(calm.root), *there, *SWEEP, *STOPPING)
    assert undisturbed.wait(1500) == 0, undisturbed.said()
    expected = by_replicate(calm)
    require_agreement(calm, mlflow_of(calm))
    memory = set(Path("/dev/shm").iterdir())
    print(f"\nSeed {SEED}: {KILLS} kills, sweeps of {TRIALS} trials on {NODES} nodes\n\n{HEADING}")
    number, kinds = 0, (("steered", PROMOTION, ALL), ("paused", STOPPING, ("pause",)))
    while number < len(kinds) or len(chaos.rows) < KILLS:
        kind, rungs, verbs = kinds[number % len(kinds)]
        number += 1
        assert number <= MOST_SWEEPS, "sweeps end before they are disturbed"
        sweep = SweepFolder(place.root / f"runs/{kind}-{number}")
        words = ("--out", str(sweep.root), "--start-or-resume", *there, *SWEEP, *rungs)
        wait_until(lambda: all(node.is_up for node in chaos.raylets.nodes))
        kills = max(1, -(-KILLS // 2) if number == 1 else KILLS - len(chaos.rows))
        person = Person(place, sweep, verbs, chaos.generator)
        chaos.run(number, sweep, kills, words, person.act)
        require_agreement(sweep, mlflow_of(sweep))
        found = by_replicate(sweep)
        if kind == "paused":
            require_equal(sweep, calm)
        both = found.keys() & expected.keys()
        assert len(both) >= min(5, TRIALS), "the first trials follow from the seed alone"
        for key in both:
            common = min(len(found[key]), len(expected[key]))
            assert found[key][:common] == expected[key][:common]
        assert not place.processes("driver"), "a process was left behind"
        told = ", ".join(f"{what} {count}" for what, count in sorted(person.said.items()))
        print(f"sweep {number} ({kind}): {len(sweep.sessions())} sessions, {ends(sweep)}; {told}")
        print(f"  {len(both)} replicates also of the calm sweep, equal", flush=True)
    chaos.raylets.end()
    assert set(Path("/dev/shm").iterdir()) <= memory
    left = [path for path in (tmp_path / "temporary").rglob("*") if path.is_file()]
    left += list(place.root.rglob("*.partial"))
    assert not left


def by_replicate(sweep: SweepFolder) -> dict[str, list[dict[str, Any]]]:
    """What each replicate reported, by the configuration and its label."""
    return {
        f"{trial.record().signature}/{replicate.label}": reported(replicate)
        for trial in sweep.trials()
        for replicate in trial.replicates()
    }


def require_equal(sweep: SweepFolder, calm: SweepFolder) -> None:
    """The same trials came to the same ends, those that were trained whole to the bit."""
    assert [one.record().parameters for one in sweep.trials()] == [
        one.record().parameters for one in calm.trials()
    ]
    for own, other in zip(sweep.trials(), calm.trials(), strict=True):
        assert state_of(own) is state_of(other), own.root
        if state_of(own) is RunState.COMPLETE:
            assert values_of(own) == values_of(other)


def require_agreement(sweep: SweepFolder, mlflow: Any) -> None:
    """Folder, study, MLflow and report tell the same of every trial, and nothing runs."""
    study = study_of(sweep).trials
    assert optuna.trial.TrialState.RUNNING not in {one.state for one in study}
    rows = {row["trial"]: row for row in trials_table(sweep)}
    runs = mlflow.by_replicate()
    assert len(rows) == len(sweep.trials())
    assert {run.info.status for run in mlflow.parents} == {"FINISHED"}
    assert "RUNNING" not in {run.info.status for run in mlflow.trials}
    assert len(runs) == sum(len(trial.replicates()) for trial in sweep.trials())
    for trial in sweep.trials():
        record, state = trial.record(), state_of(trial)
        in_study, _ = STATES[state]
        assert study[record.study_number].state.name == in_study, trial.root
        assert rows[record.number]["state"] == state.value
        if state is RunState.COMPLETE:
            accuracy, flops = values_of(trial)
            assert study[record.study_number].values == [accuracy, flops]
            row = rows[record.number]
            assert (row["exact_accuracy"], row["inference_flops"]) == (accuracy, flops)
        for replicate in trial.replicates():
            run, end = runs[f"{record.signature}/{replicate.label}"], replicate.outcome()
            assert end is not None and run.info.status == STATES[end.state][1], replicate.root
            points = [report["step"] for report in reported(replicate)]
            assert [step for step, _ in mlflow.points(run, "training_flops")] == points
            last = [one["curve"] for one in reported(replicate) if one["curve"]][-1:]
            for curve in last:
                assert run.data.metrics["exact_accuracy"] == curve["exact_accuracy"][-1]


def study_of(sweep: SweepFolder) -> optuna.Study:
    """The study in a sweep's journal."""
    storage = JournalStorage(JournalFileBackend(str(sweep.journal)))
    [name] = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


def trials_table(sweep: SweepFolder) -> list[dict[str, Any]]:
    """The report's table of all trials."""
    rows: list[dict[str, Any]] = pq.read_table(sweep.report / "tables/trials.parquet").to_pylist()
    return rows


def state_of(trial: TrialFolder) -> RunState:
    """How a trial ended."""
    end = trial.outcome()
    assert end is not None, f"{trial.root} has no end"
    return end.state


def values_of(trial: TrialFolder) -> tuple[float, int]:
    """Accuracy and inference FLOPs of a complete trial of one replicate."""
    [replicate] = trial.replicates()
    curve = reported(replicate)[-1]["curve"]
    return curve["exact_accuracy"][-1], curve["inference_flops"][-1]


def ends(sweep: SweepFolder) -> str:
    """How many trials came to which end."""
    states = [state_of(trial).value for trial in sweep.trials()]
    return ", ".join(f"{states.count(one)} {one}" for one in sorted(set(states)))
