"""Reports of real folders: complete, whole, escaped, and in need of nothing else."""

import re
from dataclasses import asdict, replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from puzzle_datasets.common.files import write_json
from sweep_platform.common.errors import InputError
from sweep_platform.report import write_report
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import Outcome, TrialState

COMPLETE, STOPPED, FAILED = TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED
PICTURES = {"front.png", "curves.png", "training.png", "knobs.png"}
HOSTILE = "</script><script>alert(1)</script>|`x`"


class Page(HTMLParser):
    """What a browser would load for a page, its elements, and its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = ("src", "href", "action", "data", "poster", "srcset")
        self.loads += [value or "" for name, value in attrs if name in named]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] not in (["script"], ["style"]):
            self.texts.append(data)


def read(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def linked(markdown: str) -> set[str]:
    return set(re.findall(r"!\[[^\]]*\]\(([^)]+)\)", markdown))


def rename(folder: SweepFolder, **changes: Any) -> None:
    folder.create(replace(folder.record(), **changes))


def test_every_state_is_told_in_both_pages(make_sweep) -> None:
    folder = make_sweep(COMPLETE, STOPPED, FAILED, None, COMPLETE)
    path = write_report(folder)
    assert path == folder.report / "report.html"
    html, markdown = unescape(read(folder.report, "report.html")), read(folder.report, "report.md")
    for text in (html, markdown):
        assert "5 trials: 2 complete, 1 failed, 1 running, 1 stopped" in text
        assert "stopped: dominated at the rung of 50 % of the budget" in text
        assert "failed: the loss was nan at step 3" in text
        assert "running: under way" in text
        assert "30.0 % (12 of 40)" in text
        assert "5f0c" * 16 in text
    assert "95 % interval" in markdown


def test_pictures_exist_and_markdown_links_them(make_sweep) -> None:
    folder = make_sweep(COMPLETE, COMPLETE, STOPPED)
    write_report(folder)
    assert {path.name for path in folder.report.iterdir()} == {
        "report.html",
        "report.md",
        *PICTURES,
    }
    assert linked(read(folder.report, "report.md")) == PICTURES
    for name in PICTURES:
        assert (folder.report / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_the_page_loads_nothing(make_sweep) -> None:
    page = read(write_report(make_sweep(COMPLETE)).parent, "report.html")
    loads = Page(page).loads
    assert loads
    assert all(load.startswith("data:") for load in loads)
    assert "default-src 'none'" in page
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def section(markdown: str, heading: str) -> str:
    return markdown.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_models_are_compared_side_by_side(make_comparison) -> None:
    folder = make_comparison("hrm", "trm", "transformer", "hrm", "transformer", "trm")
    write_report(folder)
    markdown = read(folder.report, "report.md")
    assert linked(markdown) == {*PICTURES, "models.png"}
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
    told = section(markdown, "If each puzzle stops on its own")
    for name in ("hrm", "transformer", "trm"):
        assert f"model={name} " in told, "the best of each model"


def test_a_model_without_a_complete_trial_is_still_listed(make_comparison) -> None:
    folder = make_comparison("hrm", "trm", "trm")
    for trial in folder.trials()[1:]:
        (trial.root / "outcome.json").unlink()
        trial.end(Outcome(state=STOPPED, reason="beaten", ended=1_790_000_100.0))
    write_report(folder)
    told = section(read(folder.report, "report.md"), "Models")
    [row] = [line for line in told.splitlines() if line.startswith("| trm ")]
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
        write_json(trial.root / "trial.json", asdict(changed))
    write_report(folder)
    markdown = read(folder.report, "report.md")
    average = "0 (hrm, transformer), 0.999 (trm)"
    assert f"| Moving average of weights | {average} |" in section(markdown, "What was asked")
    told = section(markdown, "Models")
    assert f"exact (hrm), lean (transformer, trm); moving average of weights {average}." in told


def test_one_model_needs_no_comparison(make_comparison) -> None:
    folder = make_comparison("trm", "trm")
    write_report(folder)
    markdown = read(folder.report, "report.md")
    assert linked(markdown) == PICTURES
    assert section(markdown, "Models") == ""


def test_halting_stands_beside_all_segments(make_sweep) -> None:
    folder = make_sweep(COMPLETE, STOPPED)
    write_report(folder)
    told = section(read(folder.report, "report.md"), "If each puzzle stops on its own")
    [row] = [line for line in told.splitlines() if line.startswith("| 0 ")]
    expected = ["15.0 % (6 of 40)", "6 MFLOP", "7.5 % (3 of 40)", "1.50 of 2", "4.5 MFLOP"]
    assert row.strip("| ").split(" | ")[2:] == expected


def test_sweeps_from_before_halting_was_measured(make_sweep) -> None:
    folder = make_sweep(COMPLETE)
    for path in folder.root.glob("trials/*/metrics.jsonl"):
        path.write_text(re.sub(r', "halting": (null|\{[^}]*\})', "", path.read_text()))
    write_report(folder)
    assert "stops on its own" not in read(folder.report, "report.md")


def test_what_all_trials_share_is_told(make_comparison) -> None:
    folder = make_comparison("hrm", "trm")
    rename(folder, spec={**folder.record().spec, "space": {"model": {"choices": ["hrm", "trm"]}}})
    write_report(folder)
    asked = section(read(folder.report, "report.md"), "What was asked")
    assert "| Knob model | hrm, trm |" in asked
    assert "| Model |" not in asked
    for row in ("Speed mode | exact", "Gradient | native", "Execution | compiled"):
        assert f"| {row} |" in asked
    assert "| Moving average of weights | 0 |" in asked


@pytest.mark.parametrize("states", [(), (None,), (FAILED,), (FAILED, STOPPED)], ids=str)
def test_reports_without_a_complete_trial(make_sweep, states) -> None:
    folder = make_sweep(*states)
    write_report(folder)
    markdown = read(folder.report, "report.md")
    assert linked(markdown) <= {path.name for path in folder.report.iterdir()}
    if not states:
        assert "No trial has started yet" in markdown
    elif states == (FAILED,):
        assert "No trial has been evaluated yet" in markdown
    else:
        assert "No trial is complete. The best so far" in markdown
        assert "no complete trial has solved a puzzle" in markdown


def test_a_sweep_that_was_never_started(make_sweep) -> None:
    folder = make_sweep()
    (folder.root / "sessions.jsonl").unlink()
    write_report(folder)
    assert "Not started." in read(folder.report, "report.md")


def test_written_again_it_tells_the_news(make_sweep) -> None:
    folder = make_sweep(COMPLETE, None)
    write_report(folder)
    assert "Running, or killed" in read(folder.report, "report.md")
    folder.session_ended("interrupted")
    write_report(folder)
    markdown = read(folder.report, "report.md")
    assert "Interrupted. 2 trials: 1 complete, 1 unfinished" in markdown
    assert not [path for path in folder.report.iterdir() if path.name.startswith(".")]


def test_trials_that_solve_nothing_still_make_a_report(make_sweep) -> None:
    folder = make_sweep(COMPLETE, COMPLETE)
    for path in folder.root.glob("trials/*/metrics.jsonl"):
        text = path.read_text()
        path.write_text(re.sub(r'("exact_accuracy": )\[[^]]*\]', _nothing_solved, text))
    write_report(folder)
    markdown = read(folder.report, "report.md")
    assert "**0.0 %**" in markdown
    assert "The front is empty" in markdown


def _nothing_solved(match: re.Match[str]) -> str:
    return match[1] + "[" + ", ".join("0.0" for _ in match[0].split(",")) + "]"


def test_hostile_names_stay_text(make_sweep) -> None:
    folder = make_sweep(COMPLETE, COMPLETE)
    trial = folder.trials()[0]
    record = trial.record()
    write_json(
        trial.root / "trial.json",
        {**vars(record), "parameters": {**record.parameters, HOSTILE: HOSTILE, "a.b[0]": 1}},
    )
    rename(folder, name=HOSTILE, space_file=HOSTILE, dataset={"name": HOSTILE})
    write_report(folder)
    page = Page(read(folder.report, "report.html"))
    assert page.tags.count("script") == 2
    assert f"Sweep {HOSTILE}" in page.texts
    markdown = read(folder.report, "report.md")
    commands = re.compile(r"^    .*$", re.M)
    assert not re.search(r"(?<!\\)[<`]", commands.sub("", markdown))
    for table in re.findall(r"(?:^\|.*\|\n)+", markdown, re.M):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(columns) == 1, table


def test_no_password_is_told(make_sweep) -> None:
    folder = make_sweep(COMPLETE)
    store = "postgresql://me:hush@db/mlflow"
    rename(
        folder,
        spec={**folder.record().spec, "search": {"storage": store}},
        environment={"command": ["run.py", "--space", "a b.yaml", "--tracking-uri", store]},
    )
    write_report(folder)
    for name in ("report.html", "report.md"):
        assert "hush" not in read(folder.report, name)
    expected = "python sweeps/run.py --space 'a b.yaml' --tracking-uri"
    assert expected in read(folder.report, "report.md")


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("sqlite:///mlflow.db", "mlflow ui --backend-store-uri sqlite:///mlflow.db"),
        ("http://tracker:5000", "Its runs are in MLflow at http://tracker:5000."),
        (None, "is not kept"),
    ],
)
def test_where_the_runs_are(make_sweep, uri: str | None, told: str) -> None:
    folder = make_sweep()
    rename(folder, tracking_uri=uri)
    write_report(folder)
    assert told in read(folder.report, "report.md")


def test_a_folder_without_a_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no sweep\.json; name the folder of a sweep"):
        write_report(SweepFolder(tmp_path))
    assert not list(tmp_path.iterdir())
