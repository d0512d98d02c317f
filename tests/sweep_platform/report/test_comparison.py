"""Sweeps side by side: what they share is paired, and what does not compare says why."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from planted import planted

from sweep_platform import cli
from sweep_platform.report import writing
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.evidence import evidence_of
from sweep_platform.report.comparison.outline import comparison
from sweep_platform.report.comparison.pairing import Paired, paired
from sweep_platform.report.pages import report_as_markdown
from sweep_platform.store.summary import SweepSummary
from sweep_platform.store.trial import TrialState

KNOBS = [{"N": n, "T": t} for n in (1, 2) for t in (1, 2)]
SPACE = {"N": {"choices": [1, 2]}, "T": {"choices": [1, 2]}}


def a_sweep(accuracy: float, seed: int = 0, knobs: Any = KNOBS) -> SweepSummary:
    return planted(knobs, lambda values, share: accuracy, seed=seed, space=SPACE)


def recorded(sweep: SweepSummary, **changes: Any) -> SweepSummary:
    """The sweep with another record, which keeps what was read of its answers."""
    object.__setattr__(sweep, "record", replace(sweep.record, **changes))
    return sweep


def trained(sweep: SweepSummary, **changes: Any) -> SweepSummary:
    """The sweep with changed records of its trials."""
    for trial in sweep.trials:
        object.__setattr__(trial, "record", replace(trial.record, **changes))
    return sweep


def test_configurations_in_common_are_paired_by_seed_and_task() -> None:
    found = paired(a_sweep(0.3), a_sweep(0.7, seed=1, knobs=KNOBS[:3]))
    assert isinstance(found, Paired)
    assert [(one.first.number, one.second.number) for one in found.configurations] == [
        (0, 0),
        (1, 1),
        (2, 2),
    ]
    assert found.same_seeds
    assert found.differing == ()
    for one in found.configurations:
        gain = one.difference
        assert gain.seeds == 3
        assert gain.low is not None
        assert 0 < gain.low < gain.mean
        assert one.p is not None
        assert gain.p is not None
        assert gain.p <= one.p < 0.05


def test_settings_beside_the_knobs_that_differ_are_named() -> None:
    found = paired(
        trained(a_sweep(0.3), training={"loss": "softmax"}),
        trained(a_sweep(0.4, seed=1), training={"loss": "stablemax"}),
    )
    assert isinstance(found, Paired)
    assert found.differing == ("loss softmax and stablemax",)


def test_seeds_are_compared_as_far_as_both_sweeps_have_them() -> None:
    found = paired(a_sweep(0.3), with_seeds(a_sweep(0.7), kept=2, added=0))
    assert isinstance(found, Paired)
    assert found.same_seeds
    found = paired(a_sweep(0.3), with_seeds(a_sweep(0.7), kept=3, added=1))
    assert isinstance(found, Paired)
    assert not found.same_seeds


def with_seeds(sweep: SweepSummary, kept: int, added: int) -> SweepSummary:
    """The sweep with so many replicates of each trial, and their seeds so much greater."""
    for trial in sweep.trials:
        changed = tuple(
            replace(one, replicate=replace(one.replicate, seed=one.replicate.seed + added))
            for one in trial.replicates[:kept]
        )
        object.__setattr__(trial, "replicates", changed)
        trial.__dict__.pop("measured", None)
    return sweep


def test_what_differs_around_trials_is_named_and_no_gain_is_called_chance() -> None:
    second = a_sweep(0.4, seed=1)
    environment = {"git_commit": "b" * 40, "versions": {"torch": "2.12"}}
    spec = {**second.record.spec, "evaluation": {"views": 8}}
    found = paired(a_sweep(0.3), recorded(second, environment=environment, spec=spec))
    assert isinstance(found, Paired)
    told = " ".join(found.differing)
    for name in ("git_commit", "versions.torch", "evaluation.views"):
        assert name in told
    same = report_as_markdown(comparison([a_sweep(0.3), a_sweep(0.3)], written=0.0))
    assert "chance" not in same
    assert "as far as they were recorded" in same


def test_configurations_that_are_left_out_are_counted() -> None:
    second = a_sweep(0.7, seed=1)
    longer = second.trials[0]
    object.__setattr__(longer, "record", replace(longer.record, training_flops=int(3e9)))
    evidence_of(second)._read[1] = {}
    sweeps = [a_sweep(0.3), recorded(second, name="second")]
    text = " ".join(report_as_markdown(comparison(sweeps, written=0.0)).split())
    assert "1 configuration trained for unequal FLOPs" in text
    assert "1 configuration without answers" in text
    assert "Trained unequally: 1 GFLOP to 3 GFLOP" in text


def test_holm_s_correction_says_what_it_covers() -> None:
    sweeps = [recorded(a_sweep(0.3, seed=n), name=f"s{n}") for n in range(3)]
    two = report_as_markdown(comparison(sweeps[:2], written=0.0))
    three = report_as_markdown(comparison(sweeps, written=0.0))
    assert "over all tables" not in two
    assert three.count("not over all tables together") == 2


def test_sweeps_scored_on_unequal_parts_say_so_below_the_table_and_in_the_chart() -> None:
    second = a_sweep(0.7)
    spec = {**second.record.spec, "evaluation": {"confirm_share": 0.5}}
    page = comparison([a_sweep(0.3), recorded(second, name="b", spec=spec)], written=0.0)
    told = "Scored on unequal parts"
    [figure] = page.figures
    assert told in " ".join(figure.spec["title"]["subtitle"])
    assert told in report_as_markdown(page)


def test_names_of_sweeps_that_are_alike_keep_their_columns_apart() -> None:
    sweeps = [recorded(a_sweep(0.3), name="x-y"), recorded(a_sweep(0.7, seed=1), name="x_y")]
    [*_, table] = comparison(sweeps, written=0.0).tables
    assert {"first_trial", "second_trial", "gain", "gain_low"} <= table.data[0].keys()
    assert "more_inference_flops" in table.data[0]


def other_puzzles(sweep: SweepSummary) -> SweepSummary:
    record = sweep.record
    spec = {**record.spec, "dataset": {"canvas": 10}}
    return recorded(sweep, dataset={**record.dataset, "fingerprint": "other"}, spec=spec)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (other_puzzles, "canvas"),
        (lambda sweep: trained(sweep, training_flops=int(2e9)), "2 GFLOP"),
        (lambda sweep: trained(sweep, parameters={"N": 9, "T": 9}), "in common"),
    ],
    ids=["puzzles", "budget", "nothing"],
)
def test_what_does_not_compare_says_why(change: Any, reason: str) -> None:
    found = paired(a_sweep(0.3), change(a_sweep(0.7)))
    assert isinstance(found, Unknown)
    assert reason in found.reason


def test_the_page_tells_of_puzzles_that_differ() -> None:
    first, second = a_sweep(0.3), other_puzzles(a_sweep(0.7))
    page = comparison([first, recorded(second, name="second")], written=0.0)
    text = report_as_markdown(page)
    assert "canvas" in text
    [figure] = page.figures
    assert "heights do not compare" in " ".join(figure.spec["title"]["subtitle"])
    [results] = page.tables
    assert len(results.rows) == 2


def test_a_comparison_is_written(make_sweep, tmp_path: Path) -> None:
    folders = [str(make_sweep(TrialState.COMPLETE, name=name).root) for name in ("one", "two")]
    empty = make_sweep(name="none")
    out = tmp_path / "out"
    assert cli.report(["--compare", *folders, str(empty.root), "--out", str(out)]) == 0
    names = {path.name for path in out.iterdir()}
    assert names == {"comparison.html", "comparison.md", "fronts.png", "fronts.pdf", "tables"}
    former, foreign = out / "tables" / "common-2.csv", out / "mine.png"
    for path in (former, foreign, out / ".comparison.html.partial"):
        path.write_bytes(b"")
    assert cli.main(["compare", *folders, "--out", str(out)]) == 0, "it replaces its own files"
    assert foreign.exists()
    assert not former.exists()


def test_a_comparison_whose_writer_died_at_any_file_is_written_again(
    make_sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [str(make_sweep(TrialState.COMPLETE, name=name).root) for name in ("one", "two")]
    out, whole = tmp_path / "out", writing.write_file

    def dies(path: Path, content: bytes) -> None:
        whole(path, content)
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "write_file", dies)
    assert cli.main(["compare", *folders, "--out", str(out)]) == 130
    monkeypatch.undo()
    assert cli.main(["compare", *folders, "--out", str(out)]) == 0


def test_a_place_for_a_comparison_is_refused_where_there_is_none(make_sweep) -> None:
    folder = str(make_sweep(TrialState.COMPLETE).root)
    assert cli.report([folder, "--out", "elsewhere"]) == 2


@pytest.mark.parametrize(
    "words",
    [["one"], ["one", "one"], ["one", "nowhere"], ["one", "two", "--out", "one"], ["one"] * 7],
    ids=["one", "twice", "nowhere", "out", "many"],
)
def test_what_can_not_be_compared_is_refused(
    make_sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    for name in ("one", "two"):
        make_sweep(name=name)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["compare", *words]) == 2
    assert not Path("runs").exists()
