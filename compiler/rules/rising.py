"""Differences of two values of lgamma or digamma whose arguments differ by a part of them.

`lgamma(a + n) - lgamma(a)` keeps no digit where a is large beside n. It is the logarithm of the
rising factorial, a primitive, and the difference of digamma is its slope:

    lgamma(a + n) - lgamma(a)      log_rising(a, n)
    digamma(a + n) - digamma(a)    digamma_rising(a, n)

So is each such pair in a longer sum, up to a common factor. If n may be negative, the function is
that of the smaller argument.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations

from ..analyses.bounds import Inference
from ..fold import apply, select
from ..ir import Apply, Expr
from ..passes.simplify import ZERO, minus
from .views import Factors, Terms, factors_of, product, terms_of, total

UNITY = Fraction(1)
RISING = {"lgamma": "log_rising", "digamma": "digamma_rising"}
# Sums of more terms are left as they are.
MOST_TERMS = 12
Part = tuple[int, Fraction, Factors, Apply]  # place in the sum, number, other factors, function


def rising_factorials(term: Expr, facts: Inference) -> Expr:
    """A sum with the pair that has the shortest step as a rising factorial; else the term."""
    terms = terms_of(term)
    if not 2 <= len(terms) <= MOST_TERMS:
        return term
    pairs = sorted(_pairs(list(_parts(terms)), facts), key=lambda pair: pair[0])
    if not pairs:
        return term
    _, left, places = pairs[0]
    return total([*(t for k, t in enumerate(terms) if k not in places), left])


def _parts(terms: Terms) -> Iterator[Part]:
    """The terms that are a function of the table times other factors."""
    for k, (number, core) in enumerate(terms):
        scale, factors = factors_of(core)
        for base, power in factors:
            if isinstance(base, Apply) and base.op in RISING and power == 1:
                others = tuple(f for f in factors if f[0] != base)
                yield k, number * scale, others, base


def _pairs(
    parts: list[Part], facts: Inference
) -> Iterator[tuple[tuple[int, bool], tuple[Fraction, Expr], tuple[int, int]]]:
    """The pairs that cancel, best first by their rank: what is left, and where they stand."""
    for (j, number, factors, upper), (k, other, same, lower) in permutations(parts, 2):
        if upper.op != lower.op or number != -other or frozenset(factors) != frozenset(same):
            continue
        (top,), (low,) = upper.args, lower.args
        step = total([*terms_of(top), *((-n, t) for n, t in terms_of(low))])
        length = len(terms_of(step))
        shares = length < len(terms_of(top)) + len(terms_of(low))
        if shares and length and not facts.of(step).nonpositive:
            rises = facts.of(step).nonnegative
            found = _rising(RISING[upper.op], low, top, step, rises)
            rank = length, not rises
            yield rank, (number, product(UNITY, [*factors, (found, UNITY)])), (j, k)


def _rising(op: str, low: Expr, top: Expr, step: Expr, rises: bool) -> Expr:
    """The function from one argument to another; downwards it is the negative from there."""
    up = apply(op, (low, step))
    if rises:
        return up
    return select(apply("ge", (step, ZERO)), up, minus(apply(op, (top, minus(step)))))
