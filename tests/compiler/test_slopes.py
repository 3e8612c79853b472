"""The derivative in each row of the table, against SymPy's and against numerical ones."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy
from mpmath import mp

from lossc.compiler.interpret import interpret
from lossc.compiler.ir import Access, Apply, Expr, Program, Tensor
from lossc.compiler.passes.slopes import slope
from lossc.dsl.intervals import Interval
from lossc.dsl.primitives import PRIMITIVES, Primitive

REALS = [Fraction(n, 7) for n in (-23, -9, -4, -1, 2, 5, 6, 10, 29)]
ROWS = [r for r in PRIMITIVES.values() if r.slopes or r.name in ("min", "max")]
PARTIALS = [(r.name, k) for r in ROWS for k in range(r.arity) if r.name != "stop_gradient"]
STEP = Fraction(1, 10**10)
# In SymPy's own functions, for those that it can differentiate without help.
SYMPY = {
    "sqrt": sympy.sqrt, "exp": sympy.exp, "log": sympy.log, "sin": sympy.sin, "cos": sympy.cos,
    "tan": sympy.tan, "asin": sympy.asin, "acos": sympy.acos, "atan": sympy.atan,
    "sinh": sympy.sinh, "cosh": sympy.cosh, "tanh": sympy.tanh, "asinh": sympy.asinh,
    "acosh": sympy.acosh, "atanh": sympy.atanh, "erf": sympy.erf, "erfc": sympy.erfc,
    "log_rising": lambda x, y: sympy.loggamma(x + y) - sympy.loggamma(x),
    "digamma_rising": lambda x, y: sympy.digamma(x + y) - sympy.digamma(x),
    "lgamma": sympy.loggamma, "digamma": sympy.digamma, "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "div": lambda x, y: x / y,
    "pow": lambda x, y: x**y, "neg": lambda x: -x, "expm1": lambda x: sympy.exp(x) - 1,
    "log1p": lambda x: sympy.log(1 + x), "log2": lambda x: sympy.log(x) / sympy.log(2),
    "log10": lambda x: sympy.log(x) / sympy.log(10), "cbrt": lambda x: sympy.cbrt(x),
    "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)), "logit": lambda x: sympy.log(x / (1 - x)),
    "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
    "hypot": lambda x, y: sympy.sqrt(x**2 + y**2),
    "ndtr": lambda x: sympy.erfc(-x / sympy.sqrt(2)) / 2, "xlogy": lambda x, y: x * sympy.log(y),
    "log_ndtr": lambda x: sympy.log(sympy.erfc(-x / sympy.sqrt(2)) / 2),
    "logaddexp": lambda x, y: sympy.log(sympy.exp(x) + sympy.exp(y)),
}  # fmt: skip


def inside(row: Primitive) -> list[tuple[Fraction, ...]]:
    """Points in the interior of a primitive's domain, its arguments apart."""

    def proper(x: Fraction, domain: Interval) -> bool:
        return x in domain and x not in (domain.low, domain.high)

    if row.arity == 1:
        return [(x,) for x in REALS if proper(x, row.domain[0])]
    pairs = [(x, y) for x in REALS for y in REALS[::-2] if x != y]
    if row.name == "pow":
        pairs = [(x, y) for x, y in pairs if x > 0]
    return [p for p in pairs if all(map(proper, p, row.domain))]


def at(term: Expr, tensors: tuple[Tensor, ...], point: tuple[Fraction, ...]) -> mp.mpf:
    values = {t.name: x for t, x in zip(tensors, point, strict=True)}
    return interpret(Program("f", tensors, (), term), values, 40)


@pytest.mark.parametrize(("name", "k"), PARTIALS)
def test_slope_is_the_derivative(name: str, k: int) -> None:
    row = PRIMITIVES[name]
    tensors = tuple(Tensor("xyz"[n], ()) for n in range(row.arity))
    term = Apply(name, tuple(Access(t) for t in tensors))
    derived = slope(term, k)
    points = inside(row)
    assert len(points) >= 2
    for point in points:
        ahead = at(term, tensors, (*point[:k], point[k] + STEP, *point[k + 1 :]))
        behind = at(term, tensors, (*point[:k], point[k] - STEP, *point[k + 1 :]))
        with mp.workdps(40):
            numerical = (ahead - behind) / (2 * mp.mpf(STEP.numerator) / STEP.denominator)
            assert mp.almosteq(at(derived, tensors, point), numerical, 1e-15, 1e-15), point


@pytest.mark.parametrize(("name", "k"), [(n, k) for n, k in PARTIALS if n in SYMPY])
def test_slope_is_that_of_sympy(name: str, k: int) -> None:
    row = PRIMITIVES[name]
    tensors = tuple(Tensor("xyz"[n], ()) for n in range(row.arity))
    derived = slope(Apply(name, tuple(Access(t) for t in tensors)), k)
    symbols = sympy.symbols("x y z", real=True)[: row.arity]
    exact = sympy.diff(SYMPY[name](*symbols), symbols[k])
    for point in inside(row):
        if name == "cbrt" and point[0] < 0:
            continue
        given = {
            s: sympy.Rational(v.numerator, v.denominator)
            for s, v in zip(symbols, point, strict=True)
        }
        with mp.workdps(40):
            want = mp.mpmathify(sympy.N(exact.subs(given), 40))
            assert mp.almosteq(at(derived, tensors, point), want, mp.mpf(10) ** -30)


def test_every_real_primitive_has_a_slope_or_says_so() -> None:
    for row in PRIMITIVES.values():
        flat = row.gives in ("bool", "int") or row.name in ("min", "max", "clip", "trigamma")
        assert flat == (not row.slopes), row.name
        assert len(row.slopes) in (0, row.arity), row.name
