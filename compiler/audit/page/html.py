"""Pieces of HTML that are well-formed XML too; all text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape as escaped
from itertools import pairwise

from lossc.dsl.lexer import Scanner
from lossc.dsl.source import Source, visible

WORDS = {"loss", "def", "use", "where", "claims", "if", "then", "else", "in", "and", "or", "not"}
CLASSES = {"DOC": "doc", "STRING": "doc", "COMMENT": "note", "NUMBER": "number"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a text that is marked: its class, a short sign shown after it, and a title."""

    start: int
    stop: int
    kind: str
    sign: str
    title: str


def escape(text: str) -> str:
    """Text as it stands in a page, which no character of it breaks."""
    return escaped(visible(text))


def section(key: str, title: str, *content: str) -> str:
    """A section with its heading; nothing if it has no content."""
    inside = "\n".join(c for c in content if c)
    name = f"{key}-{title.lower().replace(' ', '-')}"
    head = f'<section id="{name}" aria-labelledby="{name}-head">'
    return f'{head}\n<h3 id="{name}-head">{escape(title)}</h3>\n{inside}\n</section>' * bool(inside)


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table of cells that are HTML, the first of each row its heading; nothing without rows."""
    body = "".join(_row(head, row) for row in rows)
    if not body:
        return ""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    said = f'<caption class="{"quiet" if caption else "none"}">{escape(caption)}</caption>'
    inside = f"{said if caption else ''}<thead><tr>{top}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide"><table class="{kind or "plain"}">{inside}</table></div>'


def _row(head: Sequence[str], row: Sequence[str]) -> str:
    first, *rest = row
    cells = "".join(
        f'<td data-label="{escape(name)}">{cell}</td>'
        for name, cell in zip(head[1:], rest, strict=True)
    )
    return f'<tr><th scope="row">{first}</th>{cells}</tr>'


def listing(items: Iterable[str]) -> str:
    """A list of items that are HTML; nothing if there are none."""
    inside = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{inside}</ul>" * bool(inside)


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; nothing for no text."""
    return f"<p{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{escape(text)}</p>" * bool(text)


def code(text: str) -> str:
    """A word of the language in running text."""
    return f"<code>{escape(text)}</code>"


def verdict(kind: str, word: str = "") -> str:
    """A verdict as a sign and a word, so that colour is not needed to tell them apart."""
    sign = {"good": "✓", "bad": "✗", "open": "?", "warn": "!", "part": "◑"}[kind]
    return (
        f'<span class="verdict {kind}"><span class="sign" aria-hidden="true">{sign}</span>'
        f"{escape(word)}</span>"
    )


# --- source text ----------------------------------------------------------------------------------


def listed(text: str, first: int, marks: Sequence[Mark]) -> str:
    """Lines of the language with their numbers, words coloured, and stretches marked."""
    html = "".join(_pieces(text, _nested(marks)))
    lines = html.split("\n")
    rows = "".join(
        f'<span class="line" data-n="{first + k}">{line}\n</span>' for k, line in enumerate(lines)
    )
    return f'<pre class="source"><code>{rows}</code></pre>'


def _nested(marks: Sequence[Mark]) -> list[Mark]:
    """The marks that lie inside each other or apart, the outer first."""
    kept: list[Mark] = []
    for mark in sorted(set(marks), key=lambda m: (m.start, -m.stop, m.kind)):
        crossing = any(m.start < mark.start < m.stop < mark.stop for m in kept)
        if mark.stop > mark.start and not crossing:
            kept.append(mark)
    return kept


def _pieces(text: str, marks: Sequence[Mark]) -> Iterator[str]:
    """The text in pieces of one class each, with the marks opened and closed around them.

    A mark that spans lines is closed and opened again at each line end.
    """
    kinds = _kinds(text)
    cuts = {0, len(text), *(k for m in marks for k in (m.start, m.stop))}
    cuts |= {k for k in range(1, len(text)) if kinds[k] != kinds[k - 1]}
    cuts |= {k for i, c in enumerate(text) if c == "\n" for k in (i, i + 1)}
    places = sorted(k for k in cuts if 0 <= k <= len(text))
    for start, stop in pairwise(places):
        piece = text[start:stop]
        inside = [m for m in marks if m.start <= start and stop <= m.stop]
        if piece == "\n":
            yield piece
            continue
        opened = "".join(f'<mark class="{m.kind}" title="{escape(m.title)}">' for m in inside)
        ended = "".join(_sign(m) for m in reversed(inside) if m.stop == stop)
        word = escape(piece)
        coloured = f'<span class="{kinds[start]}">{word}</span>' if kinds[start] else word
        yield f"{opened}{coloured}{'</mark>' * len(inside)}{ended}"


def _sign(mark: Mark) -> str:
    return f'<sup class="{mark.kind}">{escape(mark.sign)}</sup>' if mark.sign else ""


def _kinds(text: str) -> list[str]:
    """The class of each character."""
    scanner = Scanner(Source.of("<text>", text))
    scanner.run()
    kinds = [""] * (len(text) + 1)
    for token in scanner.tokens:
        kind = "word" if token.text in WORDS else CLASSES.get(token.kind, "")
        for k in range(token.span.start, token.span.stop):
            kinds[k] = kind
    return kinds
