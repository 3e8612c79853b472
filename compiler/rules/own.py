"""Differences of reductions whose own parts cancel: their sums over all other places.

The slope of `sum[j](w[j] * x[j]) / norm[j](x[j])` has the numerator
`w[i] * sum[j](x[j]^2) - x[i] * sum[j](w[j] * x[j])`, whose terms at `j = i` cancel. Where `x[i]` is
the largest number by far, these two are the sums but for less than their last place, and what is
left is `w[i] * sum[j if j != i](x[j]^2) - x[i] * sum[j if j != i](w[j] * x[j])`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from itertools import product as every
from typing import TypeGuard

from ..analyses.bounds import Inference
from ..fold import apply, conjunction, disjunction, select
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
    reduce_like,
    with_parts,
)
from ..passes.simplify import ZERO
from .cancel import without_cancelling
from .views import body_at, factors_of, product, ranges_of, terms_of, total

UNITY = Fraction(1)
# Of sums of more terms no pairs are tried.
MOST_TERMS = 4
Powers = Mapping[Expr, Fraction]


def without_deviations(term: Expr, facts: Inference) -> Expr:
    """A sum without the terms that are added up to 0: numbers less the mean of all of them."""
    indices = frozenset(term.indices) if isinstance(term, Reduce) else frozenset()
    if not isinstance(term, Reduce) or (term.filter is not None and term.filter.free & indices):
        return term
    left = _left_to_add(term, term.body)
    if left is None:
        return term
    return ZERO if left == ZERO else reduce_like(term, term.op, left, term.filter)


def _left_to_add(whole: Reduce, body: Expr) -> Expr | None:
    """A product, or a sum of products, without what a sum of it has for 0; None if there is none.

    A sum within may be taken after the whole one, if its places are the same for all of that.
    """
    indices = frozenset(whole.indices)
    number, factors = factors_of(body)
    inner = [(t, power) for t, power in factors if t.free & indices]
    if len(inner) != 1 or inner[0][1] != 1:
        return None
    ((part, _),) = inner
    left = _without_deviation(whole, part)
    if left is None and isinstance(part, Reduce) and part.op in ("sum", "mean"):
        left = _left_within(whole, part)
    if left is None or left == ZERO:
        return left
    return product(number, [(left, n) if t == part else (t, n) for t, n in factors])


def _left_within(whole: Reduce, part: Reduce) -> Expr | None:
    """What is left to add of a sum that has the same places for all of the whole one."""
    if part.filter is not None and part.filter.free & frozenset(whole.indices):
        return None
    left = _left_to_add(whole, part.body)
    return left if left is None or left == ZERO else with_parts(part, [left, *part.parts[1:]])


def _without_deviation(whole: Reduce, body: Expr) -> Expr | None:
    """What is left of terms to be added up, without a number less the mean of such numbers."""
    terms = {t: n for n, t in terms_of(body)}
    for mean, number in terms.items():
        if not (isinstance(mean, Reduce) and mean.op == "mean" and mean.filter is None):
            continue
        if ranges_of(mean) == ranges_of(whole) and not mean.free & frozenset(whole.indices):
            each = body_at(mean, whole.indices)
            if terms.get(each) == -number:
                return total([(n, t) for t, n in terms.items() if t not in (mean, each)])
    return None


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
    """A sum, of two terms of it without the parts of them that cancel; else the term itself."""
    terms = terms_of(term)
    if len(terms) > MOST_TERMS:
        return term
    for pair in combinations(terms, 2):
        left = _left_of_pair(*pair)
        if left is not None:
            return total([*(t for t in terms if t not in pair), (UNITY, left)])
    return term


def _left_of_pair(one: tuple[Fraction, Expr], other: tuple[Fraction, Expr]) -> Expr | None:
    """The sum of two terms without the parts that cancel, if there are any."""
    (m, a), (n, b) = ((number, _unguarded(t)) for number, t in (one, other))
    left = _left((m, a[1]), (n, b[1]))
    if left is None:
        return None
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
    plain = [(scale * number, dict(f)) for scale, t in terms for number, f in [factors_of(t)]]
    hoisted = [_hoisted(*part) for part in plain]
    left = _left_of_products(plain)
    return _left_of_products(hoisted) if left is None and hoisted != plain else left


def _left_of_products(terms: Sequence[tuple[Fraction, Powers]]) -> Expr | None:
    powers = [factors for _, factors in terms]
    common = {b: min(p.get(b, Fraction(0)) for p in powers) for p in powers for b in p}
    rests = [{b: p - common[b] for b, p in _all(f, common) if p != common[b]} for f in powers]
    numbers = [number for number, _ in terms]
    for sums in every(*map(_to_open, rests)):
        each = [_opened(*x) for x in zip(numbers, rests, sums, strict=True)]
        below, parts = _common_out([part for parts in each for part in parts])
        inner = _without_own(parts)
        if inner is not None:
            return product(UNITY, [(inner, UNITY), *_nonzero(common), *_nonzero(below)])
    return None


def _hoisted(number: Fraction, factors: Powers) -> tuple[Fraction, Powers]:
    """A product, with what is the same in all terms of a sum in front of the sum."""
    found: dict[Expr, Fraction] = {}
    for base, power in factors.items():
        outside: list[tuple[Expr, Fraction]] = []
        if power == 1 and _is_open(base):
            scale, inner = factors_of(base.body)
            inside = [f for f in inner if f[0].free & frozenset(base.indices)]
            if inside:
                outside = [f for f in inner if f not in inside]
                base = replace(base, body=product(UNITY, inside))
                number *= scale
        for b, p in ((base, power), *outside):
            found[b] = found.get(b, Fraction(0)) + p
    return number, {b: p for b, p in found.items() if p}


def _is_open(term: Expr) -> TypeGuard[Reduce]:
    """Whether a term is a sum over all indices, or over all but those at which it adds up 0."""
    if not (isinstance(term, Reduce) and term.op == "sum"):
        return False
    match term.filter:
        case None:
            return True
        case Apply(op="ne", args=(x, Const(value=Fraction() as number))) if number == 0:
            return x in dict(factors_of(term.body)[1])
    return False


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


def _to_open(rest: Powers) -> list[Expr | None]:
    """The factors that are sums over indices, one of which is to be opened; none of none."""
    return [b for b, p in rest.items() if _sums_in(b, p)] or [None]


def _opened(number: Fraction, rest: Powers, whole: Expr | None) -> list[_Part]:
    """A product as a sum of products with one sum over indices each, of one of its factors."""
    if whole is None:
        return [_Part(number, tuple(rest.items()))]
    plain = tuple((b, p) for b, p in rest.items() if b != whole)
    return [
        _Part(number * n, (*plain, *f), over)
        for n, f, over in (_parted(n, t) for n, t in _sums_in(whole, rest[whole]))
    ]


def _sums_in(base: Expr, power: Fraction) -> tuple[tuple[Fraction, Expr], ...]:
    """The power of a term as a sum that holds sums over indices; empty if it does not."""
    if power == 1 and _is_open(base):
        return ((UNITY, base),)
    match base:
        case Reduce(op="mean", filter=None) if power == 1:
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
    return reduce_like(term, "mean", apply("pow", (apart, Const(Fraction(2)))))


def _parted(
    number: Fraction, term: Expr
) -> tuple[Fraction, tuple[tuple[Expr, Fraction], ...], Reduce | None]:
    """A term as a number, factors, and a sum over indices."""
    if _is_open(term):
        return number, (), term
    match term:
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
    if not sums or any(ranges_of(s) != ranges_of(sums[0]) for s in sums):
        return None
    free = frozenset[Index]().union(*(t.free for p in parts for t, _ in p.factors))
    for places in _places(sums[0], free):
        at = [p.times(body_at(p.over, places)) for p in parts if p.over is not None]
        own = total(at)
        left = without_cancelling(own)
        if len(at) > 1 and len(terms_of(left)) < len(at) and not _holds_sums(left):
            others = [p.times(_others(p.over, places)) for p in parts]
            return total([*terms_of(left), *others])
    return None


def _holds_sums(term: Expr) -> bool:
    """Whether something is left that is a matter of many places."""
    return any(isinstance(t, Reduce) for t in postorder(term))


def _places(term: Reduce, free: Iterable[Index]) -> Iterator[tuple[Index, ...]]:
    """The free indices that run over the same ranges as those of a sum."""
    same = [[i for i in free if range_of(i) == b.range] for b in term.indices]
    return (places for places in every(*same) if len(set(places)) == len(places))


def _others(term: Reduce | None, places: tuple[Index, ...]) -> Expr:
    """A sum over all other places; 1 in place of none."""
    if term is None:
        return Const(UNITY)
    pairs = zip(term.indices, places, strict=True)
    apart = [apply("ne", (Position(b), Position(i))) for b, i in pairs]
    others = disjunction(apart)
    chosen = others if term.filter is None else conjunction((others, term.filter))
    return reduce_like(term, term.op, term.body, chosen)
