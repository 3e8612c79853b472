"""Two sums of log-shares of unlike sign, over as many places: the differences of what is shared.

`sum[i if p](s - x) + sum[i if q](x - s)`, with `s = logsumexp[i](x)`, is the slope of a cross
entropy in the place that its target lies at, between two places of a grid. As many places are in
`p` as in `q` there, and what is left of the sum are differences of `x`:

    if count[i](p) == count[i](q) then sum[i if q](x) - sum[i if p](x) else as it stands
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from ..analyses.bounds import Inference
from ..fold import apply, select
from ..ir import INT, Expr, Reduce, reduce_like
from ..passes.simplify import minus, plus, times
from .softmax import flat, opened
from .views import Terms, factors_of, product, terms_of, total

UNITY = Fraction(1)
# Sums of more terms are left as they are.
MOST_TERMS = 4


@dataclass(frozen=True)
class _Sum:
    """`outside * sum[indices if filter](terms)`."""

    outside: Expr
    over: Reduce
    terms: Terms

    def shared(self) -> Iterator[tuple[Fraction, Expr]]:
        """The terms with a logsumexp that are the same at all places."""
        bound = frozenset(self.over.indices)
        for term in self.terms:
            bases = [base for base, _ in factors_of(term[1])[1]]
            logs = any(isinstance(b, Reduce) and b.op == "logsumexp" for b in bases)
            if logs and not term[1].free & bound:
                yield term

    def count(self) -> Expr:
        """How many terms are added up."""
        assert self.over.filter is not None
        return reduce_like(self.over, "count", self.over.filter, None, INT)

    def without(self, term: tuple[Fraction, Expr]) -> Expr:
        """The sum without one of its terms."""
        rest = total([t for t in self.terms if t != term])
        return times(self.outside, reduce_like(self.over, "sum", rest, self.over.filter))


def log_shares_apart(term: Expr, facts: Inference) -> Expr:
    """A sum without the logsumexp that two sums in it share as often; else the term itself."""
    terms = terms_of(term)
    if not 2 <= len(terms) <= MOST_TERMS:
        return term
    for pair in combinations(terms, 2):
        one, other = (_sum(*t) for t in pair)
        left = one and other and _left(one, other, facts)
        if left:
            condition, less = left
            rest = [t for t in terms if t not in pair]
            return total([*rest, (UNITY, select(condition, less, total(pair)))])
    return term


def _sum(number: Fraction, core: Expr) -> _Sum | None:
    """A term as a multiple of a sum over some places."""
    scale, factors = factors_of(core)
    for base, power in factors:
        if isinstance(base, Reduce) and base.op == "sum" and base.filter and power == 1:
            outside = product(number * scale, [f for f in factors if f[0] != base])
            return _Sum(outside, base, opened(*factors_of(base.body)))
    return None


def _left(one: _Sum, other: _Sum, facts: Inference) -> tuple[Expr, Expr] | None:
    """Where two sums are over as many places, and their sum there without what they share."""
    if [b.range for b in one.over.indices] != [b.range for b in other.over.indices]:
        return None
    condition = apply("eq", (one.count(), other.count()))
    if facts.fails(condition):
        return None
    for term in one.shared():
        wanted = flat(times(one.outside, total([term])))
        for taken in other.shared():
            if wanted and flat(minus(times(other.outside, total([taken])))) == wanted:
                return condition, plus(one.without(term), other.without(taken))
    return None
