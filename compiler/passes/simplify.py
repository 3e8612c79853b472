"""Terms built small: products and sums that drop zeros and ones and let a branch stand outside."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeGuard

from ..affine import Affine, affine
from ..fold import apply, select
from ..ir import Apply, Const, Dim, Expr, Select

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
    if isinstance(b, Apply) and b.op == "mul" and _number(b.args[0]):
        factor, rest = b.args
        if _number(a):
            return times(apply("mul", (a, factor)), rest)
        return times(factor, times(a, rest))
    if isinstance(a, Apply) and a.op == "mul" and _number(a.args[0]):
        return times(a.args[0], times(a.args[1], b))
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
    if top != 1 and top > 0 and (bottom / top).denominator == 1:
        return over(_scaled(a, 1 / top), _scaled(b, 1 / top))
    return apply("div", (a, b))


def _scaled(term: Expr, factor: Fraction) -> Expr:
    """A term with the number that it begins with multiplied by another."""
    if _factor(term) == 1:
        return times(Const(factor), term)
    if isinstance(term, Apply):
        first = _scaled(term.args[0], factor)
        return term.args[1] if first == ONE else apply("mul", (first, term.args[1]))
    return Const(_factor(term) * factor)


def _number(term: Expr) -> bool:
    """Whether it is a number that products fold, unlike pi."""
    return isinstance(term, Const) and isinstance(term.value, Fraction)


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
    joined = _joined(a, b)
    if joined is not None:
        return joined
    for x, y in ((a, b), (b, a)):
        if isinstance(y, Apply) and y.op == "neg":
            return apply("sub", (x, y.args[0]))
    return apply("add", (a, b))


def _joined(a: Expr, b: Expr) -> Expr | None:
    """The sum of two branches as one, where their conditions begin alike or exclude each other."""
    if isinstance(a, Apply) and a.op == "add":
        for x, y in (a.args, a.args[::-1]):
            one = _joined(x, b)
            if one is not None:
                return plus(y, one) if x is a.args[0] else plus(one, y)
        return None
    if not (isinstance(a, Select) and isinstance(b, Select)):
        return None
    (first, then, rest), (other, more, less) = _branches(a), _branches(b)
    if _opposite(first, other):
        more, less = less, more
    elif first != other:
        return None
    then, rest = plus(then, more), plus(rest, less)
    if _quotient(then) and _quotient(rest) and then.args[1] == rest.args[1]:
        return over(select(first, then.args[0], rest.args[0]), then.args[1])
    return chosen(first, then, rest)


def _branches(term: Select) -> tuple[Expr, Expr, Expr]:
    """Condition and branches; of a branch or 0, the first of the conditions that must hold."""
    if term.other != ZERO:
        return term.condition, term.then, term.other
    first, rest = _split(term.condition)
    return first, select(rest, term.then, ZERO), ZERO


def _split(condition: Expr) -> tuple[Expr, Expr]:
    """The first of the conditions that must hold, and the rest."""
    if not (isinstance(condition, Apply) and condition.op == "and"):
        return condition, Const(True)
    first, rest = _split(condition.args[0])
    return first, apply("and", (rest, condition.args[1]))


def _opposite(a: Expr, b: Expr) -> bool:
    """Whether one condition holds just where the other does not."""
    if b == apply("not", (a,)) or a == apply("not", (b,)):
        return True
    left, right = _margin(a), _margin(b)
    return left is not None and right is not None and left.plus(right) == Affine(Dim(-1))


def _margin(condition: Expr) -> Affine | None:
    """The integer form that is not negative where an inequality of integers holds."""
    if not (isinstance(condition, Apply) and condition.op in ("ge", "gt", "le", "lt")):
        return None
    left, right = (affine(a) for a in condition.args)
    if left is None or right is None:
        return None
    low = left.plus(right, -1) if condition.op in ("ge", "gt") else right.plus(left, -1)
    return low if condition.op in ("ge", "le") else low.plus(Affine(Dim(1)), -1)


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
