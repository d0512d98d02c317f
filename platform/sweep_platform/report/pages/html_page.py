"""The report as one HTML file: it needs no network, no other file, and works by touch.

A content security policy forbids the page to load anything, so it stays as offline as it claims.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from html import escape
from importlib.resources import files
from typing import Any

from puzzle_datasets.common.page import html_page, json_in_html, printable
from sweep_platform.report.pages import blocks

_FOLDER = files(__package__)
_STYLE = (_FOLDER / "page.css").read_text(encoding="utf-8").rstrip()
DRAWING = (_FOLDER / "page.js").read_text(encoding="utf-8")
"""JavaScript that draws the page's charts by means of `vegaEmbed`."""

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:"
)


def report_as_html(
    report: blocks.Outline, drawings: Mapping[str, str], script: Callable[[], str]
) -> str:
    """Return the page.

    Args:
        report: its outline.
        drawings: its charts as SVG, by their names, for readers without scripts.
        script: makes `DRAWING` bundled with the libraries it uses; called if there is a chart.
    """
    content = "\n".join(_block(block, drawings) for block in report.blocks)
    body = f"""<main>
<h1>{_text(report.title)}</h1>
<p class="status">{_text(report.status)}</p>
{content}
</main>"""
    if report.figures:
        charts = {figure.name: _responsive(figure.spec) for figure in report.figures}
        body += f"""
<script type="application/json" id="charts">{json_in_html(charts)}</script>
<script>{script()}</script>"""
    return html_page(report.title, body, style=_STYLE, policy=_POLICY)


def _text(text: str) -> str:
    return escape(printable(text))


def _responsive(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A single chart takes the page's width; charts side by side keep theirs and scroll."""
    return {**spec, "width": "container"} if "width" in spec else dict(spec)


def _block(block: blocks.Block, drawings: Mapping[str, str]) -> str:
    match block:
        case blocks.Heading(text):
            return f"<h2>{_text(text)}</h2>"
        case blocks.Paragraph(text):
            return f"<p>{_text(text)}</p>"
        case blocks.Headline(number, sentence):
            number, sentence = _text(number), _text(sentence)
            return f'<p class="headline"><strong>{number}</strong> <span>{sentence}</span></p>'
        case blocks.Bullets(sentences):
            return f"<ul>{''.join(f'<li>{_text(text)}</li>' for text in sentences)}</ul>"
        case blocks.Facts():
            return _facts(block)
        case blocks.Table():
            return _table(block)
        case blocks.Figure(name, description):
            return _figure(name, description, drawings[name])
        case blocks.Command(line):
            return f"<pre><code>{_text(line)}</code></pre>"
        case blocks.Folded(title, facts):
            return f"<details><summary>{_text(title)}</summary>{_facts(facts)}</details>"


def _facts(facts: blocks.Facts) -> str:
    rows = (f"<dt>{_text(term)}</dt><dd>{_text(text)}</dd>" for term, text in facts.rows)
    return f"<dl>{''.join(rows)}</dl>"


def _table(table: blocks.Table) -> str:
    words = [' class="words"' if name in table.words else "" for name in table.columns]
    head = _cells("th", table.columns, words)
    rows = "\n".join(_row(row, words) for row in table.rows)
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def _row(row: blocks.Row, words: list[str]) -> str:
    kind = ' class="muted"' if row.muted else ""
    return f"<tr{kind}>{_cells('td', row.cells, words)}</tr>"


def _cells(tag: str, texts: tuple[str, ...], words: list[str]) -> str:
    pairs = zip(texts, words, strict=True)
    return "".join(f"<{tag}{kind}>{_text(text)}</{tag}>" for text, kind in pairs)


def _figure(name: str, description: str, drawing: str) -> str:
    source = f"data:image/svg+xml;base64,{b64encode(drawing.encode()).decode()}"
    name, description = _text(name), _text(description)
    return (
        f'<figure aria-label="{description}"><div class="scroll">'
        f'<div class="chart" data-chart="{name}"></div></div>'
        f'<noscript><img src="{source}" alt="{description}"></noscript></figure>'
    )
