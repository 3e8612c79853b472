"""Correlations of exponentials, which are those of their shares.

The deviations `d = exp(x) - mean[i](exp(x))` may all be too small for floats, as the places of a
softmax are at which all logits are low. In `sum[i](d * y) / (norm[i](d) * z)` their size is no
matter: it is computed of `exp(x - logsumexp[i](x)) - 1 / count[i](true)` in their place.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

from ..analyses.bounds import Inference
from ..fold import apply
from ..ir import INT, Apply, Const, Expr, Reduce, reduce_like
from ..passes.simplify import ONE, over
from .views import UNITY, Factors, body_at, factors_of, product, ranges_of, terms_of


def correlation_of_shares(term: Expr, _: Inference) -> Expr:
    """A quotient of a sum by a norm with the shares of exponentials in it; else the term itself."""
    if not (isinstance(term, Apply) and term.op == "div"):
        return term
    number, below = factors_of(term.args[1])
    for k, (norm, power) in enumerate(below):
        if not (power == 1 and isinstance(norm, Reduce) and norm.op == "norm"):
            continue
        own = _of_shares(norm)
        top = _with_shares(term.args[0], norm, own) if own is not None else None
        if own is not None and top is not None:
            return over(top, product(number, _replaced(below, k, own)))
    return term


def _of_shares(norm: Reduce) -> Reduce | None:
    """The norm of shares less their mean, for one of deviations of exponentials; else None."""
    terms = terms_of(norm.body)
    if norm.filter is not None or len(terms) != 2:
        return None
    for (plus, each), (minus, mean) in permutations(terms):
        if plus == 1 and minus == -1 and _is_mean_of(each, mean, norm):
            (x,) = each.parts
            share = apply("exp", (apply("sub", (x, reduce_like(norm, "logsumexp", x))),))
            count = reduce_like(norm, "count", Const(True), None, INT)
            return reduce_like(norm, "norm", apply("sub", (share, over(ONE, count))))
    return None


def _is_mean_of(each: Expr, mean: Expr, norm: Reduce) -> bool:
    """Whether a term is the mean of another one, an exponential, over the indices of a norm."""
    if not (isinstance(each, Apply) and each.op == "exp" and isinstance(mean, Reduce)):
        return False
    if mean.op != "mean" or mean.filter is not None or mean.free & set(norm.indices):
        return False
    return ranges_of(mean) == ranges_of(norm) and body_at(mean, norm.indices) == each


def _with_shares(top: Expr, norm: Reduce, own: Reduce) -> Expr | None:
    """A product with a sum that has what is in a norm, by shares; None if it has none."""
    number, factors = factors_of(top)
    for k, (whole, power) in enumerate(factors):
        if not (power == 1 and isinstance(whole, Reduce) and whole.op == "sum"):
            continue
        if whole.filter is not None or ranges_of(whole) != ranges_of(norm):
            continue
        scale, inner = factors_of(whole.body)
        deviation = (body_at(norm, whole.indices), UNITY)
        if deviation in inner:
            share = body_at(own, whole.indices)
            body = product(scale, _replaced(inner, inner.index(deviation), share))
            return product(number, _replaced(factors, k, reduce_like(whole, "sum", body)))
    return None


def _replaced(factors: Factors, k: int, term: Expr) -> list[tuple[Expr, Fraction]]:
    return [*factors[:k], (term, UNITY), *factors[k + 1 :]]
