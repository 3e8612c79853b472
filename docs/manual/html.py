"""Pieces of HTML that are well-formed XML too."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from lossc.dsl.lexer import Scanner, Token
from lossc.dsl.source import Source

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
WORDS = {"loss", "def", "use", "where", "claims", "if", "then", "else", "in", "and", "or", "not"}
CLASSES = {"DOC": "doc", "STRING": "doc", "COMMENT": "note", "NUMBER": "number"}


def page(title: str, body: str, *, up: str = "") -> str:
    """A whole page; `up` leads from it to the folder of the index."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{escape(title)}</title>
<link rel="stylesheet" href="{up}style.css"/>
</head>
<body>
{body}
</body>
</html>
"""


def section(title: str, *content: str) -> str:
    """A section with its heading; nothing if it has no content."""
    inside = "\n".join(c for c in content if c)
    name = title.lower().replace(" ", "-")
    return f'<section id="{name}">\n<h2>{escape(title)}</h2>\n{inside}\n</section>' * bool(inside)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML; nothing if it has no rows."""
    body = [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows]
    if not body:
        return ""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    inside = f"<thead><tr>{top}</tr></thead><tbody>{''.join(body)}</tbody>"
    return f'<div class="wide"><table>{inside}</table></div>'


def listing(items: Iterable[str], kind: str = "") -> str:
    """A list of items that are HTML; nothing if there are none."""
    inside = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul{f' class={kind!r}' if kind else ''}>{inside}</ul>" * bool(inside)


def code(text: str) -> str:
    """A word of the language in running text."""
    return f"<code>{escape(text)}</code>"


def block(html: str) -> str:
    """Lines of code that are HTML already."""
    return f"<pre><code>{html}</code></pre>"


def highlighted(text: str) -> str:
    """Text of the language as HTML: its words, numbers, strings and comments are marked."""
    scanner = Scanner(Source.of("<text>", text))
    scanner.run()
    out, done = [], 0
    for token in scanner.tokens:
        span, kind = token.span, _class(token)
        if kind:
            marked = f'<span class="{kind}">{escape(span.text)}</span>'
            out += [escape(text[done : span.start]), marked]
            done = span.stop
    return "".join([*out, escape(text[done:])])


def _class(token: Token) -> str:
    """How a word is marked, or "" if it is not."""
    if token.text in WORDS:
        return "word"
    return CLASSES.get(token.kind, "")
