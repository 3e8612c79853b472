"""Intervals of the extended reals with floats for ends, rounded outward.

An end that is not reached is open. Arithmetic is checked for exactness, so that `1 - 1` is 0 and no
more. A set from which NaN is left out: where an operation has no value (0 / 0), none is counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from mpmath import mp

from lossc.dsl.primitives import PRIMITIVES

from ..arithmetic import NEAREST

INF = math.inf
SHORT_BITS, SHORT_SIZE = 8, 8
PRECISION, CONTROL = 90, 400  # bits
# Functions that are above 0 wherever their argument is finite.
POSITIVE = frozenset(("exp", "sigmoid", "softplus", "ndtr", "erfc", "cosh", "bessel_i0e"))
# Step functions: they reach bounds that their argument does not.
FLAT = frozenset(("sign", "floor", "ceil", "round"))


class Interval(NamedTuple):
    """The extended reals between `low` and `high`, an end open or not."""

    low: float = -INF
    high: float = INF
    low_open: bool = False
    high_open: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no number is in it."""
        if self.low == self.high:
            return self.low_open or self.high_open
        return self.low > self.high

    @property
    def nonnegative(self) -> bool:
        """Whether no number is below 0."""
        return self.low >= 0

    @property
    def positive(self) -> bool:
        """Whether every number is above 0."""
        return self.low > 0 or (self.low == 0 and self.low_open)

    @property
    def is_bounded(self) -> bool:
        """Whether both ends are finite."""
        return self.low > -INF and self.high < INF

    def __contains__(self, x: object) -> bool:
        assert isinstance(x, (int, float, Fraction))
        above = x > self.low or (x == self.low and not self.low_open)
        return above and (x < self.high or (x == self.high and not self.high_open))

    def meet(self, other: Interval) -> Interval:
        """The numbers that are in both."""
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, closed = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Interval(low, high, low_open, not closed)

    def join(self, other: Interval) -> Interval:
        """The smallest interval around both."""
        if self.is_empty or other.is_empty:
            return other if self.is_empty else self
        low, low_open = min((self.low, self.low_open), (other.low, other.low_open))
        high, closed = max((self.high, not self.high_open), (other.high, not other.high_open))
        return Interval(low, high, low_open, not closed)

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low, self.high_open, self.low_open)


ANY = Interval()
REALS = Interval(-INF, INF, True, True)
ZERO, ONE = Interval(0.0, 0.0), Interval(1.0, 1.0)
UNIT = Interval(0.0, 1.0)
NONNEGATIVE = Interval(0.0, INF)
EMPTY = Interval(INF, -INF)


def join_all(parts: Iterable[Interval]) -> Interval:
    """The smallest interval around all."""
    total = EMPTY
    for part in parts:
        total = total.join(part)
    return total


def around(value: Fraction | int) -> Interval:
    """The nearest floats around an exact number."""
    try:
        near = float(value)
    except OverflowError:
        top = math.nextafter(INF, 0)
        return Interval(top, INF, True, True) if value > 0 else Interval(-INF, -top, True, True)
    if Fraction(near) == value:
        return Interval(near, near)
    if Fraction(near) < value:
        return Interval(near, math.nextafter(near, INF), True, True)
    return Interval(math.nextafter(near, -INF), near, True, True)


# --- arithmetic ---------------------------------------------------------------------------------


def _down(x: float) -> float:
    return math.nextafter(x, -INF)


def _up(x: float) -> float:
    return math.nextafter(x, INF)


def _add_error(a: float, b: float, total: float) -> float:
    """The exact sum less the rounded one (Knuth)."""
    t = total - a
    return (a - (total - t)) + (b - t)


def _add_down(a: float, b: float) -> float:
    if a == -INF or b == -INF:
        return -INF
    total = a + b
    if math.isinf(total):
        return total if a == INF or b == INF else (_down(INF) if total > 0 else total)
    return _down(total) if _add_error(a, b, total) < 0 else total


def add(a: Interval, b: Interval) -> Interval:
    """Sums."""
    low, high = _add_down(a.low, b.low), -_add_down(-a.high, -b.high)
    low_open = _is_sum_open(low, (a.low, a.low_open), (b.low, b.low_open))
    return Interval(low, high, low_open, _is_sum_open(high, (a.high, a.high_open),
                                                      (b.high, b.high_open)))  # fmt: skip


