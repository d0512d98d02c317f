"""What a report answers on planted effects: tables, charts, sentences, or why there are none."""

import re
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from planted import planted

from sweep_platform.report.pages import report_as_markdown
from sweep_platform.report.sections import outline
from sweep_platform.report.sections.answer import cheapest
from sweep_platform.report.sections.compute.scaling import target_above
from sweep_platform.store.summary import SweepSummary

CORNERS = [
    {"N": n, "T": t, "hidden_size": width} for n, t, width in product((1, 2), (1, 2), (16, 32, 64))
]


def rule(knobs: Mapping[str, Any], share: float) -> float:
    """T buys 30 points in the course of training, and N nothing."""
    return 0.2 + 0.3 * (knobs["T"] - 1) * share


def report(sweep: SweepSummary) -> str:
    return report_as_markdown(outline(sweep, written=1.8e9))


def section(markdown: str, heading: str) -> str:
    return markdown.partition(f"## {heading}\n")[2].partition("\n## ")[0]


@pytest.fixture(scope="module")
def markdown() -> str:
    base = {"N": 1, "T": 1, "hidden_size": 16}
    return report(planted(CORNERS, rule, evaluations=6, seeds=5, targets=[0.4], base=base))


def test_the_answer_names_what_buys_accuracy_and_nothing_else(markdown: str) -> None:
    text = section(markdown, "Result")
    [told] = re.findall(r"- Beyond chance, in points: (.*)", text)
    assert re.match(r"T 2 over 1 \+\d\d\.\d", told)
    assert "N 2" not in told
    assert "of training in 60 replicates of 12 trials" in text
    assert "- How sure: 5 seeds and 40 tasks, picked on the puzzles that measure it" in text


def test_effects_have_a_size_a_price_and_a_column_for_each_budget(markdown: str) -> None:
    rows = table(section(markdown, "Differences beyond chance"))
    assert rows["T"]["p (Holm)"] == "\\< 0.001"
    assert float(rows["T"]["Effect size"]) > 2
    assert rows["T"]["Inference"].startswith("+")
    at = table(section(markdown, "Do effects hold at other budgets?"))["T"]
    gains = [float(at[name].split()[0]) for name in at if name.startswith("After")]
    assert len(gains) == 6
    assert gains[-1] > gains[0] + 10, "what T buys grows"


def test_a_target_that_half_of_a_value_s_trials_never_met_has_no_median(markdown: str) -> None:
    lines = section(markdown, "What an accuracy costs in training").splitlines()
    costs = {tuple(line.split(" | ")[1:3]): line for line in lines if line.startswith("| 40.0 %")}
    assert "not met by half" in costs["T", "1"]
    assert "| 6 of 6 |" in costs["T", "2"]


def test_knobs_together_and_their_importance_are_drawn(markdown: str) -> None:
    together = section(markdown, "Knobs together")
    assert "(together-n-t.png)" in together
    assert "(together-hidden-size-n-t.png)" in together
    assert re.search(r"- N and T: raising N .* buys [+-]", together)
    matter = section(markdown, "Which knobs matter")
    assert "(importance.png)" in matter
    assert next(iter(table(matter))) == "T"


def test_scaling_tells_what_a_target_needs_or_why_not(markdown: str) -> None:
    text = section(markdown, "How accuracy scales with compute")
    assert "(scaling-training.png)" in text
    assert re.search(r"- Training of trial \d+: (60.0 % would need|No FLOPs are given)", text)


def test_the_way_from_the_base_is_through_trained_configurations(markdown: str) -> None:
    text = section(markdown, "From the base to the best")
    assert "From trial 0 to trial" in text
    assert "T" in table(text)


def test_what_can_not_be_told_has_its_reason_once_at_the_end() -> None:
    text = report(planted(CORNERS[:1], rule, seeds=1, evaluations=1))
    assert text.rstrip().rpartition("\n## ")[2].startswith("What is not told, and why")
    reasons = [one for one in section(text, "What is not told, and why").splitlines() if one]
    assert len(reasons) == len(set(reasons)) >= 5
    assert any("No importance is given from 1 complete trial:" in one for one in reasons)
    for heading in ("Which knobs matter", "Knobs together", "How accuracy scales with compute"):
        assert f"## {heading}\n" not in text


def test_knobs_of_too_few_trials_share_one_reason() -> None:
    text = report(planted(CORNERS[:2], rule, targets=[0.2, 0.5]))
    reasons = section(text, "What is not told, and why").splitlines()
    [reason] = [one for one in reasons if "not compared by" in one]
    assert "by N, T, " in reason


def test_one_trial_is_neither_picked_nor_compared_with_a_cheaper_one() -> None:
    text = section(report(planted(CORNERS[:1], rule)), "Result")
    assert re.search(r"- How sure: 3 seeds and \d+ tasks\.", text)
    assert "Nothing cheaper" not in text


def test_where_nothing_is_solved_no_trial_is_called_cheaper() -> None:
    text = section(report(planted(CORNERS, lambda knobs, share: 0.0)), "Result")
    assert "No complete trial solves more than 2 %" in text
    assert "Nothing cheaper" not in text


@pytest.mark.parametrize("solved", [12, 18, 28, 40])
def test_what_is_asked_of_a_curve_is_above_what_was_reached(solved: int) -> None:
    target = target_above((), solved / 40)
    assert target is None if solved == 40 else target is not None and target > solved / 40


def test_all_trials_equal_are_not_ranked() -> None:
    text = report(planted(CORNERS, lambda knobs, share: 1.0))
    assert "No importance is given: all complete trials are equally accurate" in text
    assert "Beyond chance" not in section(text, "Result")


def test_the_cheapest_is_within_the_margin_and_cheaper() -> None:
    sweep = planted(CORNERS, lambda knobs, share: 0.9)
    found = cheapest(sweep)
    best = max(trial.final.exact_accuracy[-1] for trial in sweep.trials if trial.final)
    assert found is None or found.exact_accuracy >= best - 0.02


def table(text: str) -> dict[str, dict[str, str]]:
    """The rows of a section's table by their first cell."""
    lines = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    head = [cell.strip() for cell in lines[0]]
    rows = [[cell.strip() for cell in line] for line in lines[2:]]
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}
