"""Orders: which place holds the largest number is asked of the numbers before they are rounded.

`argmax[i](exp(x[i] - c))` is `argmax[i](x[i])`: what grows with its argument, and what is the same
at all places, changes no order. Shares of a softmax that differ by less than a last place are told
apart so. `1 + x > y` is `x - y > -1`: the number is not lost beside a large x.
"""

from __future__ import annotations

from fractions import Fraction

from ..analyses.bounds import Inference
from ..fold import apply
from ..ir import REAL, Apply, Const, Expr, Index, Reduce
from ..passes.simplify import ONE, minus, plus
from .conditions import COMPARED
from .views import terms_of, total

INCREASING = frozenset(("exp", "expm1", "log", "log1p", "sqrt", "sigmoid", "softplus", "tanh"))


def numbers_apart(term: Expr, _: Inference) -> Expr:
    """A comparison of a sum that has a number with another term, by their difference; or the term.

    Two terms that are each but a number are left as they are.
    """
    if not (isinstance(term, Apply) and term.op in COMPARED):
        return term
    if all(a.kind != REAL for a in term.args):
        return term
    (left, number), (right, other) = map(_without_number, term.args)
    if number == other or left is None or right is None:
        return term
    return apply(term.op, (plus(left, minus(right)), Const(other - number)))


def _without_number(term: Expr) -> tuple[Expr | None, Fraction]:
    """A sum less its number, None if nothing is left, and the number."""
    terms = terms_of(term)
    rest = tuple(t for t in terms if t[1] != ONE)
    number = sum((n for n, t in terms if t == ONE), Fraction(0))
    return (total(rest) if number else term) if rest else None, number


def order_of_parts(term: Expr, facts: Inference) -> Expr:
    """The place of the largest or smallest number, of a term of the same order; or the term."""
    if not (isinstance(term, Reduce) and term.op in ("argmax", "argmin")):
        return term
    body = term.body
    while (inner := _inside(body, frozenset(term.indices), facts)) is not None:
        body = inner
    if body is term.body or not body.free & frozenset(term.indices):
        return term
    return Reduce(term.op, term.indices, body, term.filter, term.result)


def _inside(term: Expr, indices: frozenset[Index], facts: Inference) -> Expr | None:
    """What a term grows with, all else being the same at all places."""
    match term:
        case Apply(op=op, args=(x,)) if op in INCREASING:
            return x
        case Apply(op="add", args=(x, y)):
            return _varying(x, y, indices) or _varying(y, x, indices)
        case Apply(op="sub", args=(x, y)):
            return _varying(x, y, indices)
        case Apply(op="div", args=(x, y)) if facts.of(y).positive:
            return _varying(x, y, indices)
        case Apply(op="mul", args=(x, y)):
            found = _varying(x, y, indices) if facts.of(y).positive else None
            return found or (_varying(y, x, indices) if facts.of(x).positive else None)
    return None


def _varying(term: Expr, other: Expr, indices: frozenset[Index]) -> Expr | None:
    return term if not other.free & indices else None
