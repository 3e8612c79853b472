"""Sums over samples of a softmax, less those of the labels: each sample's label beside its share.

The derivative of a cross entropy in what all samples share is a difference of sums over samples,
`sum[b](p[b, k] * w[b, k]) - sum[b if y[b] == k](w[b, k])`. Where all that count are of one label,
their shares are 1 but for less than the last place. Computed is, of each sample whose label is `k`,
the sum of its other shares:

    sum[b](w[b, k] * (if y[b] == k then -sum[j if j != k](p[b, j]) else p[b, k]))

A sum whose label is the sample itself, `sum[b](p[b, k] * u[b]) - u[k]`, is one of those too. So is
the derivative in what makes the logits, `sum[k](p[k] * w[k]) - w[y]`, over the softmax's places:

    sum[k](w[k] * (if k == y then -sum[j if j != y](p[j]) else p[k]))
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from ..analyses.bounds import Inference
from ..analyses.instances import places_of
from ..fold import apply, select
from ..ir import (
    Apply,
    Const,
    Expr,
    Index,
    Position,
    Reduce,
    Select,
    range_of,
    reduce_like,
    substitute,
)
from ..passes.simplify import ZERO, minus, times
from .conditions import implied, place_of
from .softmax import Share, flat, indicated, shares_of
from .views import factors_of, filtered_sum, product, terms_of, total

UNITY = Fraction(1)
# Sums of more terms are left as they are.
MOST_TERMS = 8


@dataclass(frozen=True)
class _Shares:
    """`outside * sum[indices if filter](weight * share)`, the share at a free index."""

    outside: Expr
    over: Reduce
    share: Share
    weight: Expr

    @property
    def place(self) -> Index | None:
        """The free index at which the softmax stands."""
        (at,) = self.share.places.values()
        own = isinstance(at, Position) and at.index not in self.over.indices
        return at.index if own and isinstance(at, Position) else None

    def less(self, condition: Expr, label: Expr) -> Expr:
        """The sum, of the share less 1 where a condition holds, in which it stands at a label."""
        (own,) = self.share.places
        others = Share(self.share.term, self.share.whole, {own: label}).complement
        body = times(self.weight, select(condition, minus(others), self.share.term))
        if self.over.filter is not None:
            alone = select(condition, minus(self.weight), ZERO)
            body = select(self.over.filter, body, alone)
        return times(self.outside, reduce_like(self.over, "sum", body))


def labels_beside_shares(term: Expr, facts: Inference) -> Expr:
    """A sum with sums of shares and of labels over the same samples as one; else the term."""
    terms = terms_of(term)
    if not 2 <= len(terms) <= MOST_TERMS:
        return term
    for k, (number, core) in enumerate(terms):
        for shares in _shares(number, core, facts):
            for j, (other, label) in enumerate(terms):
                left = None if j == k else _less(shares, times(Const(other), label))
                if left is not None:
                    rest = [t for i, t in enumerate(terms) if i not in (j, k)]
                    return total([*rest, (UNITY, left)])
    return term


def label_beside_share(term: Expr, facts: Inference) -> Expr:
    """A sum with a softmax and, in a branch, what is less for its label; else the term itself.

    `p[k] * w[k] - (if y == k then w[y] else 0)` is 1 less than 1 at the label of a sample that is
    sure, `w[k] * (if y == k then -sum[j if j != y](p[j]) else p[k])` loses nothing.
    """
    terms = terms_of(term)
    if not 2 <= len(terms) <= MOST_TERMS:
        return term
    for k, (number, core) in enumerate(terms):
        condition, inner = _guarded(core)
        for share, weights in shares_of(number, inner):
            for j, (other, label) in enumerate(terms):
                if j == k or not share.is_in(facts):
                    continue
                taken = times(Const(other), label)
                left = _less_label(share, total(weights), condition, taken, facts)
                if left is not None:
                    rest = [t for i, t in enumerate(terms) if i not in (j, k)]
                    return total([*rest, (UNITY, left)])
    return term


def label_inside_mean(term: Expr, facts: Inference) -> Expr:
    """`sum[k](p[k] * w[k]) - w[y]` with the label among the weights; else the term itself."""
    terms = terms_of(term)
    if not 2 <= len(terms) <= MOST_TERMS:
        return term
    for k, (number, core) in enumerate(terms):
        for mean in _means(number, core, facts):
            for j, (other, label) in enumerate(terms):
                left = None if j == k else _with_label(mean, times(Const(-other), label))
                if left is not None:
                    rest = [t for i, t in enumerate(terms) if i not in (j, k)]
                    return total([*rest, (UNITY, left)])
    return term


def _means(number: Fraction, core: Expr, facts: Inference) -> Iterator[_Shares]:
    """The sums over the places of a softmax with it as weights that a term is a multiple of."""
    for found in _sums_of_shares(number, core):
        places = [Position(i) for i in found.over.indices]
        whole = found.over.filter is None and places == [*found.share.places.values()]
        if whole and len(places) == 1 and found.share.is_in(facts):
            yield found


def _with_label(mean: _Shares, label: Expr) -> Expr | None:
    """A mean less the same at one place, if that is what a term is."""
    whole = times(mean.outside, mean.weight)
    (index,) = mean.over.indices
    if index not in whole.free:
        return None
    places = places_of(reduce_like(mean.over, "sum", whole), label)
    if places is None:
        return None
    (place,) = places.values()
    at = apply("eq", (place, Position(index)))
    (own,) = mean.share.places
    others = Share(mean.share.term, mean.share.whole, {own: place}).complement
    body = times(mean.weight, select(at, minus(others), mean.share.term))
    return times(mean.outside, reduce_like(mean.over, "sum", body))


def _guarded(term: Expr) -> tuple[Expr | None, Expr]:
    """A term that is 0 where a condition does not hold: the condition, and what it is else."""
    if isinstance(term, Select) and term.other == ZERO:
        return term.condition, term.then
    return None, term


def _less_label(
    share: Share, weight: Expr, guard: Expr | None, term: Expr, facts: Inference
) -> Expr | None:
    """What is left of a softmax times a weight, where the guard holds, and of its label."""
    found = indicated(term)
    if found is None or len(share.places) != 1:
        return None
    condition, value = found
    ((own, at),) = share.places.items()
    place = _label(condition, at.index) if isinstance(at, Position) else None
    if not (isinstance(at, Position) and place is not None):
        return None
    label = {at.index: place}
    if not _cancel(substitute(weight, label), substitute(value, label)):
        return None
    others = Share(share.term, share.whole, {own: place}).complement
    left = times(weight, select(condition, minus(others), share.term))
    if guard is None:
        return left
    return select(guard, left, ZERO if implied(guard, condition, facts) else term)


def _shares(number: Fraction, core: Expr, facts: Inference) -> Iterator[_Shares]:
    """The sums over samples with a softmax in them that a term is a multiple of."""
    for found in _sums_of_shares(number, core):
        alone = len(found.share.places) == 1 and found.share.is_in(facts)
        if alone and found.place is not None:
            yield found


def _sums_of_shares(number: Fraction, core: Expr) -> Iterator[_Shares]:
    """The sums with a softmax as a factor that a term is a multiple of."""
    scale, factors = factors_of(core)
    for base, power in factors:
        if power != 1 or not (isinstance(base, Reduce) and base.op == "sum"):
            continue
        outside = product(number * scale, [f for f in factors if f[0] != base])
        for share, weights in shares_of(UNITY, base.body):
            yield _Shares(outside, base, share, total(weights))


def _less(shares: _Shares, label: Expr) -> Expr | None:
    """What is left of a sum of shares and of a term that holds the labels."""
    for condition, place, value in _labels(shares, label):
        assert shares.place is not None
        at = {shares.place: place}
        taken = times(shares.outside, shares.weight)
        if _cancel(substitute(taken, at), substitute(value, at)):
            return shares.less(condition, place)
    return None


def _cancel(one: Expr, other: Expr) -> bool:
    """Whether two terms are known to add up to 0."""
    wanted = flat(one)
    return wanted is not None and wanted == flat(minus(other))


def _labels(shares: _Shares, term: Expr) -> Iterator[tuple[Expr, Expr, Expr]]:
    """How a term can hold labels: where a sample has the label, which it is, and what it adds."""
    assert shares.place is not None
    for index in shares.over.indices:
        if len(shares.over.indices) == 1 and range_of(shares.place) == index.range:
            yield (apply("eq", (Position(index), Position(shares.place))), Position(index), term)
    number, factors = factors_of(term)
    for base, power in factors:
        found = filtered_sum(base, shares.over.indices) if power == 1 else None
        label = found and _label(found[0], shares.place)
        if found and label:
            outside = product(number, [f for f in factors if f[0] != base])
            yield found[0], label, times(outside, found[1])


def _label(condition: Expr, place: Index) -> Expr | None:
    """What an index is where a condition holds."""
    if not isinstance(condition, Apply):
        return None
    if condition.op == "and":
        return next((x for c in condition.args if (x := _label(c, place)) is not None), None)
    return place_of(condition, place)
