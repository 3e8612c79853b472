"""What the commands write: text with colour for people, one JSON document for programs."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from lossc.dsl.diagnostics import Diagnostic, LosscError, render
from lossc.dsl.source import visible

GOOD, FINDINGS, USAGE = 0, 1, 2
_CLEAR = "\r\x1b[K"

# Diagnostics of how the command was called, or of files that cannot be read.
_CALLS = frozenset(["E0501", "E0502", "E0602", "E0609", "E0611", *(f"E061{k}" for k in "2345")])


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a command writes, and whether it writes JSON."""

    json: bool = False

    def say(self, text: str) -> None:
        """Write text to standard output."""
        print(visible(text))

    def document(self, value: Any) -> None:
        """Write a value as a JSON document."""
        print(json.dumps(plain(value), indent=2))

    def report(self, diagnostics: Iterable[Diagnostic], stream: TextIO | None = None) -> None:
        """Write diagnostics as text, by default to standard error."""
        to = stream or sys.stderr
        colour = has_colour(to)
        print("\n\n".join(render(d, colour) for d in diagnostics), file=to)

    def fail(self, error: LosscError) -> int:
        """Write an error that ended a command, as JSON where that is asked for; its exit code."""
        if self.json:
            found = [d.to_json() for d in error.diagnostics]
            self.document({"ok": False, "diagnostics": found})
        else:
            self.report(error.diagnostics)
        return exit_code(error.diagnostics)


def has_colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal that wants colour."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def exit_code(diagnostics: Iterable[Diagnostic]) -> int:
    """2 where a command was called wrongly or cannot read, 1 where it found errors, else 0."""
    errors = [d for d in diagnostics if d.is_error]
    if any(d.code.startswith("E08") or (d.span is None and d.code in _CALLS) for d in errors):
        return USAGE
    return FINDINGS if errors else GOOD


def usage_error(message: str, *notes: str, help: str | None = None) -> LosscError:
    """The error for a command that was called wrongly."""
    return LosscError(Diagnostic("E0801", message, notes=notes, help=help))


def show_progress(text: str) -> None:
    """Show what is being done, on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{_CLEAR}{visible(text)[:78]}")
        sys.stderr.flush()


def clear_progress() -> None:
    """Take back what `show_progress` showed."""
    if sys.stderr.isatty():
        sys.stderr.write(_CLEAR)


def plain(value: Any) -> Any:
    """A value as JSON has it: arrays as lists, and "nan", "inf" and "-inf" for such numbers."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of text in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
