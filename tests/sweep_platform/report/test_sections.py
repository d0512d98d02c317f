"""Each section of a report, read from its Markdown."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sweep_builders import begun

from hrm.config import TrainingConfig
from puzzle_datasets.common import text as units
from sweep_platform.report.blocks import Facts
from sweep_platform.report.pages import report_as_markdown
from sweep_platform.report.sections import outline
from sweep_platform.report.sections.front import front_chart
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.pruning.told import Audited, Compared, Paused, Rungs, write_rungs
from sweep_platform.store.steering.messages import Answer, Verb
from sweep_platform.store.summary import (
    Evaluation,
    ReplicateSummary,
    SweepSummary,
    summarize,
)
from sweep_platform.store.trial import Outcome, TrialState

COMPLETE, STOPPED, FAILED = TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED
PICTURES = {"front.png", "curves.png", "training.png", "knobs.png"}


def written(sweep: SweepFolder | SweepSummary) -> str:
    """The report as Markdown, without its pictures."""
    summary = summarize(sweep) if isinstance(sweep, SweepFolder) else sweep
    return report_as_markdown(outline(summary, written=1.8e9))


def linked(markdown: str) -> set[str]:
    return set(re.findall(r"!\[[^\]]*\]\(([^)]+)\)", markdown))


def rename(folder: SweepFolder, **changes: Any) -> None:
    folder.create(replace(folder.record(), **changes))


def section(markdown: str, heading: str) -> str:
    return markdown.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_models_are_compared_side_by_side(make_comparison) -> None:
    folder = make_comparison("hrm", "trm", "transformer", "hrm", "transformer", "trm")
    markdown = written(folder)
    assert linked(markdown) == {*PICTURES, "models.png", "growth.png"}
    lines = section(markdown, "Models").splitlines()
    rows = {line.split(" | ")[0]: line for line in lines if line.startswith("| ")}
    assert {"| hrm", "| transformer", "| trm"} < set(rows)
    assert "differ in other settings" not in "".join(lines), "they do not"
    assert "| 2 of 2 | 37.5 % | 2 |" in rows["| transformer"], (
        "trials, median, the best one's number"
    )
    assert "N=" not in rows["| transformer"]
    assert "N=" in rows["| hrm"]
    assert "45.0 % (18 of 40)" in rows["| transformer"]
    text = section(markdown, "If each puzzle stops on its own")
    for name in ("hrm", "transformer", "trm"):
        assert f"model={name} " in text, "the best of each model"


def test_a_model_without_a_complete_trial_is_still_listed(make_comparison) -> None:
    folder = make_comparison("hrm", "trm", "trm")
    for trial in folder.trials()[1:]:
        (trial.root / "outcome.json").unlink()
        trial.end(Outcome(state=STOPPED, reason="beaten", ended=1_790_000_100.0))
    text = section(written(folder), "Models")
    [row] = [line for line in text.splitlines() if line.startswith("| trm ")]
    assert row.strip("| ").split(" | ")[1:4] == ["0 of 2", "—", "—"]


def test_models_that_differ_in_more_than_structure_say_so(make_comparison) -> None:
    folder = make_comparison("hrm", "trm", "transformer")
    for trial in folder.trials():
        record = trial.record()
        lean, ema = record.model["model"] != "hrm", 0.999 * (record.model["model"] == "trm")
        changed = replace(
            record,
            model={**record.model, "mode": "lean" if lean else "exact"},
            training={**record.training, "ema": ema},
        )
        trial.create(changed)
    markdown = written(folder)
    average = "0 (hrm, transformer), 0.999 (trm)"
    assert f"| Moving average of weights | {average} |" in section(markdown, "What was asked")
    text = section(markdown, "Models")
    assert f"exact (hrm), lean (transformer, trm); moving average of weights {average}." in text


def test_one_model_needs_no_comparison(make_comparison) -> None:
    folder = make_comparison("trm", "trm")
    markdown = written(folder)
    assert linked(markdown) == PICTURES
    assert section(markdown, "Models") == ""


def test_halting_stands_beside_all_segments(make_sweep) -> None:
    folder = make_sweep(COMPLETE, STOPPED)
    text = section(written(folder), "If each puzzle stops on its own")
    [row] = [line for line in text.splitlines() if line.startswith("| 0 ")]
    expected = ["15.0 % (6 of 40)", "6 MFLOP", "7.5 % (3 of 40)", "1.50 of 2", "4.5 MFLOP"]
    assert row.strip("| ").split(" | ")[2:] == expected


def test_evaluations_without_halting(make_sweep) -> None:
    sweep = changed(summarize(make_sweep(COMPLETE)), lambda one: replace(one, halting=None))
    assert "stops on its own" not in written(sweep)


def changed(sweep: SweepSummary, change: Callable[[Evaluation], Evaluation]) -> SweepSummary:
    """The sweep with every evaluation changed."""

    def of(one: ReplicateSummary) -> ReplicateSummary:
        return replace(one, evaluations=tuple(map(change, one.evaluations)))

    trials = [replace(t, replicates=tuple(map(of, t.replicates))) for t in sweep.trials]
    return replace(sweep, trials=tuple(trials))


def test_settings_that_all_trials_share(make_comparison) -> None:
    folder = make_comparison("hrm", "trm")
    rename(folder, spec={**folder.record().spec, "space": {"model": {"choices": ["hrm", "trm"]}}})
    text = section(written(folder), "What was asked")
    assert "| Knob model | hrm, trm |" in text
    assert "| Model |" not in text
    for row in ("Speed mode | exact", "Gradient | native", "Execution | compiled"):
        assert f"| {row} |" in text
    assert "| Moving average of weights | 0 |" in text


def test_settings_at_their_default_are_folded_away(make_sweep) -> None:
    folder = make_sweep(COMPLETE)
    spec = folder.record().spec
    training = {"weight_decay": TrainingConfig.weight_decay, "learning_rate": 0.5}
    rename(folder, spec={**spec, "training": training, "replicates": 1})
    page = outline(summarize(folder), written=0.0)
    facts = {one.folded: dict(one.rows) for one in page.blocks if isinstance(one, Facts)}
    folded = facts["Settings at their default"]
    assert {"training.weight_decay", "replicates"} <= folded.keys()
    each = [dict(one.rows) for one in page.blocks if isinstance(one, Facts)]
    shown = [rows for rows in each if "training.learning_rate" in rows]
    assert [rows["training.learning_rate"] for rows in shown] == ["0.5"]
    assert not shown[0].keys() & folded.keys()


def published_sweep(make_sweep, which: str, **changes: Any) -> SweepSummary:
    """A sweep on Maze-Hard or ARC as published, but for some settings."""
    settings = {
        "maze-hard": {"csv": None, "min_rating": None, "subsample": None, "test_subsample": None},
        "arc-agi-1": {"canvas": 30, "tasks": "all", "held_out": "evaluation"},
    }[which]
    pairs = {"maze-hard": 1000, "arc-agi-1": 419}[which]
    folder = make_sweep(COMPLETE)
    record = folder.record()
    spec = {
        **record.spec,
        "dataset": {"name": which, **settings, **changes},
        "evaluation": {"puzzles": "all"},
    }
    rename(folder, spec=spec, dataset={**record.dataset, "counts": {"test_pairs": pairs}})
    return summarize(folder)


def marks(sweep: SweepSummary) -> list[str]:
    """Labels of published results in the front's chart."""
    data = front_chart(sweep)["datasets"].values()
    return [row["label"] for rows in data for row in rows if ": " in row.get("label", "")]


