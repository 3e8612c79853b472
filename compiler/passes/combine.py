"""Sums of quotients as one quotient, where what is left of its numerator would be lost.

`2 p u / q - p^2 v / q^2` is `p / q^2 * (2 u q - p v)`: if the quotients cancel, so does the
polynomial, and that can be computed in all its digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import reduce as fold
from itertools import islice, zip_longest
from typing import NamedTuple, TypeGuard

from ..analyses.bounds import Inference
from ..analyses.polynomials import Polynomials
from ..fold import apply, conjunction, select
from ..ir import (
    REAL,
    Apply,
    Expr,
    Index,
    Range,
    Reduce,
    Select,
    Symbol,
    levelled,
    rebuild,
    reduce,
    reduce_like,
)
from ..rules.views import UNITY, body_at, factors_of, product, ranges_of, scaled, terms_of, total
from .simplify import ONE, ZERO

NONE = Fraction(0)
# How many addends there may be: products of sums have many.
MOST = 24
Powers = dict[Expr, Fraction]


class Addend(NamedTuple):
    """A number times powers of terms where some conditions hold, else 0."""

    conditions: tuple[Expr, ...]
    number: Fraction
    powers: Powers

    def over(self, common: Powers) -> tuple[Fraction, Expr]:
        """A sign and what is left of an addend if common powers stand outside of it."""
        bases = {**common, **self.powers}
        left = [(b, self.powers.get(b, NONE) - common.get(b, NONE)) for b in bases]
        core = product(abs(self.number), [(b, power) for b, power in left if power])
        sign = Fraction(1 if self.number > 0 else -1)
        return sign, fold(lambda inner, c: select(c, inner, ZERO), self.conditions, core)


def combine(root: Expr, facts: Inference) -> Expr:
    """The same value, with sums of quotients as one quotient where its numerator may cancel."""
    known = Polynomials(facts)

    def visit(term: Expr) -> Expr | None:
        if not _is_addition(term):
            return None
        return _one_quotient(term, known) or _one_sum(term, known)

    value = rebuild(root, visit)
    return root if value == root else levelled(value)


def _one_quotient(term: Expr, known: Polynomials) -> Expr | None:
    """A sum of quotients as a product of what they have in common and a polynomial.

    Where one is divided by 0 it stays as it is: that may count nowhere, or with another sign.
    """
    return _over_one(term, known, False) or _over_one(term, known, True)


def _over_one(term: Expr, known: Polynomials, every: bool) -> Expr | None:
    """A sum over one denominator, with `every` sum that is divided multiplied out."""
    parts = (a for addend in _addends(term) for a in _distributed(addend, every))
    addends = [_with_common(a) for a in islice(parts, MOST + 1)]
    if len(addends) > MOST:
        return None
    bases = dict.fromkeys(base for a in addends for base in a.powers)
    common = {b: min(a.powers.get(b, NONE) for a in addends) for b in bases}
    below = [base for base, power in common.items() if power < 0]
    if not below or any(power.denominator != 1 for power in common.values()):
        return None
    numerator = total([a.over(common) for a in addends])
    if not known.is_lossy(numerator):
        return None
    sure = conjunction(apply("ne", (b, ZERO)) for b in below if 0 in known.facts.of(b))
    return select(sure, _in_turn(numerator, common), term)


def _in_turn(numerator: Expr, powers: Powers) -> Expr:
    """A term divided and multiplied in turn by one factor after the other.

    All of them together may leave the range of floats where the result does not.
    """
    above, below = (
        [b for b, power in powers.items() for _ in range(int(sign * power))] for sign in (1, -1)
    )
    whole = numerator
    for divisor, factor in zip_longest(below, above, fillvalue=ONE):
        whole = whole if divisor == ONE else Apply("div", (whole, divisor))
        whole = whole if factor == ONE else Apply("mul", (whole, factor))
    return whole


def _one_sum(term: Expr, known: Polynomials) -> Expr | None:
    """Sums over the same places as one sum of quotients, beside what else is added."""
    addends = list(_addends(term))
    sums = [(a, whole) for a in addends for whole in a.powers if _is_sum(whole) and _is_alone(a)]
    if len(sums) < 2 or len({tuple(ranges_of(whole)) for _, whole in sums}) > 1:
        return None
    first = sums[0][1]
    places = [Symbol(b.name, uid=k + 1) for k, b in enumerate(first.indices)]
    bodies = [a._replace(powers={body_at(whole, places): UNITY}).over({}) for a, whole in sums]
    quotient = _one_quotient(total(bodies), known)
    if quotient is None:
        return None
    ranges: dict[Index, Range] = dict(zip(places, ranges_of(first), strict=True))
    merged = [a for a, _ in sums]
    others = [a.over({}) for a in addends if a not in merged]
    return total([*others, (UNITY, reduce("sum", ranges, quotient))])


def _addends(term: Expr) -> Iterator[Addend]:
    """The addends of a sum."""
    for number, part in terms_of(term):
        conditions: list[Expr] = []
        while isinstance(part, Select) and part.other == ZERO:
            conditions.append(part.condition)
            factor, part = scaled(part.then)
            number *= factor
        factor, factors = factors_of(part)
        yield Addend(tuple(conditions), number * factor, dict(factors))


def _distributed(addend: Addend, every: bool) -> Iterator[Addend]:
    """An addend; if quotients are added up in one of its factors, as a product with each.

    If `every`, what is a quotient itself is multiplied out too.
    """
    wanted = every and _is_quotient(addend)
    for base, power in addend.powers.items():
        inner = [*_addends(base)] if power == 1 and _is_addition(base) else []
        if inner and (wanted or any(map(_is_quotient, inner))):
            rest = {b: p for b, p in addend.powers.items() if b != base}
            for part in inner:
                conditions = (*addend.conditions, *part.conditions)
                powers = _joined(rest, part.powers)
                product = Addend(conditions, addend.number * part.number, powers)
                yield from _distributed(product, every)
            return
    yield addend


def _with_common(addend: Addend) -> Addend:
    """An addend, with what the terms of a sum in it have in common outside of the sum."""
    number, found = addend.number, Powers()
    for base, power in addend.powers.items():
        if power == 1 and _is_sum(base):
            factor, factors = factors_of(base.body)
            bound = frozenset(base.indices)
            inside = product(UNITY, [(b, p) for b, p in factors if b.free & bound])
            outside = {b: p for b, p in factors if not b.free & bound}
            number *= factor
            found = _joined(_joined(found, outside), {reduce_like(base, "sum", inside): UNITY})
        else:
            found = _joined(found, {base: power})
    return Addend(addend.conditions, number, found)


def _joined(a: Powers, b: Powers) -> Powers:
    """The powers of a product of two products."""
    return {base: a.get(base, NONE) + b.get(base, NONE) for base in {**a, **b}}


def _is_addition(term: Expr) -> bool:
    return isinstance(term, Apply) and term.op in ("add", "sub") and term.kind == REAL


def _is_sum(term: Expr) -> TypeGuard[Reduce]:
    return isinstance(term, Reduce) and term.op == "sum" and term.filter is None


def _is_quotient(addend: Addend) -> bool:
    return any(power < 0 for power in addend.powers.values())


def _is_alone(addend: Addend) -> bool:
    return [*addend.powers.values()] == [UNITY]
