"""The primitives, reductions and scans in TensorFlow.

Primitives take tensors of one dtype whose dims are aligned. Their slopes are those of the
language's table of kinks. Where TensorFlow's own slope cancels or is NaN, it is given here as plain
ops of the same functions, so that every further derivative holds too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import reduce as fold
from typing import Any

import numpy as np
import tensorflow as tf

from lossc.dsl.primitives import PRIMITIVES

from .blocks import in_xla, total

Tensor = Any
Shape = Sequence[Any]
POWERS = 4  # integer exponents up to this are products


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """TensorFlow's decorator, typed: `function` gives a value and the function of its slopes."""
    decorated: Callable[..., Tensor] = tf.custom_gradient(function)
    return decorated


def primitive(op: str, args: Sequence[Tensor], fixed: Sequence[bool]) -> Tensor:
    """A primitive of tensors; `fixed` tells which arguments are constants."""
    name = PRIMITIVES[op].tf
    if op in EXTREMES:
        return EXTREMES[op](args, fixed)
    if name.startswith("@"):
        return FUNCTIONS[name[1:]](*args)
    return fold(getattr, name.split("."), tf)(*args)


def constant(value: Fraction | str, dtype: tf.DType) -> Tensor:
    """A number, rounded once to a dtype; infinite where it is too large."""
    return tf.constant(rounded(value, dtype.as_numpy_dtype), dtype)


def rounded(value: Fraction | str, kind: type[np.floating[Any]]) -> np.floating[Any]:
    """The nearest number of a NumPy float type."""
    if isinstance(value, str):
        return kind({"pi": math.pi, "e": math.e}.get(value, math.inf))
    limit = Fraction(float(np.finfo(kind).max))
    if abs(value) > limit:
        return kind(math.inf if value > 0 else -math.inf)
    near = kind(float(value))
    if kind is np.float64:
        return near
    close = [near, np.nextafter(near, kind(-math.inf)), np.nextafter(near, kind(math.inf))]
    finite = [c for c in close if np.isfinite(c)]
    return min(finite, key=lambda c: abs(Fraction(float(c)) - value))


# --- kinks ----------------------------------------------------------------------------------------


def _largest(args: Sequence[Tensor], fixed: Sequence[bool]) -> Tensor:
    return _extreme(args, fixed, tf.greater, tf.reduce_max, tf.maximum)


def _least(args: Sequence[Tensor], fixed: Sequence[bool]) -> Tensor:
    return _extreme(args, fixed, tf.less, tf.reduce_min, tf.minimum)


def _clip(args: Sequence[Tensor], fixed: Sequence[bool]) -> Tensor:
    x, low, high = args
    raised = _largest((x, low), fixed[:2])
    return _least((raised, high), (all(fixed[:2]), fixed[2]))


EXTREMES: dict[str, Callable[[Sequence[Tensor], Sequence[bool]], Tensor]] = {
    "max": _largest,
    "min": _least,
    "clip": _clip,
}


