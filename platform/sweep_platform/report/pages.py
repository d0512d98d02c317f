"""A report as two pages: HTML and Markdown.

The HTML file needs no network and no other file, and works by touch. A content security policy
forbids it to load anything, so it stays as offline as it claims.
"""

from collections.abc import Callable, Iterable, Mapping
from html import escape
from importlib.resources import files

from puzzle_datasets.common.page import html_page, json_in_html, markdown_text, printable
from sweep_platform.report import blocks

_FOLDER = files(__package__)
_STYLE = (_FOLDER / "page.css").read_text(encoding="utf-8").rstrip()
DRAWING = (_FOLDER / "page.js").read_text(encoding="utf-8")
"""JavaScript that draws the page's charts by means of `vegaEmbed`."""

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:"
)


def report_as_html(
    report: blocks.Outline, pictures: Mapping[str, str], script: Callable[[], str]
) -> str:
    """Return the HTML page.

    It needs all pictures as addresses that hold them, by their names, those of charts for readers
    without scripts, and a function, called if there is a chart, that makes `DRAWING` bundled with
    the libraries it uses.
    """
    content = "\n".join(_html(block, pictures) for block in report.blocks)
    body = f"""<main>
<h1>{_text(report.title)}</h1>
<p class="status">{_text(report.status)}</p>
{content}
</main>"""
    if report.figures:
        # A single chart takes the page's width; charts side by side keep theirs and scroll.
        charts = {
            one.name: {**one.spec, "width": "container"} if "width" in one.spec else one.spec
            for one in report.figures
        }
        body += f"""
<script type="application/json" id="charts">{json_in_html(charts)}</script>
<script>{script()}</script>"""
    return html_page(report.title, body, style=_STYLE, policy=_POLICY)


def _text(text: str) -> str:
    return escape(printable(text))


def _html(block: blocks.Block, pictures: Mapping[str, str]) -> str:
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
        case blocks.Facts(rows, folded):
            terms = (f"<dt>{_text(term)}</dt><dd>{_text(text)}</dd>" for term, text in rows)
            facts = f"<dl>{''.join(terms)}</dl>"
            return _folded(facts, folded)
        case blocks.Table():
            return _folded(_html_table(block), block.folded)
        case blocks.Figure(name, description):
            source = pictures[name]
            name, description = _text(name), _text(description)
            return (
                f'<figure aria-label="{description}"><div class="scroll">'
                f'<div class="chart" data-chart="{name}"></div></div>'
                f'<noscript><img src="{source}" alt="{description}"></noscript></figure>'
            )
        case blocks.Drawing(name, description):
            description = _text(description)
            return f'<figure><img src="{pictures[name]}" alt="{description}"></figure>'
        case blocks.Command(line):
            return f"<pre><code>{_text(line)}</code></pre>"


def _folded(content: str, title: str | None) -> str:
    if title is None:
        return content
    return f"<details><summary>{_text(title)}</summary>{content}</details>"


def _html_table(table: blocks.Table) -> str:
    words = [' class="words"' if name in table.words else "" for name in table.columns]

    def cells(tag: str, texts: tuple[str, ...]) -> str:
        pairs = zip(texts, words, strict=True)
        return "".join(f"<{tag}{kind}>{_text(text)}</{tag}>" for text, kind in pairs)

    kinds = [' class="muted"' if muted else "" for muted in table.muted]
    rows = "\n".join(
        f"<tr{kind}>{cells('td', row)}</tr>" for row, kind in zip(table.rows, kinds, strict=True)
    )
    return (
        f'<div class="scroll"><table>\n<thead><tr>{cells("th", table.columns)}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def report_as_markdown(report: blocks.Outline) -> str:
    """Return the Markdown page; a figure links to its chart's picture by a relative path."""
    parts = [f"# {markdown_text(report.title)}", markdown_text(report.status)]
    return "\n\n".join([*parts, *map(_markdown, report.blocks)]) + "\n"


def _markdown(block: blocks.Block) -> str:
    match block:
        case blocks.Heading(text):
            return f"## {markdown_text(text)}"
        case blocks.Paragraph(text):
            return markdown_text(text)
        case blocks.Headline(number, sentence):
            return f"**{markdown_text(number)}** {markdown_text(sentence)}"
        case blocks.Bullets(sentences):
            return "\n".join(f"- {markdown_text(sentence)}" for sentence in sentences)
        case blocks.Facts(rows, folded):
            return _markdown_title(folded) + "\n".join(
                ["| | |", "|:--|:--|", *map(_markdown_row, rows)]
            )
        case blocks.Table(_, columns, rows):
            rules = [":--" if name in block.words else "--:" for name in columns]
            head = [_markdown_row(columns), f"|{'|'.join(rules)}|"]
            return _markdown_title(block.folded) + "\n".join([*head, *map(_markdown_row, rows)])
        case blocks.Figure(name, description) | blocks.Drawing(name, description):
            return f"![{markdown_text(description)}]({name}.png)"
        case blocks.Command(line):
            return f"    {printable(' '.join(line.split()))}"


def _markdown_title(folded: str | None) -> str:
    return "" if folded is None else f"### {markdown_text(folded)}\n\n"


def _markdown_row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(map(markdown_text, texts))} |"
