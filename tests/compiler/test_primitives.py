"""The table of primitives: every entry against independent oracles, in mpmath and TensorFlow."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.special as sp
import tensorflow as tf
from mpmath import mp

from lossc.compiler.arithmetic import NEAREST
from lossc.compiler.emit import tf_ops
from lossc.dsl.intervals import Interval
from lossc.dsl.primitives import ALONG, PRIMITIVES, REDUCTIONS

WORDS = """
    abs sign sqrt cbrt exp expm1 log log1p log2 log10 sin cos tan asin acos atan atan2 sinh
    cosh tanh asinh acosh atanh sigmoid logit softplus relu erf erfc ndtr log_ndtr lgamma
    digamma log_rising bessel_i0e bessel_i1e floor ceil round clip logaddexp xlogy hypot isnan
    isfinite min max indicator stop_gradient
    """

ORACLE: dict[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "pow": np.power,
    "neg": np.negative, "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
    "gt": np.greater, "ge": np.greater_equal, "abs": np.abs, "sign": np.sign, "sqrt": np.sqrt,
    "cbrt": np.cbrt, "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p,
    "log2": np.log2, "log10": np.log10, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "sinh": np.sinh,
    "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "sigmoid": sp.expit, "logit": sp.logit,
    "softplus": lambda x: np.logaddexp(0, x), "relu": lambda x: np.maximum(x, 0), "erf": sp.erf,
    "erfc": sp.erfc, "ndtr": sp.ndtr, "log_ndtr": sp.log_ndtr,
    "log1mexp": lambda x: np.where(x > -1, np.log(-np.expm1(x)), np.log1p(-np.exp(x))),
    "logcosh": lambda x: np.where(
        np.abs(x) < 1, np.log1p(np.expm1(x) ** 2 / (2 * np.exp(x))), np.log(np.cosh(x))
    ),
    "lgamma": sp.gammaln, "digamma": lambda x: np.where(x == 0, np.nan, sp.digamma(x)),
    "log_rising": lambda x, n: sp.gammaln(x + n) - sp.gammaln(x),
    "digamma_rising": lambda x, n: np.where(x == 0, np.nan, sp.digamma(x + n) - sp.digamma(x)),
    "trigamma": lambda x: sp.polygamma(1, x),
    "bessel_i0e": sp.i0e, "bessel_i1e": sp.i1e, "floor": np.floor, "ceil": np.ceil,
    "round": np.round, "clip": np.clip, "logaddexp": np.logaddexp, "xlogy": sp.xlogy,
    "hypot": np.hypot, "isnan": np.isnan, "isfinite": np.isfinite, "min": np.minimum,
    "max": np.maximum, "stop_gradient": lambda x: x, "indicator": lambda x: x * 1,
    "and": np.logical_and, "or": np.logical_or, "not": np.logical_not,
}  # fmt: skip

POINTS = (-30.0, -5.5, -1.0, -0.75, -1e-3, -1e-7, 0.0, 1e-9, 0.01, 0.3, 0.5, 0.51, 1.0, 1.5, 2.0,
          3.25, 10.0, 40.0)  # fmt: skip
LOOSE = {
    "lgamma": 40,
    "digamma": 40,
    "trigamma": 40,
    "log_rising": 4e4,
    "digamma_rising": 4e4,
    "log_ndtr": 50,
    "ndtr": 400,
}  # SciPy's own error
ULPS = {"float32": 8, "float64": 24}
# The last place of x / sqrt(2) weighs x^2 times, and the value is small between two zeros.
TAIL = {"ndtr": 400, "log_rising": 400}


@cache
def points(name: str) -> tuple[tuple[float, ...], ...]:
    """Arguments inside the domain of a primitive, one tuple an argument."""
    row = PRIMITIVES[name]
    if row.takes == "bool":
        values = [(True, False, True, False), (True, True, False, False)]
        return tuple(values[: row.arity])
    inside = [[x for x in POINTS if x in d] for d in row.domain]
    if name == "clip":
        return tuple(inside[0]), (-1.0,) * len(inside[0]), (1.5,) * len(inside[0])
    if row.arity == 1:
        return (tuple(inside[0]),)
    pairs = [(a, b) for a in inside[0][1:-1:2] for b in inside[1][:-1:2]]
    pairs += [(a, a) for a in inside[0][3:-1] if a in inside[1]]
    pairs = [p for p in pairs if name != "pow" or p[0] > 0 or p[1] == int(p[1])]
    return tuple(zip(*pairs, strict=True))


def exact(name: str, args: tuple[float, ...]) -> Any:
    with mp.workdps(60):
        return NEAREST.apply(name, [a if isinstance(a, bool) else mp.mpf(a) for a in args])


def numbers(name: str, dtype: str) -> tuple[np.ndarray[Any, Any], ...]:
    kind = bool if PRIMITIVES[name].takes == "bool" else dtype
    return tuple(np.array(p, kind) for p in points(name))


def off(got: np.ndarray[Any, Any], want: list[Any]) -> np.ndarray[Any, Any]:
    """The error in units in the last place of `got`; infinite where one is not finite."""
    result = []
    for g, w in zip(got.tolist(), want, strict=True):
        if mp.isnan(w) or mp.isinf(w) or not math.isfinite(g):
            same = g == rounded(w, got.dtype) or (mp.isnan(w) and math.isnan(g))
            result.append(0.0 if same else math.inf)
            continue
        unit = np.spacing(np.abs(got.dtype.type(float(w))))
        unit = max(float(unit), float(np.finfo(got.dtype).tiny))
        result.append(float(abs(mp.mpf(g) - w) / unit))
    return np.array(result)


def rounded(w: Any, dtype: np.dtype[Any]) -> float:
    with np.errstate(over="ignore"):
        return float(dtype.type(float(w)))


def test_the_table_has_every_name() -> None:
    assert set(PRIMITIVES) >= set(WORDS.split())
    assert set(ORACLE) == set(PRIMITIVES)
    reductions = "sum mean prod max min logsumexp any all count var std norm norm1 argmax argmin"
    assert set(reductions.split()) == set(REDUCTIONS)
    along = "softmax log_softmax normalize cumsum logcumsumexp sort rank argsort one_hot"
    assert set(along.split()) == set(ALONG)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_row_is_sound(name: str) -> None:
    row = PRIMITIVES[name]
    assert len(row.safe) == row.arity
    assert all(s in d for s, d in zip(row.safe, row.domain, strict=True))
    assert row.doc.endswith(".") or row.doc.endswith("-inf.")
    assert row.takes in ("number", "bool", "either")
    assert row.gives in ("real", "int", "bool", "same")
    known = set(re.findall(r"[a-z_0-9]+(?=\()", row.meaning))
    assert known <= set(PRIMITIVES)
    if row.mp.startswith("@"):
        assert hasattr(NEAREST, row.mp[1:])
    if row.tf.startswith("@") and name != "clip":
        assert row.tf[1:] in {*tf_ops.FUNCTIONS, "indicator"}


@pytest.mark.parametrize("name", PRIMITIVES)
def test_mpmath_agrees_with_numpy_and_scipy(name: str) -> None:
    args = numbers(name, "float64")
    with np.errstate(all="ignore"):
        want = np.asarray(ORACLE[name](*args), dtype="float64")
    got = [mp.mpf(int(v)) if isinstance(v, bool) else v for v in map(exact, [name] * args[0].size,
           zip(*(a.tolist() for a in args), strict=True))]  # fmt: skip
    assert off(want, got).max() <= LOOSE.get(name, 4)


@pytest.mark.parametrize("name", [n for n, r in PRIMITIVES.items() if r.gives in ("real", "same")])
def test_the_range_holds(name: str) -> None:
    for args in zip(*points(name), strict=True):
        value = exact(name, args)
        if mp.isfinite(value):
            assert _holds(value, PRIMITIVES[name].range), (args, value)


def _holds(value: Any, range: Interval) -> bool:
    low = range.low is None or value >= range.low
    return low and (range.high is None or value <= range.high)


def _meaning(text: str, args: dict[str, Any]) -> Any:
    """A `meaning` evaluated by Python: its operators on mpmath numbers, its calls by the table."""
    calls = {n: (lambda *a, n=n: NEAREST.apply(n, a)) for n in PRIMITIVES}
    text = re.sub(r"\b(\d+)\b", r"mpf(\1)", text.replace("^", "**"))
    return eval(text, {"__builtins__": {}, "mpf": mp.mpf, "pi": mp.pi, **calls, **args})


@pytest.mark.parametrize("name", [n for n, r in PRIMITIVES.items() if r.meaning])
def test_the_meaning_is_the_function(name: str) -> None:
    with mp.workdps(80):
        for args in zip(*points(name), strict=True):
            value = exact(name, args)
            if not mp.isfinite(value):
                continue
            named = dict(zip("xyz", map(mp.mpf, args), strict=False))
            assert mp.almosteq(_meaning(PRIMITIVES[name].meaning, named), value, 1e-40, 1e-40)


@cache
def everything(dtype: str, jit: bool) -> dict[str, np.ndarray[Any, Any]]:
    """The values of all primitives at their points, in one graph."""

    def run() -> dict[str, Any]:
        values = {}
        for name in PRIMITIVES:
            args = [tf.constant(a) for a in numbers(name, dtype)]
            fixed = [False] * len(args)
            if name == "indicator":
                continue
            values[name] = tf_ops.primitive(name, args, fixed)
        return values

    run = tf.function(run, jit_compile=True) if jit else run
    return {k: v.numpy() for k, v in run().items()}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensorflow_agrees_with_mpmath(dtype: str, jit: bool) -> None:
    bad = {}
    for name, got in everything(dtype, jit).items():
        args = [a.tolist() for a in numbers(name, dtype)]
        want = [exact(name, p) for p in zip(*args, strict=True)]
        if PRIMITIVES[name].gives == "bool":
            assert got.tolist() == want
            continue
        error = off(got, want)
        own = TAIL.get(name, 0) if dtype == "float64" else PRIMITIVES[name].rounding or 0
        if error.max() > max(ULPS[dtype], own):
            k = int(error.argmax())
            bad[name] = ([a[k] for a in args], got[k], float(want[k]), error[k])
    assert not bad


def slopes(name: str, args: list[Any], fixed: list[bool] | None = None) -> list[float]:
    variables = [tf.constant(a, tf.float64) for a in args]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        value = tf_ops.primitive(name, variables, fixed or [False] * len(args))
    found = tape.gradient(value, variables, unconnected_gradients="zero")
    return [float(g) for g in found]


SMOOTH = [n for n, r in PRIMITIVES.items() if r.gives in ("real", "same") and r.takes == "number"]


@pytest.mark.parametrize("name", SMOOTH)
def test_the_safe_point_is_finite(name: str) -> None:
    safe = [float(s) for s in PRIMITIVES[name].safe]
    assert mp.isfinite(exact(name, tuple(safe)))
    assert all(map(math.isfinite, slopes(name, safe)))


STEPS = ("sign", "floor", "ceil", "round", "stop_gradient")
INNER = (-0.6, 0.3, 0.7, 1.3, 2.6, -2.3)


@pytest.mark.parametrize("name", SMOOTH)
def test_slopes_agree_with_mpmath(name: str) -> None:
    row = PRIMITIVES[name]
    inside = [[x for x in INNER if x in d] for d in row.domain]
    if name == "pow":
        inside[0] = [x for x in inside[0] if x > 0]
    if name == "clip":
        inside[1:] = [[-1.1], [2.0]]
    rows = [(a,) for a in inside[0]]
    if row.arity == 2:
        rows = [(a, b) for a in inside[0] for b in inside[1] if a != b]
    if row.arity == 3:
        rows = [(a, -1.1, 2.0) for a in inside[0]]
    for args in rows:
        found = slopes(name, list(args))
        for k, got in enumerate(found):
            with mp.workdps(40):
                point = [mp.mpf(a) for a in args]
                want = 0 if name in STEPS else mp.diff(
                    lambda t, p=point, k=k: NEAREST.apply(name, [*p[:k], t, *p[k + 1 :]]), point[k]
                )  # fmt: skip
            assert got == pytest.approx(float(want), rel=1e-11, abs=1e-13), args


@pytest.mark.parametrize(
    ("name", "args", "fixed", "want"),
    [
        ("abs", [0.0], None, [0]),
        ("relu", [0.0], None, [0]),
        ("sqrt", [0.0], None, [0]),
        ("hypot", [0.0, 0.0], None, [0, 0]),
        ("max", [1.0, 1.0], None, [0.5, 0.5]),
        ("min", [1.0, 1.0], None, [0.5, 0.5]),
        ("max", [1.0, 1.0], [False, True], [0, 1]),
        ("min", [1.0, 1.0], [True, False], [1, 0]),
        ("max", [1.0, 1.0, 1.0, 0.0], None, [1 / 3, 1 / 3, 1 / 3, 0]),
        ("clip", [1.0, 0.0, 1.0], [False, True, True], [0, 0, 1]),
        ("clip", [0.5, 0.0, 1.0], [False, True, True], [1, 0, 0]),
        ("xlogy", [0.0, 0.0], None, [0, 0]),
        ("xlogy", [0.0, math.nan], None, [0, 0]),
        ("xlogy", [2.0, 0.0], None, [-math.inf, math.inf]),
        ("xlogy", [0.0, 0.5], None, [math.log(0.5), 0]),
        ("pow", [0.0, 2.0], None, [0, 0]),
        ("pow", [0.0, 1.0], None, [1, 0]),
        ("pow", [0.0, 0.0], None, [0, 0]),
        ("pow", [-2.0, 3.0], None, [12, 0]),
        ("sigmoid", [800.0], None, [0]),
        ("softplus", [-800.0], None, [0]),
        ("logaddexp", [900.0, 900.0], None, [0.5, 0.5]),
        ("log_ndtr", [-1000.0], None, [1000.000999998]),
    ],
)
def test_slopes_at_kinks_and_edges(
    name: str, args: list[float], fixed: list[bool] | None, want: list[float]
) -> None:
    assert slopes(name, args, fixed) == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize(
    ("exponent", "base", "value", "slope"),
    [
        (2, 0, 0, 0), (1, 0, 0, 1), (0, 0, 1, 0), (3, -2, -8, 12), (7, -2, -128, 448),
        (Fraction(3, 2), 0, 0, 0), (Fraction(1, 2), 4, 2, 0.25), (-1, 2, 0.5, -0.25),
        (-2, -2, 0.25, 0.25), (Fraction(-1, 2), 4, 0.5, -0.0625), (Fraction(5, 2), 4, 32, 20),
        (-7, -2, -1 / 128, -7 / 256),
    ],
)  # fmt: skip
def test_constant_powers(exponent: Any, base: float, value: float, slope: float) -> None:
    x = tf.constant(base, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf_ops.power_to(x, Fraction(exponent))
    found = tape.gradient(y, x, unconnected_gradients="zero")
    assert (float(y), float(found)) == (value, slope)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("jit", [True, False])
def test_logarithms_near_1_keep_their_digits(dtype: Any, jit: bool) -> None:
    around = [s * 10.0**k * m for s in (1, -1) for k in range(-30, 1) for m in (1, 3.7, 0.61)]
    x = np.array([v for v in [*around, 5, 1e3, 1e30, 0, -1] if v >= -1], dtype)
    ones = np.ones_like(x)
    found = tf.function(tf_ops.xlog1py, jit_compile=jit)(ones, x).numpy()
    right = [float(mp.log1p(mp.mpf(float(v)))) for v in x]
    assert found == pytest.approx(right, rel=4 * float(np.finfo(dtype).eps))
    assert np.all(tf.function(tf_ops.xlog1py, jit_compile=jit)(0 * ones, x).numpy() == 0)


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("name", ["log_rising", "digamma_rising"])
def test_rising_factorials_of_every_size(name: str, jit: bool) -> None:
    large = (1e8, 1e16, 1e30)
    pairs = [(a, n) for a in (1e-30, 1e-8, 0.25, 1.0, 2.0, 7.9, 8.0, 30.0, 1e3, *large)
             for n in (0.0, 1e-20, 1e-8, 0.5, 1.0, 1.5, 2.0, 10.0, 150.0, 1e5, *large)]  # fmt: skip
    args = [np.array(column) for column in zip(*pairs, strict=True)]

    def run(*args: Any) -> Any:
        return tf_ops.primitive(name, args, [False, False])

    found = tf.function(run, jit_compile=jit)(*map(tf.constant, args)).numpy()
    want = [exact(name, p) for p in zip(*(a.tolist() for a in args), strict=True)]
    assert off(found, want).max() <= ULPS["float64"]


@pytest.mark.parametrize("name", ["log_rising", "digamma_rising"])
@pytest.mark.parametrize(("a", "n"), [(5.5, -2.25), (-1.5, 0.25), (-3.5, 8.25)])
def test_rising_factorials_beyond_their_domain(name: str, a: float, n: float) -> None:
    args = [tf.constant(x, tf.float64) for x in (a, n)]
    found = float(tf_ops.primitive(name, args, [False, False]))
    assert found == pytest.approx(float(exact(name, (a, n))), rel=1e-13)


@pytest.mark.parametrize("denominator", [1, 2, 3, 4, 5])
def test_constant_powers_of_every_kind(denominator: int) -> None:
    x = tf.constant(1.75, tf.float64)
    for exponent in (Fraction(k, denominator) for k in range(-26, 27)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf_ops.power_to(x, exponent)
        found = float(y), float(tape.gradient(y, x, unconnected_gradients="zero"))
        want = 1.75**exponent, exponent * 1.75 ** (exponent - 1)
        assert found == pytest.approx(tuple(map(float, want)), rel=1e-13), exponent


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "logaddexp", "pow", "cbrt", "hypot"])
def test_second_derivatives(name: str) -> None:
    args = [0.7, 1.3][: PRIMITIVES[name].arity]
    xs = [tf.constant(a, tf.float64) for a in args]
    with tf.GradientTape() as outer:
        outer.watch(xs)
        with tf.GradientTape() as inner:
            inner.watch(xs)
            value = tf_ops.primitive(name, xs, [False] * len(xs))
        first = inner.gradient(value, xs)[0]
    got = outer.gradient(first, xs)[0]
    point = [mp.mpf(a) for a in args]
    want = mp.diff(lambda t: NEAREST.apply(name, [t, *point[1:]]), point[0], 2)
    assert float(got) == pytest.approx(float(want), rel=1e-9)


@pytest.mark.parametrize(
    ("value", "kind", "want"),
    [
        (Fraction(1, 10), np.float64, 0.1),
        (Fraction(10) ** 400, np.float32, math.inf),
        (-(Fraction(10) ** 39), np.float32, -math.inf),
        (Fraction(1, 10**400), np.float64, 0.0),
        ("pi", np.float32, np.float32(math.pi)),
        (Fraction(2**24 + 1) + Fraction(1, 2**40), np.float32, 2**24 + 2),
    ],
)
def test_constants_are_rounded_once(value: Any, kind: Any, want: float) -> None:
    assert tf_ops.rounded(value, kind) == want


@pytest.mark.parametrize(
    ("name", "args", "want"),
    [
        ("log", (0,), -mp.inf), ("div", (-1, 0), -mp.inf), ("div", (0, 0), mp.nan),
        ("log", (-1,), mp.nan), ("log1p", (-1,), -mp.inf), ("sqrt", (-1,), mp.nan),
        ("exp", (mp.inf,), mp.inf), ("exp", (-mp.inf,), 0), ("pow", (-8, mp.mpf(1) / 3), mp.nan),
        ("pow", (0, -1), mp.inf), ("logaddexp", (-mp.inf, -mp.inf), -mp.inf),
        ("xlogy", (0, 0), 0), ("max", (mp.nan, 1), mp.nan), ("sub", (mp.inf, mp.inf), mp.nan),
        ("asin", (2,), mp.nan), ("lgamma", (0,), mp.inf), ("digamma", (0,), mp.nan),
        ("sigmoid", (-mp.inf,), 0), ("sigmoid", (mp.inf,), 1), ("tanh", (mp.inf,), 1),
        ("log_ndtr", (-mp.inf,), -mp.inf), ("floor", (mp.inf,), mp.inf), ("sin", (mp.inf,), mp.nan),
        ("exp", (mp.mpf(10) ** 10**6,), mp.inf), ("pow", (9, mp.mpf(9) ** 10**7), mp.inf),
        ("softplus", (mp.inf,), mp.inf), ("softplus", (-mp.inf,), 0), ("atanh", (1,), mp.inf),
        ("bessel_i0e", (mp.inf,), 0), ("cbrt", (-mp.inf,), -mp.inf), ("hypot", (mp.inf, 1), mp.inf),
    ],
)  # fmt: skip
def test_mpmath_at_the_edges(name: str, args: tuple[Any, ...], want: Any) -> None:
    got = NEAREST.apply(name, [mp.mpf(a) for a in args])
    assert mp.isnan(got) if mp.isnan(want) else got == want