def test_published_results_stand_in_the_chart_of_the_same_puzzles(make_sweep) -> None:
    sweep = published_sweep(make_sweep, "maze-hard")
    found = dict(label.rsplit(": ", 1) for label in marks(sweep))
    assert found["HRM, 27M"] == "74.5 %"
    assert found["TRM-Att, 7M"] == "85.3 %"
    [names] = [names for names, share in found.items() if share == "0.0 %"]
    assert "DeepSeek R1" in names
    assert "| HRM, 27M | 74.5 % |" in section(written(sweep), "Accuracy against compute")


@pytest.mark.parametrize(
    "changes", [{"subsample": 500}, {"csv": "mine"}, {"name": "maze"}], ids=str
)
def test_results_of_other_puzzles_are_not_quoted(make_sweep, changes: dict[str, Any]) -> None:
    sweep = published_sweep(make_sweep, "maze-hard", **changes)
    assert marks(sweep) == []
    assert "TRM" not in written(sweep)


def test_results_by_vote_are_no_heights_of_a_mean_over_views(make_sweep) -> None:
    sweep = published_sweep(make_sweep, "arc-agi-1")
    assert marks(sweep) == []
    text = section(written(sweep), "Accuracy against compute")
    assert "| HRM, 27M | 40.3 % |" in text
    assert "here none vote" in text
    viewed = {**sweep.record.spec, "evaluation": {"puzzles": "all", "views": 32}}
    again = replace(sweep, record=replace(sweep.record, spec=viewed))
    text = section(written(again), "Accuracy against compute")
    assert "here up to 32 views of each vote" in text
    assert "the HRM paper counts tasks of which every input is solved (Tasks, pass@2)" in text
    assert "the TRM paper takes the mean over tasks" in text


