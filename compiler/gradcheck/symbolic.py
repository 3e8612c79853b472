"""Oracle 2: SymPy's own derivative of the formula, expanded to scalars at a point's branches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import product
from math import prod
from typing import Any

import sympy
from mpmath import mp

from lossc.dsl import ast
from lossc.dsl.parser import parse_expression
from lossc.dsl.primitives import PRIMITIVES
from lossc.dsl.source import Source

from ..affine import affine
from ..arithmetic import Value
from ..elaborate.expressions import Elaborator
from ..elaborate.scope import Scope, TermValue
from ..findings import Findings
from ..interpret import Machine
from ..ir import REAL, Access, Along, Apply, Bound, Const, Expr, Index, Reduce, Select
from ..link import Unit
from .point import Clock, Place

Env = dict[Index, int]
Scalar = Any  # a SymPy expression

LARGEST = 60_000  # nodes of an expression that is still differentiated


class NotExpanded(Exception):
    """The formula has no expansion that SymPy could differentiate here."""


class Expansion:
    """A program's value at a point as a SymPy expression of the elements of its tensors.

    Branches, filters and orders are those of the point. Raises NotExpanded or OutOfTime.
    """

    def __init__(self, value: Expr, machine: Machine, clock: Clock) -> None:
        self.machine = machine
        self.clock = clock
        self.symbols: dict[tuple[str, Place], Scalar] = {}
        self.values: dict[Scalar, Value] = {}
        self.known: dict[tuple[object, ...], Scalar] = {}
        self.sizes: dict[Scalar, int] = {}
        self.slopes: dict[Scalar, Scalar] = {}
        self.evaluated: dict[tuple[Scalar, int], Value] = {}
        self.value = self.expand(value, {})

    def slope(self, name: str, place: Place) -> Value:
        """The derivative in one element, by SymPy, as a number."""
        symbol = self.symbols.get((name, place))
        if symbol is None:
            return mp.mpf(0)
        if symbol not in self.slopes:
            self.slopes[symbol] = sympy.diff(self.value, symbol)
        return self.number(self.slopes[symbol])

    # --- from terms to scalars

    def expand(self, term: Expr, env: Env) -> Scalar:
        """A real term at places of its indices."""
        key = (term, *sorted((repr(i), env[i]) for i in term.free))
        if key not in self.known:
            self.clock.check()
            self.known[key] = self.checked(self.expanded(term, env))
        return self.known[key]

    def checked(self, scalar: Scalar) -> Scalar:
        """An expression that is not too large: SymPy differentiates trees."""
        if self.size(scalar) > LARGEST:
            raise NotExpanded("the expansion is too large")
        return scalar

    def size(self, scalar: Scalar) -> int:
        if scalar not in self.sizes:
            self.sizes[scalar] = 1 + sum(map(self.size, scalar.args))
        return self.sizes[scalar]

    def expanded(self, term: Expr, env: Env) -> Scalar:
        if term.kind != REAL:
            return _rational(self.at(term, env))
        match term:
            case Const(value=value):
                return _constant(value)
            case Access():
                return self.element(term, env)
            case Apply():
                return self.apply(term, env)
            case Select():
                taken = term.then if self.at(term.condition, env) else term.other
                return self.expand(taken, env)
            case Reduce():
                return self.reduce(term, env)
            case Along():
                return self.along(term, env)
        raise NotExpanded(type(term).__name__)

    def at(self, term: Expr, env: Env) -> Value:
        """The number that a term is at this point."""
        return self.machine.run(term, env)

    def element(self, term: Access, env: Env) -> Scalar:
        array = self.machine.arrays[term.tensor.name]
        slots = [self.at(s, env) for s in term.slots]
        if not all(mp.isint(s) for s in slots):
            raise NotExpanded("a place is no integer")
        place = tuple(int(s) for s in slots)
        if term.padded:
            which = zip(place, term.slots, array.shape, strict=True)
            place = tuple(s if affine(t) is None else min(max(s, 0), n - 1) for s, t, n in which)
        if not all(0 <= s < n for s, n in zip(place, array.shape, strict=True)):
            raise NotExpanded("a place is outside")
        return self.symbol((term.tensor.name, place), array[place])

    def symbol(self, key: tuple[str, Place], value: Value) -> Scalar:
        if key not in self.symbols:
            self.symbols[key] = sympy.Dummy(key[0])
            self.values[self.symbols[key]] = value
        return self.symbols[key]

    # --- primitives

    def apply(self, term: Apply, env: Env) -> Scalar:
        """A primitive in elementary functions."""
        if term.op in ("sign", "floor", "ceil", "round"):
            return _rational(self.at(term, env))
        if term.op == "stop_gradient":
            held = sympy.Dummy("held")
            self.values[held] = self.at(term, env)
            return held
        if term.op in ("min", "max"):
            order = sorted(term.args, key=lambda a: self.at(a, env), reverse=term.op == "max")
            return self.expand(order[0], env)
        if PRIMITIVES[term.op].meaning:
            return self.expand(meant(term), env)
        args = [self.expand(a, env) for a in term.args]
        return self.elementary(term, args, [self.at(a, env) for a in term.args])

    def elementary(self, term: Apply, x: list[Scalar], at: list[Value]) -> Scalar:
        """A basic primitive; `at` are the numbers that its arguments are."""
        if term.op in ELEMENTARY:
            return ELEMENTARY[term.op](*x)
        side = int(mp.sign(at[0]))
        match term.op:
            case "abs":
                return side * x[0]
            case "relu":
                return x[0] if side > 0 else sympy.Integer(0)
            case "cbrt":
                return side * sympy.Pow(side * x[0], sympy.Rational(1, 3))
            case "bessel_i0e" | "bessel_i1e":
                return sympy.exp(-side * x[0]) * sympy.besseli(int(term.op == "bessel_i1e"), x[0])
            case "xlogy":
                return sympy.Integer(0) if at == [0, 0] else x[0] * sympy.log(x[1])
            case "pow":
                return _power(x, at)
            case "polygamma":
                return sympy.polygamma(_rational(at[0]), x[1])
        raise NotExpanded(term.op)

    # --- reductions and scans

    def kept(self, indices: tuple[Bound, ...], condition: Expr | None, env: Env) -> Iterator[Env]:
        """The places of a reduction where its filter holds."""
        for place in product(*(range(*b.range.bounds(self.machine.size)) for b in indices)):
            inner: Env = {**env}
            inner.update(zip(indices, place, strict=True))
            if condition is None or self.at(condition, inner):
                yield inner

    def reduce(self, term: Reduce, env: Env) -> Scalar:
        inside = list(self.kept(term.indices, term.filter, env))
        if term.op in ("max", "min"):
            if not inside:
                return -sympy.oo if term.op == "max" else sympy.oo
            pick = max if term.op == "max" else min
            return self.expand(term.body, pick(inside, key=lambda e: self.at(term.body, e)))
        values = [self.expand(term.body, e) for e in inside]
        if term.op == "norm1":
            signs = [int(mp.sign(self.at(term.body, e))) for e in inside]
            return sympy.Add(*(s * v for s, v in zip(signs, values, strict=True)))
        return REDUCTIONS[term.op](values)

    def along(self, term: Along, env: Env) -> Scalar:
        at = int(self.at(term.at, env))
        outside = {i: n for i, n in env.items() if i != term.index}
        if term.op == "sort":
            order = Along("argsort", term.index, term.body, term.at, term.filter)
            place = self.at(order, env)
            if not mp.isint(place):
                raise NotExpanded("a place of a sort is empty")
            return self.expand(term.body, {**outside, term.index: int(place)})
        upto = [e for e in self.kept((term.index,), term.filter, outside) if e[term.index] <= at]
        values = [self.expand(term.body, e) for e in upto]
        return REDUCTIONS["sum" if term.op == "cumsum" else "logsumexp"](values)

    # --- from scalars to numbers

    def number(self, scalar: Scalar) -> Value:
        """The value of an expression at the point; NaN where it has none."""
        key = (scalar, mp.prec)
        if key not in self.evaluated:
            self.evaluated[key] = self.evaluate(scalar)
        return self.evaluated[key]

    def evaluate(self, scalar: Scalar) -> Value:
        if scalar in self.values:
            return self.values[scalar]
        if isinstance(scalar, sympy.Rational):
            return mp.mpf(scalar.p) / scalar.q
        if scalar in _ATOMS:
            return _ATOMS[scalar]()
        args = [self.number(a) for a in scalar.args]
        try:
            value = _NUMERIC[scalar.func](*args)
        except (ArithmeticError, ValueError):
            return mp.nan
        except KeyError:
            raise NotExpanded(f"no value for {scalar.func}") from None
        return value.real if isinstance(value, mp.mpc) and value.imag == 0 else value


@cache
def _parsed(text: str) -> ast.Expr:
    return parse_expression(Source.of("meaning", text))


@cache
def meant(term: Apply) -> Expr:
    """A primitive's meaning in more basic ones, of the same arguments."""
    node = _parsed(PRIMITIVES[term.op].meaning)
    named = {n: TermValue(a) for n, a in zip("xyz", term.args, strict=False)}
    scope = Scope(Unit(node.span.source, ast.File((), span=node.span)), named)
    return Elaborator(Findings()).expr(node, scope)


