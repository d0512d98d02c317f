"""The measures as files: charts, pictures, a JSON of the numbers and a page in Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hrm.charts import save_chart
from hrm.commands.trained_model import weights_in_words
from hrm.dynamics.charts import halting_chart, participation_chart, residual_chart
from hrm.dynamics.measure import Dynamics
from hrm.dynamics.pictures import picture
from hrm.dynamics.traces import SegmentTrace
from puzzle_datasets.common.files import write_file, write_json
from puzzle_datasets.common.page import PICTURE_STYLE, html_page, markdown_text
from puzzle_datasets.common.text import percent
from puzzle_datasets.drawing.svg import to_png
from puzzle_datasets.storage.schema import Manifest

TITLES = {
    "residuals": "Forward residuals",
    "participation": "Participation ratios",
    "halting": "Segments until a puzzle halts",
}
READING = {
    "residuals": "A forward residual is the Euclidean distance between a state before and after "
    "an update, over the root of the hidden size, averaged over positions and puzzles: at 1 the "
    "state has moved as far as it is long. Dotted lines part the segments.",
    "participation": "The participation ratio is (Σλ)² / Σλ² over the eigenvalues λ of the "
    "covariance of a state; its samples are the state after each of its updates, at each position "
    "of each puzzle. Broken lines are the same model before training.",
}
"""Help to read a chart, where its title is not enough."""

Origins = Sequence[dict[str, Any]]
"""Of each model, what `hrm.commands.trained_model.origin_of` says of its checkpoint."""


def write_numbers(
    measured: Sequence[Dynamics], origins: Origins, manifest: Manifest, folder: Path
) -> None:
    """Write `dynamics.json`: checkpoint, settings, curve, halting, residuals, participation."""
    content = {
        "dataset": {"name": manifest.name, "fingerprint": manifest.fingerprint},
        "models": [
            {"name": one.name, "checkpoint": origin, **_numbers(one)}
            for one, origin in zip(measured, origins, strict=True)
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "dynamics.json", content)


def _numbers(dynamics: Dynamics) -> dict[str, Any]:
    return {
        "model": asdict(dynamics.config),
        "curve": asdict(dynamics.evaluation.curve),
        "halting": asdict(dynamics.evaluation.halting),
        "trained": asdict(dynamics.trajectories),
        "untrained": asdict(dynamics.untrained),
    }


def write_charts(measured: Sequence[Dynamics], folder: Path) -> dict[str, str]:
    """Write residuals, participation and, where a model has segments, halting: PNG and HTML.

    Returns what each file is called, without ending, and shows.
    """
    charts = {
        "residuals": residual_chart(measured),
        "participation": participation_chart(measured),
    }
    if any(one.segments > 1 for one in measured):
        charts["halting"] = halting_chart(measured)
    for name, chart in charts.items():
        for suffix in ("png", "html"):
            save_chart(chart, folder / f"{name}.{suffix}")
    return {name: TITLES[name] for name in charts}


def write_picture(
    traces: Sequence[SegmentTrace], manifest: Manifest, dynamics: Dynamics, stem: Path
) -> None:
    """Write the puzzles of one model, segment by segment, as `stem`.png and `stem`.html."""
    title = f"{dynamics.name}: the answer after each segment"
    image = picture(traces, manifest, title, _choice(traces, dynamics))
    write_file(stem.with_name(f"{stem.name}.png"), to_png(image))
    page = html_page(title, image, style=PICTURE_STYLE)
    write_file(stem.with_name(f"{stem.name}.html"), page.encode())


def _choice(traces: Sequence[SegmentTrace], dynamics: Dynamics) -> str:
    """Return which puzzles are drawn; a chosen few must not pass for all."""
    count = dynamics.evaluation.curve.puzzles
    if dynamics.segments > 1 and all(trace.solved_at for trace in traces):
        return f"Of {count} test puzzles, those that took the most segments to solve."
    return f"Of {count} test puzzles; solved ones come first where there are any."


def write_page(
    measured: Sequence[Dynamics],
    origins: Origins,
    images: Mapping[str, str],
    manifest: Manifest,
    folder: Path,
) -> None:
    """Write `dynamics.md`, which shows the images, if there are any, and says how to read them.

    `images` says what each PNG, called without ending, shows.
    """
    puzzles = measured[0].evaluation.curve.puzzles
    parts = [
        f"# Inside {', '.join(markdown_text(one.name) for one in measured)}",
        f"Measured on {puzzles} test puzzles of {markdown_text(manifest.name)} "
        f"(fingerprint {manifest.fingerprint[:12]}).",
        _table(measured, origins),
    ]
    for name, title in images.items():
        parts.append(f"![{title}]({name}.png)")
        parts += [READING[name]] if name in READING else []
    write_file(folder / "dynamics.md", ("\n\n".join(parts) + "\n").encode())


def _table(measured: Sequence[Dynamics], origins: Origins) -> str:
    head = ["model", "solved", "solved if it halts itself", "mean segments", "dimensions used"]
    rows = [[*head, "weights"], ["---", *["---:"] * 3, "---", "---"]]
    for dynamics, origin in zip(measured, origins, strict=True):
        rows.append([*_row(dynamics), weights_in_words(origin)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(dynamics: Dynamics) -> list[str]:
    curve, halting = dynamics.evaluation
    trained, untrained = dynamics.trajectories, dynamics.untrained
    dimensions = ", ".join(
        f"{state} {trained.dimension(state):.1f} (untrained {untrained.dimension(state):.1f})"
        for state in trained.states
    )
    return [
        markdown_text(dynamics.name),
        percent(curve.exact_accuracy[-1]),
        percent(halting.exact_accuracy),
        f"{halting.mean_segments:.2f} of {dynamics.segments}",
        dimensions,
    ]
