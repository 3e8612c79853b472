"""Differences of reductions whose own parts cancel: their sums over all other places.

The slope of `sum[j](w[j] * x[j]) / norm[j](x[j])` has the numerator
`w[i] * sum[j](x[j]^2) - x[i] * sum[j](w[j] * x[j])`, whose terms at `j = i` cancel. Where `x[i]` is
the largest number by far, these two are the sums but for less than their last place, and what is
left is `w[i] * sum[j if j != i](x[j]^2) - x[i] * sum[j if j != i](w[j] * x[j])`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product as every

from ..analyses.bounds import Inference
from ..fold import apply, disjunction, select
from ..ir import (
    Apply,
    Bound,
    Const,
    Expr,
    Index,
    Position,
    Range,
    Reduce,
    Select,
    Size,
    postorder,
    range_of,
    substitute,
)
from ..ir import reduce as reduction
from ..passes.simplify import ZERO
from .cancel import without_cancelling
from .views import factors_of, product, terms_of, total

UNITY = Fraction(1)
Powers = Mapping[Expr, Fraction]


def without_deviations(term: Expr, facts: Inference) -> Expr:
    """A sum without the terms that are added up to 0: numbers less the mean of all of them."""
    indices = frozenset(term.indices) if isinstance(term, Reduce) else frozenset()
    if not isinstance(term, Reduce) or (term.filter is not None and term.filter.free & indices):
        return term
    number, factors = factors_of(term.body)
    inner = [(t, power) for t, power in factors if t.free & indices]
    if len(inner) != 1 or inner[0][1] != 1:
        return term
    left = _without_deviation(term, inner[0][0])
    if left is None:
        return term
    body = product(
        number, [(left, power) if t == inner[0][0] else (t, power) for t, power in factors]
    )
    return ZERO if left == ZERO else _over(term, body, term.filter)


def _without_deviation(whole: Reduce, body: Expr) -> Expr | None:
    """What is left of terms to be added up, without a number less the mean of such numbers."""
    terms = {t: n for n, t in terms_of(body)}
    for mean, number in terms.items():
        if not (isinstance(mean, Reduce) and mean.op == "mean" and mean.filter is None):
            continue
        if _ranges(mean) == _ranges(whole) and not mean.free & frozenset(whole.indices):
            each = _at(mean, whole.indices)
            if terms.get(each) == -number:
                return total([(n, t) for t, n in terms.items() if t not in (mean, each)])
    return None


def _over(whole: Reduce, body: Expr, filter: Expr | None, op: str = "") -> Expr:
    """A reduction over the indices of another one."""
    return reduction(op or whole.op, {b: b.range for b in whole.indices}, body, filter)


@dataclass(frozen=True, slots=True)
class _Part:
    """A number times a product of terms, of which one may be a sum over indices."""

    number: Fraction
    factors: tuple[tuple[Expr, Fraction], ...]
    over: Reduce | None = None

    def times(self, term: Expr) -> tuple[Fraction, Expr]:
        """The part with a term in place of its sum."""
        return self.number, product(UNITY, (*self.factors, (term, UNITY)))


def own_parts_apart(term: Expr, facts: Inference) -> Expr:
    """A difference of sums without the terms of them that cancel; else the term itself."""
    terms = terms_of(term)
    if len(terms) != 2:
        return term
    (m, a), (n, b) = ((number, _unguarded(t)) for number, t in terms)
    left = _left((m, a[1]), (n, b[1]))
    if left is None:
        return term
    of_a, of_b = total([(m, a[1])]), total([(n, b[1])])
    return _where(a[0], _where(b[0], left, of_a), _where(b[0], of_b, ZERO))


def _unguarded(term: Expr) -> tuple[Expr | None, Expr]:
    """A term that is 0 where a condition does not hold: the condition, and what it is else."""
    if isinstance(term, Select) and term.other == ZERO:
        return term.condition, term.then
    return None, term


def _where(condition: Expr | None, then: Expr, other: Expr) -> Expr:
    return then if condition is None else select(condition, then, other)


def _left(*terms: tuple[Fraction, Expr]) -> Expr | None:
    """The sum of two products, if there are sums in it whose own parts cancel."""
    found = [factors_of(t) for _, t in terms]
    powers = [dict(factors) for _, factors in found]
    common = {b: min(p.get(b, Fraction(0)) for p in powers) for p in powers for b in p}
    parts: list[_Part] = []
    for (scale, _), (number, _), mine in zip(terms, found, powers, strict=True):
        rest = {b: p - common[b] for b, p in _all(mine, common) if p != common[b]}
        opened = _opened(scale * number, rest)
        if opened is None:
            return None
        parts += opened
    below, parts = _common_out(parts)
    inner = _without_own(parts)
    if inner is None:
        return None
    return product(UNITY, [(inner, UNITY), *_nonzero(common), *_nonzero(below)])


def _common_out(parts: list[_Part]) -> tuple[Powers, list[_Part]]:
    """The least powers of all factors of parts, and the parts without them."""
    powers = [dict(p.factors) for p in parts]
    least = {b: min(p.get(b, Fraction(0)) for p in powers) for p in powers for b in p}
    inner = [tuple((b, p - least[b]) for b, p in _all(f, least) if p != least[b]) for f in powers]
    return least, [replace(p, factors=f) for p, f in zip(parts, inner, strict=True)]


def _all(mine: Powers, common: Powers) -> Iterator[tuple[Expr, Fraction]]:
    return ((b, mine.get(b, Fraction(0))) for b in common)


def _nonzero(powers: Powers) -> Iterator[tuple[Expr, Fraction]]:
    return ((b, p) for b, p in powers.items() if p)


def _opened(number: Fraction, rest: Powers) -> list[_Part] | None:
    """A product as a sum of products with one sum over indices each; None if it is none."""
    whole = [(b, p) for b, p in rest.items() if _sums_in(b, p)]
    plain = tuple((b, p) for b, p in rest.items() if not _sums_in(b, p))
    if len(whole) > 1:
        return None
    if not whole:
        return [_Part(number, plain)]
    return [
        _Part(number * n, (*plain, *f), over)
        for n, f, over in (_parted(n, t) for n, t in _sums_in(*whole[0]))
    ]


def _sums_in(base: Expr, power: Fraction) -> tuple[tuple[Fraction, Expr], ...]:
    """The power of a term as a sum that holds sums over indices; empty if it does not."""
    match base:
        case Reduce(op="sum" | "mean", filter=None) if power == 1:
            return ((UNITY, base),)
        case Reduce(op="norm", filter=None, indices=indices, body=body) if power == 2:
            return ((UNITY, Reduce("sum", indices, apply("pow", (body, Const(Fraction(2)))))),)
        case Reduce(op="std", filter=None) if power == 2:
            return ((UNITY, _mean_square(base)),)
        case Reduce(op="var", filter=None) if power == 1:
            return ((UNITY, _mean_square(base)),)
        case Apply(op="sqrt", args=(inside,)) if power == 2:
            terms = terms_of(inside)
            return terms if any(_parted(n, t)[2] is not None for n, t in terms) else ()
    return ()


def _mean_square(term: Reduce) -> Expr:
    """The mean of the squares of the distances from the mean."""
    apart = apply("sub", (term.body, Reduce("mean", term.indices, term.body)))
    return _over(term, apply("pow", (apart, Const(Fraction(2)))), None, "mean")


def _parted(
    number: Fraction, term: Expr
) -> tuple[Fraction, tuple[tuple[Expr, Fraction], ...], Reduce | None]:
    """A term as a number, factors, and a sum over indices."""
    match term:
        case Reduce(op="sum", filter=None):
            return number, (), term
        case Reduce(op="mean", filter=None, indices=(index,), body=body):
            size = _size(index)
            if size is not None:
                return number, ((size, -UNITY),), Reduce("sum", (index,), body)
    return number, ((term, UNITY),), None


def _size(index: Bound) -> Expr | None:
    """How many places an index has that runs over a whole axis."""
    axes = (axis for stop in index.range.stops for axis, _ in stop.sizes)
    return next((Size(axis) for axis in axes if Range.of(axis) == index.range), None)


def _without_own(parts: list[_Part]) -> Expr | None:
    """A sum of products by the other places of its sums, if their own parts cancel."""
    sums = [p.over for p in parts if p.over is not None]
    if not sums or any(_ranges(s) != _ranges(sums[0]) for s in sums):
        return None
    free = frozenset[Index]().union(*(t.free for p in parts for t, _ in p.factors))
    for places in _places(sums[0], free):
        at = [p.times(_at(p.over, places)) for p in parts if p.over is not None]
        own = total(at)
        left = without_cancelling(own)
        if len(at) > 1 and len(terms_of(left)) < len(at) and not _holds_sums(left):
            others = [p.times(_others(p.over, places)) for p in parts]
            return total([*terms_of(left), *others])
    return None


def _holds_sums(term: Expr) -> bool:
    """Whether something is left that is a matter of many places."""
    return any(isinstance(t, Reduce) for t in postorder(term))


def _ranges(term: Reduce) -> list[Range]:
    return [index.range for index in term.indices]


def _places(term: Reduce, free: Iterable[Index]) -> Iterator[tuple[Index, ...]]:
    """The free indices that run over the same ranges as those of a sum."""
    same = [[i for i in free if range_of(i) == b.range] for b in term.indices]
    return (places for places in every(*same) if len(set(places)) == len(places))


def _at(term: Reduce, places: tuple[Index, ...]) -> Expr:
    """A term of a sum."""
    named = {b: Position(i) for b, i in zip(term.indices, places, strict=True)}
    return substitute(term.body, named)


def _others(term: Reduce | None, places: tuple[Index, ...]) -> Expr:
    """A sum over all other places; 1 in place of none."""
    if term is None:
        return Const(UNITY)
    pairs = zip(term.indices, places, strict=True)
    apart = [apply("ne", (Position(b), Position(i))) for b, i in pairs]
    return _over(term, term.body, disjunction(apart))
