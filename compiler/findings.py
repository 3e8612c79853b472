"""Collecting the diagnostics of one run."""

from __future__ import annotations

from dataclasses import dataclass, field

from lossc.dsl.diagnostics import Diagnostic, Label, LosscError
from lossc.dsl.source import Span


@dataclass
class Findings:
    """The diagnostics found so far; the same finding at the same place counts once."""

    found: dict[tuple[str, str, Span | None], Diagnostic] = field(default_factory=dict)

    def add(
        self,
        code: str,
        span: Span | None,
        message: str,
        label: str = "",
        *,
        others: tuple[Label, ...] = (),
        notes: tuple[str, ...] = (),
        help: str | None = None,
    ) -> None:
        """Record a finding at a place."""
        place = Label(span, label) if span is not None else None
        key = (code, message, span)
        self.found.setdefault(key, Diagnostic(code, message, place, others, notes, help))

    def include(self, error: LosscError) -> None:
        """Record all that another stage found."""
        for d in error.diagnostics:
            self.found.setdefault((d.code, d.message, d.span), d)

    @property
    def all(self) -> tuple[Diagnostic, ...]:
        """Every finding, in the order of the text."""
        return tuple(sorted(self.found.values(), key=_order))

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The errors."""
        return tuple(d for d in self.all if d.is_error)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """The warnings."""
        return tuple(d for d in self.all if not d.is_error)


def _order(d: Diagnostic) -> tuple[str, int]:
    return (d.span.source.name, d.span.start) if d.span else ("", 0)
