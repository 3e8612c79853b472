"""Oracle 3: differences of the text as written, in arbitrary precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mpmath import mp

from ..arithmetic import Value
from ..interpret import Machine
from ..ir import Expr
from .point import DIGITS, Place, Point

# The error of a difference is least for a step of a third of the digits.
STEP = mp.mpf(10) ** -(DIGITS // 3)
SHORTER = mp.mpf(10) ** -6
SMOOTH = mp.mpf(10) ** -12  # how well the two sides agree where there is no kink
FLAT = mp.mpf(10) ** -18  # beside the value, slopes that count as 0: a step's share of a curve
GROWTH = mp.mpf(10) ** -3


@dataclass(frozen=True, slots=True)
class Slopes:
    """The slopes on both sides of a point; None where there is no value, infinite if they diverge.

    Sides that differ by no more than `flat` are one slope.
    """

    left: Value | None
    right: Value | None
    flat: Value

    @property
    def finite(self) -> list[Any]:
        """The sides that have a finite slope."""
        return [s for s in (self.left, self.right) if s is not None and mp.isfinite(s)]

    @property
    def sides(self) -> list[Any]:
        """The sides that have a slope, finite or not."""
        return [s for s in (self.left, self.right) if s is not None]

    @property
    def is_smooth(self) -> bool:
        """Whether there is one finite slope."""
        if len(self.finite) < len(self.sides) or not self.sides:
            return False
        low, high = min(self.sides), max(self.sides)
        return bool(high - low <= SMOOTH * max(abs(low), abs(high)) + self.flat)

    @property
    def slope(self) -> Value:
        """The mean of the sides: for a smooth function the central difference."""
        return sum(self.sides) / len(self.sides)


def slopes(value: Expr, point: Point, base: Machine, name: str, place: Place) -> Slopes:
    """The slopes of a program's value as one element moves; stop_gradient holds its argument."""
    here = base.run(value, {})
    step = STEP * max(mp.mpf(1), abs(point.arrays[name][place]))

    def toward(h: Value) -> Value:
        x = point.arrays[name][place] + h
        moved = point.moved(name, place, x)
        at = base.moved(moved.arrays, held=base).run(value, {})
        return (at - here) / h if mp.isfinite(at) else None

    flat = FLAT * max(mp.mpf(1), abs(here))
    first = Slopes(toward(-step), toward(step), flat)
    if first.is_smooth:
        return first
    left = _settled(first.left, toward(-step * SHORTER))
    return Slopes(left, _settled(first.right, toward(step * SHORTER)), flat)


def _settled(slope: Value | None, shorter: Value | None) -> Value | None:
    """A one-sided slope, infinite where a shorter step makes it larger still."""
    if slope is None or shorter is None:
        return None
    diverges = abs(shorter) > abs(slope) * (1 + GROWTH)
    return mp.sign(shorter) * mp.inf if diverges else shorter
