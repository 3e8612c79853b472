"""The passes between elaboration and emission, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .ir import Expr, Program
from .passes.guard import guard

# Each pass takes a term and gives one of the same meaning; its name is the file it stands in.
PASSES: tuple[Callable[[Expr], Expr], ...] = (guard,)


def prepare(program: Program) -> Program:
    """The program as it is emitted."""
    value = program.value
    for run in PASSES:
        value = run(value)
    return replace(program, value=value)
