"""The differences on which a branch or a share depends, written out.

`x > y` is `x - y > 0`, and `x - logsumexp(y)` is `(x - max(y)) - log(sum(exp(y - max(y))))`: of
polynomials of data such a difference can be computed in all its digits.
"""

from __future__ import annotations

from ..analyses.bounds import Inference
from ..analyses.polynomials import Polynomials
from ..fold import apply
from ..ir import Apply, Expr, Reduce, levelled, postorder, reduce_like, with_parts
from .simplify import ZERO

ORDERS = frozenset(("lt", "le", "gt", "ge"))


def expose(root: Expr, facts: Inference) -> Expr:
    """The same value, with the differences of polynomials in it that decide written out."""
    known = Polynomials(facts)
    done: dict[Expr, Expr] = {}
    for term in postorder(root):
        parts = [done[p] for p in term.parts]
        done[term] = _difference(term, parts, known) or with_parts(term, parts)
    return root if done[root] == root else levelled(done[root])


def _difference(term: Expr, parts: list[Expr], known: Polynomials) -> Expr | None:
    """A term by the difference that decides it, of its parts as they are now, or None."""
    match term:
        case Apply(op="sub", args=(x, Reduce(op="logsumexp", body=body))):
            if known.is_lossy(apply("sub", (x, body))):
                return _beside_the_largest(*parts)
        case Apply(op=op, args=(x, y)) if op in ORDERS and ZERO not in (x, y):
            if known.is_lossy(apply("sub", (x, y))):
                return apply(op, (apply("sub", tuple(parts)), ZERO))
    return None


def _beside_the_largest(x: Expr, whole: Expr) -> Expr:
    """A term less a logsumexp, by how far each is from the largest."""
    assert isinstance(whole, Reduce)
    top = reduce_like(whole, "max", whole.body, whole.filter)
    gap = apply("sub", (whole.body, top))
    total = reduce_like(whole, "sum", apply("exp", (gap,)), whole.filter)
    return apply("sub", (apply("sub", (x, top)), apply("log", (total,))))
