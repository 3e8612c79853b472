"""The declaration of a diagnostic."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of diagnostic.

    `bad` is a whole file that gives exactly this code when checked, `good` is the same mended and
    gives nothing. Both are "" for what only shows when a loss is run or a file is read.
    """

    code: str
    title: str
    why: str
    bad: str = ""
    good: str = ""