def _is_sum_open(total: float, *ends: tuple[float, bool]) -> bool:
    """Whether a sum of ends is only neared; an infinite one is reached if one of them is."""
    if math.isinf(total):
        return all(is_open for x, is_open in ends if x == total)
    return any(is_open for _, is_open in ends)


def sub(a: Interval, b: Interval) -> Interval:
    """Differences."""
    return add(a, -b)


Corner = tuple[float, float, bool]  # bounds of a value and whether it is only neared


def _times(a: float, a_open: bool, b: float, b_open: bool) -> Corner:
    if a == 0 or b == 0:
        reached = (a == 0 and not a_open) or (b == 0 and not b_open)
        return 0.0, 0.0, not reached
    value = a * b
    is_open = a_open or b_open
    if math.isinf(value):
        if math.isinf(a) or math.isinf(b):
            infinite = [o for x, o in ((a, a_open), (b, b_open)) if math.isinf(x)]
            return value, value, any(infinite)
        return (_down(INF), INF, True) if value > 0 else (-INF, -_down(INF), True)
    if abs(a) == 1 or abs(b) == 1 or Fraction(a) * Fraction(b) == Fraction(value):
        return value, value, is_open
    return _down(value), _up(value), True


def mul(a: Interval, b: Interval) -> Interval:
    """Products, with 0 times infinity left out but for its limits."""
    corners = [
        _times(x, p, y, q)
        for x, p in ((a.low, a.low_open), (a.high, a.high_open))
        for y, q in ((b.low, b.low_open), (b.high, b.high_open))
    ]
    return _hull(corners, ZERO if 0 in a or 0 in b else EMPTY)


def _hull(corners: list[Corner], reached: Interval) -> Interval:
    low = min(c[0] for c in corners)
    high = max(c[1] for c in corners)
    low_open = all(c[2] for c in corners if c[0] == low)
    high_open = all(c[2] for c in corners if c[1] == high)
    hull = Interval(low, high, low_open, high_open)
    return hull if reached.is_empty else hull.join(reached)


def _reciprocal(x: float, is_open: bool) -> Corner:
    if math.isinf(x):
        return 0.0, 0.0, is_open
    value = 1 / x
    if math.isinf(value):
        return (_down(INF), INF, True) if value > 0 else (-INF, -_down(INF), True)
    if Fraction(value) * Fraction(x) == 1:
        return value, value, is_open
    return _down(value), _up(value), True


def inverse(b: Interval) -> Interval:
    """Reciprocals; all reals if 0 is inside, or at the upper end: `1 / 0` is infinity."""
    if b == ZERO:
        return Interval(INF, INF)
    if b.low < 0 and 0 in b:
        return ANY
    if b.high <= 0:
        return -inverse(-b)
    top = (INF, INF, b.low_open) if b.low == 0 else _reciprocal(b.low, b.low_open)
    bottom = _reciprocal(b.high, b.high_open)
    return Interval(bottom[0], top[1], bottom[2], top[2])


def div(a: Interval, b: Interval) -> Interval:
    """Quotients; a division by 0 counts where the numerator is not 0."""
    return mul(a, inverse(b))


def absolute(a: Interval) -> Interval:
    """Absolute values."""
    if a.low >= 0:
        return a
    if a.high <= 0:
        return -a
    return Interval(0.0, *_larger(-a.low, a.low_open, a.high, a.high_open))


def _larger(x: float, x_open: bool, y: float, y_open: bool) -> tuple[float, bool, bool]:
    high, closed = max((x, not x_open), (y, not y_open))
    return high, False, not closed


# --- functions ----------------------------------------------------------------------------------


@lru_cache(maxsize=1 << 16)
def value_bounds(op: str, *args: float) -> tuple[float, float]:
    """Floats around the value of a primitive at floats; NaN where it has none."""
    with mp.workprec(PRECISION):
        value = NEAREST.apply(op, [mp.mpf(a) for a in args])
        if mp.isnan(value) or mp.isinf(value):
            return float(value), float(value)
        near = float(value)
        exact = mp.mpf(near) == value if math.isfinite(near) else False
    if exact and (op == "sqrt" and Fraction(near) ** 2 == Fraction(args[0])):
        return near, near
    if exact and all(map(_is_short, args)) and _is_short(near):
        with mp.workprec(CONTROL):
            if NEAREST.apply(op, [mp.mpf(a) for a in args]) == mp.mpf(near):
                return near, near
    return _down(near), _up(near)


