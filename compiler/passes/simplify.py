"""Terms built small: products and sums that drop zeros and ones and let a branch stand outside."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeGuard

from ..fold import apply, select
from ..ir import Apply, Const, Expr, Select

ZERO, ONE = Const(Fraction(0)), Const(Fraction(1))


def times(a: Expr, b: Expr) -> Expr:
    """`a * b`; what multiplies a branch goes inside, so that 0 stays 0 where it is not taken."""
    if ZERO in (a, b):
        return ZERO
    if a == ONE or b == ONE:
        return b if a == ONE else a
    for x, y in ((a, b), (b, a)):
        if isinstance(x, Select) and ZERO in (x.then, x.other):
            return chosen(x.condition, times(x.then, y), times(x.other, y))
        if isinstance(x, Apply) and x.op == "neg":
            return minus(times(x.args[0], y))
        if isinstance(x, Const) and isinstance(x.value, Fraction) and x.value < 0:
            return minus(times(Const(-x.value), y))
    for x, y in ((a, b), (b, a)):
        if isinstance(x, Apply) and x.op == "div":
            return over(times(x.args[0], y), x.args[1])
    if isinstance(b, Const) and not isinstance(a, Const):
        return times(b, a)
    if isinstance(b, Apply) and b.op == "mul" and isinstance(b.args[0], Const):
        factor, rest = b.args
        if isinstance(a, Const):
            return times(apply("mul", (a, factor)), rest)
        return times(factor, times(a, rest))
    return apply("mul", (a, b))


def over(a: Expr, b: Expr) -> Expr:
    """`a / b`."""
    if a == ZERO or b == ONE:
        return a
    if isinstance(a, Select) and ZERO in (a.then, a.other):
        return chosen(a.condition, over(a.then, b), over(a.other, b))
    if isinstance(a, Apply) and a.op == "neg":
        return minus(over(a.args[0], b))
    if isinstance(a, Apply) and a.op == "div":
        return over(a.args[0], times(a.args[1], b))
    if isinstance(b, Const) and isinstance(b.value, Fraction) and b.value:
        return times(Const(1 / b.value), a)
    top, bottom = _factor(a), _factor(b)
    if bottom != 1 and bottom and (top / bottom).denominator == 1:
        return over(_scaled(a, 1 / bottom), _scaled(b, 1 / bottom))
    return apply("div", (a, b))


def _scaled(term: Expr, factor: Fraction) -> Expr:
    """A product with the number that it begins with multiplied by another."""
    if isinstance(term, Apply):
        first = _scaled(term.args[0], factor)
        return term.args[1] if first == ONE else apply("mul", (first, term.args[1]))
    return Const(_factor(term) * factor)


def _factor(term: Expr) -> Fraction:
    """The number that a product begins with, or 1."""
    if isinstance(term, Apply) and term.op == "mul":
        return _factor(term.args[0])
    number = isinstance(term, Const) and isinstance(term.value, Fraction)
    return term.value if number else Fraction(1)  # type: ignore[attr-defined]


def minus(a: Expr) -> Expr:
    """`-a`."""
    if a == ZERO:
        return a
    if isinstance(a, Apply) and a.op == "neg":
        return a.args[0]
    if isinstance(a, Apply) and a.op == "sub":
        return apply("sub", (a.args[1], a.args[0]))
    if isinstance(a, Apply) and a.op == "div" and minus(a.args[0]) != apply("neg", a.args[:1]):
        return apply("div", (minus(a.args[0]), a.args[1]))
    if isinstance(a, Apply) and a.op == "mul":
        x, y = a.args
        if minus(y) != apply("neg", (y,)):
            return apply("mul", (x, minus(y)))
        if minus(x) != apply("neg", (x,)):
            return apply("mul", (minus(x), y))
    if isinstance(a, Select):
        return chosen(a.condition, minus(a.then), minus(a.other))
    return apply("neg", (a,))


def plus(a: Expr, b: Expr) -> Expr:
    """`a + b`."""
    if ZERO in (a, b):
        return b if a == ZERO else a
    left, right = _as_quotient(a), _as_quotient(b)
    if left[1] == right[1] != ONE:
        return over(plus(left[0], right[0]), left[1])
    if isinstance(a, Select) and isinstance(b, Select) and a.condition == b.condition:
        return chosen(a.condition, plus(a.then, b.then), plus(a.other, b.other))
    if isinstance(a, Select) and isinstance(b, Select):
        either = a.other == b.other == ZERO and b.condition == apply("not", (a.condition,))
        if either and _quotient(a.then) and _quotient(b.then) and a.then.args[1] == b.then.args[1]:
            return over(select(a.condition, a.then.args[0], b.then.args[0]), a.then.args[1])
        if either:
            return select(a.condition, a.then, b.then)
    for x, y in ((a, b), (b, a)):
        if isinstance(y, Apply) and y.op == "neg":
            return apply("sub", (x, y.args[0]))
    return apply("add", (a, b))


def _as_quotient(term: Expr) -> tuple[Expr, Expr]:
    """Numerator and denominator of a term; a branch that is one or 0 counts as one."""
    if isinstance(term, Apply) and term.op == "neg":
        top, bottom = _as_quotient(term.args[0])
        return minus(top), bottom
    if isinstance(term, Select) and term.other == ZERO:
        top, bottom = _as_quotient(term.then)
        if isinstance(top, Const) and bottom != ONE and not bottom.free & term.condition.free:
            return times(top, apply("indicator", (term.condition,))), bottom
    return term.args if _quotient(term) else (term, ONE)  # type: ignore[return-value]


def _quotient(term: Expr) -> TypeGuard[Apply]:
    return isinstance(term, Apply) and term.op == "div"


def chosen(condition: Expr, then: Expr, other: Expr) -> Expr:
    """`if condition then this else other`, nested conditions over one zero as one."""
    if other == ZERO and isinstance(then, Select) and then.other == ZERO:
        return select(apply("and", (condition, then.condition)), then.then, ZERO)
    return select(condition, then, other)
