"""Terms by the work that they share: logsumexp and softmax are made of the same exponentials."""

from __future__ import annotations

from fractions import Fraction

from ..analyses.instances import is_instance
from ..fold import apply
from ..ir import Apply, Const, Expr, Reduce, Select

ZERO, ONE = Const(Fraction(0)), Const(Fraction(1))


def lowered(term: Expr) -> Expr | None:
    """The same value as a program computes it, or None where the term is computed as it is.

    `logsumexp(x)` is `log(total) + top` and `exp(x - logsumexp(x))`, which is softmax, is
    `exp(x - top) / total`; `total` is the sum of all `exp(x - top)`, and `top` the largest `x`.
    """
    match term:
        case Reduce(op="logsumexp", filter=None):
            top, total = _top(term), _total(term)
            empty = apply("eq", (total, ZERO))
            log = apply("log", (Select(empty, ONE, total),))
            return Select(empty, apply("neg", (Const("inf"),)), apply("add", (log, top)))
        case Apply(op="exp", args=(Apply(op="sub", args=(x, Reduce(op="logsumexp") as whole)),)):
            if is_instance(whole, x):
                return apply("div", (_exponential(x, whole), _total(whole)))
    return None


def _top(whole: Reduce) -> Expr:
    """The largest term of a logsumexp; 0 if that is infinite."""
    top = apply("stop_gradient", (Reduce("max", whole.indices, whole.body),))
    return Select(apply("isfinite", (top,)), top, ZERO)


def _total(whole: Reduce) -> Expr:
    """The sum of the exponentials, each of them at most 1.

    Its indices keep their levels: the next ones may be those of reductions around it.
    """
    return Reduce("sum", whole.indices, _exponential(whole.body, whole))


def _exponential(x: Expr, whole: Reduce) -> Expr:
    return apply("exp", (apply("sub", (x, _top(whole))),))
