"""Correlations of exponentials, which are those of what they are beside the largest.

The deviations `d = exp(x) - mean[i](exp(x))` may all be too small for floats, as the places of a
softmax are at which all logits are low; and they are lost where all logits are nearly the same. In
`sum[i](d * y) / (norm[i](d) * z)` neither their size is a matter nor what is added to `exp(x)`:
they are computed of `expm1(x - max[i](x))`, without the terms of `x` that all places have. The
largest counts as a number, for it is no matter either.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

from ..analyses.bounds import Inference
from ..fold import apply
from ..ir import Apply, Expr, Reduce, reduce_like
from ..passes.simplify import over
from .views import UNITY, Factors, body_at, factors_of, product, ranges_of, terms_of, total


def correlation_of_exponentials(term: Expr, _: Inference) -> Expr:
    """A quotient of a sum by a norm of exponentials beside the largest; else the term itself."""
    if not (isinstance(term, Apply) and term.op == "div"):
        return term
    number, below = factors_of(term.args[1])
    for k, (norm, power) in enumerate(below):
        if not (power == 1 and isinstance(norm, Reduce) and norm.op == "norm"):
            continue
        own = _beside_largest(norm)
        top = _with_other(term.args[0], norm, own) if own is not None else None
        if own is not None and top is not None:
            return over(top, product(number, _replaced(below, k, own)))
    return term


def _beside_largest(norm: Reduce) -> Reduce | None:
    """A norm of deviations of exponentials, by those beside the largest of them; else None."""
    terms = terms_of(norm.body)
    if norm.filter is not None or len(terms) != 2:
        return None
    for (plus, each), (minus, mean) in permutations(terms):
        if plus == 1 and minus == -1 and _is_mean_of(each, mean, norm):
            own = [t for t in terms_of(each.parts[0]) if t[1].free & set(norm.indices)]
            x = total(own)
            largest = apply("stop_gradient", (reduce_like(norm, "max", x),))
            less = apply("expm1", (apply("sub", (x, largest)),))
            return reduce_like(norm, "norm", apply("sub", (less, reduce_like(norm, "mean", less))))
    return None


def _is_mean_of(each: Expr, mean: Expr, norm: Reduce) -> bool:
    """Whether a term is the mean of another one, an exponential, over the indices of a norm."""
    if not (isinstance(each, Apply) and each.op == "exp" and isinstance(mean, Reduce)):
        return False
    if mean.op != "mean" or mean.filter is not None or mean.free & set(norm.indices):
        return False
    return ranges_of(mean) == ranges_of(norm) and body_at(mean, norm.indices) == each


def _with_other(top: Expr, norm: Reduce, own: Reduce) -> Expr | None:
    """A product with a sum that has what is in a norm, by what another has; None if it has none."""
    number, factors = factors_of(top)
    for k, (whole, power) in enumerate(factors):
        if not (power == 1 and isinstance(whole, Reduce) and whole.op == "sum"):
            continue
        if whole.filter is not None or ranges_of(whole) != ranges_of(norm):
            continue
        scale, inner = factors_of(whole.body)
        deviation = (body_at(norm, whole.indices), UNITY)
        if deviation in inner:
            other = body_at(own, whole.indices)
            body = product(scale, _replaced(inner, inner.index(deviation), other))
            return product(number, _replaced(factors, k, reduce_like(whole, "sum", body)))
    return None


def _replaced(factors: Factors, k: int, term: Expr) -> list[tuple[Expr, Fraction]]:
    return [*factors[:k], (term, UNITY), *factors[k + 1 :]]
