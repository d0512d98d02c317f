"""The report as one HTML file: it needs no network, no other file, and works by touch.

A content security policy forbids the page to load anything, so it stays as offline as it claims.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

from sweep_platform.report.pages.blocks import (
    Block,
    Bullets,
    Command,
    Facts,
    Figure,
    Finding,
    Folded,
    Heading,
    Outline,
    Paragraph,
    Row,
    Table,
)

_FOLDER = files(__package__)
_STYLE = (_FOLDER / "page.css").read_text(encoding="utf-8")
DRAWING = (_FOLDER / "page.js").read_text(encoding="utf-8")
"""JavaScript that draws the page's charts by means of `vegaEmbed`."""

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:"
)


def html_page(
    outline: Outline, specs: Mapping[str, Any], drawings: Mapping[str, str], script: str
) -> str:
    """The page.

    Args:
        outline: what to say.
        specs: Vega-Lite specifications by the charts' names.
        drawings: the same charts as SVG, shown where scripts do not run.
        script: `DRAWING` bundled with the libraries it uses; left out where there is no chart.
    """
    body = "\n".join(_block(block, drawings) for block in outline.blocks)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(outline.title)}</title>
<style>
{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(outline.title)}</h1>
<p class="status">{escape(outline.status)}</p>
{body}
</main>
{_scripts(specs, script) if specs else ""}</body>
</html>
"""


def _scripts(specs: Mapping[str, Any], script: str) -> str:
    charts = {name: _responsive(spec) for name, spec in specs.items()}
    return (
        f'<script type="application/json" id="charts">{_json(charts)}</script>\n'
        f"<script>{script}</script>\n"
    )


def _json(content: Any) -> str:
    """JSON that cannot end the script element that holds it."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")


def _responsive(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A single chart takes the page's width; charts side by side keep theirs and scroll."""
    return {**spec, "width": "container"} if "width" in spec else dict(spec)


def _block(block: Block, drawings: Mapping[str, str]) -> str:
    match block:
        case Heading(text):
            return f"<h2>{escape(text)}</h2>"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Finding(number, sentence):
            number, sentence = escape(number), escape(sentence)
            return f'<p class="finding"><strong>{number}</strong> <span>{sentence}</span></p>'
        case Bullets(sentences):
            return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in sentences)}</ul>"
        case Facts():
            return _facts(block)
        case Table():
            return _table(block)
        case Figure(chart, description):
            return _figure(chart, description, drawings[chart])
        case Command(line):
            return f"<pre><code>{escape(line)}</code></pre>"
        case Folded(title, facts):
            return f"<details><summary>{escape(title)}</summary>{_facts(facts)}</details>"


def _facts(facts: Facts) -> str:
    rows = (f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in facts.rows)
    return f"<dl>{''.join(rows)}</dl>"


def _table(table: Table) -> str:
    words = [' class="words"' if name in table.words else "" for name in table.columns]
    head = _cells("th", table.columns, words)
    rows = "\n".join(_row(row, words) for row in table.rows)
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def _row(row: Row, words: list[str]) -> str:
    kind = ' class="muted"' if row.muted else ""
    return f"<tr{kind}>{_cells('td', row.cells, words)}</tr>"


def _cells(tag: str, texts: tuple[str, ...], words: list[str]) -> str:
    pairs = zip(texts, words, strict=True)
    return "".join(f"<{tag}{kind}>{escape(text)}</{tag}>" for text, kind in pairs)


def _figure(chart: str, description: str, drawing: str) -> str:
    source = f"data:image/svg+xml;base64,{b64encode(drawing.encode()).decode()}"
    chart, description = escape(chart), escape(description)
    return (
        f'<figure aria-label="{description}"><div class="scroll">'
        f'<div class="chart" data-chart="{chart}"></div></div>'
        f'<noscript><img src="{source}" alt="{description}"></noscript></figure>'
    )
