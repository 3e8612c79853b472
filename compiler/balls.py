"""The primitives, reductions and scans on balls: numbers with a bound of their error.

A ball is a midpoint of any precision and a radius, as Arb has them (Johansson, "Arb: efficient
arbitrary-precision midpoint-radius interval arithmetic", IEEE Transactions on Computers, 2017): the
value of the reals lies inside. Infinities are exact; a ball that is not finite may be any number or
none. As in `arithmetic`, IEEE 754 holds where the reals give no value. A condition on balls that
overlap is open. Precision is that of Arb's context, where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from flint import arb, ctx
from mpmath import libmp, mp

from lossc.dsl.primitives import BOOL, PRIMITIVES, Primitive

from .arithmetic import NEAREST

Array = np.ndarray[Any, Any]
Ball = Any
Scalar = Callable[..., Any]
Function = Callable[..., Array]

HOLDS, FAILS, OPEN = 1, -1, 0  # of conditions
ZERO: Ball = arb(0)
ONE: Ball = arb(1)
INF: Ball = arb("inf")
ANYTHING: Ball = arb("nan")
NAN, NONE = arb("nan"), arb("nan")  # these objects stand for what is surely NaN, and for `none`
WHOLE = 1 << 64  # the least integer exponent that is not taken as one
LAST = 4  # bits at the end, which a value of mpmath's does not vouch for


# --- numbers --------------------------------------------------------------------------------------


def of_number(x: Any) -> Ball:
    """The ball of a number of mpmath's, exactly."""
    sign, man, exp, _ = x._mpf_
    if exp and not man:
        return NAN if mp.isnan(x) else INF if x > 0 else -INF
    return arb((-int(man) if sign else int(man), int(exp)))


def of_fraction(x: Fraction) -> Ball:
    """The ball of a fraction."""
    return arb(x.numerator) / x.denominator


def of_name(name: str) -> Ball:
    """The ball of pi, e or inf."""
    return INF if name == "inf" else arb.pi() if name == "pi" else arb.const_e()


def middle(ball: Ball) -> Any:
    """The midpoint, as a number of mpmath's, exactly."""
    mid = ball.mid()
    if not mid.is_finite():
        return mp.nan if mid.is_nan() else mp.inf if mid > 0 else -mp.inf
    man, exp = mid.man_exp()
    return mp.make_mpf(libmp.from_man_exp(int(man), int(exp)))


def is_infinite(x: Ball) -> bool:
    """Whether a ball is an infinity."""
    return bool(x.is_exact() and not x.is_finite() and not x.is_nan())


def _limit(op: str, result: Ball, args: tuple[Ball, ...]) -> Ball:
    """What a primitive gives where balls give no number: at exact zeros, poles and infinities."""
    if is_infinite(result):
        return result
    if not all(x.is_exact() and not x.is_nan() for x in args):
        return ANYTHING
    with mp.workprec(ctx.prec):
        near = NEAREST.apply(op, [middle(x) for x in args])
        if mp.isnan(near):
            return NAN
        if all(x.is_finite() for x in args) and mp.isfinite(near):
            return ANYTHING
        ball = of_number(near)
        vague = mp.isfinite(near) and near != 0
        return ball + arb(0, abs(ball) * arb((1, LAST - ctx.prec))) if vague else ball


# --- conditions -----------------------------------------------------------------------------------


def is_missing(x: Ball) -> bool:
    """Whether there is surely no number."""
    return x is NAN or x is NONE


def _eq(x: Ball, y: Ball) -> int:
    if is_missing(x) or is_missing(y):
        return HOLDS if x is y is NONE else FAILS
    return HOLDS if x == y else FAILS if x != y else OPEN


def _lt(x: Ball, y: Ball) -> int:
    if is_missing(x) or is_missing(y):
        return FAILS
    return HOLDS if x < y else FAILS if x >= y else OPEN


def _le(x: Ball, y: Ball) -> int:
    if is_missing(x) or is_missing(y):
        return FAILS
    return HOLDS if x <= y else FAILS if x > y else OPEN


def _isnan(x: Ball) -> int:
    if is_missing(x):
        return HOLDS
    return FAILS if x.is_finite() or is_infinite(x) else OPEN


def _isfinite(x: Ball) -> int:
    if x.is_finite():
        return HOLDS
    return FAILS if is_missing(x) or is_infinite(x) else OPEN


# --- functions ------------------------------------------------------------------------------------


