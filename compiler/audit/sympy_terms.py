"""Scalar terms in SymPy, within a time limit."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from inspect import CO_GENERATOR
from itertools import count
from types import FrameType
from typing import Any

import sympy

from ..ir import Access, Apply, Const, Expr, postorder
from .goal import Goal
from .interval import ANY

Scalar = Any  # a SymPy expression
EACH = 61  # calls, after which the time is looked at


class OutOfTime(BaseException):
    """SymPy has used up its time; no handler of errors may catch it."""


class NoTerm(Exception):
    """A term that has no form in SymPy."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises OutOfTime inside when the time is over."""
    end = time.thread_time() + seconds
    calls = count()

    def watch(frame: FrameType, event: str, arg: object) -> None:
        if event != "call" or next(calls) % EACH:
            return
        if time.thread_time() > end and not frame.f_code.co_flags & CO_GENERATOR:
            raise OutOfTime

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)


def warm_up() -> None:
    """Let SymPy fill its tables, which takes longer than most simplifications."""
    x, y = sympy.Symbol("x", real=True), sympy.Symbol("y", positive=True)
    sympy.simplify(sympy.Abs(x) + x / y + sympy.log(y))


def within(seconds: float, function: Callable[[], Any]) -> Any:
    """The value of a function, or None if it takes too long or SymPy fails."""
    try:
        with limited(seconds):
            return function()
    except OutOfTime:
        return None
    except (NoTerm, ArithmeticError, ValueError, TypeError, NotImplementedError, AttributeError,
            RecursionError, KeyError, IndexError):  # fmt: skip
        return None


def simplifies_to_zero(term: Expr, goal: Goal, seconds: float) -> bool:
    """Whether SymPy simplifies a term to 0."""
    found = within(seconds, lambda: sympy.simplify(expression(term, goal)[0]))
    return found is not None and bool(found == 0)


def limit_is_zero(goal: Goal, name: str, end: Expr, side: int, seconds: float) -> bool:
    """Whether SymPy finds 0 for the limit of a term of one variable from one side.

    SymPy's answer is for generic values of other variables, so there are none.
    """

    def find() -> Scalar:
        scalar, symbols = expression(goal.term, goal)
        if set(symbols) != {name}:
            raise NoTerm("another variable")
        to = expression(end, goal)[0]
        return sympy.simplify(sympy.limit(scalar, symbols[name], to, "+" if side > 0 else "-"))

    found = within(seconds, find)
    return found is not None and bool(found == 0)


def expression(term: Expr, goal: Goal) -> tuple[Scalar, dict[str, Scalar]]:
    """A term in SymPy, and its symbols by name. Raises NoTerm."""
    symbols: dict[str, Scalar] = {}
    done: dict[Expr, Scalar] = {}
    for t in postorder(term):
        match t:
            case Const(value=value):
                done[t] = _constant(value)
            case Access():
                name = t.tensor.name
                done[t] = symbols.setdefault(name, _symbol(name, goal))
            case Apply(op=op) if op in _FUNCTIONS:
                done[t] = _FUNCTIONS[op](*(done[p] for p in t.parts))
            case _:
                raise NoTerm(type(t).__name__)
    return done[term], symbols


def _symbol(name: str, goal: Goal) -> Scalar:
    interval = goal.box.get(name, ANY)
    if interval.positive:
        return sympy.Symbol(name, positive=True)
    if interval.nonnegative:
        return sympy.Symbol(name, nonnegative=True)
    return sympy.Symbol(name, real=True)


def _constant(value: object) -> Scalar:
    if isinstance(value, Fraction):
        return sympy.Rational(value.numerator, value.denominator)
    if value in ("pi", "e", "inf"):
        return {"pi": sympy.pi, "e": sympy.E, "inf": sympy.oo}[str(value)]
    raise NoTerm("a condition")


_FUNCTIONS: Mapping[str, Callable[..., Scalar]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "pow": sympy.Pow,
    "sqrt": sympy.sqrt,
    "exp": sympy.exp,
    "log": sympy.log,
    "abs": sympy.Abs,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "asin": sympy.asin,
    "acos": sympy.acos,
    "atan": sympy.atan,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "asinh": sympy.asinh,
    "atanh": sympy.atanh,
    "erf": sympy.erf,
    "erfc": sympy.erfc,
    "ndtr": lambda x: sympy.erfc(-x / sympy.sqrt(2)) / 2,
    "lgamma": sympy.loggamma,
    "digamma": sympy.digamma,
    "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)),
    "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
    "logaddexp": lambda x, y: sympy.log(sympy.exp(x) + sympy.exp(y)),
    "hypot": lambda x, y: sympy.sqrt(x**2 + y**2),
    "xlogy": lambda x, y: x * sympy.log(y),
}
