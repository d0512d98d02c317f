"""The page draws its charts in a real browser, with names that try to break it."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sweep_platform.report import write_report
from sweep_platform.store.trial import TrialState

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


def drawn(page: Path, profile: Path) -> str:
    """The document after its scripts ran."""
    assert CHROMIUM
    options = [*QUIET, f"--user-data-dir={profile}", "--virtual-time-budget=10000", "--dump-dom"]
    command = [CHROMIUM, *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")
def test_charts_are_drawn(make_sweep, tmp_path: Path) -> None:
    folder = make_sweep(*[TrialState.COMPLETE] * 4, TrialState.STOPPED, TrialState.FAILED, None)
    hostile = "</script><script>document.title = 'broken'</script>"
    folder.create(replace(folder.record(), name=hostile))
    for trial in folder.trials():
        record = trial.record()
        knobs = {**record.parameters, hostile: hostile, "optimizer.lr": 0.1}
        trial.create(replace(record, parameters=knobs))
    document = drawn(write_report(folder), tmp_path / "profile")
    charts = document[: document.index("</main>")].split('data-chart="')[1:]
    assert [chart.split('"')[0] for chart in charts] == ["front", "curves", "training", "knobs"]
    for chart in charts:
        assert "could not be drawn" not in chart
        assert (
            chart.count('aria-roledescription="circle"')
            + chart.count('aria-roledescription="point"')
            >= 4
        ), "marks of at least the four complete trials"
    assert "<title>broken</title>" not in document