def _is_short(x: float) -> bool:
    """Whether a number is small with few bits: there, functions are exact or clearly not."""
    return abs(x) <= SHORT_SIZE and x * (1 << SHORT_BITS) == int(x * (1 << SHORT_BITS))


def monotone(op: str, args: list[Interval]) -> Interval:
    """A primitive by the monotonicity that the table declares."""
    row = PRIMITIVES[op]
    inside = [_inside(op, k, a) for k, a in enumerate(args)]
    if any(a.is_empty for a in inside):
        return EMPTY
    for k, a in enumerate(inside):
        words = row.monotone[min(k, len(row.monotone) - 1)].split()
        if len(words) == 2 and a.low < 0 < a.high:
            left, right = a._replace(high=0.0, high_open=False), a._replace(low=0.0, low_open=False)
            halves = [[*inside[:k], half, *inside[k + 1 :]] for half in (left, right)]
            return monotone(op, halves[0]).join(monotone(op, halves[1]))
    signs = [_direction(row.monotone[min(k, len(row.monotone) - 1)], a)
             for k, a in enumerate(inside)]  # fmt: skip
    if 0 in signs:
        return _range(op)
    low, low_open = _corner(op, inside, signs, 0)
    high, high_open = _corner(op, inside, signs, 1)
    found = Interval(low, high, low_open, high_open).meet(_range(op))
    if op in POSITIVE and found.low <= 0 and all(map(_is_finite, inside)):
        return found._replace(low=0.0, low_open=True)
    return found


def _is_finite(a: Interval) -> bool:
    return (a.low > -INF or a.low_open) and (a.high < INF or a.high_open)


def _inside(op: str, k: int, a: Interval) -> Interval:
    domain = PRIMITIVES[op].domain[min(k, PRIMITIVES[op].arity - 1)]
    low = -INF if domain.low is None else float(domain.low)
    high = INF if domain.high is None else float(domain.high)
    return a.meet(Interval(low, high))


def _direction(words: str, a: Interval) -> int:
    parts = words.split() or ["none"]
    word = parts[-1] if a.low >= 0 else parts[0]
    return {"inc": 1, "dec": -1, "none": 0}[word]


def _corner(op: str, args: list[Interval], signs: list[int], side: int) -> tuple[float, bool]:
    """The least (side 0) or largest value, and whether it is only neared."""
    upper = [(s > 0) == (side == 1) for s in signs]
    ends = [(a.high, a.high_open) if u else (a.low, a.low_open)
            for a, u in zip(args, upper, strict=True)]  # fmt: skip
    bounds = value_bounds(op, *(x for x, _ in ends))
    value = bounds[side]
    if math.isnan(value):
        return (-INF, INF)[side], False
    infinite = [is_open for x, is_open in ends if math.isinf(x)]
    if math.isinf(value) and infinite:
        return value, all(infinite)
    return value, (bounds[0] != bounds[1]) or (op not in FLAT and any(o for _, o in ends))


def _range(op: str) -> Interval:
    row = PRIMITIVES[op].range
    return Interval(
        -INF if row.low is None else float(row.low), INF if row.high is None else float(row.high),
        row.low_open, row.high_open,
    )  # fmt: skip


def whole_power(a: Interval, n: int) -> Interval:
    """`a ^ n` for an integer n."""
    if n < 0:
        return inverse(whole_power(a, -n))
    if n == 0:
        return ONE
    if n % 2 == 0 and not a.low >= 0:
        return whole_power(absolute(a), n)
    low, low_open = _power_end(a.low, a.low_open, n, 0)
    high, high_open = _power_end(a.high, a.high_open, n, 1)
    return Interval(low, high, low_open, high_open)