def _raised(x: Array, y: Array) -> Any:
    """Powers, all at once where the exponent is one small integer above 0.

    The exponents have no more dims than the bases.
    """
    n: Ball = y.flat[0] if y.size == 1 else ZERO
    if n.is_integer() and 0 < n < WHOLE:
        return np.power(x, int(n.unique_fmpz()))
    return _POWERS(x, y)


def _quotients(x: Array, y: Array) -> Any:
    """Quotients, all at once."""
    zero = np.equal(y, ZERO)
    if not zero.any():
        return x / y
    signs = np.where(np.greater(x, ZERO), INF, np.where(np.less(x, ZERO), -INF, ANYTHING))
    return np.where(zero, signs, x / y)


def _power(x: Ball, y: Ball) -> Ball:
    if y.is_zero() or x == 1:
        return ONE
    if x.is_zero():
        return ZERO if y > 0 else INF if y < 0 else ANYTHING
    if y.is_integer() and abs(y) < WHOLE:
        return x ** int(y.unique_fmpz())
    return x**y if x > 0 else ANYTHING


def _cbrt(x: Ball) -> Ball:
    if x.is_zero():
        return x
    return x.root(3) if x > 0 else -(-x).root(3) if x < 0 else ANYTHING


def _hypot(x: Ball, y: Ball) -> Ball:
    return (x * x + y * y).sqrt()


def _nint(x: Ball) -> Ball:
    if x.is_exact() and x.is_finite():
        return of_number(NEAREST.nint(middle(x)))
    return (x + arb(1) / 2).floor()


def _clip(x: Ball, low: Ball, high: Ball) -> Ball:
    return x.max(low).min(high)


def _log(x: Ball) -> Ball:
    return -INF if x.is_zero() else x.log()


def _log1mexp(x: Ball) -> Ball:
    return (-x.exp()).log1p() if x < -1 else (-x.expm1()).log()


def _logcosh(x: Ball) -> Ball:
    half = (x / 2).sinh()
    return (2 * half * half).log1p()


def _log2(x: Ball) -> Ball:
    return _log(x) / arb.const_log2()


def _log10(x: Ball) -> Ball:
    return _log(x) / arb.const_log10()


def _of_finite(scalar: Scalar) -> Scalar:
    """A function for which Arb knows bounds even where its argument is no number."""
    return lambda *args: scalar(*args) if all(x.is_finite() for x in args) else ANYTHING


def _sigmoid(x: Ball) -> Ball:
    return 1 / (1 + (-x).exp())


def _logit(x: Ball) -> Ball:
    return (x / (1 - x)).log()


def _softplus(x: Ball) -> Ball:
    return x + (-x).exp().log1p() if x > 0 else x.exp().log1p()


def _logaddexp(x: Ball, y: Ball) -> Ball:
    if x.is_finite() and y.is_finite():
        low, high = (x, y) if x < y else (y, x)
        return high + _softplus(low - high)
    if x.is_nan() or y.is_nan():
        return ANYTHING
    return x if y == -INF else y if x == -INF else INF


def _xlogy(x: Ball, y: Ball) -> Ball:
    return ZERO if x.is_zero() else x * _log(y)


def _ndtr(x: Ball) -> Ball:
    return (-x / arb(2).sqrt()).erfc() / 2


def _log_ndtr(x: Ball) -> Ball:
    return (-_ndtr(-x)).log1p() if x > 0 else _ndtr(x).log()


def _lgamma(x: Ball) -> Ball:
    return x.lgamma() if x > 0 else abs(x.gamma()).log()


def _log_rising(x: Ball, y: Ball) -> Ball:
    return _rising(arb.lgamma, x, y)


def _digamma_rising(x: Ball, y: Ball) -> Ball:
    return _rising(arb.digamma, x, y)


def _rising(function: Callable[[Ball], Ball], x: Ball, y: Ball) -> Ball:
    if y.is_zero():
        return ZERO
    return function(x + y) - function(x) if x > 0 and x + y > 0 else ANYTHING


def _trigamma(x: Ball) -> Ball:
    """By Hurwitz's zeta function."""
    return arb(2).zeta(x) if x > 0 else ANYTHING


def _bessel_i0e(x: Ball) -> Ball:
    return abs(x).bessel_i(ZERO, scaled=True)


def _bessel_i1e(x: Ball) -> Ball:
    return x.bessel_i(ONE, scaled=True) if x >= 0 else -(-x).bessel_i(ONE, scaled=True)


