"""Diagnostics as values, and their drawing with source lines and carets."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .source import Span, visible

_COLOURS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "bold": "\x1b[1m", "end": "\x1b[0m"}
_TAB = "    "
_WIDEST = 120


@dataclass(frozen=True, slots=True)
class Label:
    """A place and a word about it."""

    span: Span
    text: str = ""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: `E....` is an error, `W....` a warning.

    `message` states the fact, `label` marks the place, `others` further places, `notes` explain
    and `help` says what to type.
    """

    code: str
    message: str
    label: Label | None = None
    others: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str | None = None

    @property
    def is_error(self) -> bool:
        """Whether this is an error rather than a warning."""
        return self.code.startswith("E")

    @property
    def level(self) -> str:
        """The word that the message opens with."""
        return "error" if self.is_error else "warning"

    @property
    def span(self) -> Span | None:
        """The place of the finding."""
        return self.label.span if self.label else None

    def to_json(self) -> dict[str, Any]:
        """The finding as plain data, lines and columns counted from 1."""
        data: dict[str, Any] = {"code": self.code, "level": self.level, "message": self.message}
        if self.span is not None:
            data |= {"file": self.span.source.name, "line": self.span.line}
            data |= {"column": self.span.column, "length": self.span.stop - self.span.start}
        return data | {"notes": list(self.notes), "help": self.help}


class LosscError(Exception):
    """What every failure of lossc is; str() is the caret message.

    `diagnostics` holds all findings, `code` and `span` are those of the first error.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic] | Diagnostic) -> None:
        found = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        super().__init__(found)
        self.diagnostics: tuple[Diagnostic, ...] = found

    def __str__(self) -> str:
        return "\n\n".join(render(d) for d in self.diagnostics)

    @property
    def first(self) -> Diagnostic:
        """The first error."""
        return next((d for d in self.diagnostics if d.is_error), self.diagnostics[0])

    @property
    def code(self) -> str:
        """The code of the first error, such as "E0301"."""
        return self.first.code

    @property
    def span(self) -> Span | None:
        """The place of the first error."""
        return self.first.span


class ArgumentError(LosscError, ValueError):
    """An error about the arguments of a call: their number, names, shapes, dtypes or values."""


def render(diagnostic: Diagnostic, colour: bool = False) -> str:
    """The diagnostic as text: code and message, the source line with a caret, notes, help."""
    d = diagnostic
    head = _paint(f"{d.level}[{d.code}]", d.level, colour) + _paint(
        f": {visible(d.message)}", "bold", colour
    )
    lines = [head]
    if d.label is not None:
        lines += _draw(d.label, d.others, d.level, colour)
    lines += [f"  {line}" for note in d.notes for line in visible(note).split("\n")]
    if d.help is not None:
        first, *rest = visible(d.help).split("\n")
        lines += [f"  {_paint('help', 'bold', colour)}: {first}", *(f"        {r}" for r in rest)]
    return "\n".join(lines)


def _paint(text: str, style: str, colour: bool) -> str:
    return f"{_COLOURS[style]}{text}{_COLOURS['end']}" if colour else text


def _draw(label: Label, others: tuple[Label, ...], level: str, colour: bool) -> list[str]:
    labels = [label, *others]
    width = max(len(str(item.span.line)) for item in labels)
    lines: list[str] = []
    for item in labels:
        span, is_first = item.span, item is label
        place = f"{visible(span.source.name)}:{span.line}:{span.column}"
        lines.append(f"  {'-->' if is_first else ':::'} {place}")
        text, start = _window(span)
        text = visible(text)
        lines.append(f"  {span.line:>{width}} | {text.replace(chr(9), _TAB)}".rstrip())
        said = visible(item.text)
        pad, marks = _caret(text, start, span, "^" if is_first else "-")
        lines.append(f"  {' ' * width} | {pad}{_paint(marks, level, colour)} {said}".rstrip())
    return lines


def _window(span: Span) -> tuple[str, int]:
    """The line of a span, of a long one the part around it, and where in it the span starts."""
    line, start = span.source.line(span.line), span.column - 1
    if len(line) <= _WIDEST:
        return line, start
    first = max(0, start - _WIDEST // 4)
    text = line[first : first + _WIDEST]
    before, after = "... " if first else "", " ..." if first + _WIDEST < len(line) else ""
    return f"{before}{text}{after}", start - first + len(before)


def _caret(text: str, start: int, span: Span, mark: str) -> tuple[str, str]:
    length = min(max(span.stop - span.start, 1), max(len(text) - start, 1))
    return " " * _cells(text[:start]), mark * max(_cells(text[start : start + length]), 1)


def _cells(text: str) -> int:
    """The columns a terminal gives to `text`."""
    return sum(_cell(c) for c in text)


def _cell(char: str) -> int:
    if char == "\t":
        return len(_TAB)
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