@pytest.mark.parametrize(
    ("begun", "wanted", "confirm", "told"),
    [
        (2, 2, None, "with all their replicates"),
        (2, 3, None, "2 replicates of complete trials"),
        (1, 1, {"top": 1, "replicates": 3}, "3 replicates of complete trials"),
    ],
)
def test_replicates_that_complete_trials_lack_are_counted(
    make_sweep, begun: int, wanted: int, confirm: Any, told: str
) -> None:
    folder = make_sweep(COMPLETE, COMPLETE, replicates=begun)
    spec = {**folder.record().spec, "replicates": wanted}
    rename(folder, spec=spec | ({"confirm": confirm} if confirm else {}))
    folder.session_ended(SessionEnd.DONE)
    assert told in section(written(folder), "How it was searched")


def test_trials_that_were_short_of_memory_are_named(make_sweep) -> None:
    folder = make_sweep(COMPLETE, COMPLETE)
    assert "For want of memory" not in section(written(folder), "How it was searched")
    [one] = folder.trials()[1].replicates()
    lines = one.metrics.read_text()
    one.metrics.write_text(lines.replace('"micro_batch": null', '"micro_batch": 24'))
    text = section(written(folder), "How it was searched")
    assert "at the same batch, in trials 1 (24)." in text


def test_hosts_are_told_where_there_are_several(make_sweep) -> None:
    folder = make_sweep(COMPLETE, COMPLETE, FAILED, replicates=2)
    begun = [one for trial in folder.trials() for one in trial.replicates()]
    for number, one in enumerate(begun):
        one.begin_session({"host": "elsewhere"})
        one.begin_session({"host": "a100" if number < 4 else "cpu-<b>"})
    text = section(written(folder), "How it was searched")
    assert "Replicates ran, at last, on 2 hosts: a100 (4), cpu-" in text
    assert "elsewhere" not in text
    assert "<b>" not in text
    for one in begun:
        one.begin_session({"host": "one"})
    assert "hosts" not in section(written(folder), "How it was searched")


def test_messages_to_the_sweep_are_told(make_sweep) -> None:
    folder = make_sweep(COMPLETE, STOPPED)
    assert "by hand" not in section(written(folder), "How it was searched")
    asked = [folder.messages.send(Verb.STOP, {"trial": 1}), folder.messages.send(Verb.PAUSE, {})]
    folder.messages.give(1, Answer(accepted=True, text="trial 1 <ends>", answered=1.0))
    text = section(written(folder), "How it was searched")
    assert "2 messages, of which 1 done" in text
    assert asked[0].sender in text
    rows = [line for line in text.splitlines() if "stop 1" in line or "pause" in line]
    assert ["done" in rows[0], "waits" in rows[1]] == [True, True]
    assert "<ends>" not in text


