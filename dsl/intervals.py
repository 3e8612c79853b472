"""Intervals of real numbers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Interval:
    """The reals between `low` and `high`; None stands for no bound on that side."""

    low: Fraction | int | None = None
    high: Fraction | int | None = None
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, x: float | Fraction) -> bool:
        above = self.low is None or x > self.low or (x == self.low and not self.low_open)
        below = self.high is None or x < self.high or (x == self.high and not self.high_open)
        return above and below

    def __str__(self) -> str:
        left = "(" if self.low_open or self.low is None else "["
        right = ")" if self.high_open or self.high is None else "]"
        low = "-inf" if self.low is None else str(self.low)
        return f"{left}{low}, {'inf' if self.high is None else self.high}{right}"


ANY = Interval()
NONNEGATIVE = Interval(0, None)
NONPOSITIVE = Interval(None, 0)
POSITIVE = Interval(0, None, low_open=True)
UNIT = Interval(0, 1)
SYMMETRIC = Interval(-1, 1)
INSIDE_UNIT = Interval(-1, 1, low_open=True, high_open=True)
AT_LEAST_MINUS_ONE = Interval(-1, None)
