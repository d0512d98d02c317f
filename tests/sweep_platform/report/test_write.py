"""The files of a report: complete, whole, escaped, and in need of nothing else."""

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pyarrow import csv, parquet
from sweep_builders import with_hostile_knobs

from sweep_platform.common.errors import InputError
from sweep_platform.report import write_report, writing
from sweep_platform.report.blocks import Figure, Outline
from sweep_platform.store.folder import SessionEnd, SweepFolder, owned
from sweep_platform.store.summary import summarize
from sweep_platform.store.trial import TrialState

COMPLETE, STOPPED, FAILED = TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED
PICTURES = {"front.png", "curves.png", "training.png", "knobs.png", "growth.png"}
PRINTS = {name.replace(".png", ".pdf") for name in PICTURES}
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


def test_both_pages_have_every_state(make_sweep) -> None:
    folder = make_sweep(COMPLETE, STOPPED, FAILED, None, COMPLETE)
    path = write_report(folder)
    assert path == folder.report / "report.html"
    html, markdown = unescape(read(folder.report, "report.html")), read(folder.report, "report.md")
    for text in (html, markdown):
        assert "5 trials: 2 complete, 1 failed, 1 running, 1 stopped" in text
        assert "stopped: beaten at the rung at 50% of the training budget" in text
        assert "failed: the loss was nan at step 3" in text
        assert "running: under way" in text
        assert "30.0 % (12 of 40)" in text
        assert "5f0c" * 16 in text
    assert "95 % interval" in markdown


