"""The page draws its charts in a real browser, with names that try to break it."""

import json
import re
import shutil
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from inside_numbers import inside_numbers
from sweep_builders import with_hostile_knobs

from sweep_platform.report import write_comparison, write_report, writing
from sweep_platform.report.blocks import Outline, Table
from sweep_platform.report.inside import measuring
from sweep_platform.report.inside.subject import Subject, subject_of
from sweep_platform.report.pages import report_as_html
from sweep_platform.store.folder import SessionEnd, SweepFolder, SweepRecord
from sweep_platform.store.summary import summarize
from sweep_platform.store.trial import TrialRecord, TrialState

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


HOSTILE = (
    "</script><script>document.title = 'broken'</script></style>--><!--]]>"
    "\"'><img src=x onerror=\"document.title='broken'\">`'+alert(1)+'\x1b[31m\x00\u202e"
)
"""Ends whatever it may stand in, and then runs, loads or colours."""

READ_BY_CODE = {"objectives", "state", "format"}


def poisoned(value: Any) -> Any:
    """The value with hostile text in each of its texts, but for those that code reads."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, list | tuple):
        return [poisoned(one) for one in value]
    if isinstance(value, dict):
        return {k: v if k in READ_BY_CODE else poisoned(v) for k, v in value.items()}
    return value


def drawn(page: Path, profile: Path, *more: str) -> str:
    """The document after its scripts ran."""
    assert CHROMIUM
    options = [
        *QUIET,
        *more,
        f"--user-data-dir={profile}",
        "--virtual-time-budget=10000",
        "--dump-dom",
    ]
    command = [CHROMIUM, *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")
def test_charts_are_drawn(make_sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_sweep(*[TrialState.COMPLETE] * 4, TrialState.STOPPED, TrialState.FAILED, None)
    hostile = "</script><script>document.title = 'broken'</script>"
    folder.create(replace(folder.record(), space_file=hostile))
    odd = with_hostile_knobs(summarize(folder), **{hostile: hostile, "optimizer.lr": 0.1})
    monkeypatch.setattr(writing, "summarize", lambda folder: odd)
    document = drawn(write_report(folder), tmp_path / "profile")
    charts = document[: document.index("</main>")].split('data-chart="')[1:]
    assert [chart.split('"')[0] for chart in charts] == [
        "front",
        "knobs",
        "curves",
        "training",
        "growth",
    ]
    for chart in charts:
        assert "could not be drawn" not in chart
        assert (
            chart.count('aria-roledescription="circle"')
            + chart.count('aria-roledescription="point"')
            >= 4
        ), "marks of at least the four complete trials"
    assert "<title>broken</title>" not in document


def titles(document: str) -> list[str]:
    """The lines of all charts' titles, and of what is below them."""
    found = re.findall(r'role-title-(?:text|subtitle)".*?</g>', document, re.DOTALL)
    return re.findall(r">([^<>]+)</(?:text|tspan)>", "".join(found))


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")
def test_a_phone_shows_titles_whole(make_sweep, tmp_path: Path) -> None:
    page = write_report(make_sweep(*[TrialState.COMPLETE] * 4))
    narrow = titles(drawn(page, tmp_path / "narrow", "--window-size=390,2000"))
    assert any(line.startswith("coloured by") for line in narrow)
    assert max(map(len, narrow)) <= 48
    wide = titles(drawn(page, tmp_path / "wide", "--window-size=1400,2000"))
    assert max(map(len, wide)) > 60
    assert len(wide) < len(narrow)


SOUND = ("model", "training", "signature")
"""What is held against other records, or known to the code."""


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")
def test_no_text_of_a_record_becomes_markup(make_sweep, tmp_path: Path) -> None:
    folder = make_sweep(*[TrialState.COMPLETE] * 3, TrialState.FAILED)
    poison(folder)
    require_harmless(write_report(folder), tmp_path / "profile")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")
def test_no_text_of_compared_records_becomes_markup(make_sweep, tmp_path: Path) -> None:
    sweeps = [make_sweep(*[TrialState.COMPLETE] * 2, name=name) for name in ("one", "two")]
    for sweep in sweeps:
        poison(sweep)
    page = write_comparison(sweeps, tmp_path / "out")
    assert "onerror" in page.read_text(), "the page tells of the poisoned records"
    require_harmless(page, tmp_path / "profile")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")
def test_no_text_of_what_was_measured_inside_becomes_markup(
    swept: SweepFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    swept.session_ended(SessionEnd.DONE)
    subject = subject_of(summarize(swept))
    assert isinstance(subject, Subject)
    monkeypatch.setattr(measuring, "measure_inside", inside_numbers)
    content = poisoned(asdict(inside_numbers(subject))) | {"key": subject.key}
    swept.report.mkdir()
    (swept.report / "inside.json").write_text(json.dumps(content))
    page = write_report(swept)
    assert "onerror" not in (swept.report / "inside.json").read_text(), "it was measured again"
    assert "Inside trial" in page.read_text()
    require_harmless(page, tmp_path / "profile")


def poison(folder: SweepFolder) -> None:
    """Put hostile text into all of a sweep's records."""
    sweep = asdict(folder.record())
    name = (
        sweep["name"] + HOSTILE.replace("/", "").partition("\x1b")[0]
    )  # a folder may be so named
    folder.create(SweepRecord(**poisoned(sweep) | {"spec": sweep["spec"], "name": name}))
    for trial in folder.trials():
        sound = asdict(trial.record())
        record = poisoned(sound) | {name: sound[name] for name in SOUND}
        trial.create(TrialRecord(**{**record, "inactive": tuple(record["inactive"])}))
        outcome = trial.root / "outcome.json"
        outcome.write_text(json.dumps(poisoned(json.loads(outcome.read_text()))))


def require_harmless(page: Path, profile: Path) -> None:
    """No text of a page is run, loaded or left unprintable, and all its charts are drawn."""
    document = drawn(page, profile)
    assert "<title>broken</title>" not in document
    assert "<img src=x" not in document
    assert "could not be drawn" not in document[: document.index("</main>")]
    for written in (page.read_text(), page.with_suffix(".md").read_text()):
        assert not {"\x00", "\x1b", "\u202e"} & set(written)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")
def test_long_headings_keep_no_table_from_the_width_of_the_page(tmp_path: Path) -> None:
    columns = tuple(f"{number} heading of some words" for number in range(11))
    rows = (tuple("9.95 G" for _ in columns),)
    wide = Table("wide", columns, rows, (False,), frozenset(), ({},))
    page = tmp_path / "page.html"
    measure = """<script>
const box = document.querySelector(".scroll");
document.title = `${box.scrollWidth} of ${box.clientWidth}`;
</script>"""
    whole = report_as_html(Outline("Report", "Done.", (wide,)), {}, str)
    page.write_text(whole.replace("</main>", f"</main>{measure}"))
    document = drawn(page, tmp_path / "profile", "--window-size=1400,900")
    found = re.search(r"<title>(\d+) of (\d+)</title>", document)
    assert found
    assert int(found[1]) <= int(found[2])
