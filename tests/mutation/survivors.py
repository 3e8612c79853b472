"""Mutants that change no derivative, each with the reason."""

from __future__ import annotations

from .mutant import Mutant

ARGUED: tuple[tuple[str, str, str], ...] = (
    # rule, the change or its beginning, why
    ("norm", "`if r != 0 then x / r else 0` to `if (x) != 0", "x / r is 0 where x is and r is not"),
)


def reason(mutant: Mutant) -> str:
    """Why a mutant changes no derivative; "" if no reason is known."""
    for rule, change, why in ARGUED:
        if mutant.rule == rule and mutant.change.startswith(change):
            return why
    return ""
