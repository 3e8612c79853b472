"""The primitives, reductions and scans on mpmath numbers.

Arithmetic follows IEEE 754 where the reals give no value (log(0) is -inf, 1 / 0 is inf, 0 / 0 is
NaN); nothing raises. Precision is that of mpmath's context, where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any

from mpmath import libmp, mp

from lossc.dsl.primitives import NUMBER, PRIMITIVES, Primitive

Value = Any  # mpf, bool, or None for `none`
Function = Callable[..., Value]
Places = list[tuple[int, Value]]
Table = dict[Value, Value]

HUGE = 20_000  # numbers beyond 2 ** HUGE are taken for infinite in transcendental functions
MOVED = 16  # bits at the end that `Nudged` changes
SPARE, MOST_LOST = 8, 2 * HUGE  # bits for what cancels in a difference of two values
WHOLE = 64  # bits of an integer exponent that is taken as one


class Arithmetic:
    """The primitives by name, each rounded to nearest.

    All that rounds goes through `rounded` (operations that are correctly rounded, so that an exact
    result is one) or `elementary` (functions whose value is exact at most where all arguments are
    0 or infinite); what is composed of others is written in terms of them.
    """

    def __init__(self) -> None:
        self.functions: dict[str, Function] = {n: self._named(p) for n, p in PRIMITIVES.items()}
        self.reductions: dict[str, Callable[[Places], Value]] = {
            name: getattr(self, f"reduce_{name}") for name in REDUCTIONS
        }
        self.along: dict[str, Callable[[Places, range], Table]] = {
            name: getattr(self, f"along_{name}") for name in ALONG
        }

    def apply(self, op: str, args: Sequence[Value]) -> Value:
        """The value of a primitive, by its name in the table, at mpmath numbers or bools."""
        return self.functions[op](*args)

    def rounded(self, operation: Function, *args: Value) -> Value:
        """An operation that is correctly rounded; it takes `rounding`."""
        return operation(*args)

    def power_of(self, x: Value, n: int) -> Value:
        """A number to an integer power."""
        return _total(mp.power, _bounded(x), n)

    def elementary(self, function: Function, *args: Value, bounded: bool = True) -> Value:
        """A function that is not exact; NaN where it fails, or where its value is not real.

        Unless `bounded` is off, arguments beyond HUGE count as infinite.
        """
        return _total(function, *(map(_bounded, args) if bounded else args))

    def _named(self, row: Primitive) -> Function:
        """The implementation that a row of the table names."""
        name = row.mp.removeprefix("@")
        function: Function = getattr(self, name, None) or self._plain(getattr(mp, name))
        if row.takes != NUMBER:
            return function
        return lambda *args: function(*(a if type(a) is mp.mpf else as_number(a) for a in args))

    def _plain(self, function: Function) -> Function:
        return lambda *args: self.elementary(function, *args)

    # --- operations -----------------------------------------------------------------------------

    def add(self, x: Value, y: Value) -> Value:
        return self.rounded(mp.fadd, x, y)

    def sub(self, x: Value, y: Value) -> Value:
        return self.rounded(mp.fsub, x, y)

    def mul(self, x: Value, y: Value) -> Value:
        return self.rounded(mp.fmul, x, y)

    def div(self, x: Value, y: Value) -> Value:
        if y != 0:
            return self.rounded(mp.fdiv, x, y)
        return mp.nan if x == 0 or mp.isnan(x) else mp.sign(x) * mp.inf

    def power(self, x: Value, y: Value) -> Value:
        if y == 0 or x == 1:
            return mp.mpf(1)
        if x == 0:
            return mp.nan if mp.isnan(y) else mp.mpf(0) if y > 0 else mp.inf
        if x < 0 and not mp.isint(y) and mp.isfinite(y):
            return mp.nan
        if mp.isint(y) and mp.mag(y) < WHOLE:
            return self.power_of(x, int(y))
        sign = -1 if x < 0 and mp.isfinite(y) and mp.isint(y / 2) is False else 1
        return sign * self.exp(self.mul(y, self.log(abs(x))))

    def sqrt(self, x: Value) -> Value:
        return self.rounded(mp.sqrt, x) if x >= 0 else mp.nan

    def cbrt(self, x: Value) -> Value:
        return mp.sign(x) * self.elementary(mp.cbrt, abs(x))

    def hypot(self, x: Value, y: Value) -> Value:
        return self.sqrt(self.add(self.mul(x, x), self.mul(y, y)))

    def floor(self, x: Value) -> Value:
        return mp.floor(x) if mp.isfinite(x) else x

    def ceil(self, x: Value) -> Value:
        return mp.ceil(x) if mp.isfinite(x) else x

    def nint(self, x: Value) -> Value:
        return mp.nint(x) if mp.isfinite(x) else x

    def neg(self, x: Value) -> Value:
        return -x

    def fabs(self, x: Value) -> Value:
        return abs(x)

    def sign(self, x: Value) -> Value:
        return mp.sign(x)

    def identity(self, x: Value) -> Value:
        return x

    def relu(self, x: Value) -> Value:
        return self.largest(x, mp.mpf(0))

    def least(self, *args: Value) -> Value:
        return mp.nan if any(map(mp.isnan, args)) else min(args)

    def largest(self, *args: Value) -> Value:
        return mp.nan if any(map(mp.isnan, args)) else max(args)

    def clip(self, x: Value, low: Value, high: Value) -> Value:
        return self.least(self.largest(x, low), high)

    # --- conditions -----------------------------------------------------------------------------

    def eq(self, x: Value, y: Value) -> bool:
        return (x is None) == (y is None) and bool(x == y)

    def ne(self, x: Value, y: Value) -> bool:
        return not self.eq(x, y)

    def lt(self, x: Value, y: Value) -> bool:
        return bool(x < y)

    def le(self, x: Value, y: Value) -> bool:
        return bool(x <= y)

    def gt(self, x: Value, y: Value) -> bool:
        return bool(x > y)

    def ge(self, x: Value, y: Value) -> bool:
        return bool(x >= y)

    def both(self, x: Value, y: Value) -> Value:
        return x and y

    def either(self, x: Value, y: Value) -> Value:
        return x or y

    def negation(self, x: Value) -> bool:
        return not x

    def isnan(self, x: Value) -> bool:
        return bool(mp.isnan(x))

    def isfinite(self, x: Value) -> bool:
        return bool(mp.isfinite(x))

    def indicator(self, x: Value) -> Value:
        return mp.mpf(int(x))

    # --- functions ------------------------------------------------------------------------------

    def exp(self, x: Value) -> Value:
        return self.elementary(mp.exp, x)

    def log(self, x: Value) -> Value:
        if x == 0:
            return -mp.inf
        return self.elementary(mp.log, x, bounded=False) if x > 0 else mp.nan

    def log1p(self, x: Value) -> Value:
        return -mp.inf if x == -1 else self.elementary(mp.log1p, x)

    def log1mexp(self, x: Value) -> Value:
        if x < -1:
            return self.log1p(-self.exp(x))
        return self.log(-self.elementary(mp.expm1, x)) if x <= 0 else mp.nan

    def logcosh(self, x: Value) -> Value:
        half = self.elementary(mp.sinh, x / 2)
        return self.log1p(self.mul(2 * half, half))

    def log2(self, x: Value) -> Value:
        return self.div(self.log(x), self.elementary(mp.log, mp.mpf(2)))

    def log10(self, x: Value) -> Value:
        return self.div(self.log(x), self.elementary(mp.log, mp.mpf(10)))

    def asin(self, x: Value) -> Value:
        return self.elementary(mp.asin, x)

    def acos(self, x: Value) -> Value:
        return self.elementary(mp.acos, x)

    def acosh(self, x: Value) -> Value:
        return self.elementary(mp.acosh, x) if x >= 1 else mp.nan

    def atanh(self, x: Value) -> Value:
        if abs(x) == 1:
            return x * mp.inf
        return self.elementary(mp.atanh, x) if abs(x) < 1 else mp.nan

    def sigmoid(self, x: Value) -> Value:
        one = mp.mpf(1)
        if x >= 0:
            return self.div(one, self.add(one, self.exp(-x)))
        return self.div(self.exp(x), self.add(one, self.exp(x)))

    def logit(self, x: Value) -> Value:
        if x in (0, 1):
            return -mp.inf if x == 0 else mp.inf
        if not 0 < x < 1:
            return mp.nan
        if 1 < 4 * x < 3:
            return self.log1p(self.div(self.sub(2 * x, mp.mpf(1)), self.sub(mp.mpf(1), x)))
        return self.sub(self.log(x), self.log1p(-x))

    def softplus(self, x: Value) -> Value:
        return self.add(x, self.log1p(self.exp(-x))) if x > 0 else self.log1p(self.exp(x))

    def logaddexp(self, x: Value, y: Value) -> Value:
        top = self.largest(x, y)
        if mp.isinf(top) or mp.isnan(top):
            return top
        return self.add(top, self.softplus(self.sub(self.least(x, y), top)))

    def xlogy(self, x: Value, y: Value) -> Value:
        return mp.mpf(0) if x == 0 else self.mul(x, self.log(y))

    def ndtr(self, x: Value) -> Value:
        return self.elementary(mp.erfc, self.div(-x, self.sqrt(mp.mpf(2)))) / 2

    def log_ndtr(self, x: Value) -> Value:
        if x == -mp.inf:
            return x
        return self.log1p(-self.ndtr(-x)) if x > 0 else self.log(self.ndtr(x))

    def lgamma(self, x: Value) -> Value:
        if mp.isinf(x) or (mp.isint(x) and x <= 0):
            return mp.inf
        return self.elementary(lambda t: mp.re(mp.loggamma(t)), x)

    def digamma(self, x: Value) -> Value:
        if mp.isinf(x):
            return x if x > 0 else mp.nan
        return mp.nan if mp.isint(x) and x <= 0 else self.elementary(mp.digamma, x)

    def trigamma(self, x: Value) -> Value:
        if mp.isinf(x):
            return mp.mpf(0) if x > 0 else mp.nan
        pole = mp.isint(x) and x <= 0
        return mp.inf if pole else self.elementary(lambda t: mp.polygamma(1, t), x)

    def log_rising(self, x: Value, y: Value) -> Value:
        if x == mp.inf and y >= 0:
            return mp.inf if y else mp.mpf(0)
        return self._rising(self.lgamma, lambda t: mp.re(mp.loggamma(t)), x, y)

    def digamma_rising(self, x: Value, y: Value) -> Value:
        if y > 0 and (x == 0 or (x == mp.inf and mp.isfinite(y))):
            return mp.mpf(0) if x else mp.inf
        return self._rising(self.digamma, mp.digamma, x, y)

    def _rising(self, whole: Function, function: Function, x: Value, y: Value) -> Value:
        """`f(x + y) - f(x)`, with digits for what is lost if y is small beside x.

        `whole` has its values also at poles and infinity.
        """
        if y == 0 or not (mp.isfinite(x) and mp.isfinite(y) and x > 0 and x + y > 0):
            # A sum that is rounded may be a pole that the true one is not.
            above = mp.fadd(x, y, exact=True) if mp.isfinite(x) and mp.isfinite(y) else x + y
            return mp.mpf(0) if y == 0 else self.sub(whole(above), whole(x))
        lost = max(0, mp.mag(x) - mp.mag(y)) + abs(mp.mag(x)) + SPARE

        def value(a: Value, n: Value) -> Value:
            with mp.extraprec(min(lost, MOST_LOST)):
                return function(a + n) - function(a)

        return self.elementary(value, x, y)

    def bessel_i0e(self, x: Value) -> Value:
        return self._scaled_bessel(0, x)

    def bessel_i1e(self, x: Value) -> Value:
        return self._scaled_bessel(1, x)

    def _scaled_bessel(self, order: int, x: Value) -> Value:
        if mp.isinf(x):
            return mp.mpf(0)
        return self.elementary(lambda t: mp.besseli(order, t) * mp.exp(-abs(t)), x)

    # --- constants ------------------------------------------------------------------------------

    def number(self, value: Fraction) -> Value:
        """A fraction."""
        whole = mp.mpf(value.numerator)
        return whole if value.denominator == 1 else self.div(whole, mp.mpf(value.denominator))

    def constant(self, name: str) -> Value:
        """pi, e or inf."""
        if name == "inf":
            return mp.inf
        return self.elementary(lambda _: +(mp.pi if name == "pi" else mp.e), mp.mpf(1))

    # --- reductions -----------------------------------------------------------------------------

    def total(self, values: Sequence[Value]) -> Value:
        """The sum."""
        return reduce(self.add, values, mp.mpf(0))

    def average(self, values: Sequence[Value]) -> Value:
        """The mean; 0 of nothing."""
        return self.div(self.total(values), mp.mpf(len(values))) if values else mp.mpf(0)

    def squares(self, values: Sequence[Value]) -> Value:
        """The sum of squares."""
        return self.total([self.mul(v, v) for v in values])

    def reduce_sum(self, places: Places) -> Value:
        return self.total(_values(places))

    def reduce_mean(self, places: Places) -> Value:
        return self.average(_values(places))

    def reduce_prod(self, places: Places) -> Value:
        return reduce(self.mul, _values(places), mp.mpf(1))

    def reduce_max(self, places: Places) -> Value:
        return self.largest(*_values(places)) if places else -mp.inf

    def reduce_min(self, places: Places) -> Value:
        return self.least(*_values(places)) if places else mp.inf

    def reduce_logsumexp(self, places: Places) -> Value:
        return self.log(self.total([self.exp(v) for v in _values(places)]))

    def reduce_any(self, places: Places) -> Value:
        return any(v for _, v in places)

    def reduce_all(self, places: Places) -> Value:
        return all(v for _, v in places)

    def reduce_count(self, places: Places) -> Value:
        return mp.mpf(sum(bool(v) for _, v in places))

    def reduce_var(self, places: Places) -> Value:
        values = _values(places)
        center = self.average(values)
        spread = [self.sub(v, center) for v in values]
        return self.div(self.squares(spread), mp.mpf(len(values))) if values else mp.mpf(0)

    def reduce_std(self, places: Places) -> Value:
        return self.sqrt(self.reduce_var(places))

    def reduce_norm(self, places: Places) -> Value:
        return self.sqrt(self.squares(_values(places)))

    def reduce_norm1(self, places: Places) -> Value:
        return self.total([abs(v) for v in _values(places)])

    def reduce_argmax(self, places: Places) -> Value:
        return _first(places, 1)

    def reduce_argmin(self, places: Places) -> Value:
        return _first(places, -1)

    # --- along an axis --------------------------------------------------------------------------

    def along_table(self, places: Places, whole: range) -> Table:
        del whole
        return {mp.mpf(place): as_number(x) for place, x in places}

    def along_cumsum(self, places: Places, whole: range) -> Table:
        return _scan(places, whole, self.add, mp.mpf(0))

    def along_logcumsumexp(self, places: Places, whole: range) -> Table:
        return _scan(places, whole, self.logaddexp, -mp.inf)

    def along_sort(self, places: Places, whole: range) -> Table:
        value = dict(places)
        ranks = enumerate(_ascending(places), whole.start)
        return {mp.mpf(k): as_number(value[place]) for k, place in ranks}

    def along_argsort(self, places: Places, whole: range) -> Table:
        ranks = enumerate(_ascending(places), whole.start)
        return {mp.mpf(k): mp.mpf(place) for k, place in ranks}

    def along_rank(self, places: Places, whole: range) -> Table:
        """The place of each value in ascending order; infinite for one that takes no part."""
        table = {mp.mpf(k): mp.inf for k in whole}
        return table | {mp.mpf(place): mp.mpf(k) for k, place in enumerate(_ascending(places))}


REDUCTIONS = tuple(n.removeprefix("reduce_") for n in vars(Arithmetic) if n.startswith("reduce_"))
ALONG = tuple(n.removeprefix("along_") for n in vars(Arithmetic) if n.startswith("along_"))


class Nudged(Arithmetic):
    """The primitives, each with its result moved a little, unless it is exact.

    What rests on digits that are not there, comes out differently here. The move depends on the
    numbers alone, so that the same operation on the same numbers gives the same result.
    """

    def rounded(self, operation: Function, *args: Value) -> Value:
        down = operation(*args, rounding="d")
        exact = down == operation(*args, rounding="u")
        return down if exact else _moved(down, args)

    def power_of(self, x: Value, n: int) -> Value:
        near = super().power_of(x, n)
        digits = abs(x.man_exp[0]) if mp.isfinite(x) else 1
        exact = digits == 1 or 0 < n * digits.bit_length() <= mp.prec
        return near if exact else _moved(near, (x, n))

    def elementary(self, function: Function, *args: Value, bounded: bool = True) -> Value:
        near = super().elementary(function, *args, bounded=bounded)
        return near if all(a == 0 or mp.isinf(a) for a in args) else _moved(near, args)


def _moved(x: Value, args: Sequence[Value]) -> Value:
    """A number moved by up to 2 ** MOVED units in its last place."""
    if x == 0 or not mp.isfinite(x):
        return x
    mixed = hash((hash(x), sum(map(hash, args))))
    units = 1 + mixed % (1 << MOVED)
    last = mp.mag(x) - mp.prec
    return x + mp.ldexp(units if mixed & (1 << MOVED) else -units, last)


def as_number(value: Value) -> Value:
    """A bool as 0 or 1, `none` as NaN."""
    if value is None:
        return mp.nan
    return mp.mpf(int(value)) if isinstance(value, bool) else value


def _total(function: Function, *args: Value) -> Value:
    """The value of a function, NaN where it fails or is no real number."""
    if any(map(mp.isnan, args)):
        return mp.nan
    try:
        value = function(*args)
    except (ArithmeticError, ValueError, libmp.NoConvergence):
        return mp.nan
    return value if isinstance(value, mp.mpf) else mp.mpf(value) if _is_real(value) else mp.nan


def _bounded(x: Value) -> Value:
    """Infinity in place of a number that is too large to compute with."""
    return mp.sign(x) * mp.inf if mp.isfinite(x) and mp.mag(x) > HUGE else x


def _is_real(value: Value) -> bool:
    return not isinstance(value, mp.mpc) or value.imag == 0


def _values(places: Places) -> list[Value]:
    return [as_number(v) for _, v in places]


def _first(places: Places, sign: int) -> Value:
    """The index of the largest value (times `sign`), the first on ties."""
    best, where = None, 0
    for place, value in places:
        score = sign * as_number(value)
        if best is None or score > best:
            best, where = score, place
    return mp.mpf(where)


def _scan(places: Places, whole: range, join: Function, start: Value) -> Table:
    kept = {k: as_number(v) for k, v in places}
    table: Table = {}
    for k in whole:
        start = join(start, kept[k]) if k in kept else start
        table[mp.mpf(k)] = start
    return table


def _ascending(places: Places) -> list[int]:
    """The places kept, in ascending order of value; ties by position, NaN last."""
    number = {k: as_number(v) for k, v in places}
    return sorted(number, key=lambda k: (mp.isnan(number[k]), _unless_nan(number[k]), k))


def _unless_nan(x: Value) -> Value:
    return mp.mpf(0) if mp.isnan(x) else x


NEAREST = Arithmetic()
NUDGED = Nudged()