def test_a_sweep_that_began_with_others_trials_says_so(make_sweep) -> None:
    folder = make_sweep(COMPLETE, COMPLETE, None)
    assert "of another one" not in section(written(folder), "How it was searched")
    folder.create(replace(folder.record(), forked="/runs/<old>", created=1_790_000_101.5))
    text = section(written(folder), "How it was searched")
    assert "began with 2 complete trials of another one" in text
    assert "<old>" not in text


def test_the_plan_stands_beside_what_became_of_it(make_sweep) -> None:
    folder = make_sweep(COMPLETE, COMPLETE, STOPPED, FAILED, None, replicates=2)
    spec = folder.record().spec
    budget = {"trials": 8, "flops_per_trial": 1e8, "minutes": 30.0}
    confirm = {"top": 1, "replicates": 3}
    rename(folder, spec={**spec, "budget": budget, "confirm": confirm})
    text = section(written(folder), "How it was searched")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    found = {name: values for name, *values in rows}
    sweep = summarize(folder)
    spent = units.flops(sweep.training_flops)
    assert found["Trials"] == ["8", "5", "62%"]
    assert found["Replicates that measure"][:2] == ["16", "10"]
    assert found["Replicates that confirm"] == ["3", "0", "0%"]
    assert found["Training"] == ["1.9 GFLOP", spent, f"{sweep.training_flops / 1.9e9:.0%}"]
    assert found["Time on the clock"][0] == "30 min"
    for ended in ("1 trial stopped early", "1 trial failed", "1 trial without an end so far"):
        assert ended in " ".join(text.split())


@pytest.mark.parametrize("states", [(), (None,), (FAILED,), (FAILED, STOPPED)], ids=str)
def test_reports_without_a_complete_trial(make_sweep, states) -> None:
    folder = make_sweep(*states)
    markdown = written(folder)
    evaluated = None in states or STOPPED in states
    assert linked(markdown) == (
        {"front.png", "curves.png", "training.png"} if evaluated else set()
    )
    if not states:
        assert "No trial has started yet" in markdown
    elif states == (FAILED,):
        assert "No trial has been evaluated yet" in markdown
    else:
        assert "The best so far, before any trial is complete" in markdown
        assert "no complete trial has solved a puzzle" in markdown


def test_a_sweep_that_was_never_started(make_sweep) -> None:
    folder = make_sweep()
    (folder.root / "sessions.jsonl").unlink()
    assert "Not started." in written(folder)


def test_trials_that_solve_nothing_still_make_a_report(make_sweep) -> None:
    def nothing(one: Evaluation) -> Evaluation:
        shares = (0.0,) * len(one.curve.exact_accuracy)
        return replace(one, curve=replace(one.curve, exact_accuracy=shares))

    markdown = written(changed(summarize(make_sweep(COMPLETE, COMPLETE)), nothing))
    assert "**0.0 %**" in markdown
    assert "The front is empty" in markdown


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("sqlite:////a/mlflow.db", "mlflow ui --backend-store-uri sqlite:////a/mlflow.db"),
        ("sqlite:////a/mlflow.db", "http://127.0.0.1:5000/#/experiments/7/runs"),
        ("http://tracker:5000", "Its runs are in MLflow at http://tracker:5000."),
        ("http://tracker:5000", "http://tracker:5000/#/experiments/7/runs"),
        (None, "It is not known where"),
    ],
)
def test_where_the_runs_are(make_sweep, uri: str | None, text: str) -> None:
    folder = make_sweep()
    rename(folder, tracking_uri=uri, experiment="7")
    assert text in written(folder)