def _rational(value: Value) -> Scalar:
    """A number that is the same throughout a neighbourhood."""
    number = int(value) if isinstance(value, bool) else value
    if number is None or not mp.isfinite(number) or not mp.isint(number):
        raise NotExpanded("a constant is no integer")
    return sympy.Integer(int(number))


def _constant(value: object) -> Scalar:
    match value:
        case "pi":
            return sympy.pi
        case "e":
            return sympy.E
        case "inf":
            return sympy.oo
        case None | str():
            raise NotExpanded("a constant is no number")
    return sympy.Rational(value.numerator, value.denominator)  # type: ignore[attr-defined]


def _power(x: list[Scalar], at: list[Value]) -> Scalar:
    base, exponent = x
    if at[0] > 0 or exponent.is_Integer:
        return sympy.Pow(base, exponent)
    if at[0] == 0 and exponent.is_Rational and exponent > 1:
        return sympy.Pow(base, exponent)
    if base.is_zero and at[1] > 0:
        return sympy.Integer(0)
    raise NotExpanded("a power of a number that is not positive")


def _mean(values: list[Scalar]) -> Scalar:
    return sympy.Add(*values) / max(len(values), 1)


def _variance(values: list[Scalar]) -> Scalar:
    center = _mean(values)
    return _mean([(v - center) ** 2 for v in values])


