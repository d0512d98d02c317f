"""The report as Markdown, with its charts as pictures beside it."""

from puzzle_datasets.common.page import markdown_text
from sweep_platform.report.pages import blocks


def report_as_markdown(report: blocks.Outline) -> str:
    """Return the page; a figure links to the picture of its chart by a relative path."""
    parts = [f"# {markdown_text(report.title)}", markdown_text(report.status)]
    return "\n\n".join([*parts, *map(_block, report.blocks)]) + "\n"


def _block(block: blocks.Block) -> str:
    match block:
        case blocks.Heading(text):
            return f"## {markdown_text(text)}"
        case blocks.Paragraph(text):
            return markdown_text(text)
        case blocks.Headline(number, sentence):
            return f"**{markdown_text(number)}** {markdown_text(sentence)}"
        case blocks.Bullets(sentences):
            return "\n".join(f"- {markdown_text(sentence)}" for sentence in sentences)
        case blocks.Facts():
            return _facts(block)
        case blocks.Table():
            return _table(block)
        case blocks.Figure(name, description):
            return f"![{markdown_text(description)}]({name}.png)"
        case blocks.Command(line):
            return f"    {' '.join(line.split())}"
        case blocks.Folded(title, facts):
            return f"### {markdown_text(title)}\n\n{_facts(facts)}"


def _facts(facts: blocks.Facts) -> str:
    rows = [f"| {markdown_text(term)} | {markdown_text(text)} |" for term, text in facts.rows]
    return "\n".join(["| | |", "|:--|:--|", *rows])


def _table(table: blocks.Table) -> str:
    rules = [":--" if name in table.words else "--:" for name in table.columns]
    cells = (table.columns, *(row.cells for row in table.rows))
    head, *rows = [f"| {' | '.join(map(markdown_text, texts))} |" for texts in cells]
    return "\n".join([head, f"|{'|'.join(rules)}|", *rows])
