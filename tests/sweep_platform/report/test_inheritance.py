"""What a report tells of weights handed on: heirs beside their controls, by seed and task."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planted import BUDGET, TASKS, planted

from sweep_platform.report.analysis.answers import Answered
from sweep_platform.report.analysis.compute.inheritance import Inheriting, inheriting
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.evidence import evidence_of
from sweep_platform.report.analysis.targets import reached
from sweep_platform.report.blocks import Paragraph, Table
from sweep_platform.report.sections.compute.curves import training_chart
from sweep_platform.report.sections.compute.inheritance import inheritance_section
from sweep_platform.report.sections.searched.plan import plan_section
from sweep_platform.store.folder import Session, SessionEnd
from sweep_platform.store.origins.inherited import Ancestor, Inherited
from sweep_platform.store.replicate import Purpose, nth_replicate
from sweep_platform.store.summary import SweepSummary, TrialSummary

ENDED = (Session(started=1.0, ended=2.0, end=SessionEnd.DONE),)
KNOBS = [{"N": 1}, {"N": 2}, {"N": 3}, {"N": 4}]


def swept(gain: float, seeds: int = 3, controls: int = 2, **spec: Any) -> SweepSummary:
    """Trials 1 to 3 inherit from trial 0; the first ones have controls that solve less."""
    given = {"inherit": {"control": 0.5}, **spec}
    sweep = planted(KNOBS, lambda knobs, share: 0.3 + 0.3 * share, seeds=seeds, **given)
    trials = [sweep.trials[0], *map(_heir, sweep.trials[1:])]
    generator = np.random.default_rng(1)
    found = evidence_of(sweep)._read
    for trial in trials[1 : 1 + controls]:
        rows = generator.random((seeds, TASKS)) < 0.6 - gain
        control = Answered(
            training_flops=BUDGET,
            replicates=np.arange(seeds),
            tasks=np.arange(TASKS),
            solved=rows.astype(np.float32),
            weights=np.ones(TASKS),
        )
        found[trial.number][Purpose.CONTROL] = (control,)
        trials[trial.number] = _with_controls(trial)
    made = replace(sweep, trials=tuple(trials))
    evidence_of(made)._read.update(found)
    return made


def _heir(trial: TrialSummary) -> TrialSummary:
    of = tuple(
        Inherited(
            sweep="toy",
            trial=0,
            replicate=one.replicate.label,
            key=one.replicate.label,
            sha256="0" * 64,
            lineage_flops=int(BUDGET),
        )
        for one in trial.replicates
    )
    record = replace(trial.record, ancestor=Ancestor(signature="s", replicates=of))
    replicates = tuple(
        replace(
            one,
            evaluations=tuple(
                replace(each, inherited_flops=int(BUDGET)) for each in one.evaluations
            ),
        )
        for one in trial.replicates
    )
    return replace(trial, record=record, replicates=replicates)


def _with_controls(trial: TrialSummary) -> TrialSummary:
    controls = tuple(
        replace(
            one,
            replicate=nth_replicate(0, Purpose.CONTROL, one.replicate.number),
            evaluations=tuple(replace(each, inherited_flops=0) for each in one.evaluations),
        )
        for one in trial.replicates
    )
    return replace(trial, replicates=(*trial.replicates, *controls))


def paragraphs(sweep: SweepSummary) -> str:
    return " ".join(
        block.text for block in inheritance_section(sweep) if isinstance(block, Paragraph)
    )


def test_what_inheriting_gains_is_paired_and_has_an_interval() -> None:
    found = inheriting(swept(gain=0.4, seeds=4))
    assert isinstance(found, Inheriting)
    assert [one.trial.number for one in found.heirs] == [1, 2]
    assert found.gain.low is not None
    assert found.gain.p is not None
    assert found.gain.low > 0.2
    for one in found.heirs:
        assert one.gain.mean == pytest.approx(one.heir.mean - one.control.mean)
        assert one.p is not None
        assert one.gain.p is not None
        assert one.p >= one.gain.p, "corrected for both"
    assert found.gain.mean == pytest.approx(np.mean([one.gain.mean for one in found.heirs]))


def test_from_nothing_nothing_is_told() -> None:
    """Over seeds of the draws, one in twenty may tell something; half of them do not."""
    told = [inheriting(swept(gain=0.0, seeds=4)).gain.p]  # type: ignore[union-attr]
    assert all(p is not None and p > 0.001 for p in told)


def kept_by(trial: TrialSummary, one: Any) -> bool:
    """Whether a trial keeps a replicate: 1 lost its third control, 2 the others."""
    is_third = one.replicate.number == 2
    return one.replicate.purpose is not Purpose.CONTROL or is_third == (trial.number == 2)


def test_heirs_without_a_seed_in_common_have_no_mean() -> None:
    """The control of one has the first two seeds, that of the other the third."""
    sweep = swept(gain=0.4)
    found = evidence_of(sweep)._read
    for number, kept in ((1, [0, 1]), (2, [2])):
        [control] = found[number][Purpose.CONTROL]
        solved = control.solved[kept]
        cut = replace(control, replicates=np.array(kept), solved=solved)
        found[number][Purpose.CONTROL] = (cut,)
    trials = [
        replace(trial, replicates=tuple(filter(lambda one: kept_by(trial, one), trial.replicates)))
        for trial in sweep.trials
    ]
    sweep = replace(sweep, trials=tuple(trials))
    evidence_of(sweep)._read.update(found)
    told = inheriting(sweep)
    assert isinstance(told, Inheriting)
    assert isinstance(told.gain, Unknown)
    assert len(told.heirs) == 2
    assert told.gain.reason in paragraphs(sweep)


def test_controls_that_heirs_lack_are_counted() -> None:
    """Of three heirs the first and the third have one, of three seeds each."""
    whole = replace(swept(gain=0.4), sessions=ENDED)
    said = " ".join(one.text for one in plan_section(whole) if isinstance(one, Paragraph))
    assert "3 replicates of complete trials" in said, "the second's do not stand for the third's"
    under_way = replace(whole, sessions=())
    said = " ".join(one.text for one in plan_section(under_way) if isinstance(one, Paragraph))
    assert "with all their replicates" in said


def test_the_section_says_who_inherited_and_what_that_changes() -> None:
    sweep = swept(gain=0.4, seeds=4)
    [table] = [block for block in inheritance_section(sweep) if isinstance(block, Table)]
    assert [row["trial"] for row in table.data] == [1, 2]
    assert {row["ancestor"] for row in table.data} == {0}
    names = ("as_heir_token_accuracy", "from_scratch_token_accuracy")
    assert all(0 < row[name] < 1 for row in table.data for name in names)
    spent = {(v["of_this_training_flops"], v["with_ancestors_training_flops"]) for v in table.data}
    assert spent == {(BUDGET, 2 * BUDGET)}
    said = paragraphs(sweep)
    assert "3 of 4 trials began with the weights of the nearest complete trial" in said
    assert "On average over 2 heirs inheriting changes accuracy by" in said
    assert "confirmation is always trained from scratch" in said


@pytest.mark.parametrize(
    ("seeds", "controls", "why"),
    [
        (2, 2, "2 seeds and 40 tasks are too few to tell that from chance"),
        (3, 3, "all of 3 seeds and 40 tasks are alike, which tells nothing of others"),
        (3, 0, "not told: none of the 3 complete heirs has a complete control."),
    ],
)
def test_where_too_little_was_trained_it_says_so(seeds: int, controls: int, why: str) -> None:
    sweep = swept(gain=0.2, seeds=seeds, controls=controls)
    if "alike" in why:
        _let_all_solve_nothing(sweep)
    assert why in paragraphs(sweep)


def _let_all_solve_nothing(sweep: SweepSummary) -> None:
    for answers in evidence_of(sweep)._read.values():
        for purpose, each in answers.items():
            answers[purpose] = tuple(replace(one, solved=0 * one.solved) for one in each)


def test_without_answers_or_heirs_it_says_so() -> None:
    sweep = swept(gain=0.2)
    for answers in evidence_of(sweep)._read.values():
        answers.pop(Purpose.CONTROL, None)
    found = inheriting(sweep)
    assert isinstance(found, Unknown)
    assert "no answers to the same puzzles for the same seeds" in found.reason
    scratch = planted(KNOBS, lambda knobs, share: 0.5, inherit={"control": 0.5})
    assert "no complete trial has inherited" in paragraphs(scratch)
    assert list(inheritance_section(planted(KNOBS, lambda knobs, share: 0.5))) == []


def test_a_replicate_that_began_from_scratch_is_named_and_left_out() -> None:
    sweep = swept(gain=0.4, seeds=4)
    trial = sweep.trials[1]
    first, *rest = trial.replicates
    scratch = tuple(replace(one, inherited_flops=0) for one in first.evaluations)
    mixed = replace(trial, replicates=(replace(first, evaluations=scratch), *rest))
    trials = (sweep.trials[0], mixed, *sweep.trials[2:])
    made = replace(sweep, trials=trials)
    evidence_of(made)._read.update(evidence_of(sweep)._read)
    found = inheriting(made)
    assert isinstance(found, Inheriting)
    assert [one.gain.seeds for one in found.heirs] == [3, 4]
    assert found.gain.seeds == 3
    assert "checkpoint was gone began from scratch: trial 1 (1)" in paragraphs(made)


def test_accuracy_stands_against_what_ancestors_spent_as_well() -> None:
    sweep = swept(gain=0.4)
    heir, scratch = sweep.trials[1], sweep.trials[0]
    assert [one.lineage_flops - one.training_flops for one in heir.evaluations] == [BUDGET] * 3
    assert reached(heir, 0.01) == pytest.approx(BUDGET + BUDGET // 3, rel=1e-6)
    assert reached(scratch, 0.01) == pytest.approx(BUDGET // 3, rel=1e-6)
    spent = {
        (row["trial"], row["flops"])
        for rows in training_chart(sweep)["datasets"].values()
        for row in rows
        if "trial" in row and "flops" in row
    }
    assert {flops for number, flops in spent if number == 1} == {
        one.lineage_flops for one in heir.evaluations
    }
