"""The shell of every HTML page, and texts made safe for where they are put."""

import json
import re
from html import escape
from typing import Any

PICTURE_STYLE = "body{margin:0}svg{display:block;margin:auto;max-width:100%;height:auto}"
"""Style of a page that holds one picture."""

STILL = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Content security policy of a page that has all that it shows, and no scripts."""

SCRIPTED = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:"
)
"""That of a page with scripts of its own, some of which Vega compiles."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def html_page(
    title: str, body: str, *, style: str = "", policy: str = STILL, generator: str = ""
) -> str:
    r"""Return an HTML page of a title in plain text, escaped here, and a body taken as it is.

    `policy` is a content security policy, `generator` the program that wrote the page.

    >>> html_page("1 < 2", "<p>yes</p>").splitlines()[-3:]
    ['<p>yes</p>', '</body>', '</html>']
    """
    meta = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        _generator(generator) if generator else "",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
    ]
    head = "\n".join(line for line in meta if line)
    return f"""<!doctype html>
<html lang="en">
<head>
{head}
<title>{escape(printable(title))}</title>
<style>
{style}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def is_written_by(generator: str, page: str) -> bool:
    """Return True if a page names this program as its generator.

    >>> is_written_by("me", html_page("title", "body", generator="me"))
    True
    """
    return _generator(generator) in page


def json_in_html(content: Any) -> str:
    r"""Return JSON that cannot end the `script` element that holds it.

    >>> json_in_html(["</script>"])
    '["\\u003c/script>"]'
    """
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")


def markdown_text(text: str) -> str:
    r"""Return text that Markdown shows as it is, on one line of a paragraph or in a table's cell.

    >>> markdown_text("a|b *c*")
    'a\\|b \\*c\\*'
    """
    return _MARKDOWN.sub(r"\\\1", printable(" ".join(text.split())))


def printable(text: str) -> str:
    r"""Return text whose control characters, which a terminal would obey, are spelt out.

    Line ends stay.

    >>> printable("red \x1b[31m")
    'red \\x1b[31m'
    """
    return "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode()
        for one in text
    )


def _generator(name: str) -> str:
    return f'<meta name="generator" content="{escape(name)}">'
