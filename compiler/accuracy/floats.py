"""Float formats: their numbers in order, and errors in units of the last place.

Subnormal numbers are left out, for XLA reads them as 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ml_dtypes
import numpy as np
from mpmath import mp

from ..arithmetic import Value

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Format:
    """A binary float format: `digits` bits of precision, `bits` in all, exponents from `least`.

    Its normal numbers and 0 are numbered in order: 0 is number 0, `tiny` is 1, `-tiny` is -1.
    """

    name: str
    digits: int
    bits: int
    least: int

    @property
    def dtype(self) -> Any:
        """The NumPy dtype."""
        return np.dtype(ml_dtypes.bfloat16 if self.name == "bfloat16" else self.name)

    @cached_property
    def tiny(self) -> Value:
        """The smallest positive normal number."""
        return mp.ldexp(mp.mpf(1), self.least)

    @cached_property
    def largest(self) -> Value:
        """The largest finite number."""
        return self.number(self.count)

    @cached_property
    def count(self) -> int:
        """How many positive normal numbers there are."""
        return (2 - 2 * self.least) << (self.digits - 1)

    def usual(self, power: int) -> tuple[int, int]:
        """The places of the positive numbers whose exponents are at most so large."""
        return self.place(mp.ldexp(1, -power)), self.place(mp.ldexp(1, power))

    def number(self, place: int) -> Value:
        """The number at a place in the order."""
        if place == 0:
            return mp.mpf(0)
        power, digits = divmod(abs(place) - 1, 1 << (self.digits - 1))
        size = mp.ldexp((1 << (self.digits - 1)) + digits, power + self.least - self.digits + 1)
        return size if place > 0 else -size

    def place(self, x: Value) -> int:
        """The place of the largest number that is not above x."""
        if x < 0:
            down = -self._below(-x)
            return down if self.number(down) <= x else down - 1
        return self._below(x)

    def _below(self, x: Value) -> int:
        """The place of the largest number that is not above x, which is not negative."""
        if x < self.tiny:
            return 0
        if mp.isinf(x) or mp.mag(x) - 1 > 1 - self.least:
            return self.count
        power = int(mp.mag(x)) - 1
        digits = int(mp.floor(mp.ldexp(x, self.digits - 1 - power)))
        return ((power - self.least) << (self.digits - 1)) + digits - (1 << (self.digits - 1)) + 1

    def nearest(self, x: Value) -> Value:
        """The number nearest to x; infinite and NaN stay."""
        if not mp.isfinite(x):
            return x
        low = self.place(x)
        below, above = self.number(low), self.number(min(low + 1, self.count))
        return below if x - below <= above - x else above

    def unit(self, x: Value) -> Value:
        """One unit in the last place of numbers of the size of x, at least that of `tiny`."""
        power = max(mp.mag(x) - 1, self.least) if x else self.least
        return mp.ldexp(mp.mpf(1), power - self.digits + 1)

    def error(self, got: Any, true: Value, scale: Value | None = None) -> float:
        """The bits of error, log2(1 + ulps), of a result; ulps are those of `scale`.

        A true value beyond the range may be infinite or the largest number, and one below `tiny`
        may be 0. A result that is not finite where the true value is, counts as `bits`.
        """
        if mp.isnan(true):
            return 0.0
        if abs(true) > self.largest or mp.isinf(true):
            right = not mp.isnan(got) and (got > 0) == (true > 0) and abs(got) >= self.largest
            return 0.0 if right else self._beyond(got, true, scale)
        if not mp.isfinite(got):
            return float(self.bits)
        if abs(true) < self.tiny and abs(got) <= self.tiny:
            return 0.0
        return self._distance(got, true, scale)

    def _beyond(self, got: Any, true: Value, scale: Value | None) -> float:
        """The error where the true value is beyond the range, and the result is not."""
        if mp.isinf(true) or not mp.isfinite(got):
            return float(self.bits)
        return self._distance(got, true, scale)

    def _distance(self, got: Any, true: Value, scale: Value | None) -> float:
        return self.lost(abs(mp.mpf(got) - true), true if scale is None else scale)

    def lost(self, gap: Value, size: Value) -> float:
        """The bits of error of a result so far from a true value of some size."""
        units = gap / self.unit(size)
        return min(math.log2(1 + float(units)), float(self.bits))


FORMATS = {
    f.name: f
    for f in (
        Format("float32", 24, 32, -126),
        Format("float16", 11, 16, -14),
        Format("bfloat16", 8, 16, -126),
        Format("float64", 53, 64, -1022),
    )
}
FLOAT32 = FORMATS["float32"]
