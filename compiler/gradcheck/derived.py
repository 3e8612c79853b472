"""Oracle 1: the derived gradient, evaluated by the interpreter."""

from __future__ import annotations

from collections.abc import Iterable

from ..arithmetic import Value
from ..interpret import Machine
from ..ir import Index, Program
from ..passes.differentiate import differentiate
from .point import Clock, Place

LEAST = 2  # elements that are evaluated however long it takes


def derive(program: Program, wrt: str) -> Program:
    """The derivative of a program as a program."""
    return differentiate(program, wrt)


def gradient(
    derived: Program, machine: Machine, order: Iterable[Place], clock: Clock
) -> dict[Place, Value]:
    """The value of a derivative at the elements of its tensor, as many as there is time for."""
    found: dict[Place, Value] = {}
    for place in order:
        if len(found) >= LEAST and clock.is_out:
            break
        env: dict[Index, int] = dict(zip(derived.axes, place, strict=True))
        found[place] = machine.run(derived.value, env)
    return found
