"""Primitives on arrays of float64, and scalar terms made of them. Nothing here proves anything.

Good to about 1e-10, relatively, and where the data are ordinary to a few ulps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
from mpmath import mp

from .arithmetic import NEAREST
from .ir import Access, Apply, Const, Expr, Select, postorder

Array = np.ndarray[Any, Any]
SHIFT = 10


def evaluate(term: Expr, values: Mapping[str, Array]) -> Array:
    """The value of a term at many points; NaN where it has none."""
    return evaluate_all([term], values)[0]


def evaluate_all(terms: Sequence[Expr], values: Mapping[str, Array]) -> list[Array]:
    """The values of some terms at many points. Shared parts are evaluated once."""
    done: dict[Expr, Any] = {}
    with np.errstate(all="ignore"):
        for t in postorder(*terms):
            done[t] = _value(t, [done[p] for p in t.parts], values)
    shape = np.broadcast_shapes(*(np.shape(v) for v in values.values()))
    return [np.broadcast_to(np.asarray(done[t], dtype=float), shape) for t in terms]


def _value(term: Expr, parts: list[Any], values: Mapping[str, Array]) -> Any:
    match term:
        case Const(value=value):
            return constant(value)
        case Access():
            return values[term.tensor.name]
        case Select():
            return np.where(np.asarray(parts[0], dtype=bool), parts[1], parts[2])
        case Apply():
            return function(term.op)(*parts)
    raise TypeError(type(term).__name__)


def constant(value: object) -> float:
    """The number that a constant is; NaN for `none`."""
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, bool):
        return value
    return {"pi": math.pi, "e": math.e, "inf": math.inf}.get(str(value), math.nan)


def function(op: str) -> Callable[..., Any]:
    """A primitive, by its name in the table, on arrays; conditions are 0 and 1."""
    if op in _NUMPY:
        return _NUMPY[op]
    return _scalar(lambda *args: NEAREST.apply(op, [mp.mpf(float(a)) for a in args]))


def _sigmoid(x: Array) -> Any:
    return 1 / (1 + np.exp(-x))


def _power(x: Array, y: Array) -> Any:
    return np.power(np.asarray(x, dtype=float), y)


def _xlogy(x: Array, y: Array) -> Any:
    return np.where(x == 0, 0.0, x * np.log(y))


def _scalar(f: Callable[..., float]) -> Callable[..., Array]:
    """A function of floats as one of arrays; NaN where it has no value."""

    def safe(*args: float) -> float:
        try:
            return float(f(*map(float, args)))
        except (TypeError, ValueError, ArithmeticError):
            return math.nan

    return lambda *args: np.asarray(np.frompyfunc(safe, len(args), 1)(*args), dtype=float)


def _digamma(x: Array) -> Any:
    """The asymptotic series at `x + SHIFT`, and the steps down from there; for x above 0."""
    x = np.asarray(x, dtype=float)
    steps = sum(1 / (x + k) for k in range(SHIFT))
    z = x + SHIFT
    series = np.log(z) - 1 / (2 * z) - 1 / (12 * z**2) + 1 / (120 * z**4) - 1 / (252 * z**6)
    return np.where(x > 0, series - steps, math.nan)


def _trigamma(x: Array) -> Any:
    """As `_digamma`."""
    x = np.asarray(x, dtype=float)
    steps = sum(1 / (x + k) ** 2 for k in range(SHIFT))
    z = x + SHIFT
    series = 1 / z + 1 / (2 * z**2) + 1 / (6 * z**3) - 1 / (30 * z**5) + 1 / (42 * z**7)
    return np.where(x > 0, series + steps, math.nan)


def _relu(x: Array) -> Any:
    return np.maximum(x, 0)


def _log1mexp(x: Array) -> Any:
    return np.where(np.asarray(x) > -math.log(2), np.log(-np.expm1(x)), np.log1p(-np.exp(x)))


def _logcosh(x: Array) -> Any:
    size = np.abs(x)
    small = np.minimum(size, 1e-2) ** 2
    series = small / 2 - small**2 / 12 + small**3 / 45
    return np.where(size < 1e-2, series, size + np.log1p(np.exp(-2 * size)) - math.log(2))


def _logit(x: Array) -> Any:
    x = np.asarray(x, dtype=float)
    middle = 2 * np.arctanh(np.clip(2 * x - 1, -0.5, 0.5))
    return np.where(np.abs(x - 0.5) < 0.25, middle, np.log(x) - np.log1p(-x))


def _log_ndtr(x: Array) -> Any:
    """By the tail's continued fraction below -6."""
    x = np.asarray(x, dtype=float)
    down = np.maximum(-x, 6.0)
    fraction = down
    for n in range(24, 0, -1):
        fraction = down + n / fraction
    tail = -down * down / 2 - np.log(fraction) - math.log(2 * math.pi) / 2
    near = np.clip(x, -6.0, None)
    plain = np.where(near > 0, np.log1p(-_below(-near)), np.log(_below(near)))
    return np.where(x < -6, tail, plain)


def _log_rising(a: Array, n: Array) -> Any:
    """`lgamma(a + n) - lgamma(a)`; far up by Stirling's series."""
    a, n = np.asarray(a, dtype=float), np.asarray(n, dtype=float)
    far = np.maximum(a, 1e3)
    series = (far - 0.5) * np.log1p(n / far) + n * (np.log(far + n) - 1)
    series = series + (1 / (far + n) - 1 / far) / 12
    return np.where(a > 1e3, series, _gammas(a + n) - _gammas(a))


def _digamma_rising(a: Array, n: Array) -> Any:
    a, n = np.asarray(a, dtype=float), np.asarray(n, dtype=float)
    far = np.maximum(a, 1e3)
    series = np.log1p(n / far) + n / (2 * far * (far + n))
    return np.where(a > 1e3, series, _digamma(a + n) - _digamma(a))


def _smallest(*args: Array) -> Any:
    return reduce(np.minimum, args)


def _largest(*args: Array) -> Any:
    return reduce(np.maximum, args)


def _lgamma(x: float) -> float:
    return math.lgamma(x) if x else math.inf


def _ndtr(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


_below = _scalar(_ndtr)
_gammas = _scalar(_lgamma)
_NUMPY: Mapping[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide, "pow": _power,
    "neg": np.negative, "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
    "gt": np.greater, "ge": np.greater_equal, "and": np.logical_and, "or": np.logical_or,
    "not": np.logical_not, "abs": np.abs, "sign": np.sign, "sqrt": np.sqrt, "cbrt": np.cbrt,
    "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin,
    "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "sigmoid": _sigmoid, "softplus": lambda x: np.logaddexp(0, x), "logaddexp": np.logaddexp,
    "hypot": np.hypot, "min": _smallest, "max": _largest, "floor": np.floor, "ceil": np.ceil,
    "round": np.round, "xlogy": _xlogy, "indicator": lambda c: np.asarray(c, dtype=float),
    "erf": _scalar(math.erf), "erfc": _scalar(math.erfc), "ndtr": _below,
    "lgamma": _gammas, "digamma": _digamma, "trigamma": _trigamma,
    "expm1": np.expm1, "log1p": np.log1p, "log2": np.log2, "log10": np.log10, "relu": _relu,
    "log1mexp": _log1mexp, "logcosh": _logcosh, "logit": _logit, "log_ndtr": _log_ndtr,
    "log_rising": _log_rising, "digamma_rising": _digamma_rising,
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "isnan": np.isnan, "isfinite": np.isfinite, "stop_gradient": lambda x: x,
}  # fmt: skip
