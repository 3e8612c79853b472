"""The declaration of a diagnostic."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of diagnostic.

    `bad` is a whole file that gives exactly this code when checked, `good` is the same mended and
    gives nothing. Both are "" for what only shows when a loss is run or a file is read. For that,
    `wrong` and `right` are what somebody does in Python, or in a shell, after `$`.
    """

    code: str
    title: str
    why: str
    bad: str = ""
    good: str = ""
    wrong: str = ""
    right: str = ""

    @property
    def examples(self) -> tuple[str, str]:
        """A wrong and a right example, both "" where there can be none."""
        return (self.bad, self.good) if self.bad else (self.wrong, self.right)
