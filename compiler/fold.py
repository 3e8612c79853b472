"""Building elementwise terms, with exact arithmetic on constants done at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from operator import add, mul, sub

from lossc.dsl.primitives import PRIMITIVES

from .ir import BOOL, ERROR, INT, REAL, Apply, Const, Expr, Kind, Range, Select, dim_term

MAX_BITS = 4096
_EXACT = {"add": add, "sub": sub, "mul": mul}


def apply(op: str, args: tuple[Expr, ...]) -> Expr:
    """A primitive of terms; "?" if a part is, `Const("huge")` for a power over 1,000 digits."""
    if any(a.kind == ERROR for a in args):
        return Const("?")
    return _folded(op, args) or Apply(op, args, result_kind(op, args))


def result_kind(op: str, args: tuple[Expr, ...]) -> Kind:
    """The kind of a primitive's value."""
    gives = PRIMITIVES[op].gives
    if gives == "same":
        return INT if all(a.kind == INT for a in args) else REAL
    if op == "pow" and args[0].kind == INT and _is_natural(args[1]):
        return INT
    return gives


def select(condition: Expr, then: Expr, other: Expr) -> Expr:
    """`if condition then this else other`, decided at once where the condition is known."""
    if isinstance(condition, Const) and isinstance(condition.value, bool):
        return then if condition.value else other
    return then if then == other else Select(condition, then, other)


def conjunction(conditions: Iterable[Expr]) -> Expr:
    """Whether all conditions hold."""
    total: Expr = Const(True)
    for c in conditions:
        total = apply("and", (total, c))
    return total


def disjunction(conditions: Iterable[Expr]) -> Expr:
    """Whether one of some conditions holds."""
    total: Expr = Const(False)
    for c in conditions:
        total = apply("or", (total, c))
    return total


def apply_all(op: str, terms: Sequence[Expr]) -> Expr:
    """One or more terms joined by an operator."""
    total = terms[0]
    for term in terms[1:]:
        total = apply(op, (total, term))
    return total


def clamp(place: Expr, span: Range) -> Expr:
    """A place moved to the nearest one of a range."""
    last = dim_term(span.stops[0] - 1)
    return apply("max", (apply("min", (place, last)), dim_term(span.starts[0])))


def _is_natural(term: Expr) -> bool:
    return isinstance(term, Const) and isinstance(term.value, Fraction) and (
        term.value.denominator == 1 and term.value >= 0
    )  # fmt: skip


def _folded(op: str, args: tuple[Expr, ...]) -> Expr | None:
    if op in ("and", "or"):
        return _logic(op, *args)
    values = [a.value for a in args if isinstance(a, Const)]
    if len(values) < len(args):
        return None
    if op == "not" and isinstance(values[0], bool):
        return Const(not values[0])
    numbers = [v for v in values if isinstance(v, Fraction)]
    return _arithmetic(op, numbers) if len(numbers) == len(values) else None


def _logic(op: str, a: Expr, b: Expr) -> Expr | None:
    """`true and c` is c, `false and c` is false; `or` the other way round."""
    for x, other in ((a, b), (b, a)):
        if isinstance(x, Const) and x.kind == BOOL:
            return other if x.value == (op == "and") else x
    return a if a == b else None


def _arithmetic(op: str, x: list[Fraction]) -> Expr | None:
    if op == "neg":
        return Const(-x[0])
    if op in _EXACT:
        return _small(Fraction(_EXACT[op](*x)))
    if op == "div" and x[1]:
        return _small(x[0] / x[1])
    if op == "pow":
        return _power(*x)
    return None


def _small(value: Fraction) -> Const | None:
    """The number, unless writing it out would cost too much."""
    bits = value.numerator.bit_length() + value.denominator.bit_length()
    return Const(value) if bits <= MAX_BITS else None


def _power(x: Fraction, y: Fraction) -> Expr | None:
    if y.denominator != 1 or (x == 0 and y < 0):
        return None
    if x in (0, 1, -1) or y == 0:
        return Const(x ** int(y % 2 + 2 if y else 0) if y else Fraction(1))
    size = max(abs(x.numerator).bit_length(), x.denominator.bit_length())
    if math.log2(abs(y.numerator)) + math.log2(size) > math.log2(MAX_BITS):
        return Const("huge")
    return Const(Fraction(x ** int(y)))
