"""Source text and places in it."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]"
)


def visible(text: str) -> str:
    """Text for a terminal or a page: what controls these, or turns the direction, as a picture.

    Each character stays one, so that columns stay as they are.
    """
    return _UNSEEN.sub(lambda m: chr(0x2400 + ord(m[0])) if m[0] < " " else "\ufffd", text)


@dataclass(frozen=True)
class Source:
    """A named text; `text` is in Unicode normal form C, so that an accent is one character."""

    name: str
    text: str

    @staticmethod
    def of(name: str, text: str) -> Source:
        """The source of `text`, normalised to NFC and without a byte order mark."""
        return Source(name, unicodedata.normalize("NFC", text.removeprefix("\ufeff")))

    @cached_property
    def line_starts(self) -> tuple[int, ...]:
        """The offset at which each line begins."""
        breaks = (i + 1 for i, c in enumerate(self.text) if c == "\n")
        return (0, *breaks)

    def line_of(self, offset: int) -> int:
        """The number (from 1) of the line that holds `offset`."""
        return bisect_right(self.line_starts, offset)

    def column_of(self, offset: int) -> int:
        """The column (from 1) of `offset` in its line."""
        return offset - self.line_starts[self.line_of(offset) - 1] + 1

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its end."""
        start = self.line_starts[number - 1]
        return self.text[start:].split("\n", 1)[0].rstrip("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """The half-open range `start..stop` of offsets in a source."""

    source: Source
    start: int
    stop: int

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.source, self.start, max(self.stop, other.stop))

    @property
    def text(self) -> str:
        """The characters of the span."""
        return self.source.text[self.start : self.stop]

    @property
    def words(self) -> str:
        """The text on one line."""
        return " ".join(self.text.split())

    @property
    def line(self) -> int:
        """The line on which the span starts."""
        return self.source.line_of(self.start)

    @property
    def column(self) -> int:
        """The column at which the span starts."""
        return self.source.column_of(self.start)
