"""Oracle 3: differences of the text as written, in arbitrary precision."""

from __future__ import annotations

from collections.abc import Callable
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

    size = max(mp.mpf(1), abs(here))
    flat = FLAT * size
    first = Slopes(toward(-step), toward(step), flat)
    jumps = any(abs(s) * step > SMOOTH * size for s in first.sides)
    if len(first.sides) == 2 and first.is_smooth and not jumps:
        return first
    return Slopes(_settled(toward, -step, flat), _settled(toward, step, flat), flat)


def _settled(toward: Callable[[Value], Value | None], step: Value, flat: Value) -> Value | None:
    """A one-sided slope, infinite where it changes no less from one shorter step to the next.

    So diverge a power, and the logarithm, whose slopes are far apart by the same amount each time.
    """
    far, near, nearest = (toward(step * SHORTER**k) for k in range(3))
    if far is None or near is None or nearest is None:
        return None
    change = nearest - near
    settles = abs(change) <= max(SMOOTH * abs(nearest), flat, abs(near - far) / 2)
    return nearest if settles else mp.sign(change) * mp.inf
