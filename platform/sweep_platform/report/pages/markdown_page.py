"""The report as Markdown, with its charts as pictures beside it."""

import re

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
    Table,
)

_MEANINGFUL = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def markdown_page(outline: Outline) -> str:
    """The page; a figure links to the picture of its chart by a relative path."""
    parts = [f"# {_text(outline.title)}", _text(outline.status)]
    return "\n\n".join([*parts, *(_block(block) for block in outline.blocks)]) + "\n"


def _text(text: str) -> str:
    """Text that means itself: in one line, nothing in it read as Markdown or HTML."""
    return _MEANINGFUL.sub(r"\\\1", " ".join(text.split()))


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {_text(text)}"
        case Paragraph(text):
            return _text(text)
        case Finding(number, sentence):
            return f"**{_text(number)}** {_text(sentence)}"
        case Bullets(sentences):
            return "\n".join(f"- {_text(sentence)}" for sentence in sentences)
        case Facts():
            return _facts(block)
        case Table():
            return _table(block)
        case Figure(chart, description):
            return f"![{_text(description)}]({chart}.png)"
        case Command(line):
            return f"    {' '.join(line.split())}"
        case Folded(title, facts):
            return f"### {_text(title)}\n\n{_facts(facts)}"


def _facts(facts: Facts) -> str:
    rows = [f"| {_text(term)} | {_text(text)} |" for term, text in facts.rows]
    return "\n".join(["| | |", "|:--|:--|", *rows])


def _table(table: Table) -> str:
    rules = [":--" if name in table.words else "--:" for name in table.columns]
    cells = (table.columns, *(row.cells for row in table.rows))
    head, *rows = [f"| {' | '.join(map(_text, texts))} |" for texts in cells]
    return "\n".join([head, f"|{'|'.join(rules)}|", *rows])
