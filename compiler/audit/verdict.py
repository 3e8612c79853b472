"""What the audit says of a claim: proved, refuted with a witness, or unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

PROVED, REFUTED, UNKNOWN = "proved", "refuted", "unknown"
SCOPED = "scoped"  # proved, though not for all lengths of axes and values of params


@dataclass(frozen=True, slots=True)
class Witness:
    """An input at which a claim fails: `text` calls the loss there, `numbers` are what comes out.

    `values` has each input and param as text that reads as Python: a number, or nested lists.
    """

    text: str
    values: Mapping[str, str]
    numbers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        shown = ", ".join(f"{name} = {value}" for name, value in self.numbers)
        return f"{self.text}: {shown}" if shown else self.text

    def to_json(self) -> dict[str, object]:
        """The witness as JSON has it."""
        return {"text": self.text, "values": dict(self.values), "numbers": dict(self.numbers)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict and how it was reached.

    `scope` says for which lengths of axes and values of params a proof holds, where not for all;
    `tried` is what gave nothing.
    """

    kind: str
    how: str = ""
    scope: str = ""
    witness: Witness | None = None
    tried: tuple[str, ...] = field(default=())

    @property
    def is_proved(self) -> bool:
        """Whether the claim was proved."""
        return self.kind == PROVED

    @property
    def word(self) -> str:
        """The verdict in one word: a proof with a scope is "scoped"."""
        return SCOPED if self.is_proved and self.scope else self.kind

    @property
    def said(self) -> str:
        """The verdict in words."""
        return f"{self.kind} for {self.scope}" if self.scope else self.kind

    @property
    def is_refuted(self) -> bool:
        """Whether the claim was refuted."""
        return self.kind == REFUTED

    def __str__(self) -> str:
        if self.kind == REFUTED:
            return f"refuted: {self.witness}"
        if self.kind == PROVED:
            return f"{self.said} by {self.how}"
        return f"unknown: tried {', '.join(self.tried) or 'nothing'}"

    def to_json(self) -> dict[str, object]:
        """The verdict as JSON has it."""
        return {
            "verdict": self.kind,
            "how": self.how,
            "scope": self.scope,
            "witness": self.witness.to_json() if self.witness else None,
            "tried": list(self.tried),
        }


def proved(how: str, scope: str = "") -> Verdict:
    """A claim that holds."""
    return Verdict(PROVED, how, scope)


def refuted(witness: Witness, how: str = "a witness") -> Verdict:
    """A claim that does not hold."""
    return Verdict(REFUTED, how, witness=witness)


def narrowed(verdict: Verdict, scope: str) -> Verdict:
    """A verdict that holds for some values of params alone; a witness is one all the same."""
    if not scope or not verdict.is_proved:
        return verdict
    return replace(verdict, scope=both(verdict.scope, scope))


def both(scope: str, other: str) -> str:
    """Two scopes as one; that for all is empty."""
    return " and ".join(filter(None, (scope, other)))


def unknown(*tried: str) -> Verdict:
    """A claim that was neither proved nor refuted."""
    return Verdict(UNKNOWN, tried=tried)
