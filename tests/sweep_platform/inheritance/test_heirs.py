"""Heirs on a worker: they begin with the ancestor's weights, wherever the sweep keeps these."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from s3_server import Gate
from sweep_builders import sweep_folder

from hrm.progress import Progress
from puzzle_datasets.storage.dataset import PuzzleDataset
from sweep_platform.execution.worker import train
from sweep_platform.report.data import curves, replicates
from sweep_platform.search.search import Search, open_search
from sweep_platform.space import dataset as puzzles
from sweep_platform.store.checkpoints import CheckpointStore, open_checkpoints
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.messages import TrialJob, TrialReport
from sweep_platform.store.replicate import Purpose, nth_replicate
from sweep_platform.store.storage.checkpoints import ObjectCheckpoints
from sweep_platform.store.storage.objects import StorageError
from sweep_platform.store.summary import summarize
from sweep_platform.store.trial import TrialFolder, TrialState
from sweep_platform.tracking.mlflow_view import parameters

SMALL = {
    "model": {"H_layers": 1, "L_layers": 1, "num_heads": 2, "hidden_size": 16, "M_max": 2},
    "space": {"N": {"choices": [1, 2]}, "T": {"low": 1, "high": 3}},
    "budget": {"trials": 9, "flops_per_trial": 3e8},
    "inherit": True,
}


@dataclass
class Sweep:
    """A sweep whose trials are trained here, one after another, as a driver records them."""

    folder: SweepFolder
    search: Search
    dataset: dict[str, str]
    address: str
    keep: int | None

    def propose(self) -> TrialFolder:
        [trial] = self.search.proposer.propose()
        return trial

    def job(self, trial: TrialFolder) -> TrialJob:
        record, [replicate] = trial.record(), self.search.replicates
        folder, inherited = trial.replicate(replicate.label), record.inherited(replicate)
        if not folder.exists():
            folder.create(record, replicate)
        return TrialJob(
            trial=record.number,
            model=record.model,
            training=record.training,
            replicates=(replicate,),
            dataset=self.dataset,
            device="cpu",
            threads=1,
            checkpoints=self.address,
            keep=self.keep,
            key=trial.root.name,
            channel="test",
            ancestor=None if inherited is None else inherited.address,
        )

    def train(self, trial: TrialFolder) -> list[TrialReport]:
        """Train a trial to its end, and record that."""
        reports = list(train(TrialJob.from_text(self.job(trial).to_text())))
        folder = trial.replicate("measure-0")
        folder.append(m for report in reports for m in report.measurements)
        self.search.outcomes.end_replicate(folder, TrialState.COMPLETE, "it ended")
        self.search.outcomes.end(trial, TrialState.COMPLETE, "it ended")
        return reports


MakeSweep = Callable[..., Sweep]


@pytest.fixture
def make(tmp_path: Path, make_spec: Any) -> MakeSweep:
    def make(url: str | None = None) -> Sweep:
        spec, folder = make_spec(**SMALL), sweep_folder(tmp_path / "toy")
        found = puzzles.prepare(spec.dataset, tmp_path / "data")
        manifest = PuzzleDataset.open(found).manifest
        dataset = puzzles.DatasetAddress(
            folder=str(found), name=manifest.name, fingerprint=manifest.fingerprint
        )
        folder.create(replace(folder.record(), dataset=asdict(dataset)))
        address, keep = (folder.checkpoints, None) if url is None else (url, 2)

        def store() -> CheckpointStore:
            return open_checkpoints(address, keep)

        search = open_search(
            folder, spec, puzzles.built_shape(manifest), asdict(dataset), checkpoints=store
        )
        return Sweep(folder, search, asdict(dataset), address, keep)

    return make


def progress_of(reports: list[TrialReport]) -> list[Progress]:
    assert [report.failure for report in reports if report.failure] == []
    return [m.progress for report in reports for m in report.measurements]


def warnings_of(reports: list[TrialReport]) -> list[str]:
    return [warning.text for report in reports for warning in report.warnings]


def test_an_heir_says_what_its_ancestors_had_spent(make: MakeSweep) -> None:
    sweep = make()
    first = sweep.propose()
    sweep.train(first)
    for number in range(1, 4):
        heir = sweep.propose()
        record = heir.record()
        assert record.ancestor
        ancestor = sweep.folder.trials()[record.ancestor.trial].record()
        reports = progress_of(sweep.train(heir))
        assert {one.inherited_flops for one in reports} == {ancestor.lineage_flops}
        assert reports[-1].lineage_flops == record.lineage_flops
        assert not (heir.root / "measure-0" / ".ancestor.pt").exists(), number
    content = torch.load(first.replicate("measure-0").checkpoint, weights_only=True)
    assert "inherited_flops" not in content["state"], "one from scratch is as it always was"


def test_an_heir_begins_with_its_ancestors_weights(make: MakeSweep) -> None:
    sweep = make()
    first = sweep.propose()
    sweep.train(first)
    heir = sweep.propose()
    job, steps = sweep.job(heir), 0

    def after_none() -> bool:
        return True

    assert progress_of(list(train(job, after_none))) == []
    weights = [
        torch.load(trial.replicate("measure-0").checkpoint, weights_only=True)["state"]["learner"]
        for trial in (first, heir)
    ]
    assert (weights[1]["steps"], weights[0]["steps"] > 0) == (steps, True)
    for name, tensor in weights[0]["model"].items():
        assert weights[1]["model"][name].equal(tensor)
    assert float(weights[1]["optimizer"]["m"].abs().max()) == 0


def test_one_that_was_cut_goes_on_as_an_heir(make: MakeSweep) -> None:
    """Also where its ancestor is gone by then, and where its own checkpoint is damaged."""
    sweep = make()
    first = sweep.propose()
    sweep.train(first)
    heir = sweep.propose()
    job, steps = sweep.job(heir), 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps > 3

    before = progress_of(list(train(job, stop)))
    own, left = (trial.replicate("measure-0").checkpoint for trial in (heir, first))
    expected = {heir.record().ancestor.lineage_flops}  # type: ignore[union-attr]
    kept = own.read_bytes()
    own.write_bytes(kept[:1000])
    anew = list(train(job))
    assert ["begins anew" in said for said in warnings_of(anew)] == [True]
    assert {one.inherited_flops for one in progress_of(anew)} == expected
    own.write_bytes(kept)
    left.unlink()
    went_on = progress_of(list(train(job)))
    assert len(went_on) > len(before)
    assert {one.inherited_flops for one in went_on} == expected


@pytest.mark.parametrize("how", ["gone", "another", "damaged"])
def test_without_its_ancestor_it_begins_from_scratch_and_says_so(
    make: MakeSweep, how: str
) -> None:
    sweep = make()
    first = sweep.propose()
    sweep.train(first)
    heir, left = sweep.propose(), first.replicate("measure-0").checkpoint
    job = sweep.job(heir)
    if how == "gone":
        left.unlink()
    else:
        left.write_bytes(left.read_bytes()[:-1])
    if how == "damaged":
        digest = hashlib.sha256(left.read_bytes()).hexdigest()
        job = replace(job, ancestor={**(job.ancestor or {}), "sha256": digest})
    reports = list(train(job))
    [said] = warnings_of(reports)
    words = "begins from scratch, and not with the weights of trial 0 measure-0"
    assert said.startswith(f"trial 1 replicate 0 {words}: ")
    assert {one.inherited_flops for one in progress_of(reports)} == {0}


def test_a_storage_hands_weights_on_by_their_digest(
    make: MakeSweep, s3: str, s3_gate: Gate
) -> None:
    sweep = make(f"{s3}/toy/checkpoints")
    first = sweep.propose()
    sweep.train(first)
    assert not first.replicate("measure-0").checkpoint.exists(), "it is in the storage alone"
    heir = sweep.propose()
    ancestor = heir.record().ancestor
    assert ancestor
    reports = sweep.train(heir)
    assert warnings_of(reports) == []
    assert {one.inherited_flops for one in progress_of(reports)} == {ancestor.lineage_flops}


def test_a_storage_that_is_away_is_waited_for(
    make: MakeSweep, s3: str, s3_gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is held meanwhile, and the heir is none the less one."""
    monkeypatch.setattr("sweep_platform.execution.host.at_hand.AWAY_SECONDS", 0.01)
    sweep = make(f"{s3}/toy/checkpoints")
    sweep.train(sweep.propose())
    heir, calls = sweep.propose(), 0
    find = ObjectCheckpoints.find

    def away_at_first(self: Any, *given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise StorageError(5, "is away", "storage")
        return find(self, *given)

    monkeypatch.setattr(ObjectCheckpoints, "find", away_at_first)
    reports = sweep.train(heir)
    assert calls == 2
    assert "trials wait until it can" in warnings_of(reports)[0]
    assert {one.inherited_flops for one in progress_of(reports)} != {0}


@pytest.mark.slow
def test_all_processes_of_a_job_begin_with_the_same_weights(make: MakeSweep) -> None:
    sweep = make()
    sweep.train(sweep.propose())
    heir = sweep.propose()
    job = sweep.job(heir)
    alone = progress_of(list(train(job)))
    heir.replicate("measure-0").checkpoint.unlink()
    together = progress_of(list(train(replace(job, processes=2))))
    assert {one.inherited_flops for one in together} == {alone[0].inherited_flops} != {0}
    assert together[0].loss == pytest.approx(alone[0].loss, rel=1e-4)


def test_mlflow_and_tables_tell_heirs_apart(make: MakeSweep) -> None:
    sweep = make()
    sweep.train(sweep.propose())
    heir = sweep.propose()
    sweep.train(heir)
    record, own = heir.record(), nth_replicate(0, Purpose.MEASURE, 0)
    assert parameters(record, own)["ancestor"] == "0"
    assert "ancestor" not in parameters(record, nth_replicate(0, Purpose.CONTROL, 0))
    table = replicates(summarize(sweep.folder)).to_pylist()
    assert [row["inherited_flops"] for row in table] == [0, record.ancestor.lineage_flops]  # type: ignore[union-attr]
    rows = [row for part in curves(sweep.folder) for row in part.to_pylist()]
    assert {row["inherited_flops"] for row in rows if row["trial"] == 1} == {
        float(record.lineage_flops - record.training_flops)
    }
