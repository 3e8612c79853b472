"""Scalar terms on arrays of floats, for the search of witnesses. Nothing here proves anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from mpmath import mp

from ..arithmetic import NEAREST
from ..ir import Access, Apply, Const, Expr, Select, postorder

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
            return _constant(value)
        case Access():
            return values[term.tensor.name]
        case Select():
            return np.where(np.asarray(parts[0], dtype=bool), parts[1], parts[2])
        case Apply():
            return _function(term.op)(*parts)
    raise TypeError(type(term).__name__)


def _constant(value: object) -> float:
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, bool):
        return value
    return {"pi": math.pi, "e": math.e, "inf": math.inf}.get(str(value), math.nan)


def _function(op: str) -> Callable[..., Any]:
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


def _lgamma(x: float) -> float:
    return math.lgamma(x) if x else math.inf


def _ndtr(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


_NUMPY: Mapping[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide, "pow": _power,
    "neg": np.negative, "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
    "gt": np.greater, "ge": np.greater_equal, "and": np.logical_and, "or": np.logical_or,
    "not": np.logical_not, "abs": np.abs, "sign": np.sign, "sqrt": np.sqrt, "cbrt": np.cbrt,
    "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin,
    "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "sigmoid": _sigmoid, "softplus": lambda x: np.logaddexp(0, x), "logaddexp": np.logaddexp,
    "hypot": np.hypot, "min": np.minimum, "max": np.maximum, "floor": np.floor, "ceil": np.ceil,
    "round": np.round, "xlogy": _xlogy, "indicator": lambda c: np.asarray(c, dtype=float),
    "erf": _scalar(math.erf), "erfc": _scalar(math.erfc), "ndtr": _scalar(_ndtr),
    "lgamma": _scalar(_lgamma), "digamma": _digamma, "trigamma": _trigamma,
}  # fmt: skip