def test_what_rungs_spared_and_cost_is_told(make_sweep: Any) -> None:
    folder = make_sweep(COMPLETE, COMPLETE, STOPPED)
    spec = {**folder.record().spec, "rungs": {"at": [0.5], "compare": "auto", "audit": 0.1}}
    rename(folder, spec=spec)
    assert "were to stop" not in section(written(folder), "How it was searched")
    again = folder.trials()[1]
    again.create(replace(again.record(), study_number=7))
    judged = {"exact_accuracy": 0.1, "token_accuracy": 0.7, "loss": 0.2, "extrapolation": 0.6}
    compared = Compared(rung=0.5, by="token_accuracy", trials=12, foretold=judged)
    audited = Audited(trial=1, rung=0.5, by="objectives")
    write_rungs(folder.root, Rungs(compared=(compared,), audited=(audited,)))
    told = section(written(folder), "How it was searched")
    assert "1 trial stopped, at rungs or otherwise, which spared" in told, "it was not kept"
    assert "1 trial that was to stop went on to the end (audit): the best of them, trial 1" in told
    assert "| 50.0 % | token accuracy | 12 | 0.10 | 0.70 | 0.20 | 0.60 |" in told


def test_a_trial_that_a_person_stopped_was_spared_by_no_rung(make_sweep: Any) -> None:
    folder = make_sweep(COMPLETE, STOPPED, STOPPED, COMPLETE)
    rename(folder, spec={**folder.record().spec, "rungs": {"at": [0.5]}})
    for stopped, said in (((), "none was stopped"), ((1, 3), "1 trial stopped at them, which")):
        write_rungs(folder.root, Rungs(stopped=stopped))
        assert said in section(written(folder), "How it was searched")


def test_who_paused_and_was_promoted_is_told(make_sweep: Any) -> None:
    folder = make_sweep(COMPLETE, COMPLETE, STOPPED, None)
    rungs = {"at": [0.25, 0.5], "rule": "promotion", "audit": 0.1}
    rename(folder, spec={**folder.record().spec, "rungs": rungs})
    write_rungs(folder.root, Rungs(stopped=()))
    assert "all went on in the end" in section(written(folder), "How it was searched")
    write_rungs(
        folder.root,
        Rungs(
            audited=(Audited(trial=1, rung=0.25, by="objectives"),),
            paused=(
                Paused(rung=0.25, trials=2, promoted=1),
                Paused(rung=0.5, trials=1, promoted=0),
            ),
            stopped=(2,),
        ),
    )
    pause = Outcome(state=TrialState.PAUSED, reason="it waits", ended=1.8e9)
    begun(folder.trials()[3]).end(pause)
    told = section(written(folder), "How it was searched")
    assert "at 25.0 % 2 trials paused, of which 1 was promoted later;" in told
    assert "at 50.0 % 1 trial paused, of which 0 were promoted later;" in told
    assert "1 trial may still be promoted; 1 trial never went on from them, which spared" in told
    assert "1 trial that would never have been promoted went on to the end (audit)" in told


def test_the_report_says_what_proposed_and_what_was_known_before(make_sweep) -> None:
    folder = make_sweep(COMPLETE)
    assert "Points were proposed by tpe." in section(written(folder), "How it was searched")
    chosen, learned = "grid, as it was small", "Learned from 3 trials of runs/other."
    rename(folder, samplers=(chosen, "tpe"), learned=(learned,))
    told = section(written(folder), "How it was searched")
    assert f"proposed by {chosen}; later by tpe." in told
    assert learned in told


def test_energy_is_told_where_it_was_measured(make_sweep) -> None:
    folder = make_sweep(COMPLETE, COMPLETE)
    text = written(folder)
    assert "Energy" not in section(text, "How it was searched")
    [one] = folder.trials()[1].replicates()
    lines = one.metrics.read_text()
    one.metrics.write_text(lines.replace('"energy_joules": null', '"energy_joules": 3600000.0'))
    limited = {**folder.record().spec["budget"], "energy_kwh": 4.0}
    rename(folder, spec={**folder.record().spec, "budget": limited})
    text = written(folder)
    assert "| Energy measured | 4 kWh | 1 kWh | 25% |" in section(text, "How it was searched")
    assert "1 kWh, measured in 1 of 2 replicates" in text