def _join(x: Ball, y: Ball) -> Ball:
    """A ball around both."""
    return x if x is y else x.union(y)


def missing(x: Array) -> Array:
    """Where there is surely no number."""
    return np.asarray(_MISSING(numbers(x)), dtype=bool)


def strict(found: Array, missing: Array) -> Array:
    """The results of a function, NaN where an argument is `missing` and there is no number."""
    return objects(_STRICT(found, missing))


def _strict(found: Ball, missing: bool) -> Ball:
    return NAN if missing and found.is_nan() else found


# Functions that Arb has not, or not at every number; by their names in the table.
SCALARS: dict[str, Scalar] = {
    "cbrt": _cbrt, "hypot": _hypot, "nint": _nint, "fabs": abs, "sign": _of_finite(arb.sgn),
    "sin": _of_finite(arb.sin), "cos": _of_finite(arb.cos), "atan2": _of_finite(arb.atan2),
    "relu": lambda x: x.max(ZERO), "clip": _clip, "log1mexp": _log1mexp, "logcosh": _logcosh,
    "log2": _log2, "log10": _log10, "sigmoid": _sigmoid, "logit": _logit, "softplus": _softplus,
    "logaddexp": _logaddexp, "xlogy": _xlogy, "ndtr": _ndtr, "log_ndtr": _log_ndtr,
    "lgamma": _lgamma, "log_rising": _log_rising,
    "digamma_rising": _digamma_rising, "trigamma": _trigamma, "bessel_i0e": _bessel_i0e,
    "bessel_i1e": _bessel_i1e, "least": arb.min, "largest": arb.max,
}  # fmt: skip
_POWERS: Any = np.frompyfunc(_power, 2, 1)
# Those of whole arrays.
ARRAYS: dict[str, Callable[..., Any]] = {"div": _quotients, "power": _raised}
CONDITIONS: dict[str, Function] = {
    "both": np.minimum, "either": np.maximum, "negation": np.negative,
}  # fmt: skip
# What holds, by what surely holds and what surely does not, of numbers.
ORDERS: dict[str, tuple[Any, Any]] = {
    "eq": (np.equal, np.not_equal), "ne": (np.not_equal, np.equal),
    "lt": (np.less, np.greater_equal), "le": (np.less_equal, np.greater),
    "gt": (np.greater, np.less_equal), "ge": (np.greater_equal, np.less),
}  # fmt: skip
COMPARISONS: dict[str, Scalar] = {
    "eq": _eq, "ne": lambda x, y: -_eq(x, y), "lt": _lt, "le": _le,
    "gt": lambda x, y: _lt(y, x), "ge": lambda x, y: _le(y, x),
    "isnan": _isnan, "isfinite": _isfinite,
}  # fmt: skip
OPERATORS: dict[str, Function] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "neg": np.negative,
    "identity": lambda x: x,
}  # fmt: skip


def objects(x: Any) -> Array:
    """An array of balls, also where NumPy gives but one of them."""
    return np.asarray(x, dtype=object)


def numbers(x: Array) -> Array:
    """Balls in place of conditions: 1 where one holds, else 0."""
    return x if x.dtype == object else INDICATORS[x]


# By what a condition is: 0, 1 and, last, what is either.
INDICATORS = np.array([_join(ZERO, ONE), ONE, ZERO], dtype=object)


def _of_primitive(row: Primitive) -> Function:
    """A primitive on arrays of balls and of conditions."""
    name = row.mp.removeprefix("@")
    if row.name == "indicator":
        return lambda x: INDICATORS[x]
    if row.takes == BOOL:
        return CONDITIONS[name]
    if name in OPERATORS:
        plain = OPERATORS[name]
        return lambda *args: objects(plain(*args))
    if name in COMPARISONS:
        return _compared(np.frompyfunc(COMPARISONS[name], len(row.domain), 1), ORDERS.get(name))
    if name in ARRAYS:
        return _limited(row.name, ARRAYS[name])
    scalar: Any = SCALARS.get(name) or getattr(arb, name)
    return _limited(row.name, np.frompyfunc(scalar, len(row.domain), 1))


def _compared(compare: Any, order: tuple[Any, Any] | None) -> Function:
    """A comparison on arrays: by an order of numbers and, where that is open, one by one."""
    if order is None:
        return lambda *args: np.asarray(compare(*args), dtype=np.int8)
    holds, fails = order

    def value(x: Array, y: Array) -> Array:
        known = np.subtract(holds(x, y), fails(x, y), dtype=np.int8)
        return _mended(known, known == OPEN, compare, (x, y))

    return value


