"""Sweeps side by side: what they share is paired, and what does not compare says why."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from planted import planted

from sweep_platform import cli
from sweep_platform.report.analysis.difference import Unknown
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
    assert cli.main(["compare", *folders, "--out", str(out)]) == 0, "it replaces its own files"


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
