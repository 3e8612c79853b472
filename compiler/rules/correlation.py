"""Correlations of exponentials, which are those of their shares.

The deviations `d = exp(x) - mean[i](exp(x))` may all be too small for floats, as the places of a
softmax are at which all logits are low. In `sum[i](d * y) / (norm[i](d) * z)` their size is no
matter: it is computed of `exp(x - logsumexp[i](x)) - 1 / count[i](true)` in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations
from typing import TypeGuard

from ..analyses.bounds import Inference
from ..fold import apply
from ..ir import (
    INT,
    REAL,
    Apply,
    Bound,
    Const,
    Expr,
    Index,
    Kind,
    Position,
    Range,
    Reduce,
    substitute,
)
from ..ir import reduce as reduction
from ..passes.simplify import over
from .views import Factors, factors_of, product, terms_of

UNITY = Fraction(1)


def correlation_of_shares(term: Expr, _: Inference) -> Expr:
    """A quotient of a sum by a norm with the shares of exponentials in it; else the term itself."""
    if not (isinstance(term, Apply) and term.op == "div"):
        return term
    number, below = factors_of(term.args[1])
    for k, (norm, power) in enumerate(below):
        if power != 1 or not _is_over_all(norm, "norm"):
            continue
        shares = _shares(norm)
        top = _with_shares(term.args[0], norm, shares) if shares is not None else None
        if shares is not None and top is not None:
            bottom = _replaced(below, k, _over("norm", norm.indices, shares))
            return over(top, product(number, bottom))
    return term


def _with_shares(top: Expr, norm: Reduce, shares: Expr) -> Expr | None:
    """A product with a sum that has the deviations of a norm, by shares; None if it has none."""
    number, factors = factors_of(top)
    for k, (whole, power) in enumerate(factors):
        if power != 1 or not _is_over_all(whole, "sum") or not _is_alike(whole, norm):
            continue
        scale, inner = factors_of(whole.body)
        deviation = _at(norm.body, norm.indices, whole.indices)
        for n, (part, exponent) in enumerate(inner):
            if part == deviation and exponent == 1:
                own = _at(shares, norm.indices, whole.indices)
                body = product(scale, _replaced(inner, n, own))
                return product(number, _replaced(factors, k, _over("sum", whole.indices, body)))
    return None


def _shares(norm: Reduce) -> Expr | None:
    """The deviations of a norm by the shares of the exponentials; None if they are no such."""
    terms = terms_of(norm.body)
    for (plus, each), (minus, mean) in permutations(terms) if len(terms) == 2 else ():
        if plus != 1 or minus != -1 or not (isinstance(each, Apply) and each.op == "exp"):
            continue
        if not _is_over_all(mean, "mean") or not _is_alike(mean, norm):
            continue
        if not mean.free & set(norm.indices) and _at(mean.body, mean.indices, norm.indices) == each:
            (x,) = each.args
            share = apply("exp", (apply("sub", (x, _over("logsumexp", norm.indices, x))),))
            count = _over("count", norm.indices, Const(True), INT)
            return apply("sub", (share, over(Const(UNITY), count)))
    return None


def _is_over_all(term: Expr, op: str) -> TypeGuard[Reduce]:
    return isinstance(term, Reduce) and term.op == op and term.filter is None


def _is_alike(a: Reduce, b: Reduce) -> bool:
    """Whether two reductions run over the same ranges."""
    return [i.range for i in a.indices] == [i.range for i in b.indices]


def _at(term: Expr, old: Sequence[Bound], new: Sequence[Bound]) -> Expr:
    return substitute(term, {a: Position(b) for a, b in zip(old, new, strict=True)})


def _over(op: str, indices: Sequence[Bound], body: Expr, kind: Kind = REAL) -> Expr:
    spans: dict[Index, Range] = {b: b.range for b in indices}
    return reduction(op, spans, body, None, kind)


def _replaced(factors: Factors, k: int, term: Expr) -> list[tuple[Expr, Fraction]]:
    return [*factors[:k], (term, UNITY), *factors[k + 1 :]]