def _limited(op: str, function: Callable[..., Any]) -> Function:
    """A function on arrays, with its limits."""

    def value(*args: Array) -> Array:
        found = objects(function(*args))
        limit = np.frompyfunc(lambda result, *at: _limit(op, result, at), 1 + len(args), 1)
        return _mended(found, _is_odd(found, args), limit, (found, *args))

    return value


def _is_odd(found: Array, args: Iterable[Array]) -> Array:
    """Where Arb gives neither a number nor an infinity, though all arguments are one."""
    odd: Array = ~np.asarray(_FINITE(found), dtype=bool)
    if not odd.any():
        return odd
    odd &= ~(np.equal(found, INF) | np.equal(found, -INF))
    for x in args:
        odd &= ~np.asarray(_NAN(x), dtype=bool)
    return odd


def _mended(found: Array, odd: Array, function: Any, args: tuple[Array, ...]) -> Array:
    """Results of which the odd ones are computed one by one."""
    found, odd = np.asarray(found), np.asarray(odd)
    if odd.any():
        found[odd] = function(*(np.broadcast_to(a, found.shape)[odd] for a in args))
    return found


FUNCTIONS: dict[str, Function] = {n: _of_primitive(p) for n, p in PRIMITIVES.items()}
_ABS, _SQRT, _EXP, _LOG = (FUNCTIONS[n] for n in ("abs", "sqrt", "exp", "log"))
# They may have a value where one of their arguments, or of their elements, is NaN.
LENIENT = ("pow", "xlogy", "argmax", "argmin", "count", "any", "all")
_MISSING: Any = np.frompyfunc(is_missing, 1, 1)
_STRICT: Any = np.frompyfunc(_strict, 2, 1)
_NAN: Any = np.frompyfunc(arb.is_nan, 1, 1)
_FINITE: Any = np.frompyfunc(arb.is_finite, 1, 1)
_JOIN: Any = np.frompyfunc(_join, 2, 1)
_LEAST: Any = np.frompyfunc(arb.min, 2, 1)
_LARGEST: Any = np.frompyfunc(arb.max, 2, 1)


def apply(op: str, args: list[Array]) -> Array:
    """A primitive, by its name in the table, of arrays that broadcast."""
    row = PRIMITIVES[op]
    if row.takes != BOOL:
        args = [numbers(x) for x in args]
    if row.variadic:
        return reduce(FUNCTIONS[op], args)
    return FUNCTIONS[op](*args)


def select(condition: Array, then: Array, other: Array) -> Array:
    """`then` where the condition holds, else `other`; around both where it is open."""
    if then.dtype == other.dtype != object:
        return chosen(condition, then, other, np.where(then == other, then, OPEN))
    then, other = numbers(then), numbers(other)
    either = _JOIN(then, other) if (condition == OPEN).any() else ANYTHING
    return objects(chosen(condition, then, other, either))


def chosen(condition: Array, then: Any, other: Any, otherwise: Any) -> Array:
    """`then` where a condition holds, `other` where it fails, else `otherwise`."""
    rest = np.where(condition == FAILS, other, otherwise)
    return np.asarray(np.where(condition == HOLDS, then, rest))


# --- reductions: along the last dim of an array, where `kept` holds -------------------------------


def _where(kept: Array | None, x: Array, neutral: Ball) -> Array:
    """The numbers kept, `neutral` for the others, anything where it is open."""
    x = numbers(x)
    if kept is None:
        return x
    return objects(chosen(kept, x, neutral, ANYTHING))


def _folded(step: Any, neutral: Ball) -> Callable[[Array, Array | None], Array]:
    """A reduction by steps."""
    return lambda x, kept: objects(step.reduce(_where(kept, x, neutral), axis=-1, initial=neutral))


_total, _product = _folded(np.add, ZERO), _folded(np.multiply, ONE)


def _count(x: Array, kept: Array | None) -> Array:
    """The number of places kept."""
    if kept is None:
        return objects(np.full(x.shape[:-1], arb(x.shape[-1]), dtype=object))
    return _total(kept, None)


def _mean(x: Array, kept: Array | None) -> Array:
    count = _count(x, kept)
    return apply("div", [_total(x, kept), objects(_LARGEST(count, ONE))])