def test_pictures_exist_and_markdown_links_them(make_sweep) -> None:
    folder = make_sweep(COMPLETE, COMPLETE, STOPPED)
    write_report(folder)
    written = {"report.html", "report.md", "tables", *PICTURES, *PRINTS}
    assert {path.name for path in folder.report.iterdir()} == written
    assert linked(read(folder.report, "report.md")) == PICTURES
    for name in PICTURES:
        assert (folder.report / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    for name in PRINTS:
        assert (folder.report / name).read_bytes().startswith(b"%PDF-")


def test_tables_hold_numbers_where_the_page_has_words(make_sweep) -> None:
    folder = make_sweep(COMPLETE, COMPLETE, STOPPED)
    write_report(folder)
    tables = folder.report / "tables"
    names = {path.stem for path in tables.iterdir()}
    assert names == {"front", "halting", "knobs", "plan", "trials"}
    for name in names:
        as_csv = csv.read_csv(tables / f"{name}.csv")
        as_parquet = parquet.read_table(tables / f"{name}.parquet")
        assert as_csv.column_names == as_parquet.column_names
        assert as_csv.num_rows == as_parquet.num_rows > 0
    trials = {
        row["trial"]: row for row in parquet.read_table(tables / "trials.parquet").to_pylist()
    }
    last = summarize(folder).trials[2]
    assert trials[2]["exact_accuracy"] == last.final.exact_accuracy[-1]
    assert trials[2]["inference_flops"] == last.record.inference_flops
    assert (trials[2]["N"], trials[2]["state"]) == (last.knobs["N"], "stopped")
    front = parquet.read_table(tables / "front.parquet").to_pylist()
    assert all(row["low"] <= row["exact_accuracy"] <= row["high"] for row in front)
    assert not any(row["over_seeds"] for row in front), "each trial has one seed"


def test_the_page_loads_nothing(make_sweep) -> None:
    page = read(write_report(make_sweep(COMPLETE)).parent, "report.html")
    loads = Page(page).loads
    assert loads
    assert all(load.startswith("data:") for load in loads)
    assert "default-src 'none'" in page
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_written_again_it_has_the_news(make_sweep) -> None:
    folder = make_sweep(COMPLETE, None)
    write_report(folder)
    assert "Running, or killed" in read(folder.report, "report.md")
    folder.session_ended(SessionEnd.INTERRUPTED)
    write_report(folder)
    markdown = read(folder.report, "report.md")
    assert "Interrupted. 2 trials: 1 complete, 1 unfinished" in markdown
    assert not [path for path in folder.report.iterdir() if path.name.startswith(".")]


def test_charts_and_tables_of_a_former_report_go(make_sweep) -> None:
    folder = make_sweep(COMPLETE)
    (folder.report / "tables").mkdir(parents=True)
    former = ["test-time-7.png", "test-time-7.pdf", "tables/test-time.csv", "tables/old.parquet"]
    for name in (*former, "inside.json", "notes.txt"):
        (folder.report / name).write_bytes(b"")
    write_report(folder)
    assert not [name for name in former if (folder.report / name).exists()]
    assert {"inside.json", "notes.txt", "front.png"} <= {
        path.name for path in folder.report.iterdir()
    }


def test_flops_beyond_64_bits_stay_numbers(make_sweep) -> None:
    folder = make_sweep(COMPLETE, COMPLETE)
    first = folder.trials()[0]
    first.create(replace(first.record(), inference_flops=10**25, training_flops=10**25))
    write_report(folder)
    for name, column in (("trials", "inference_flops"), ("plan", "spent")):
        table = parquet.read_table(folder.report / "tables" / f"{name}.parquet")
        assert all(isinstance(one, int | float) for one in table[column].to_pylist())


def test_targets_that_are_near_each_other_have_a_column_each(make_sweep) -> None:
    folder = make_sweep(COMPLETE)
    rename(folder, spec={**folder.record().spec, "targets": [0.101, 0.102, 0.5]})
    write_report(folder)
    [row] = parquet.read_table(folder.report / "tables" / "trials.parquet").to_pylist()
    assert len([name for name in row if name.startswith("to_")]) == 3


def test_hostile_names_stay_text(make_sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_sweep(COMPLETE, COMPLETE)
    for trial in folder.trials():
        record = trial.record()
        trial.create(replace(record, dataset={"fingerprint": HOSTILE}))
    name = HOSTILE.replace("/", "")
    rename(
        folder, name=name, space_file=HOSTILE, dataset={"name": HOSTILE, "fingerprint": HOSTILE}
    )
    odd = with_hostile_knobs(summarize(folder), **{HOSTILE: HOSTILE, "a.b[0]": 1})
    monkeypatch.setattr(writing, "summarize", lambda folder: odd)
    write_report(folder)
    page = Page(read(folder.report, "report.html"))
    assert page.tags.count("script") == 2
    assert f"Sweep {name}" in page.texts
    assert HOSTILE in page.texts, "as a knob's name"
    markdown = read(folder.report, "report.md")
    commands = re.compile(r"^    .*$", re.M)
    assert not re.search(r"(?<!\\)[<`]", commands.sub("", markdown))
    for table in re.findall(r"(?:^\|.*\|\n)+", markdown, re.M):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(columns) == 1, table


def test_no_password_is_written(make_sweep) -> None:
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


def test_a_folder_without_a_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no sweep\.json") as caught:
        write_report(SweepFolder(tmp_path))
    assert caught.value.field == str(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("names", [["../out"], ["a/b"], [".hidden"], [""], ["one", "one"]])
def test_names_of_files_that_are_not_plain_or_come_twice_are_our_fault(names: list[str]) -> None:
    figures = tuple(Figure(name, "words", {"mark": "bar"}) for name in names)
    with pytest.raises(AssertionError):
        writing._contents(Outline("title", "status", figures), "report")


@pytest.mark.parametrize("name", ["report", "report/tables"])
def test_no_report_is_written_through_a_link(make_sweep, tmp_path: Path, name: str) -> None:
    sweep = make_sweep(TrialState.COMPLETE)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = sweep.root / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere)
    for write in (lambda: write_report(sweep), owned(sweep).__enter__):
        with pytest.raises(InputError) as caught:
            write()
        assert caught.value.field == str(link)
    assert not list(elsewhere.iterdir())
