"""Orders: which place holds the largest number is asked of the numbers before they are rounded.

`argmax[i](exp(x[i] - c))` is `argmax[i](x[i])`: what grows with its argument, and what is the same
at all places, changes no order. Shares of a softmax that differ by less than a last place are told
apart so.
"""

from __future__ import annotations

from ..analyses.bounds import Inference
from ..ir import Apply, Expr, Index, Reduce

INCREASING = frozenset(("exp", "expm1", "log", "log1p", "sqrt", "sigmoid", "softplus", "tanh"))


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
