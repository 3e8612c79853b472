"""Points at which gradients are compared, and the interpreter at a point."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from ..arithmetic import Value
from ..interpret import Compiler, Machine
from ..ir import Axis

Array = np.ndarray[Any, Any]
Place = tuple[int, ...]

DIGITS = 80  # of all arithmetic, so that 50 are right


@dataclass(frozen=True, slots=True)
class Point:
    """Values of all inputs and params: arrays of mpmath numbers or bools, one dim an axis.

    `focus` names an element that lies on or beside a kink; a `special` point may lie on kinks.
    Points that share a `compiler` share the work of reading terms.
    """

    label: str
    arrays: Mapping[str, Array]
    sizes: Mapping[Axis, int]
    special: bool = False
    focus: tuple[str, Place] | None = None
    compiler: Compiler = field(default_factory=Compiler, compare=False, repr=False)

    def machine(self) -> Machine:
        """The interpreter at this point."""
        return Machine(self.sizes, self.arrays, compiler=self.compiler)

    def moved(self, name: str, place: Place, value: Value) -> Point:
        """The point with another value of one element."""
        array = self.arrays[name].copy()
        array[place] = value
        return replace(self, arrays={**self.arrays, name: array})


def places(array: Array) -> Iterator[Place]:
    """Every place of an array."""
    return product(*(range(n) for n in array.shape))


class OutOfTime(Exception):
    """A part of the check has used up its time."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A time limit, of the time that `now` tells."""

    seconds: float
    now: Callable[[], float] = time.monotonic
    start: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", self.now())

    @property
    def used(self) -> float:
        """The seconds that have passed."""
        return self.now() - self.start

    @property
    def is_out(self) -> bool:
        """Whether the time is over."""
        return self.used > self.seconds

    def check(self) -> None:
        """Raise OutOfTime if the time is over."""
        if self.is_out:
            raise OutOfTime

    def within(self, seconds: float) -> Clock:
        """A new limit that ends no later than this one."""
        return Clock(max(0.0, min(seconds, self.seconds - self.used)), self.now)
