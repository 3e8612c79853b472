"""Help for text that a paper prints and the grammar refuses: the formula that it means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .diagnostics import Diagnostic, LosscError
from .source import Source, Span
from .translate import translate

# What refuses a paper's spelling: an unknown character or letter, no operator.
MOST_TEXT = 10_000
CODES = ("E0101", "E0103", "E0104", "E0113")
_HEAD = re.compile(r"^(?:loss|def)\s+\w+\s*\(.*?\)\s*=|\bdef\b", re.MULTILINE | re.DOTALL)
_END = re.compile(r"^\s*(?:where|claims|loss|def|use)\b|\"\"\"|\bwhere\b", re.MULTILINE)
_PRINTED = re.compile(r"\\[A-Za-z]|[₀-₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ]|[∑Σ∏]_|‖")


def hinted(source: Source, found: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics of a text; those about a paper's spelling become one, with the formula."""
    kept = list(found)
    for start, stop, bare in _formulas(source.text):
        mine = [d for d in kept if d.code in CODES and d.span and start <= d.span.start <= stop]
        text = source.text[start:stop]
        if not mine or not (_PRINTED.search(text) or any(_is_product(d) for d in mine)):
            continue
        help = _translated(text, bare)
        if help is None:
            continue
        first = next((d for d in mine if _is_product(d)), mine[0])
        first = mine[0] if _PRINTED.search(text) else first
        kept = [
            replace(d, help=help) if d is first else d for d in kept if d is first or d not in mine
        ]
    return kept


def _is_product(found: Diagnostic) -> bool:
    """Whether two factors stand side by side."""
    return found.code == "E0113" and found.message.startswith("there is no operator")


def suggestion(span: Span) -> str | None:
    """What the formula around a place means, read as a paper prints it; None if it does not."""
    text = span.source.text
    for start, stop, bare in _formulas(text):
        if start <= span.start <= stop and span.source.name:
            return _translated(text[start:stop], bare, printed=False)
    return None


def _formulas(text: str) -> Iterator[tuple[int, int, bool]]:
    """Where formulas stand in a text, and whether one is the whole of it; none in a long text."""
    if len(text) > MOST_TEXT:
        return
    heads = list(_HEAD.finditer(text))
    if not heads:
        end = _END.search(text)
        yield 0, end.start() if end else len(text), True
    for head in heads:
        end = _END.search(text, head.end())
        yield head.end(), end.start() if end else len(text), False


def _translated(text: str, bare: bool, printed: bool = True) -> str | None:
    """What to write in place of a formula; None where it does not read as a paper's."""
    latex = re.search(r"\\[A-Za-z]", text) is not None
    plain = "\n".join(line.split("#")[0] for line in text.splitlines())
    notation = "latex" if latex else "unicode"
    try:
        found = translate(Source("", plain), notation)
    except LosscError as error:
        if not (printed and _PRINTED.search(text)):
            return None
        why = error.first.message
        return f"`lossc fmt --from {notation}` translates formulas of papers; here {why}"
    return f"write {found.line if bare else found.formula}"