def _var(x: Array, kept: Array | None) -> Array:
    x = numbers(x)
    spread = objects(x - _mean(x, kept)[..., None])
    return _mean(spread * spread, kept)


def _norm(x: Array, kept: Array | None) -> Array:
    x = numbers(x)
    return _SQRT(_total(x * x, kept))


def _logsumexp(x: Array, kept: Array | None) -> Array:
    return _LOG(_total(_EXP(numbers(x)), kept))


def _first(sign: int) -> Callable[[Array, Array | None], Array]:
    """The place of the largest value times `sign`, the first on ties."""

    def best(row: Array) -> Ball:
        order = _order(row)
        if not order:
            return ANYTHING
        best = order[-1] if sign > 0 else order[0]
        return arb(min([best, *(k for k in order if row[k] == row[best])]))

    return lambda x, kept: _by_rows(best, _where(kept, x, None))


def _by_rows(function: Callable[[Array], Any], x: Array, *, row: bool = False) -> Array:
    """A function of the last dim, to a number or with `row` to a row as long."""
    out = np.empty(x.shape if row else x.shape[:-1], dtype=object)
    for place in np.ndindex(x.shape[:-1]):
        out[place] = function(x[place])
    return out


def _any(x: Array, kept: Array | None) -> Array:
    x = x if kept is None else np.minimum(x, kept)
    return np.asarray(np.max(x, axis=-1, initial=FAILS), dtype=np.int8)


def _all(x: Array, kept: Array | None) -> Array:
    x = x if kept is None else np.maximum(x, -kept)
    return np.asarray(np.min(x, axis=-1, initial=HOLDS), dtype=np.int8)


# Of `argmax` and `argmin`, the place in the last dim.
REDUCTIONS: dict[str, Callable[[Array, Array | None], Array]] = {
    "sum": _total, "mean": _mean, "prod": _product, "max": _folded(_LARGEST, -INF),
    "min": _folded(_LEAST, INF), "logsumexp": _logsumexp, "any": _any, "all": _all,
    "count": _total, "var": _var, "std": lambda x, kept: _SQRT(_var(x, kept)), "norm": _norm,
    "norm1": lambda x, kept: _total(_ABS(numbers(x)), kept),
    "argmax": _first(1), "argmin": _first(-1),
}  # fmt: skip


# --- along the last dim of an array ---------------------------------------------------------------


def _order(row: Array) -> list[int] | None:
    """The places of the numbers kept, in ascending order, ties by position; None if it is open."""
    kept = [k for k, x in enumerate(row) if x is not None]
    if not all(row[k].is_finite() or is_infinite(row[k]) for k in kept):
        return None
    order = sorted(kept, key=lambda k: (middle(row[k]), k))
    known = all(row[a] < row[b] or row[a] == row[b] for a, b in pairwise(order))
    return order if known else None


def _sort(row: Array) -> Array:
    order = _order(row)
    return _filled(row, [row[k] for k in order] if order is not None else None, NAN)


def _argsort(row: Array) -> Array:
    order = _order(row)
    return _filled(row, [arb(k) for k in order] if order is not None else None, NAN)


def _filled(row: Array, first: list[Ball] | None, rest: Ball) -> Array:
    out = np.full(row.shape, ANYTHING if first is None else rest, dtype=object)
    out[: len(first or ())] = first or ()
    return out


def _rank(row: Array) -> Array:
    order = _order(row)
    out = np.full(row.shape, ANYTHING if order is None else INF, dtype=object)
    for rank, k in enumerate(order or ()):
        out[k] = arb(rank)
    return out


def _arranged(arrange: Callable[[Array], Array]) -> Callable[[Array, Array | None], Array]:
    """A function of rows, in which None stands for what is left out."""
    return lambda x, kept: _by_rows(arrange, _where(kept, x, None), row=True)


def _scan(step: Any, neutral: Ball) -> Callable[[Array, Array | None], Array]:
    return lambda x, kept: objects(step.accumulate(_where(kept, x, neutral), axis=-1, dtype=object))


# Of `argsort`, places in the last dim.
ALONG: dict[str, Callable[[Array, Array | None], Array]] = {
    "table": lambda x, kept: _where(kept, x, NAN), "cumsum": _scan(np.add, ZERO),
    "logcumsumexp": _scan(np.frompyfunc(_logaddexp, 2, 1), -INF), "sort": _arranged(_sort),
    "argsort": _arranged(_argsort), "rank": _arranged(_rank),
}  # fmt: skip
