"""What knobs buy: pairs that differ in one of them, by task and seed; rankings and targets."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planted import TASKS as PLANTED_TASKS
from planted import planted
from sweep_builders import answers, tell_answers

from hrm.evaluation.answer_file import AnswerFile
from hrm.evaluation.per_puzzle import PuzzleAnswers
from hrm.evaluation.wilson import wilson
from hrm.progress import Votes
from sweep_platform.report.analysis.effects import confirmed, effects, extremes, measured
from sweep_platform.report.analysis.evidence import evidence_of
from sweep_platform.report.analysis.floor import best_interval
from sweep_platform.report.analysis.intervals import interval_of
from sweep_platform.report.analysis.paired import interval
from sweep_platform.report.analysis.points import best, points, trials_front
from sweep_platform.report.analysis.ranking import rank_agreement
from sweep_platform.report.analysis.targets import reached
from sweep_platform.report.pages import report_as_markdown
from sweep_platform.report.sections import outline
from sweep_platform.report.sections.result import caveats
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.replicate import Purpose, replicates
from sweep_platform.store.summary import ReplicateSummary, SweepSummary, summarize
from sweep_platform.store.trial import Outcome, TrialFolder, TrialState

COMPLETE = TrialState.COMPLETE
TASKS = 30
FOUR = [{"N": n, "T": t} for n in (1, 2) for t in (1, 2)]


def at_the_end(solved: Any) -> PuzzleAnswers:
    """Answers at the last evaluation of the sweeps that are made here."""
    return replace(answers(100, solved), training_flops=100_000_000)


def write_answers(trial: TrialFolder, share: float, purpose: str, count: int, seed: int) -> Any:
    """Random answers of some replicates; what each solves of each task."""
    solved = np.random.default_rng(seed).random((count, TASKS)) < share
    for number, row in enumerate(solved):
        tell_answers(trial, f"{purpose}-{number}", at_the_end(row))
    return solved.astype(float)


def with_knobs(trial: TrialFolder, values: dict[str, Any], **more: Any) -> None:
    """Let a trial have these knobs, and the settings that they are."""
    record = trial.record()
    model, training = (
        {name: values.get(name, value) for name, value in section.items()}
        for section in (record.model, record.training)
    )
    trial.create(replace(record, parameters=values, model=model, training=training, **more))


def swept(
    make_sweep: Any,
    knobs: list[dict[str, Any]],
    shares: list[float],
    name: str = "toy",
    **spec: Any,
) -> tuple[SweepFolder, list[Any]]:
    """A sweep of complete trials with these knobs, each of three replicates with answers."""
    folder = make_sweep(*[COMPLETE] * len(knobs), replicates=3, name=name)
    record, solved = folder.record(), []
    folder.create(replace(record, spec={**record.spec, **spec}))
    for number, (trial, values) in enumerate(zip(folder.trials(), knobs, strict=True)):
        with_knobs(trial, values)
        solved.append(write_answers(trial, shares[number], "measure", 3, number))
    return folder, solved


def confirm(trial: TrialFolder, share: float, count: int = 3) -> Any:
    """Let a trial be confirmed by some replicates with answers."""
    *_, last = trial.replicate("measure-0").measurements()
    for one in replicates(0, Purpose.CONFIRM, count):
        place = trial.replicate(one.label)
        place.create(trial.record(), one)
        place.append([last])
        place.end(Outcome(state=COMPLETE, reason="done", ended=1_790_000_200.0))
    return write_answers(trial, share, "confirm", count, 99)


def test_each_value_is_compared_in_pairs_that_share_all_else(make_sweep) -> None:
    folder, solved = swept(make_sweep, FOUR, [0.3, 0.3, 0.8, 0.8])
    found = {(one.knob, one.other, one.one): one for one in effects(summarize(folder))}
    assert set(found) == {("N", 1, 2), ("T", 1, 2)}
    of_n, of_t = found["N", 1, 2], found["T", 1, 2]
    assert (of_n.pairs, of_t.pairs) == (2, 2)
    gains = (solved[2] - solved[0]) + (solved[3] - solved[1])
    assert of_n.difference.mean == pytest.approx(gains.mean() / 2)
    assert (of_n.difference.seeds, of_n.difference.tasks) == (3, TASKS)
    assert of_n.difference.p < 0.05
    assert of_n.difference.low > 0.2
    assert of_t.difference.p > 0.05


def test_an_effect_has_its_price(make_sweep) -> None:
    folder, _ = swept(make_sweep, FOUR[:2], [0.3, 0.8])
    for trial, times in zip(folder.trials(), (1, 3), strict=True):
        record = trial.record()
        trial.create(replace(record, inference_flops=100 * times, training_flops=7 * times))
    [effect] = effects(summarize(folder))
    assert (effect.inference_flops, effect.training_flops) == (200, 14)


def test_each_file_of_answers_is_read_once_for_a_whole_report(make_sweep, monkeypatch) -> None:
    folder, _ = swept(make_sweep, FOUR, [0.3, 0.3, 0.8, 0.8])
    confirm(folder.trials()[2], 0.7)
    read: list[Any] = []
    whole = AnswerFile.read
    monkeypatch.setattr(AnswerFile, "read", lambda file: read.append(file.path) or whole(file))
    sweep = summarize(folder)
    outline(sweep, written=1.8e9)
    last = {trial.number: len(trial.final.exact_accuracy) for trial in sweep.trials}
    early = {at.trial for at in trials_front(sweep.complete) if at.segments < last[at.trial]}
    again = [folder.trials()[number].answers for number in early]
    assert early, "the front has points before their last segment"
    assert sorted(read) == sorted([*(trial.answers for trial in folder.trials()), *again])


def test_intervals_along_the_front_are_over_seeds_and_tasks(make_sweep) -> None:
    """After the first of two segments, of which every second task is solved in the last alone."""
    folder = make_sweep(COMPLETE, replicates=3)
    generator, seen = np.random.default_rng(0), []
    for number in range(3):
        first = generator.random(40) < 0.3
        last = first | (np.arange(40) % 2 == 0)
        both = replace(at_the_end(last), solved=np.stack([first, last], axis=1))
        tell_answers(folder.trials()[0], f"measure-{number}", both)
        seen.append(first)
    sweep = summarize(folder)
    early, late = points(sweep.trials[0])
    of_all = measured(sweep, sweep.trials[0])
    told = interval_of(sweep, late)
    assert (told.low, told.high) == (of_all.low, of_all.high)
    expected = interval(np.array(seen, float), np.ones(40))
    told = interval_of(sweep, early)
    assert (told.low, told.high, told.over_seeds) == (
        pytest.approx(max(0, expected.low)),
        pytest.approx(expected.high),
        True,
    )


def test_the_interval_of_an_unfinished_trial_is_that_of_the_accuracy_it_stands_beside() -> None:
    """One replicate is further than the two others, and it alone is told of."""
    sweep = planted([{"N": 1}], lambda knobs, share: 0.1 + 0.7 * share)
    [trial] = sweep.trials
    first, *others = trial.replicates
    behind = (replace(one, evaluations=one.evaluations[:1]) for one in others)
    going = replace(trial, state=TrialState.RUNNING, replicates=(first, *behind))
    begun, *further = evidence_of(sweep).answers(trial, Purpose.MEASURE)
    alone = (replace(one, replicates=one.replicates[:1], solved=one.solved[:1]) for one in further)
    partial = replace(sweep, trials=(going,))
    evidence_of(partial)._read[0] = {Purpose.MEASURE: (begun, *alone)}
    late = points(going)[-1]
    told = interval_of(partial, late)
    assert late.exact_accuracy == first.evaluations[-1].exact_accuracy
    assert (told.low, told.high) == wilson(late.exact_accuracy, PLANTED_TASKS)


def test_of_two_fresh_seeds_the_interval_is_wilsons_over_the_tasks_they_were_tested_on(
    make_sweep,
) -> None:
    """In the search it was voted on 4 tasks, and confirmed on 9 others."""
    sweep = summarize(make_sweep(COMPLETE))
    [trial] = sweep.trials
    [one] = trial.replicates
    fresh = tuple(
        replace(voted(one, 9), replicate=replicate)
        for replicate in replicates(0, Purpose.CONFIRM, 2)
    )
    sweep = replace(sweep, trials=(replace(trial, replicates=(voted(one, 4), *fresh)),))
    [found] = confirmed(sweep)
    told, low_high = best_interval(sweep), wilson(found.accuracy.mean, 9)
    assert (told.low, told.high) == low_high
    brackets = "[{:.1f}, {:.1f}]".format(*(100 * one for one in low_high))
    page = report_as_markdown(outline(sweep, written=1.8e9)).replace("\\", "")
    assert page.count(brackets) == 2, "in the headline, and in the table of what was confirmed"
    assert "of 8 test inputs" not in page.partition("## Result")[2].partition("- ")[0]


def voted(one: ReplicateSummary, tasks: int) -> ReplicateSummary:
    """The replicate, its last evaluation with votes on so many tasks."""
    half = dict.fromkeys(("pass_1", "pass_2", "pass_1_tasks", "pass_2_tasks"), 0.5)
    ballots = Votes(**half, inputs=2 * tasks, tasks=tasks, votes=40)
    return replace(one, evaluations=(replace(one.evaluations[-1], votes=ballots),))


def test_views_of_one_task_do_not_narrow_an_interval(make_sweep) -> None:
    """Of one seed, 40 views of 4 tasks tell as much as 4 puzzles."""
    sweep = summarize(make_sweep(COMPLETE))
    [trial] = sweep.trials
    viewed = replace(trial, replicates=(voted(trial.replicates[0], 4),))
    sweep = replace(sweep, trials=(viewed,))
    told, point = interval_of(sweep, points(viewed)[-1]), points(viewed)[-1]
    assert (told.low, told.high) == wilson(point.exact_accuracy, 4)


def test_a_knob_that_a_model_has_no_use_for_compares_only_those_that_use_it(make_sweep) -> None:
    """The third trial would pair with the first in N, and the fourth with the second."""
    knobs = [{"N": n, "model": m} for m in ("hrm", "transformer") for n in (1, 2)]
    folder, solved = swept(make_sweep, knobs, [0.3, 0.6, 0.4, 0.5])
    for trial in folder.trials()[2:]:
        trial.create(replace(trial.record(), inactive=("N",)))
    found = {one.knob: one for one in effects(summarize(folder))}
    assert (found["N"].pairs, found["model"].pairs) == (1, 2)
    assert found["N"].difference.mean == pytest.approx((solved[1] - solved[0]).mean())


def test_a_trial_that_lacks_a_seed_cuts_no_seed_of_the_others(make_sweep) -> None:
    folder, solved = swept(make_sweep, FOUR, [0.3, 0.3, 0.8, 0.8])
    short = folder.trials()[3].answers
    short.unlink()
    for number in range(2):
        tell_answers(folder.trials()[3], f"measure-{number}", at_the_end(solved[3][number] > 0))
    failed = Outcome(state=TrialState.FAILED, reason="the loss was nan", ended=1_790_000_200.0)
    (lost := folder.trials()[3].replicate("measure-2")).root.joinpath("outcome.json").unlink()
    lost.end(failed)
    found = effects(summarize(folder))
    assert [(one.knob, one.pairs, one.difference.seeds) for one in found] == [
        ("N", 1, 3),
        ("T", 1, 3),
    ]


@pytest.mark.parametrize(
    "spec",
    [{"ablation": {"change": {"N": [1, 3]}}}, {"base": {"N": 2, "T": 1}}],
    ids=["ablation", "base"],
)
def test_the_base_is_what_others_are_compared_with(make_sweep, spec) -> None:
    """Its value is neither the least nor the greatest."""
    knobs = [{"N": n, "T": 1} for n in (2, 1, 3)]
    space = {"N": {"choices": [2, 1, 3]}, "T": {"choices": [1]}}
    folder, _ = swept(make_sweep, knobs, [0.5, 0.3, 0.6], space=space, **spec)
    assert [(one.other, one.one) for one in effects(summarize(folder))] == [(2, 1), (2, 3)]


def test_the_interval_above_the_floor_is_over_seeds_and_tasks(make_sweep) -> None:
    folder, _ = swept(make_sweep, FOUR[:2], [0.3, 0.3])
    sweep = summarize(folder)
    of_best = measured(sweep, best(sweep.complete)[0])
    told = best_interval(sweep)
    assert (told.low, told.high, told.over_seeds) == (of_best.low, of_best.high, True)
    confirm(folder.trials()[0], 0.9)
    sweep = summarize(folder)
    [found] = confirmed(sweep)
    told = best_interval(sweep)
    assert (told.low, told.high) == (max(0, found.accuracy.low), min(1, found.accuracy.high))


def test_the_interval_above_the_floor_is_wilsons_where_there_is_one_seed(make_sweep) -> None:
    sweep = summarize(make_sweep(COMPLETE))
    accuracy = sweep.trials[0].final.exact_accuracy[-1]
    told = best_interval(sweep)
    assert (told.low, told.high, told.over_seeds) == (*wilson(accuracy, 40), False)
    assert best_interval(summarize(make_sweep(name="empty"))) is None


def test_trials_that_differ_in_more_make_no_pair(make_sweep) -> None:
    knobs = [{"N": 1, "T": 1}, {"N": 2, "T": 2}, {"N": 3, "T": 1}]
    folder, _ = swept(make_sweep, knobs, [0.3, 0.5, 0.7])
    assert [(one.knob, one.other, one.one) for one in effects(summarize(folder))] == [("N", 1, 3)]


def test_nuisance_knobs_have_no_effect_and_part_no_pair(make_sweep) -> None:
    knobs = [{"N": 1, "learning_rate": 0.1}, {"N": 2, "learning_rate": 0.01}]
    tuned = {"nuisance": ["learning_rate"], "space": {"N": {"choices": [1, 2]}}}
    tuned["space"]["learning_rate"] = {"choices": [0.1, 0.01]}
    folder, _ = swept(make_sweep, knobs, [0.3, 0.8], **tuned)
    assert [(one.knob, one.pairs) for one in effects(summarize(folder))] == [("N", 1)]
    searched, _ = swept(make_sweep, knobs, [0.3, 0.8], "searched", space=tuned["space"])
    assert effects(summarize(searched)) == []


def test_a_trial_without_answers_is_left_out(make_sweep) -> None:
    folder, _ = swept(make_sweep, FOUR, [0.3, 0.3, 0.8, 0.8])
    folder.trials()[3].answers.unlink()
    folder.trials()[2].answers.write_bytes(b"damaged")
    assert [(one.knob, one.pairs) for one in effects(summarize(folder))] == [("T", 1)]


def test_an_earlier_evaluation_is_never_quoted_as_the_last() -> None:
    """One replicate of a trial lacks its last answers: of both there are earlier ones alone."""
    sweep = planted(FOUR, lambda knobs, share: 0.2 * share * knobs["N"] * knobs["T"])
    kept = evidence_of(sweep)._read
    *earlier, last = kept[3][Purpose.MEASURE]
    cut = replace(last, replicates=last.replicates[:2], solved=last.solved[:2])
    kept[3] = {Purpose.MEASURE: (*earlier, cut)}
    assert [(one.knob, one.pairs) for one in effects(sweep)] == [("N", 1), ("T", 1)]
    assert evidence_of(sweep).last(sweep.trials[3]) is None
    [told] = [one for one in caveats(sweep) if "last evaluation" in one]
    assert told.startswith("1 complete trial (3) without")


def test_where_no_trial_lacks_answers_or_all_do_none_is_singled_out() -> None:
    sweep = planted(FOUR, lambda *_: 0.5)
    assert evidence_of(sweep).unanswered == ()
    for number in range(4):
        evidence_of(sweep)._read[number] = {}
    assert evidence_of(sweep).unanswered == ()


def test_the_best_is_told_from_the_worst(make_sweep) -> None:
    folder, solved = swept(make_sweep, FOUR, [0.3, 0.1, 0.5, 0.9])
    found = extremes(summarize(folder))
    assert found is not None
    assert (found.best, found.worst) == (3, 1)
    assert found.difference.mean == pytest.approx((solved[3] - solved[1]).mean())
    assert "Trial 3, the most accurate, differs from trial 1" in written(summarize(folder))


def test_one_seed_tells_no_effect_from_chance(make_sweep) -> None:
    folder = make_sweep(COMPLETE, COMPLETE)
    for number, trial in enumerate(folder.trials()):
        with_knobs(trial, FOUR[number])
        write_answers(trial, 0.2 + 0.6 * number, "measure", 1, number)
    [effect] = effects(summarize(folder))
    assert (effect.difference.p, effect.difference.low) == (None, None)
    assert "1 seed and 30 tasks are too few to tell that from chance" in written(summarize(folder))


def written(sweep: SweepSummary) -> str:
    return report_as_markdown(outline(sweep, written=1.8e9)).replace("\\", "")


def test_the_headline_of_replicates_is_their_mean(make_sweep) -> None:
    text = written(summarize(make_sweep(COMPLETE, COMPLETE, replicates=3)))
    assert "**32.0 %**" in text
    assert (
        "The best of the complete trials, trial 1, solves 32.0 % of 40 test puzzles exactly, on "
        "average over 3 seeds (30.0, 32.0 and 34.0 %; 95 % interval 19.7 to 47.5 %) at"
    ) in text


def test_the_headline_quotes_the_confirmation(make_sweep) -> None:
    folder, _ = swept(make_sweep, FOUR[:2], [0.9, 0.3])
    solved = confirm(folder.trials()[0], 0.6)
    sweep = summarize(folder)
    [found] = confirmed(sweep)
    assert found.trial.number == 0
    assert found.accuracy.mean == pytest.approx(solved.mean())
    assert found.accuracy.low < found.accuracy.mean < found.accuracy.high
    text = written(sweep)
    assert f"**{100 * solved.mean():.1f} %**" in text
    assert "Trial 0, trained again with 3 fresh seeds, solves" in text
    table = text.partition("## Confirmation\n")[2].partition("\n## ")[0]
    assert "seeds that the search never saw" in " ".join(table.split())
    [row] = [line for line in table.splitlines() if line.startswith("| 0 ")]
    in_search = measured(sweep, sweep.trials[0])
    assert f"{100 * in_search.mean:.1f} % [" in row
    assert f"{100 * solved.mean():.1f} % [" in row
    assert "which flatters it" not in text


def ranked(make_sweep: Any, *accuracies: tuple[float, ...]) -> SweepSummary:
    """A sweep whose trials have these accuracies at their last evaluations."""
    sweep = summarize(make_sweep(*[COMPLETE] * len(accuracies)))
    trials = []
    for trial, values in zip(sweep.trials, accuracies, strict=True):
        [one] = trial.replicates
        last = one.evaluations[-1].curve
        before = last.exact_accuracy[:-1]
        curves = [replace(last, exact_accuracy=(*before, v)) for v in values]
        evaluations = tuple(
            replace(one.evaluations[-1], training_flops=100 * (n + 1), curve=curve)
            for n, curve in enumerate(curves)
        )
        trials.append(replace(trial, replicates=(replace(one, evaluations=evaluations),)))
    return replace(sweep, trials=tuple(trials))


def test_a_ranking_that_stays_is_settled(make_sweep) -> None:
    found = rank_agreement(ranked(make_sweep, (0.1, 0.2), (0.2, 0.3), (0.3, 0.5)))
    assert found is not None
    assert (found.tau, found.share, found.same_best, found.trials) == (1.0, 0.5, True, 3)
    assert not found.moves


def test_a_ranking_that_turns_round_moves(make_sweep) -> None:
    sweep = ranked(make_sweep, (0.1, 0.9), (0.2, 0.8), (0.3, 0.7))
    found = rank_agreement(sweep)
    assert found is not None
    assert (found.tau, found.same_best, found.moves) == (pytest.approx(-1.0), False, True)
    assert "The ranking still moves: between 50% of training" in " ".join(written(sweep).split())


@pytest.mark.parametrize(
    "accuracies",
    [
        ((0.1, 0.2), (0.2, 0.3)),
        ((0.1,), (0.2,), (0.3,)),
        ((0.1, 0.2), (0.1, 0.3), (0.1, 0.4)),
        ((0.1, 0.2), (0.2, 0.2), (0.3, 0.2)),
    ],
    ids=["two trials", "one evaluation", "level before", "level at the end"],
)
def test_there_is_not_always_a_ranking_to_speak_of(make_sweep, accuracies) -> None:
    assert rank_agreement(ranked(make_sweep, *accuracies)) is None


@pytest.mark.parametrize(("target", "spent"), [(0.1, 100), (0.2, 100), (0.3, 150), (0.5, None)])
def test_a_target_is_reached_between_two_evaluations(make_sweep, target, spent) -> None:
    [trial] = ranked(make_sweep, (0.2, 0.4)).trials
    assert reached(trial, target) == (spent if spent is None else pytest.approx(spent))
