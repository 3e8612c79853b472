"""A mutant: one change of one derivative rule, that can be put in place and taken back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One change of one rule; `installed` puts it in place for a while."""

    rule: str
    change: str
    installed: Callable[[], AbstractContextManager[None]]

    @property
    def is_row(self) -> bool:
        """Whether the rule is a row of a table."""
        return "." not in self.rule

    def __str__(self) -> str:
        return f"{self.rule}: {self.change}"