def _power_end(x: float, is_open: bool, n: int, side: int) -> tuple[float, bool]:
    if math.isinf(x) or x in (0, 1, -1) or n == 1:
        return x**n if not math.isinf(x) else (x if n % 2 else INF), is_open
    bounds = value_bounds("pow", x, float(n))
    return bounds[side], is_open or bounds[0] != bounds[1]


def power(a: Interval, b: Interval) -> Interval:
    """`a ^ b`; where the exponent is no integer, a base below 0 has no value."""
    if b.low == b.high and b.is_bounded and b.low == int(b.low):
        return whole_power(a, int(b.low))
    if a.low < 0 and _has_integer(b):
        return ANY
    base = a.meet(NONNEGATIVE)
    if base.is_empty:
        return EMPTY
    corners = [
        _power_corner(x, p, y, q)
        for x, p in ((base.low, base.low_open), (base.high, base.high_open))
        for y, q in ((b.low, b.low_open), (b.high, b.high_open))
    ]
    hull = _hull(corners, ONE if 0 in b or 1 in base else EMPTY)
    return _above_zero(hull) if base.positive else hull.meet(NONNEGATIVE)


def _has_integer(b: Interval) -> bool:
    return not b.is_bounded or math.floor(b.high) >= math.ceil(b.low)


def _above_zero(a: Interval) -> Interval:
    return a if a.low > 0 else a._replace(low=0.0, low_open=a.low_open or a.low < 0)


def _power_corner(x: float, p: bool, y: float, q: bool) -> Corner:
    if x == 0 and y < 0:
        return INF, INF, p
    if x == 0:
        return (0.0, 0.0, p) if y > 0 else (0.0, 1.0, False)
    if (math.isinf(x) and y == 0) or (x == 1 and math.isinf(y)):
        return 0.0, INF, False
    if math.isinf(x) or math.isinf(y):
        grows = (x > 1) == (y > 0)
        is_open = (math.isinf(x) and p) or (math.isinf(y) and q)
        return (INF, INF, is_open) if grows else (0.0, 0.0, is_open)
    low, high = value_bounds("pow", x, y)
    return low, high, p or q or low != high


def function(op: str, args: list[Interval]) -> Interval:
    """A function of the table."""
    if any(a.is_empty for a in args):
        return EMPTY
    special: Callable[..., Interval] | None = _SPECIAL.get(op)
    if special is not None:
        return special(*args)
    return monotone(op, args) if PRIMITIVES[op].monotone else _range(op)


def largest(*args: Interval) -> Interval:
    """The largest of some numbers."""
    total = args[0]
    for a in args[1:]:
        low, low_open = max((total.low, total.low_open), (a.low, a.low_open))
        high, closed = max((total.high, not total.high_open), (a.high, not a.high_open))
        total = Interval(low, high, low_open, not closed)
    return total


def smallest(*args: Interval) -> Interval:
    """The smallest of some numbers."""
    return -largest(*(-a for a in args))


def _xlogy(x: Interval, y: Interval) -> Interval:
    found = mul(x, monotone("log", [y]))
    return found.join(ZERO) if 0 in x else found


def _lgamma(x: Interval) -> Interval:
    """Right of its least value it grows, and left of it, up to 0, it falls."""
    if x.low < 0:
        return ANY
    low, high = (_gamma_end(x.low), _gamma_end(x.high))
    top = max(low[1], high[1])
    reached = 0 in x or INF in x
    is_open = top == INF and not reached
    if x.low >= 1.5 or x.high <= 1.46:
        return Interval(min(low[0], high[0]), top, high_open=is_open)
    return Interval(-0.1215, top, high_open=is_open)


def _gamma_end(x: float) -> tuple[float, float]:
    if x == 0 or math.isinf(x):
        return INF, INF
    return value_bounds("lgamma", x)


_SPECIAL: dict[str, Callable[..., Interval]] = {
    "add": add,
    "sub": sub,
    "mul": mul,
    "div": div,
    "pow": power,
    "neg": lambda x: -x,
    "abs": absolute,
    "stop_gradient": lambda x: x,
    "relu": lambda x: largest(x, ZERO),
    "max": largest,
    "min": smallest,
    "clip": lambda x, low, high: smallest(largest(x, low), high),
    "xlogy": _xlogy,
    "lgamma": _lgamma,
}