def _extreme(
    args: Sequence[Tensor],
    fixed: Sequence[bool],
    beyond: Callable[[Tensor, Tensor], Tensor],
    among: Callable[..., Tensor],
    plain: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """The largest or smallest. A constant that ties takes the slope, others share it equally."""
    bounds = [a for a, f in zip(args, fixed, strict=True) if f]
    others = [a for a, f in zip(args, fixed, strict=True) if not f]
    if args[0].dtype.is_integer or not others:
        return fold(plain, args)
    if len(others) == 1:
        (value,) = others
    elif len(others) == 2:
        x, y = others
        value = tf.where(beyond(x, y), x, tf.where(beyond(y, x), y, x / 2 + y / 2))
    else:
        shape = fold(tf.broadcast_dynamic_shape, map(tf.shape, others))
        stacked = tf.stack([tf.broadcast_to(a, shape) for a in others])
        value = _or_nan(among(stacked, axis=0), stacked, (0,))
    if not bounds:
        return value
    bound = fold(plain, bounds)
    held = tf.logical_not(beyond(value, bound)) & tf.equal(value, value)
    return tf.where(held, bound, value)


@custom_gradient
def unsigned(x: Tensor) -> Any:
    """`x`, with -0 as 0: a zero of the language has no sign."""
    return tf.where(tf.equal(x, 0), tf.zeros([], x.dtype), x), lambda g: g


def sqrt(x: Tensor) -> Tensor:
    """The square root; its slope at 0 is 0."""
    zero = tf.equal(x, 0)
    one = tf.ones([], x.dtype)
    return tf.where(zero, tf.zeros([], x.dtype), tf.sqrt(tf.where(zero, one, x)))


@custom_gradient
def _xlogy(x: Tensor, y: Tensor) -> Any:
    def slope(g: Tensor) -> tuple[Tensor, Tensor]:
        return _fit(g * _factor(x, tf.math.log(y)), x), _fit(g * _unless_zero(x, x / y), y)

    return tf.math.xlogy(x, y), slope


@custom_gradient
def xlog1py(x: Tensor, y: Tensor) -> Any:
    """`xlogy(x, 1 + y)`, exact for y near 0."""

    def slope(g: Tensor) -> tuple[Tensor, Tensor]:
        dx = _factor(x, tf.math.log1p(y))
        return _fit(g * dx, x), _fit(g * _unless_zero(x, x / (1 + y)), y)

    return _unless_zero(x, x * _log1p(y)), slope


def _factor(x: Tensor, log: Tensor) -> Tensor:
    """The slope of `x * log` in x, 0 where x is 0 and the logarithm is not finite."""
    return tf.where(tf.math.is_finite(log), log, _unless_zero(x, log))


def _unless_zero(x: Tensor, value: Tensor) -> Tensor:
    return tf.where(tf.equal(x, 0), tf.zeros([], x.dtype), value)


def _log1p(x: Tensor) -> Tensor:
    """`log(1 + x)`; under XLA the logarithm of the rounded sum, and what its rounding took.

    XLA's own takes the time of two logarithms. TensorFlow's graph optimiser would make `lost` 0,
    and `(1 + x) - 1` of a single number x; the largest of `1 + x` and 0 is `1 + x` here.
    """
    if not in_xla():
        return tf.math.log1p(x)
    whole = 1 + x
    lost = x - (tf.maximum(whole, 0) - 1)
    return tf.math.log(whole) + tf.where(tf.abs(lost) > 0, lost / whole, tf.zeros([], x.dtype))


def _fit(g: Tensor, x: Tensor) -> Tensor:
    """A slope summed over the dims along which `x` was broadcast."""
    if g.shape.is_fully_defined() and x.shape == g.shape:
        return g
    shape = tf.shape(x)
    _, dims = tf.raw_ops.BroadcastGradientArgs(s0=tf.shape(g), s1=shape)
    return tf.reshape(tf.reduce_sum(g, dims), shape)


# --- powers ---------------------------------------------------------------------------------------


def power_to(x: Tensor, exponent: Fraction) -> Tensor:
    """A power with a constant exponent."""
    if exponent == 0:
        return tf.ones_like(x)
    if exponent.denominator == 1 and -POWERS <= exponent < 0:
        return power_to(1 / x, -exponent)
    if abs(exponent) == Fraction(1, 2):
        return sqrt(x) if exponent > 0 else 1 / sqrt(x)
    if exponent.denominator == 1 and 0 < exponent <= POWERS:
        n = int(exponent)
        half = power_to(x, Fraction(n // 2)) if n > 1 else None
        square = x if half is None else half * half
        return square * x if n > 1 and n % 2 else square
    return _power_to(x, exponent)


def _power_to(x: Tensor, exponent: Fraction) -> Tensor:
    @custom_gradient
    def value(base: Tensor) -> Any:
        def slope(g: Tensor) -> Tensor:
            factor = constant(exponent, base.dtype)
            return g * factor * power_to(base, exponent - 1)

        return tf.pow(base, constant(exponent, base.dtype)), slope

    return value(x)


@custom_gradient
def power(x: Tensor, y: Tensor) -> Any:
    """X to the power y; the slopes are finite wherever their limits are."""

    def slope(g: Tensor) -> tuple[Tensor, Tensor]:
        zero, one = tf.zeros([], x.dtype), tf.ones([], x.dtype)
        flat = tf.equal(y, 0)
        dx = tf.where(flat, zero, y * power(tf.where(flat, one, x), y - 1))
        positive = x > 0
        dy = tf.where(positive, power(x, y) * tf.math.log(tf.where(positive, x, one)), zero)
        return _fit(g * dx, x), _fit(g * dy, y)

    return tf.pow(x, y), slope


@custom_gradient
def _cbrt(x: Tensor) -> Any:
    size = tf.abs(x)
    proper = (size > 0) & tf.math.is_finite(size)
    base = tf.where(proper, size, tf.ones([], x.dtype))
    root = tf.pow(base, constant(Fraction(1, 3), x.dtype))
    root = root - (root - base / (root * root)) / 3
    value = tf.sign(x) * tf.where(proper, root, size)

    def slope(g: Tensor) -> Tensor:
        t = _cbrt(x)
        return g / (3 * t * t)

    return value, slope


def _erf(x: Tensor) -> Tensor:
    """The error function, exact where it rounds to 1; there TensorFlow gives less, or NaN."""
    limit = 6.0 if x.dtype == tf.float64 else 3.92
    return tf.where(tf.abs(x) > limit, tf.sign(x), tf.math.erf(tf.clip_by_value(x, -limit, limit)))


def _log_to(base: int, x: Tensor) -> Tensor:
    """The logarithm to a base, whole where x is a power of the base."""
    log = tf.math.log(x) / math.log(base)
    whole = tf.round(log)
    power = _whole_power(base, tf.abs(whole))
    is_power = tf.equal(x, tf.where(whole < 0, 1 / power, power))
    return log + tf.stop_gradient(tf.where(is_power, whole - log, tf.zeros([], x.dtype)))


def _whole_power(base: int, n: Tensor) -> Tensor:
    """`base^n` of whole n >= 0, by squares, which are exact as long as the power is a float."""
    power, left, square = tf.ones_like(n), n, Fraction(base)
    while square <= Fraction(float(n.dtype.max)):
        half = tf.floor(left / 2)
        power *= tf.where(tf.equal(left, 2 * half), tf.ones([], n.dtype), constant(square, n.dtype))
        left, square = half, square**2
    return power


# --- the logistic family --------------------------------------------------------------------------


def sigmoid(x: Tensor) -> Tensor:
    """The logistic function, to full relative precision in both tails."""

    @custom_gradient
    def value(x: Tensor) -> Any:
        small = tf.exp(-tf.abs(x))
        top = tf.where(x < 0, small, tf.ones([], x.dtype))
        return top / (1 + small), lambda g: g * sigmoid(x) * sigmoid(-x)

    return value(x)


@custom_gradient
def _softplus(x: Tensor) -> Any:
    value = tf.maximum(x, 0) + _log1p(tf.exp(-tf.abs(x)))
    return value, lambda g: g * sigmoid(x)


@custom_gradient
def _logaddexp(x: Tensor, y: Tensor) -> Any:
    gap = tf.where(tf.equal(x, y), tf.zeros([], x.dtype), x - y)
    value = tf.maximum(x, y) + _log1p(tf.exp(-tf.abs(gap)))

    def slope(g: Tensor) -> tuple[Tensor, Tensor]:
        d = tf.where(tf.equal(x, y), tf.zeros([], x.dtype), x - y)
        return _fit(g * sigmoid(d), x), _fit(g * sigmoid(-d), y)

    return value, slope


@custom_gradient
def _log1mexp(x: Tensor) -> Any:
    near = x > -math.log(2)
    upper = tf.math.log(-tf.math.expm1(tf.where(near, x, -tf.ones([], x.dtype))))
    lower = _log1p(-tf.exp(tf.where(near, -tf.ones([], x.dtype), x)))
    return tf.where(near, upper, lower), lambda g: -g / tf.math.expm1(-x)


@custom_gradient
def _logcosh(x: Tensor) -> Any:
    size = tf.abs(x)
    near = size < 1
    inner = tf.where(near, _coshm1(tf.minimum(size, 1)), tf.exp(-2 * size))
    line = tf.where(near, tf.zeros([], x.dtype), size - math.log(2))
    return line + _log1p(inner), lambda g: g * tf.tanh(x)


def _coshm1(x: Tensor) -> Tensor:
    """cosh(x) - 1 for 0 <= x <= 1: x^2/2 (1 + x^2/12 (1 + x^2/30 (...)))."""
    square = x * x
    rest = tf.ones_like(x)
    for k in range(8, 0, -1):
        rest = 1 + square * rest / ((2 * k + 1) * (2 * k + 2))
    return square / 2 * rest


@custom_gradient
def _logit(x: Tensor) -> Any:
    middle = tf.abs(x - 0.5) < 0.25
    center = 2 * tf.atanh(tf.where(middle, 2 * x - 1, tf.zeros([], x.dtype)))
    value = tf.where(middle, center, tf.math.log(x) - _log1p(-x))
    return value, lambda g: g / (x * (1 - x))


# --- special functions ----------------------------------------------------------------------------


def _ndtr(x: Tensor) -> Tensor:
    return tf.math.erfc(-x * math.sqrt(0.5)) / 2


@custom_gradient
def _log_ndtr(x: Tensor) -> Any:
    far = x < -20
    near = tf.maximum(x, tf.constant(-20, x.dtype))
    right = _log1p(-_ndtr(-tf.maximum(x, 0)))
    left = tf.math.log(_ndtr(tf.minimum(near, 0)))
    tail = tf.minimum(x, tf.constant(-20, x.dtype))
    series = tf.math.log(_mills(tail) / -tail) - tail * tail / 2 - math.log(2 * math.pi) / 2

    def slope(g: Tensor) -> Tensor:
        density = tf.exp(-near * near / 2) / math.sqrt(2 * math.pi)
        return g * tf.where(far, -tail / _mills(tail), density / _ndtr(near))

    return tf.where(far, series, tf.where(x > 0, right, left)), slope


def _mills(x: Tensor) -> Tensor:
    """ndtr(x) over -density(x) / x, for x < -20: 1 - 1/x^2 + 3/x^4 - 15/x^6 + ..."""
    inverse = 1 / (x * x)
    total = tf.ones_like(x)
    for k in range(9, 0, -1):
        total = 1 - (2 * k - 1) * inverse * total
    return total


@custom_gradient
def _hypot(x: Tensor, y: Tensor) -> Any:
    a, b = tf.abs(x), tf.abs(y)
    top, low = tf.maximum(a, b), tf.minimum(a, b)
    scaled = (top > 0) & tf.math.is_finite(top)
    ratio = tf.where(scaled, low / tf.where(scaled, top, tf.ones([], x.dtype)), top * 0 + low * 0)
    value = tf.where(scaled, top * tf.sqrt(1 + ratio * ratio), top + low)

    def slope(g: Tensor) -> tuple[Tensor, Tensor]:
        h = _hypot(x, y)
        zero = tf.equal(h, 0)
        over = tf.where(zero, tf.ones([], x.dtype), h)
        return _fit(g * x / over, x), _fit(g * y / over, y)

    return value, slope


# Numbers of Bernoulli, over 2k (2k - 1) for lgamma; times 2k - 1 for digamma.
STIRLING = tuple(map(Fraction, (
    "1/12", "-1/360", "1/1260", "-1/1680", "1/1188", "-691/360360", "1/156", "-3617/122400",
)))  # fmt: skip
EPSILON = 2.0**-52
SHIFTS = len(STIRLING)  # by so many steps up the series is right to the last place


def _differences(p: Tensor, q: Tensor) -> Iterator[Tensor]:
    """`(p^k - q^k) / (p - q)` for k = 1, 2, 3, ..."""
    power, total = tf.ones_like(q), tf.ones_like(p + q)
    while True:
        yield total
        power *= q
        total = p * total + power


def _log_rising_above(x: Tensor, n: Tensor) -> Tensor:
    """`lgamma(x + n) - lgamma(x)` for x > 0 and n >= 0: by Stirling's series some steps up.

    Each of its terms is n times a number, so that no digit of a small n is lost.
    """
    up = x + SHIFTS
    p, q = 1 / up, 1 / (up + n)
    odd = itertools.islice(_differences(p, q), 0, None, 2)
    series = sum(constant(c, x.dtype) * d for c, d in zip(STIRLING, odd, strict=False))
    whole = (up - 0.5) * _log1p(n / up) + n * (tf.math.log(up + n) - 1) - n * p * q * series
    apart = tf.where(n > x, tf.math.log(x + n) - tf.math.log(x), _log1p(n / tf.maximum(x, n / 2)))
    found = whole - apart - sum(_log1p(n / (x + k)) for k in range(1, SHIFTS))
    few = tf.equal(n, tf.floor(n)) & (n <= SHIFTS) & (x < 1 / EPSILON)
    return tf.where(few, tf.math.log(_few_factors(tf.minimum(x, 1 / EPSILON), n)), found)


def _few_factors(x: Tensor, n: Tensor) -> Tensor:
    """`x (x + 1) ... (x + n - 1)`, whose logarithm is right where it is near 0, too."""
    one = tf.ones([], x.dtype)
    return fold(tf.multiply, (tf.where(n > k, x + k, one) for k in range(SHIFTS)))


def _digamma_rising_above(x: Tensor, n: Tensor) -> Tensor:
    """`digamma(x + n) - digamma(x)` for x > 0 and n >= 0, as a sum of positive terms."""
    up = x + SHIFTS
    p, q = 1 / up, 1 / (up + n)
    even = itertools.islice(_differences(p, q), 1, None, 2)
    numbers = [c * (2 * k + 1) for k, c in enumerate(STIRLING)]
    series = sum(constant(c, x.dtype) * d for c, d in zip(numbers, even, strict=False))
    whole = _log1p(n / up) + n * p * q * (0.5 + series)
    return whole + sum(n / (x + n + k) / (x + k) for k in range(SHIFTS))


def _rising(above: Callable[..., Tensor], plain: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    """`plain(x + n) - plain(x)`, by `above` where x and x + n are above 0."""

    def value(x: Tensor, n: Tensor) -> Tensor:
        low, zero, one = tf.minimum(x, x + n), tf.zeros([], x.dtype), tf.ones([], x.dtype)
        inside = low > 0
        found = above(tf.where(inside, low, one), tf.where(inside, tf.abs(n), zero))
        found = tf.where(tf.equal(n, 0), zero, found)
        return tf.where(inside, tf.where(n < 0, -found, found), plain(x + n) - plain(x))

    return value


@custom_gradient
def _log_rising(x: Tensor, n: Tensor) -> Any:
    value = _rising(_log_rising_above, tf.math.lgamma)(x, n)

    def slope(g: Tensor) -> tuple[Tensor, Tensor]:
        return _fit(g * _digamma_rising(x, n), x), _fit(g * FUNCTIONS["digamma"](x + n), n)

    return value, slope


@custom_gradient
def _digamma_rising(x: Tensor, n: Tensor) -> Any:
    value = _rising(_digamma_rising_above, tf.math.digamma)(x, n)

    def slope(g: Tensor) -> tuple[Tensor, Tensor]:
        trigamma = FUNCTIONS["trigamma"]
        return _fit(g * (trigamma(x + n) - trigamma(x)), x), _fit(g * trigamma(x + n), n)

    return value, slope


def _trigamma(x: Tensor) -> Tensor:
    return tf.math.polygamma(tf.ones_like(x), x)


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "power": power,
    "sqrt": sqrt,
    "cbrt": _cbrt,
    "log2": lambda x: _log_to(2, x),
    "log10": lambda x: _log_to(10, x),
    "sigmoid": sigmoid,
    "log1mexp": _log1mexp,
    "logcosh": _logcosh,
    "logit": _logit,
    "softplus": _softplus,
    "ndtr": _ndtr,
    "log_ndtr": _log_ndtr,
    "erf": _erf,
    "erfc": tf.math.erfc,
    "lgamma": tf.math.lgamma,
    "digamma": tf.math.digamma,
    "trigamma": _trigamma,
    "log_rising": _log_rising,
    "digamma_rising": _digamma_rising,
    "logaddexp": _logaddexp,
    "xlogy": _xlogy,
    "hypot": _hypot,
}

INTEGER: dict[str, Callable[..., Tensor]] = {
    "add": tf.add,
    "sub": tf.subtract,
    "mul": tf.multiply,
    "neg": tf.negative,
    "abs": tf.abs,
    "sign": tf.sign,
    "relu": lambda x: tf.maximum(x, 0),
    "min": lambda *xs: fold(tf.minimum, xs),
    "max": lambda *xs: fold(tf.maximum, xs),
    "clip": lambda x, low, high: tf.minimum(tf.maximum(x, low), high),
    "floor": tf.identity,
    "ceil": tf.identity,
    "round": tf.identity,
    "stop_gradient": tf.stop_gradient,
}


# --- reductions: x, a mask or None, the dims to reduce, the number kept ---------------------------


def _masked(x: Tensor, mask: Tensor | None, unit: float) -> Tensor:
    return x if mask is None else tf.where(mask, x, tf.constant(unit, x.dtype))


def summed(x: Tensor, dims: Shape) -> Tensor:
    """The sum over some dims."""
    return total(x, dims)


def _sum(x: Tensor, mask: Tensor | None, dims: Shape, count: Tensor) -> Tensor:
    return summed(_masked(x, mask, 0), dims)


def _mean(x: Tensor, mask: Tensor | None, dims: Shape, count: Tensor) -> Tensor:
    return total(_masked(x, mask, 0), dims) / tf.cast(count, x.dtype)


def _prod(x: Tensor, mask: Tensor | None, dims: Shape, count: Tensor) -> Tensor:
    return tf.reduce_prod(_masked(x, mask, 1), dims)


def _max(x: Tensor, mask: Tensor | None, dims: Shape, count: Tensor) -> Tensor:
    x = _masked(x, mask, -math.inf)
    return _or_nan(tf.reduce_max(x, dims), x, dims)


def _min(x: Tensor, mask: Tensor | None, dims: Shape, count: Tensor) -> Tensor:
    x = _masked(x, mask, math.inf)
    return _or_nan(tf.reduce_min(x, dims), x, dims)


def _or_nan(found: Tensor, x: Tensor, dims: Shape) -> Tensor:
    """The largest or smallest number, NaN if there is one, which XLA's reductions drop on a CPU."""
    if not x.dtype.is_floating:
        return found
    nan = tf.constant(math.nan, x.dtype)
    return tf.where(tf.reduce_any(tf.math.is_nan(x), dims), nan, found)


def _logsumexp(x: Tensor, mask: Tensor | None, dims: Shape, count: Tensor) -> Tensor:
    x = _masked(x, mask, -math.inf)
    top = tf.stop_gradient(tf.reduce_max(x, dims, keepdims=True))
    top = tf.where(tf.math.is_finite(top), top, tf.zeros([], x.dtype))
    parts = tf.exp(x - top)
    one, zero = tf.ones([], x.dtype), tf.zeros([], x.dtype)
    ones = total(tf.where(parts == one, parts, zero), dims)
    rest = total(tf.where(parts == one, zero, parts), dims)
    empty = tf.equal(ones + rest, 0)
    value = tf.math.log1p(tf.where(empty, zero, rest + (ones - one)))
    return tf.where(empty, tf.constant(-math.inf, x.dtype), value + tf.squeeze(top, dims))


def _var(x: Tensor, mask: Tensor | None, dims: Shape, count: Tensor) -> Tensor:
    center = _sum(x, mask, dims, count) / count
    for d in sorted(dims):
        center = tf.expand_dims(center, d)
    off = _masked(x - center, mask, 0)
    return total(off * off, dims) / count


def _std(x: Tensor, mask: Tensor | None, dims: Shape, count: Tensor) -> Tensor:
    return sqrt(_var(x, mask, dims, count))


def _norm(x: Tensor, mask: Tensor | None, dims: Shape, count: Tensor) -> Tensor:
    """The 2-norm, of numbers scaled by the largest, so that no square overflows."""
    x = _masked(x, mask, 0)
    top = tf.stop_gradient(tf.reduce_max(tf.abs(x), dims, keepdims=True))
    plain = tf.logical_not((top > 0) & tf.math.is_finite(top))
    scale = tf.where(plain, tf.ones([], x.dtype), top)
    part = x / scale
    return tf.squeeze(scale, dims) * sqrt(total(part * part, dims))


def _norm1(x: Tensor, mask: Tensor | None, dims: Shape, count: Tensor) -> Tensor:
    return summed(tf.abs(_masked(x, mask, 0)), dims)


REDUCTIONS: dict[str, Callable[[Tensor, Tensor | None, Shape, Tensor], Tensor]] = {
    "sum": _sum,
    "mean": _mean,
    "prod": _prod,
    "max": _max,
    "min": _min,
    "logsumexp": _logsumexp,
    "var": _var,
    "std": _std,
    "norm": _norm,
    "norm1": _norm1,
}


def any_of(x: Tensor, mask: Tensor | None, dims: Shape) -> Tensor:
    """Whether a condition holds at a place kept."""
    return tf.reduce_any(x if mask is None else x & mask, dims)


def all_of(x: Tensor, mask: Tensor | None, dims: Shape) -> Tensor:
    """Whether a condition holds at all places kept."""
    return tf.reduce_all(x if mask is None else x | ~mask, dims)


def count_of(x: Tensor, mask: Tensor | None, dims: Shape) -> Tensor:
    """The number of places kept where a condition holds."""
    return tf.reduce_sum(tf.cast(x if mask is None else x & mask, tf.int64), dims)


BOOLEAN: dict[str, Callable[[Tensor, Tensor | None, Shape], Tensor]] = {
    "any": any_of,
    "all": all_of,
    "count": count_of,
}


def argmax(x: Tensor, mask: Tensor | None, dim: int, sign: int, start: Tensor) -> Tensor:
    """The place of the largest number (times `sign`), the first on ties; 0 if none is kept."""
    if mask is None:
        arg = tf.argmax if sign > 0 else tf.argmin
        return arg(x, dim, output_type=tf.int64) + start
    best = (_max if sign > 0 else _min)(_real(x), mask, [dim], x)
    found = mask & tf.equal(_real(x), tf.expand_dims(best, dim))
    place = tf.argmax(tf.cast(found, tf.int32), dim, output_type=tf.int64) + start
    return tf.where(tf.reduce_any(found, dim), place, tf.zeros([], tf.int64))


def _real(x: Tensor) -> Tensor:
    return x if x.dtype.is_floating else tf.cast(x, tf.float64)


# --- along the last dim ---------------------------------------------------------------------------

ABSENT = 1 << 62  # the rank of a place that takes no part


def cumsum(x: Tensor, mask: Tensor | None) -> Tensor:
    """The sums of the places kept up to each."""
    return tf.cumsum(_masked(x, mask, 0), axis=-1)


def logcumsumexp(x: Tensor, mask: Tensor | None) -> Tensor:
    """Log of the sums of exponentials up to each place, by doubling steps."""
    x = _masked(x, mask, -math.inf)
    length = x.shape[-1]
    if length is None:
        return tf.math.cumulative_logsumexp(x, axis=-1)
    step = 1
    while step < length:
        lead = tf.fill(tf.shape(x[..., :step]), tf.constant(-math.inf, x.dtype))
        x = _logaddexp(x, tf.concat([lead, x[..., :-step]], -1))
        step *= 2
    return x


def order(x: Tensor, mask: Tensor | None) -> Tensor:
    """The places in ascending order of value, ties by position, those left out last."""
    x = tf.stop_gradient(_masked(x, mask, math.inf) if mask is not None else x)
    places = tf.argsort(x, axis=-1, stable=True)
    if mask is not None:
        out = tf.gather(tf.cast(~mask, tf.int32), places, batch_dims=len(x.shape) - 1)
        places = permute(places, tf.argsort(out, axis=-1, stable=True))
    return places


def permute(x: Tensor, places: Tensor) -> Tensor:
    """`x` with its last dim put in another order; the slope is put back by the inverse."""

    @custom_gradient
    def value(x: Tensor) -> Any:
        taken = tf.gather(x, places, batch_dims=len(places.shape) - 1)
        return taken, lambda g: permute(g, tf.argsort(places, axis=-1, stable=True))

    return value(x)


def table(x: Tensor, mask: Tensor | None) -> Tensor:
    """The values as they are."""
    del mask
    return x


def sort(x: Tensor, mask: Tensor | None) -> Tensor:
    """The values in ascending order; NaN beyond those kept."""
    value = permute(x, order(x, mask))
    return value if mask is None else tf.where(_taken(mask), value, _nan(x.dtype))


def argsort(x: Tensor, mask: Tensor | None, start: Tensor) -> Tensor:
    """The index of each value in ascending order; out of range beyond those kept."""
    places = tf.cast(order(x, mask), tf.int64) + start
    return places if mask is None else tf.where(_taken(mask), places, tf.int64.min // 2)


def rank(x: Tensor, mask: Tensor | None) -> Tensor:
    """The place of each value in ascending order; beyond all for a place left out."""
    places = tf.argsort(order(x, mask), axis=-1, stable=True)
    places = tf.cast(places, tf.int64)
    return places if mask is None else tf.where(mask, places, tf.constant(ABSENT, tf.int64))


def _taken(mask: Tensor) -> Tensor:
    """Which of the last dim's first places the kept ones fill."""
    count = tf.reduce_sum(tf.cast(mask, tf.int32), -1, keepdims=True)
    return tf.range(tf.shape(mask)[-1]) < count


def _nan(dtype: tf.DType) -> Tensor:
    return tf.constant(math.nan, dtype)


# --- gathers --------------------------------------------------------------------------------------


def take(x: Tensor, places: Tensor, shared: int, inside: Tensor, missing: Tensor | None) -> Tensor:
    """`x[shared..., places, rest...]` for places `[shared..., new...]`.

    Where `inside` fails the value is `missing` (None: any element will do), with slope 0.
    """
    safe = tf.where(inside, places, tf.zeros([], places.dtype))
    if len(places.shape) == shared:
        value = _pick(x, safe, shared)
    else:
        value = tf.gather(_dense(x), safe, axis=shared, batch_dims=shared)
    if missing is None:
        return value
    for _ in range(len(value.shape) - len(inside.shape)):
        inside = tf.expand_dims(inside, -1)
    return tf.where(inside, value, missing)


@custom_gradient
def _dense(x: Tensor) -> Any:
    """`x`, with a slope that is a tensor and not a list of slices."""
    return tf.identity(x), tf.convert_to_tensor


def _pick(x: Tensor, places: Tensor, dim: int) -> Tensor:
    """One element of dim `dim` for each place of those before; the slope is dense, and fuses."""

    @custom_gradient
    def value(x: Tensor) -> Any:
        def slope(g: Tensor) -> Tensor:
            return _put(g, places, tf.shape(x)[dim], dim)

        return tf.gather(x, places, axis=dim, batch_dims=dim), slope

    if not x.dtype.is_floating:
        return tf.gather(x, places, axis=dim, batch_dims=dim)
    return value(x)


def _put(g: Tensor, places: Tensor, length: Tensor, dim: int) -> Tensor:
    """`g` at its places along a new dim, and 0 elsewhere."""
    grid = tf.reshape(tf.range(length), [-1] + [1] * (len(g.shape) - dim))
    places = tf.cast(places, tf.int32)
    for _ in range(len(g.shape) - dim + 1):
        places = tf.expand_dims(places, -1)
    return tf.where(tf.equal(places, grid), tf.expand_dims(g, dim), tf.zeros([], g.dtype))