def _logsumexp(values: list[Scalar]) -> Scalar:
    return sympy.log(sympy.Add(*map(sympy.exp, values))) if values else -sympy.oo


REDUCTIONS: Mapping[str, Callable[[list[Scalar]], Scalar]] = {
    "sum": lambda v: sympy.Add(*v),
    "mean": _mean,
    "prod": lambda v: sympy.Mul(*v),
    "logsumexp": _logsumexp,
    "var": _variance,
    "std": lambda v: sympy.sqrt(_variance(v)),
    "norm": lambda v: sympy.sqrt(sympy.Add(*(x**2 for x in v))),
}

ELEMENTARY: Mapping[str, Callable[..., Scalar]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "sqrt": sympy.sqrt,
    "exp": sympy.exp,
    "log": sympy.log,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "asin": sympy.asin,
    "atan": sympy.atan,
    "atan2": sympy.atan2,
    "erf": sympy.erf,
    "lgamma": sympy.loggamma,
    "digamma": lambda x: sympy.polygamma(0, x),
    "log_rising": lambda x, y: sympy.loggamma(x + y) - sympy.loggamma(x),
    "digamma_rising": lambda x, y: sympy.polygamma(0, x + y) - sympy.polygamma(0, x),
}

_ATOMS: Mapping[Scalar, Callable[[], Value]] = {
    sympy.pi: lambda: +mp.pi,
    sympy.E: lambda: +mp.e,
    sympy.oo: lambda: mp.inf,
    -sympy.oo: lambda: -mp.inf,
    sympy.nan: lambda: mp.nan,
    sympy.zoo: lambda: mp.nan,
}

_NUMERIC: Mapping[Any, Callable[..., Value]] = {
    sympy.Add: lambda *x: sum(x, mp.mpf(0)),
    sympy.Mul: lambda *x: prod(x, start=mp.mpf(1)),
    sympy.Pow: lambda x, y: mp.power(x, int(y)) if mp.isint(y) else mp.power(x, y),
    sympy.exp: mp.exp,
    sympy.log: mp.log,
    sympy.sin: mp.sin,
    sympy.cos: mp.cos,
    sympy.tan: mp.tan,
    sympy.asin: mp.asin,
    sympy.atan: mp.atan,
    sympy.atan2: mp.atan2,
    sympy.erf: mp.erf,
    sympy.loggamma: lambda x: mp.re(mp.loggamma(x)),
    sympy.polygamma: lambda n, x: mp.psi(int(n), x),
    sympy.besseli: lambda n, x: mp.besseli(int(n), x),
}
